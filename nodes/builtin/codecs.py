"""What only a codec can do: it comes with the package `av`, FFmpeg's libraries."""

from importlib import import_module
from io import BytesIO
from typing import Annotated, Any

import numpy as np
import torch
from torch import Tensor

from nodes.builtin.checks import has_colours
from nodes.diffusion.values import Image
from nodes.spec import Context, Int, NodeError, Out, Socket, node

EVEN = 2  # sides of frames in which colours are kept at half the size


@node("LTXVPreprocess", category="image")
def ltxv_preprocess(
    ctx: Context,
    image: Annotated[Image, Socket("IMAGE")],
    img_compression: Annotated[int, Int(minimum=0, maximum=100)] = 35,
) -> Annotated[Image, Out("IMAGE", "output_image")]:
    """Pictures with the marks that compression leaves in videos: LTX Video moves such ones better. 0: as they are.

    Sides are cut to even lengths.
    """
    if img_compression == 0:
        return image
    has_colours(image, "image")
    if min(image.shape[1:3]) < EVEN:
        raise NodeError("image is a single pixel high or wide.", "Use a larger picture.")
    library = codecs()
    made: list[Tensor] = []
    for picture in image:
        made.append(_compressed(library, picture[..., :3], img_compression))
        ctx.progress(len(made), len(image))
    return torch.stack(made)


def codecs() -> Any:
    """The package `av`.

    Raises:
        NodeError: it is not installed.
    """
    try:
        return import_module("av")
    except ModuleNotFoundError as error:
        raise NodeError(
            "This node needs the package av, which is not installed.",
            "Install it (`pip install av`), then start Weft again.",
        ) from error


def _compressed(library: Any, picture: Tensor, strength: int) -> Tensor:
    """One picture [height width 3] as the only frame of an H.264 video, decoded again.

    Args:
        strength: its constant rate factor.
    """
    height, width = (side // EVEN * EVEN for side in picture.shape[:2])
    pixels = (picture[:height, :width].cpu().float().numpy() * 255.0).clip(0, 255).astype(np.uint8)
    video = BytesIO()
    with library.open(video, "w", format="mp4") as container:
        stream = container.add_stream("libx264", rate=1, options={"crf": str(strength), "preset": "veryfast"})
        stream.width, stream.height = width, height
        frame = library.VideoFrame.from_ndarray(pixels, format="rgb24").reformat(format="yuv420p")
        container.mux(stream.encode(frame))
        container.mux(stream.encode())
    video.seek(0)
    with library.open(video) as container:
        decoded = next(container.decode(video=0)).to_ndarray(format="rgb24")
    return torch.from_numpy(decoded).float() / 255.0


NODES = (ltxv_preprocess,)

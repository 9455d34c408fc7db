"""What only a codec can do: it comes with the package `av`, FFmpeg's libraries."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from importlib import import_module
from io import BytesIO
from pathlib import Path
from typing import Annotated, Any

import numpy as np
import torch
from torch import Tensor

from nodes.builtin.checks import has_colours
from nodes.diffusion.values import Image
from nodes.spec import Context, Int, NodeError, Out, Socket, node

EVEN = 2  # sides of frames in which colours are kept at half the size
# What FFmpeg may take a file for: no lists of other files and no addresses, whatever a file says.
READABLE = (
    "mov,mp4,m4a,3gp,3g2,mj2", "matroska,webm", "wav", "w64", "flac", "ogg", "mp3", "aac", "ac3", "aiff", "au", "caf",
    "amr", "asf", "avi", "flv", "mpeg", "mpegts", "mpegvideo", "ivf", "h264", "hevc", "m4v", "obu", "ape", "wv",
)  # fmt: skip
CHECK = "Open it in a player to check it, or choose another file."


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


@contextmanager
def reading(path: Path) -> Iterator[Any]:
    """A sound or video file, open.

    Raises:
        NodeError: FFmpeg does not know what it is, or it is damaged.
    """
    library = codecs()
    options = {"format_whitelist": ",".join(READABLE), "protocol_whitelist": "file"}
    try:
        container = library.open(str(path), container_options=options, metadata_errors="replace")
    except (library.error.FFmpegError, OSError) as error:
        raise NodeError(
            f"The file {path.name} is no sound or video that can be read ({_reason(error)}).", CHECK
        ) from error
    with container:
        yield container


def decoded(container: Any, stream: Any, path: Path) -> Iterator[Any]:
    """Frames of one stream in order, to the end of the file or to where it is damaged.

    Raises:
        NodeError: no frame can be read.
    """
    library = codecs()
    count = 0
    try:
        for frame in container.decode(stream):
            count += 1
            yield frame
    except library.error.FFmpegError as error:
        if not count:
            raise NodeError(f"The file {path.name} is damaged ({_reason(error)}).", CHECK) from error
    if not count:
        raise NodeError(f"The file {path.name} holds nothing to play.", CHECK)


def encoder(kind: str, names: Sequence[str], instead: str) -> str:
    """The first of several encoders that is there.

    Args:
        kind: what they write, as people call it.
        instead: what else the person can choose.

    Raises:
        NodeError: none of them is there.
    """
    library = codecs()
    for name in names:
        try:
            library.Codec(name, "w")
        except library.error.FFmpegError:
            continue
        except ValueError:  # of older versions
            continue
        return name
    raise NodeError(
        f"The package av that is installed has no encoder for {kind} (none of {', '.join(names)}).",
        f"Install av from PyPI (`pip install --force-reinstall av`), then start Weft again; or {instead}.",
    )


@contextmanager
def writing(path: Path, kind: str, options: dict[str, str]) -> Iterator[Any]:
    """A new file, open to write.

    Args:
        kind: FFmpeg's name of the container.
        options: of the container.

    Raises:
        NodeError: what is written does not fit the encoder or the container.
        OSError: the disk refuses.
    """
    library = codecs()
    try:
        with library.open(str(path), "w", format=kind, options=options) as container:
            yield container
    except library.error.FFmpegError as error:
        if isinstance(error, OSError):
            raise
        raise NodeError(
            f"This cannot be written as {kind} ({_reason(error)}).", "Choose another format, size or rate."
        ) from error


def _reason(error: Exception) -> str:
    return str(getattr(error, "strerror", "") or error)


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

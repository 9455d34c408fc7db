"""Pictures at another size."""

import math
from typing import Annotated

from nodes.builtin.kinds import ImageIn, ImageOut
from nodes.diffusion.pictures.layout import letterboxed, resized
from nodes.diffusion.values import Image
from nodes.spec import Combo, Context, Float, Int, NodeError, node

METHODS = ("nearest-exact", "bilinear", "area", "bicubic", "lanczos")
CROPS = ("disabled", "center")
LARGEST = 16384
MEGAPIXEL = 1024 * 1024
KONTEXT_SIZES = tuple(
    (int(width), int(height))
    for width, height in (
        text.split("x")
        for text in """672x1568 688x1504 720x1456 752x1392 800x1328 832x1248 880x1184 944x1104 1024x1024
        1104x944 1184x880 1248x832 1328x800 1392x752 1456x720 1504x688 1568x672""".split()
    )
)
Side = Annotated[int, Int(minimum=0, maximum=LARGEST, step=1)]
Target = Annotated[int, Int(minimum=1, maximum=LARGEST, step=1)]


@node("ImageScale", name="Upscale Image", category="image/upscaling")
def image_scale(
    ctx: Context,
    image: ImageIn,
    upscale_method: Annotated[str, Combo(METHODS)],
    width: Side = 512,
    height: Side = 512,
    crop: Annotated[str, Combo(CROPS)] = "disabled",
) -> ImageOut:
    """Scale to a size in pixels. A side of 0 follows from the other; both 0 leaves the picture as it is."""
    if width == 0 and height == 0:
        return image
    old_height, old_width = image.shape[1:3]
    width = width or max(1, round(old_width * height / old_height))
    height = height or max(1, round(old_height * width / old_width))
    return scaled(image, width, height, upscale_method, crop)


@node("ImageScaleBy", name="Upscale Image By", category="image/upscaling")
def image_scale_by(
    ctx: Context,
    image: ImageIn,
    upscale_method: Annotated[str, Combo(METHODS)],
    scale_by: Annotated[float, Float(minimum=0.01, maximum=8.0, step=0.01)] = 1.0,
) -> ImageOut:
    """Scale both sides by a factor."""
    return scaled(image, round(image.shape[2] * scale_by), round(image.shape[1] * scale_by), upscale_method)


@node("ImageScaleToMaxDimension", category="image/upscaling")
def image_scale_to_max_dimension(
    ctx: Context,
    image: ImageIn,
    upscale_method: Annotated[
        str,
        Combo(("area", "lanczos", "bilinear", "nearest-exact", "bilinear", "bicubic"), bare=False),
    ],
    largest_size: Side = 512,
) -> ImageOut:
    """Scale so that the longer side has a length; the other follows."""
    height, width = image.shape[1:3]
    if height > width:
        width, height = round(width / height * largest_size), largest_size
    else:
        width, height = largest_size, round(height / width * largest_size)
    if (
        largest_size == 0 and upscale_method == "area"
    ):  # the one method that can make a picture without pixels
        return image[:, :0, :0]
    return scaled(image, width, height, upscale_method)


@node("ImageScaleToTotalPixels", category="image/upscaling")
def image_scale_to_total_pixels(
    ctx: Context,
    image: ImageIn,
    upscale_method: Annotated[str, Combo(METHODS, bare=False)],
    megapixels: Annotated[float, Float(minimum=0.01, maximum=16.0, step=0.01)] = 1.0,
    resolution_steps: Annotated[int, Int(minimum=1, maximum=256)] = 1,
) -> ImageOut:
    """Scale to a number of pixels (1 is 1024 x 1024); both sides become multiples of `resolution_steps`."""
    height, width = image.shape[1:3]
    scale = math.sqrt(megapixels * MEGAPIXEL / (width * height))
    wide, tall = (round(side * scale / resolution_steps) * resolution_steps for side in (width, height))
    return scaled(image, wide, tall, upscale_method)


@node("FluxKontextImageScale", category="advanced/conditioning/flux")
def flux_kontext_image_scale(ctx: Context, image: ImageIn) -> ImageOut:
    """Scale to whichever size that Flux Kontext was trained on is nearest in shape."""
    aspect = image.shape[2] / image.shape[1]
    width, height = min(KONTEXT_SIZES, key=lambda size: abs(aspect - size[0] / size[1]))
    return scaled(image, width, height, "lanczos", "center")


@node("ResizeAndPadImage", category="image/transform")
def resize_and_pad_image(
    ctx: Context,
    image: ImageIn,
    target_width: Target = 512,
    target_height: Target = 512,
    *,
    padding_color: Annotated[str, Combo(("white", "black"), bare=False)],
    interpolation: Annotated[
        str, Combo(("area", "bicubic", "nearest-exact", "bilinear", "lanczos"), bare=False)
    ],
) -> ImageOut:
    """Scale so that the whole picture fits into a size, and fill what is left with white or black."""
    scale = min(target_width / image.shape[2], target_height / image.shape[1])
    check_size(int(image.shape[2] * scale), int(image.shape[1] * scale))
    value = 1.0 if padding_color == "white" else 0.0
    return letterboxed(image, target_width, target_height, interpolation, value)


def scaled(image: Image, width: int, height: int, method: str, crop: str = "disabled") -> Image:
    """A picture [B, H, W, C] in another size.

    Raises:
        NodeError: a side would be 0.
    """
    check_size(width, height)
    return resized(image, width, height, method, crop)


def check_size(width: int, height: int) -> None:
    """Refuse pictures without pixels.

    Raises:
        NodeError: a side would be 0.
    """
    if width < 1 or height < 1:
        raise NodeError(
            f"The picture would be {width} x {height} pixels.", "Choose a size of at least 1 x 1."
        )


NODES = (
    image_scale,
    image_scale_by,
    image_scale_to_max_dimension,
    image_scale_to_total_pixels,
    flux_kontext_image_scale,
    resize_and_pad_image,
)

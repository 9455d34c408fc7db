"""Pictures cut, turned, pasted and put side by side."""

from typing import Annotated

from nodes.builtin.checks import as_batch, from_one, from_zero, same_channels
from nodes.builtin.kinds import ImageIn, ImageOut, MaskOut
from nodes.builtin.latent_shape import turned
from nodes.diffusion.pictures.colour import matched_channels
from nodes.diffusion.pictures.layout import STRIP_COLOURS, outpainting, overlaid, stitched
from nodes.diffusion.values import Image, Mask
from nodes.spec import Boolean, Combo, Context, Int, Socket, node

LARGEST = 16384
Side = Annotated[int, Int(minimum=1, maximum=LARGEST, step=1)]
Offset = Annotated[int, Int(minimum=0, maximum=LARGEST, step=1)]
Padding = Annotated[int, Int(minimum=0, maximum=LARGEST, step=8)]


@node("ImageCrop", name="Image Crop", category="image/transform")
def image_crop(
    ctx: Context, image: ImageIn, width: Side = 512, height: Side = 512, x: Offset = 0, y: Offset = 0
) -> ImageOut:
    """Cut a rectangle out; where it leaves the picture it is smaller."""
    from_zero(x=x, y=y)
    from_one(width=width, height=height)
    left, top = min(x, image.shape[2] - 1), min(y, image.shape[1] - 1)
    return image[:, top : top + height, left : left + width]


@node("ImageFlip", category="image/transform")
def image_flip(
    ctx: Context,
    image: ImageIn,
    flip_method: Annotated[str, Combo(("x-axis: vertically", "y-axis: horizontally"), bare=False)],
) -> ImageOut:
    """Mirror pictures, upside down or left to right."""
    return image.flip(1 if flip_method.startswith("x") else 2)


@node("ImageRotate", category="image/transform")
def image_rotate(
    ctx: Context,
    image: ImageIn,
    rotation: Annotated[str, Combo(("none", "90 degrees", "180 degrees", "270 degrees"), bare=False)],
) -> ImageOut:
    """Turn pictures clockwise."""
    return turned(image, rotation, (2, 1))


@node("ImageStitch", name="Image Stitch", category="image/transform")
def image_stitch(
    ctx: Context,
    image1: ImageIn,
    direction: Annotated[str, Combo(("right", "down", "left", "up"), bare=False)] = "right",
    match_image_size: Annotated[bool, Boolean()] = True,
    spacing_width: Annotated[int, Int(minimum=0, maximum=1024, step=2)] = 0,
    spacing_color: Annotated[str, Combo(tuple(STRIP_COLOURS), bare=False)] = "white",
    image2: Annotated[Image | None, Socket("IMAGE", optional=True)] = None,
) -> ImageOut:
    """Put the second picture beside the first."""
    if image2 is None:
        return image1
    return stitched(
        image1, image2, direction, matched=match_image_size, spacing=spacing_width, colour=spacing_color
    )


@node("ImageCompositeMasked", category="image")
def image_composite_masked(
    ctx: Context,
    destination: ImageIn,
    source: ImageIn,
    x: Offset = 0,
    y: Offset = 0,
    resize_source: Annotated[bool, Boolean()] = False,
    mask: Annotated[Mask | None, Socket("MASK", optional=True)] = None,
) -> ImageOut:
    """Lay a picture over another at a place, where the mask is white."""
    above = matched_channels(destination, source)
    from_zero(x=x, y=y)
    same_channels(destination, above, ("destination", "source"))
    shown = None if mask is None else as_batch(mask)
    planes = overlaid(destination.movedim(-1, 1), above.movedim(-1, 1), x, y, shown, fill=resize_source)
    return planes.movedim(1, -1)


@node("ImagePadForOutpaint", name="Pad Image for Outpainting", category="image")
def image_pad_for_outpaint(
    ctx: Context,
    image: ImageIn,
    left: Padding = 0,
    top: Padding = 0,
    right: Padding = 0,
    bottom: Padding = 0,
    feathering: Annotated[int, Int(minimum=0, maximum=LARGEST, step=1)] = 40,
) -> tuple[ImageOut, MaskOut]:
    """Gray around a picture, and a mask of what is to be painted there."""
    from_zero(left=left, top=top, right=right, bottom=bottom, feathering=feathering)
    return outpainting(image, left, top, right, bottom, feathering)


NODES = (
    image_crop,
    image_flip,
    image_rotate,
    image_stitch,
    image_composite_masked,
    image_pad_for_outpaint,
)

"""Masks: make, combine, grow, and turn into pictures and back."""

from typing import Annotated

import torch

from nodes.builtin.checks import as_batch, from_zero, has_colours, onto_fits
from nodes.builtin.kinds import ImageIn, ImageOut, MaskIn, MaskOut
from nodes.diffusion.pictures.colour import packed
from nodes.diffusion.pictures.layout import feathered
from nodes.diffusion.pictures.morphology import grown_once
from nodes.diffusion.values import Mask
from nodes.spec import Boolean, Combo, Context, Float, Int, NodeError, node

MAXIMUM = 16384
Side = Annotated[int, Int(minimum=1, maximum=MAXIMUM, step=1)]
Offset = Annotated[int, Int(minimum=0, maximum=MAXIMUM, step=1)]
CHANNELS = ("red", "green", "blue", "alpha")


@node("SolidMask", category="mask")
def solid_mask(
    ctx: Context,
    value: Annotated[float, Float(minimum=0.0, maximum=1.0, step=0.01)] = 1.0,
    width: Side = 512,
    height: Side = 512,
) -> MaskOut:
    """A mask of one value everywhere."""
    return torch.full((1, height, width), value)


@node("InvertMask", category="mask")
def invert_mask(ctx: Context, mask: MaskIn) -> MaskOut:
    """What was masked is free, and the other way round."""
    return 1.0 - mask


@node("MaskToImage", name="Convert Mask to Image", category="mask")
def mask_to_image(ctx: Context, mask: MaskIn) -> ImageOut:
    """The mask as a gray picture."""
    return as_batch(mask)[..., None].expand(-1, -1, -1, 3)


@node("ImageToMask", name="Convert Image to Mask", category="mask")
def image_to_mask(
    ctx: Context, image: ImageIn, channel: Annotated[str, Combo(CHANNELS, bare=False)]
) -> MaskOut:
    """One channel of the picture as a mask."""
    index = CHANNELS.index(channel)
    if index >= image.shape[-1]:
        raise NodeError(
            f"The picture has no {channel} channel.", "Choose red, green or blue, or load one that has alpha."
        )
    return image[..., index]


@node("MaskComposite", category="mask")
def mask_composite(
    ctx: Context,
    destination: MaskIn,
    source: MaskIn,
    x: Offset = 0,
    y: Offset = 0,
    operation: Annotated[
        str, Combo(("multiply", "add", "subtract", "and", "or", "xor"), bare=False)
    ] = "multiply",
) -> MaskOut:
    """Combine the source with the part of the destination that starts at x, y."""
    from_zero(x=x, y=y)
    result = as_batch(destination).clone()
    patch = as_batch(source)
    onto_fits(result, patch, ("destination", "source"), "masks")
    height = max(0, min(patch.shape[1], result.shape[1] - y))
    width = max(0, min(patch.shape[2], result.shape[2] - x))
    if height and width:
        region = result[:, y : y + height, x : x + width]
        result[:, y : y + height, x : x + width] = _combined(region, patch[:, :height, :width], operation)
    return result.clamp(0.0, 1.0)


@node("GrowMask", name="Grow Mask", category="mask")
def grow_mask(
    ctx: Context,
    mask: MaskIn,
    expand: Annotated[int, Int(minimum=-MAXIMUM, maximum=MAXIMUM, step=1)] = 0,
    tapered_corners: Annotated[bool, Boolean()] = True,
) -> MaskOut:
    """Let the mask grow by so many pixels, or shrink where the number is negative."""
    grown = as_batch(mask)
    for _ in range(abs(expand)):
        before = grown
        grown = grown_once(grown, tapered_corners) if expand > 0 else -grown_once(-grown, tapered_corners)
        if torch.equal(before, grown):  # there is nothing left to grow over
            break
        ctx.check_stop()
    return grown


@node("ThresholdMask", category="mask")
def threshold_mask(
    ctx: Context, mask: MaskIn, value: Annotated[float, Float(minimum=0.0, maximum=1.0, step=0.01)] = 0.5
) -> MaskOut:
    """White where the mask is above a value, black elsewhere."""
    return (mask > value).float()


@node("CropMask", category="mask")
def crop_mask(
    ctx: Context,
    mask: MaskIn,
    x: Offset = 0,
    y: Offset = 0,
    width: Side = 512,
    height: Side = 512,
) -> MaskOut:
    """Cut a rectangle out; where it leaves the mask it is smaller."""
    from_zero(x=x, y=y)
    return as_batch(mask)[:, y : y + height, x : x + width]


@node("FeatherMask", category="mask")
def feather_mask(
    ctx: Context, mask: MaskIn, left: Offset = 0, top: Offset = 0, right: Offset = 0, bottom: Offset = 0
) -> MaskOut:
    """Fade the mask out towards its sides, over so many pixels from each."""
    from_zero(left=left, top=top, right=right, bottom=bottom)
    return feathered(as_batch(mask), left, top, right, bottom)


@node("ImageColorToMask", category="mask")
def image_color_to_mask(
    ctx: Context,
    image: ImageIn,
    color: Annotated[int, Int(minimum=0, maximum=0xFFFFFF, step=1, extra={"display": "number"})] = 0,
) -> MaskOut:
    """White where the picture has exactly one colour, given as a number (red * 65536 + green * 256 + blue)."""
    has_colours(image, "image")
    return (packed(image) == color).float()


def _combined(region: Mask, patch: Mask, operation: str) -> Mask:
    match operation:
        case "multiply":
            return region * patch
        case "add":
            return region + patch
        case "subtract":
            return region - patch
        case _:
            ours, theirs = region.round().bool(), patch.round().bool()
            logical = {"and": ours & theirs, "or": ours | theirs, "xor": ours ^ theirs}
            return logical[operation].float()


NODES = (
    solid_mask,
    invert_mask,
    mask_to_image,
    image_to_mask,
    mask_composite,
    grow_mask,
    threshold_mask,
    crop_mask,
    feather_mask,
    image_color_to_mask,
)

"""Masks: make, combine, grow, and turn into pictures and back."""

from typing import Annotated

import torch
import torch.nn.functional as F

from nodes.builtin.kinds import ImageIn, ImageOut, MaskIn, MaskOut
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
    result = as_batch(destination).clone()
    patch = as_batch(source)
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
        grown = dilate(grown, tapered_corners) if expand > 0 else 1.0 - dilate(1.0 - grown, tapered_corners)
        ctx.check_stop()
    return grown


def as_batch(mask: Mask) -> Mask:
    """A mask as [B, H, W], whatever leading sizes it came with."""
    return mask.reshape(-1, mask.shape[-2], mask.shape[-1])


def dilate(mask: Mask, plus: bool) -> Mask:
    """One step of gray dilation [B, H, W]: the greatest of a pixel and its neighbours.

    Args:
        plus: the four neighbours that share a side; otherwise all eight.
    """
    planes = F.pad(
        mask[:, None], (1, 1, 1, 1), mode="replicate"
    )  # the mirrored border repeats the edge pixel
    if not plus:
        return F.max_pool2d(planes, 3, stride=1)[:, 0]
    across = F.max_pool2d(planes[:, :, 1:-1], (1, 3), stride=1)
    down = F.max_pool2d(planes[:, :, :, 1:-1], (3, 1), stride=1)
    return torch.maximum(across, down)[:, 0]


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


NODES = (solid_mask, invert_mask, mask_to_image, image_to_mask, mask_composite, grow_mask)

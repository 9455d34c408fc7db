"""Pictures and their transparency: apart, together, and in layers."""

from typing import Annotated

import torch

from nodes.builtin.checks import as_batch, has_colours
from nodes.builtin.kinds import ImageIn, ImageOut, MaskIn, MaskOut
from nodes.diffusion.batches import repeated
from nodes.diffusion.pictures.blending import OPERATORS, composited
from nodes.diffusion.pictures.colour import without_alpha
from nodes.diffusion.pictures.layout import resized, resized_mask
from nodes.spec import Combo, Context, NodeError, node


@node("SplitImageWithAlpha", name="Split Image with Alpha", category="mask/compositing")
def split_image_with_alpha(ctx: Context, image: ImageIn) -> tuple[ImageOut, MaskOut]:
    """A picture without its transparency, and that as a mask, which is white where the picture is transparent."""
    return without_alpha(image)


@node("JoinImageWithAlpha", name="Join Image with Alpha", category="mask/compositing")
def join_image_with_alpha(ctx: Context, image: ImageIn, alpha: MaskIn) -> ImageOut:
    """A picture that is transparent where the mask is white."""
    has_colours(image, "image")
    mask = as_batch(alpha)
    count = max(len(image), len(mask))
    opaque = 1.0 - resized_mask(mask, image.shape[2], image.shape[1])
    return torch.cat((repeated(image[..., :3], count), repeated(opaque, count)[..., None]), dim=-1)


@node("PorterDuffImageComposite", name="Porter-Duff Image Composite", category="mask/compositing")
def porter_duff_image_composite(
    ctx: Context,
    source: ImageIn,
    source_alpha: MaskIn,
    destination: ImageIn,
    destination_alpha: MaskIn,
    mode: Annotated[str, Combo(tuple(OPERATORS), bare=False)] = "DST",
) -> tuple[ImageOut, MaskOut]:
    """Two layers as one, by one of Porter and Duff's operators. Masks are white where a layer is transparent."""
    if source.shape[-1] != destination.shape[-1]:
        raise NodeError(
            f"source has {source.shape[-1]} channels and destination {destination.shape[-1]}.",
            "Give both as many: Split Image with Alpha takes the alpha channel away.",
        )
    height, width = destination.shape[1:3]
    masks = (as_batch(source_alpha), as_batch(destination_alpha))
    count = min(len(source), len(destination), *map(len, masks))
    above, below = source[:count], destination[:count]
    if above.shape[1:3] != (height, width):
        above = resized(above, width, height, "bicubic", "center")
    alphas = [
        1.0
        - (
            mask
            if mask.shape[1:] == (height, width)
            else resized_mask(mask, width, height, "bicubic", "center")
        )
        for mask in (mask[:count] for mask in masks)
    ]
    colours, opaque = composited(above, alphas[0][..., None], below, alphas[1][..., None], mode)
    return colours, 1.0 - opaque[..., 0]


NODES = (split_image_with_alpha, join_image_with_alpha, porter_duff_image_composite)

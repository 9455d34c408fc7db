"""Pictures, masks and latents of any number of inputs in one batch, each brought to the size of the first."""

from collections.abc import Mapping
from dataclasses import replace
from typing import Annotated

import torch

from nodes.builtin.checks import as_batch, same_channels, same_family
from nodes.builtin.image_scale import scaled
from nodes.builtin.kinds import ImageOut, LatentOut, MaskOut
from nodes.diffusion.latents import sized_as
from nodes.diffusion.pictures.colour import with_channels
from nodes.diffusion.pictures.layout import resized_mask
from nodes.diffusion.values import Image, Latent, Mask
from nodes.spec import Autogrow, Context, Socket, node

Images = Annotated[Mapping[str, Image], Autogrow(Socket("IMAGE"), "image", minimum=2, maximum=50)]
Latents = Annotated[Mapping[str, Latent], Autogrow(Socket("LATENT"), "latent", minimum=2, maximum=50)]
Masks = Annotated[Mapping[str, Mask], Autogrow(Socket("MASK"), "mask", minimum=2, maximum=50)]


@node("BatchImagesNode", name="Batch Images", category="image")
def batch_images(ctx: Context, images: Images) -> ImageOut:
    """All pictures in one batch; those of another size are scaled and cut to that of the first."""
    channels = max(image.shape[-1] for image in images.values())
    whole = [with_channels(image, channels) for image in images.values()]
    first = next(iter(images))
    for name, image in zip(images, whole, strict=True):
        same_channels(whole[0], image, (first, name))
    height, width = whole[0].shape[1:3]
    return torch.cat(
        [
            image
            if image.shape[1:3] == (height, width)
            else scaled(image, width, height, "bilinear", "center")
            for image in whole
        ]
    )


@node("BatchMasksNode", name="Batch Masks", category="mask")
def batch_masks(ctx: Context, masks: Masks) -> MaskOut:
    """All masks in one batch; those of another size are scaled and cut to that of the first."""
    whole = [as_batch(mask) for mask in masks.values()]
    height, width = whole[0].shape[1:]
    return torch.cat(
        [
            mask
            if mask.shape[1:] == (height, width)
            else resized_mask(mask, width, height, "bilinear", "center")
            for mask in whole
        ]
    )


@node("BatchLatentsNode", name="Batch Latents", category="latent")
def batch_latents(ctx: Context, latents: Latents) -> LatentOut:
    """All latents in one batch; those of another size are scaled and cut to that of the first.

    Each input's latents keep their numbers, which choose their noise: they start anew at every input.
    """
    given = list(latents.values())
    first = given[0].samples
    for name, latent in latents.items():
        same_family(first, latent.samples, (next(iter(latents)), name))
    index = [number for latent in given for number in latent.batch_index or range(len(latent.samples))]
    samples = torch.cat([sized_as(latent.samples, first) for latent in given])
    return replace(given[0], samples=samples, batch_index=tuple(index))


NODES = (batch_images, batch_masks, batch_latents)

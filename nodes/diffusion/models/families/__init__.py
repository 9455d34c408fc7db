"""The families of denoising networks that Weft knows: one row each, told apart by their tensors' names and shapes."""

from nodes.diffusion.models.families import (
    auraflow,
    cascade,
    chroma,
    flux,
    flux2,
    hidream,
    hunyuan_dit,
    lumina2,
    pixart,
    qwen_image,
    sd3,
    unets,
    z_image,
)
from nodes.diffusion.models.family import Family

FAMILIES: tuple[Family, ...] = (
    *unets.FAMILIES,
    *sd3.FAMILIES,
    *flux.FAMILIES,
    *chroma.FAMILIES,
    *auraflow.FAMILIES,
    *lumina2.FAMILIES,
    *z_image.FAMILIES,
    *qwen_image.FAMILIES,
    *flux2.FAMILIES,
    *hidream.FAMILIES,
    *pixart.FAMILIES,
    *hunyuan_dit.FAMILIES,
    *cascade.FAMILIES,
)

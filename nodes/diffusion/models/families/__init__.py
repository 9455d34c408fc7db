"""The families of denoising networks that Weft knows: one row each, told apart by their tensors' names and shapes."""

from nodes.diffusion.models.families import flux, sd3, unets
from nodes.diffusion.models.family import Family

FAMILIES: tuple[Family, ...] = (*unets.FAMILIES, *sd3.FAMILIES, *flux.FAMILIES)

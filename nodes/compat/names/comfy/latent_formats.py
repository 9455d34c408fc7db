"""`comfy.latent_formats`: how families scale their latents, as classes."""

from nodes.compat.formats import FORMATS, LatentFormat

__all__ = ["LatentFormat"]

globals().update(FORMATS)

"""Guidance: many conditions, positive and negative, to one denoiser."""

from nodes.diffusion.guidance.guiders import Guided
from nodes.diffusion.guidance.pieces import fitted_hint, with_lent_controls

__all__ = ("Guided", "fitted_hint", "with_lent_controls")

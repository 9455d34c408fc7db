"""Rules of guidance: one pure function each, from the sides' denoised estimates to the guided one."""

from nodes.diffusion.values import Latents


def cfg(positive: Latents, negative: Latents, scale: float) -> Latents:
    """From negative toward positive, and beyond it where the scale is above 1.

    Source: Ho and Salimans 2022 (arXiv:2207.12598), eq. 6, on denoised estimates.
    """
    return negative + (positive - negative) * scale

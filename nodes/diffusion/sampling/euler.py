"""Euler's method on the probability-flow ODE, plain and with ancestral noise."""

from collections.abc import Iterator

from torch import Tensor

from nodes.diffusion.denoiser import Denoiser
from nodes.diffusion.noise import NoiseSource
from nodes.diffusion.sampling.steps import Step, ancestral_split, levels


def euler(denoiser: Denoiser, latents: Tensor, sigmas: Tensor) -> Iterator[Step]:
    """Follow the slope from each noise level to the next.

    Args:
        denoiser: estimates clean latents from noisy latents and their sigma.
        latents: noise of standard deviation `sigmas[0]`, in latent units.
        sigmas: strictly falling; the last may be 0.
    Source: Karras et al. 2022 (arXiv:2206.00364), algorithm 1 without noise added or the second-order step.
    """
    for index, sigma, following in levels(sigmas):
        denoised = denoiser(latents, sigma)
        slope = (latents - denoised) / sigma
        latents = latents + slope * (following - sigma)
        yield Step(index, latents, denoised)


def euler_ancestral(
    denoiser: Denoiser,
    latents: Tensor,
    sigmas: Tensor,
    noise: NoiseSource,
    *,
    eta: float = 1.0,
    s_noise: float = 1.0,
) -> Iterator[Step]:
    """Euler down past the next level, then fresh noise back up to it.

    Args:
        eta: share of the noise that is renewed, 0 to 1. s_noise: its strength.
    Source: Song et al. 2020 (arXiv:2010.02502), eq. 12, in terms of sigma.
    """
    for index, sigma, following in levels(sigmas):
        denoised = denoiser(latents, sigma)
        down, up = ancestral_split(sigma, following, eta)
        if down == 0:
            latents = denoised
        else:
            slope = (latents - denoised) / sigma
            latents = latents + slope * (down - sigma)
            latents = latents + noise(latents, float(sigma), float(following)) * s_noise * up
        yield Step(index, latents, denoised)

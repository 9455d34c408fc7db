"""Euler's method on the probability-flow ODE: plain, with ancestral noise, with a corrected slope."""

import math
from collections.abc import Iterator

from nodes.diffusion.denoiser import Denoiser
from nodes.diffusion.mixing import Mixing
from nodes.diffusion.noise import NoiseSource
from nodes.diffusion.sampling.steps import Churn, Step, ancestral_split, levels, slope_at, toward
from nodes.diffusion.values import Latents, Sigmas


def euler(
    denoiser: Denoiser,
    latents: Latents,
    sigmas: Sigmas,
    noise: NoiseSource | None = None,
    mixing: Mixing = Mixing.ADDED,
    *,
    s_churn: float = 0.0,
    s_tmin: float = 0.0,
    s_tmax: float = math.inf,
    s_noise: float = 1.0,
) -> Iterator[Step]:
    """Follow the slope from each noise level to the next.

    Args:
        denoiser: estimates clean latents from noisy latents and their sigma.
        latents: noise of standard deviation `sigmas[0]`, in latent units.
        sigmas: strictly falling; the last may be 0.
        s_churn, s_tmin, s_tmax, s_noise: `Churn`'s amount, range and strength; they need `noise`.
    Source: Karras et al. 2022 (arXiv:2206.00364), algorithm 2 without the second-order step.
    """
    churn = Churn(s_churn, s_tmin, s_tmax, s_noise)
    for index, level, following in levels(sigmas):
        latents, sigma = churn.raised(latents, level, len(sigmas) - 1, noise, mixing)
        denoised = denoiser(latents, sigma)
        latents = latents + slope_at(latents, denoised, sigma) * (following - sigma)
        yield Step(index, latents, denoised)


def euler_ancestral(
    denoiser: Denoiser,
    latents: Latents,
    sigmas: Sigmas,
    noise: NoiseSource,
    mixing: Mixing,
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
        split = ancestral_split(sigma, following, eta, mixing)
        if split.down == 0:
            latents = denoised
        else:
            if mixing is Mixing.TRADED:
                latents = toward(latents, denoised, split.down / sigma)
            else:
                latents = latents + slope_at(latents, denoised, sigma) * (split.down - sigma)
            fresh = noise(latents, float(sigma), float(following))
            latents = split.keep * latents + fresh * s_noise * split.up
        yield Step(index, latents, denoised)


def gradient_estimation(
    denoiser: Denoiser, latents: Latents, sigmas: Sigmas, *, gamma: float = 2.0
) -> Iterator[Step]:
    """Euler on a slope carried past the last two: what they have in common is trusted, their difference doubled.

    Args:
        gamma: 1 is Euler's method.
    Source: Permenter and Yuan 2023 (arXiv:2306.04848), algorithm 2.
    """
    before: Latents | None = None
    for index, sigma, following in levels(sigmas):
        denoised = denoiser(latents, sigma)
        slope = slope_at(latents, denoised, sigma)
        if following == 0:
            latents = denoised
        else:
            latents = latents + slope * (following - sigma)
            if before is not None:
                latents = latents + (gamma - 1.0) * (slope - before) * (following - sigma)
        before = slope
        yield Step(index, latents, denoised)

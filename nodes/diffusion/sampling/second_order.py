"""Steps that ask the denoiser more than once: Heun's, the midpoint's in log sigma, and a weighted three-point rule."""

import math
from collections.abc import Iterator

import torch

from nodes.diffusion.denoiser import Denoiser
from nodes.diffusion.mixing import Mixing
from nodes.diffusion.noise import NoiseSource
from nodes.diffusion.sampling.steps import Churn, Step, ancestral_split, levels, slope_at
from nodes.diffusion.values import Latents, Sigma, Sigmas


def heun(
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
    """Euler to the next level, then average the slopes at both ends; the last step is Euler's.

    Args: as for `euler`.
    Source: Karras et al. 2022 (arXiv:2206.00364), algorithm 2.
    """
    churn = Churn(s_churn, s_tmin, s_tmax, s_noise)
    for index, level, following in levels(sigmas):
        latents, sigma = churn.raised(latents, level, len(sigmas) - 1, noise, mixing)
        denoised = denoiser(latents, sigma)
        slope = slope_at(latents, denoised, sigma)
        reached = latents + slope * (following - sigma)
        if following > 0:
            beyond = slope_at(reached, denoiser(reached, following), following)
            reached = latents + (slope + beyond) / 2 * (following - sigma)
        latents = reached
        yield Step(index, latents, denoised)


def heunpp2(denoiser: Denoiser, latents: Latents, sigmas: Sigmas) -> Iterator[Step]:
    """Heun's step with up to two slopes ahead, each weighed by its sigma against the first of the schedule.

    Args: as for `euler`.
    Source: Li et al. 2023 (arXiv:2311.00157), section 4, as its authors' code weighs.
    """
    for index, sigma, following in levels(sigmas):
        denoised = denoiser(latents, sigma)
        slope = slope_at(latents, denoised, sigma)
        if following > 0:
            ahead = [level for level in sigmas[index + 1 : index + 3] if level > 0]
            here, reached, later = sigma, latents, slope
            shares = [level / ((len(ahead) + 1) * sigmas[0]) for level in ahead]
            slope = sum((-share for share in shares), torch.ones_like(sigma)) * slope
            for level, share in zip(ahead, shares, strict=True):
                reached = reached + later * (level - here)
                later = slope_at(reached, denoiser(reached, level), level)
                slope, here = slope + share * later, level
        latents = latents + slope * (following - sigma)
        yield Step(index, latents, denoised)


def dpm_2(
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
    """The slope halfway (in log sigma) to the next level carries the whole step; the last step is Euler's.

    Args: as for `euler`.
    Source: Lu et al. 2022 (arXiv:2206.00927), algorithm 1 with r = 1/2, written for sigma; with Karras et al.'s churn.
    """
    churn = Churn(s_churn, s_tmin, s_tmax, s_noise)
    for index, level, following in levels(sigmas):
        latents, sigma = churn.raised(latents, level, len(sigmas) - 1, noise, mixing)
        denoised = denoiser(latents, sigma)
        latents = _midpoint(denoiser, latents, denoised, sigma, following)
        yield Step(index, latents, denoised)


def dpm_2_ancestral(
    denoiser: Denoiser,
    latents: Latents,
    sigmas: Sigmas,
    noise: NoiseSource,
    mixing: Mixing,
    *,
    eta: float = 1.0,
    s_noise: float = 1.0,
) -> Iterator[Step]:
    """`dpm_2` down past the next level, then fresh noise back up to it.

    Args: as for `euler_ancestral`.
    """
    for index, sigma, following in levels(sigmas):
        denoised = denoiser(latents, sigma)
        split = ancestral_split(sigma, following, eta, mixing)
        latents = _midpoint(denoiser, latents, denoised, sigma, split.down)
        if split.down > 0:
            fresh = noise(latents, float(sigma), float(following))
            latents = split.keep * latents + fresh * s_noise * split.up
        yield Step(index, latents, denoised)


def _midpoint(
    denoiser: Denoiser, latents: Latents, denoised: Latents, sigma: Sigma, following: Sigma
) -> Latents:
    slope = slope_at(latents, denoised, sigma)
    if following == 0:
        return latents + slope * (following - sigma)
    middle = sigma.log().lerp(following.log(), 0.5).exp()
    halfway = latents + slope * (middle - sigma)
    return latents + slope_at(halfway, denoiser(halfway, middle), middle) * (following - sigma)

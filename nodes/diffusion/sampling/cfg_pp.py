"""CFG++: step from the guided estimate, but with the noise that the negative side alone leaves.

Source of all: Chung et al. 2024 (arXiv:2406.08070), algorithm 2, in other solvers' shapes.
"""

from collections.abc import Iterator

import torch

from nodes.diffusion.denoiser import TwoSidedDenoiser
from nodes.diffusion.mixing import Mixing
from nodes.diffusion.noise import NoiseSource
from nodes.diffusion.sampling.steps import Step, ancestral_split, drifted, levels, slope_at
from nodes.diffusion.values import Latents, Sigma, Sigmas


def euler_cfg_pp(
    denoiser: TwoSidedDenoiser, latents: Latents, sigmas: Sigmas, mixing: Mixing
) -> Iterator[Step]:
    """Euler's step.

    Args: as for `euler`.
    """
    for index, sigma, following in levels(sigmas):
        denoised, negative = denoiser.both(latents, sigma)
        alpha = mixing.alpha_at(sigma, mixing.clock(sigma))
        if following == 0:
            latents = denoised
        else:
            remaining = (latents - alpha * negative) / sigma
            latents = mixing.alpha_at(following, mixing.clock(following)) * denoised + following * remaining
        yield Step(index, latents, denoised)


def euler_cfg_pp_alternative(denoiser: TwoSidedDenoiser, latents: Latents, sigmas: Sigmas) -> Iterator[Step]:
    """Euler's step down the slope toward a point as far beyond the guided estimate as the negative one lies before it.

    Args: as for `euler`.
    """
    for index, sigma, following in levels(sigmas):
        denoised, negative = denoiser.both(latents, sigma)
        latents = latents + slope_at(latents, 2 * denoised - negative, sigma) * (following - sigma)
        yield Step(index, latents, denoised)


def euler_ancestral_cfg_pp(
    denoiser: TwoSidedDenoiser,
    latents: Latents,
    sigmas: Sigmas,
    noise: NoiseSource,
    mixing: Mixing,
    *,
    eta: float = 1.0,
    s_noise: float = 1.0,
) -> Iterator[Step]:
    """Euler's step down past the next level, then fresh noise back up to it.

    Args: as for `euler_ancestral`.
    """
    for index, sigma, following in levels(sigmas):
        denoised, negative = denoiser.both(latents, sigma)
        alpha, next_alpha = (
            mixing.alpha_at(sigma, mixing.clock(sigma)),
            mixing.alpha_at(following, mixing.clock(following)),
        )
        if following == 0:
            latents = denoised
        else:
            remaining = (latents - alpha * negative) / sigma
            split = ancestral_split(sigma / alpha, following / next_alpha, eta)
            fresh = noise(latents, float(sigma), float(following)) * s_noise
            latents = next_alpha * denoised + next_alpha * split.down * remaining
            latents = latents + next_alpha * fresh * split.up
        yield Step(index, latents, denoised)


def dpmpp_2m_cfg_pp(denoiser: TwoSidedDenoiser, latents: Latents, sigmas: Sigmas) -> Iterator[Step]:
    """DPM-Solver++'s multistep rule, whose memory is of the negative side.

    Args: as for `euler`.
    """
    before: Latents | None = None
    last_step: Sigma | None = None
    for index, sigma, following in levels(sigmas):
        denoised, negative = denoiser.both(latents, sigma)
        step = -following.log() + sigma.log()
        joined = -(-step).exp() * negative
        if before is not None and last_step is not None and following > 0:
            joined = joined - torch.expm1(-step) * (1 / (2 * (last_step / step))) * (denoised - before)
        latents = denoised + joined + (-step).exp() * latents
        before, last_step = negative, step
        yield Step(index, latents, denoised)


def dpmpp_2s_ancestral_cfg_pp(
    denoiser: TwoSidedDenoiser,
    latents: Latents,
    sigmas: Sigmas,
    noise: NoiseSource,
    *,
    eta: float = 1.0,
    s_noise: float = 1.0,
) -> Iterator[Step]:
    """DPM-Solver++'s two-stage rule from latents moved by what guidance adds.

    The second stage moves them by its own negative estimate: results of the field do, ours repeat them.

    Args: as for `euler_ancestral`.
    """
    for index, sigma, following in levels(sigmas):
        denoised, negative = denoiser.both(latents, sigma)
        split = ancestral_split(sigma, following, eta)
        if split.down == 0:
            latents = denoised
        else:
            start, end = -sigma.log(), -split.down.log()
            step = end - start
            halfway = start + 0.5 * step
            reached = drifted(latents + (denoised - negative), denoised, start, halfway, 0.5 * step)
            later, later_negative = denoiser.both(reached, (-halfway).exp())
            latents = drifted(latents + (denoised - later_negative), later, start, end, step)
        if following > 0:
            latents = latents + noise(latents, float(sigma), float(following)) * s_noise * split.up
        yield Step(index, latents, denoised)


def gradient_estimation_cfg_pp(
    denoiser: TwoSidedDenoiser, latents: Latents, sigmas: Sigmas, *, gamma: float = 2.0
) -> Iterator[Step]:
    """`gradient_estimation` on the negative side's slope.

    Args: as for `gradient_estimation`.
    """
    before: Latents | None = None
    for index, sigma, following in levels(sigmas):
        denoised, negative = denoiser.both(latents, sigma)
        slope = slope_at(latents, negative, sigma)
        if following == 0:
            latents = denoised
        else:
            latents = denoised + slope * following
            if before is not None:
                latents = latents + (gamma - 1.0) * (slope - before) * (following - sigma)
        before = slope
        yield Step(index, latents, denoised)

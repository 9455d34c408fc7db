"""DPM-Solver++ for the reverse SDE: Brownian noise, one path for every number of steps."""

from collections.abc import Iterator
from dataclasses import dataclass
from enum import StrEnum

import torch

from nodes.diffusion.denoiser import Denoiser
from nodes.diffusion.mixing import Mixing
from nodes.diffusion.noise import NoiseSource
from nodes.diffusion.sampling.steps import Step, ancestral_split, levels
from nodes.diffusion.values import Latents, Sigma, Sigmas


class SecondOrder(StrEnum):
    """How the last two predictions are joined."""

    MIDPOINT = "midpoint"
    HEUN = "heun"


def dpmpp_sde(
    denoiser: Denoiser,
    latents: Latents,
    sigmas: Sigmas,
    noise: NoiseSource,
    mixing: Mixing,
    *,
    eta: float = 1.0,
    s_noise: float = 1.0,
    r: float = 0.5,
) -> Iterator[Step]:
    """Two ancestral steps from the same latents: one to between the levels, one with what was predicted there.

    Args:
        r: where between, in shares of the clock. Others as for `dpmpp_2m_sde`.
    Source: Lu et al. 2022 (arXiv:2211.01095), algorithm 1, with noise in both steps.
    """
    for index, sigma, following in levels(sigmas):
        denoised = denoiser(latents, sigma)
        if following == 0:
            latents = denoised
        else:
            start, end = mixing.clock(sigma), mixing.clock(following)
            halfway = start + r * (end - start)
            between = mixing.sigma(halfway)
            here = _Place(sigma, start)
            reached = _renewed(latents, denoised, here, _Place(between, halfway), noise, mixing, eta, s_noise)
            share = 1 / (2 * r)
            joined = (1 - share) * denoised + share * denoiser(reached, between)
            latents = _renewed(latents, joined, here, _Place(following, end), noise, mixing, eta, s_noise)
        yield Step(index, latents, denoised)


def dpmpp_2m_sde(
    denoiser: Denoiser,
    latents: Latents,
    sigmas: Sigmas,
    noise: NoiseSource,
    mixing: Mixing,
    *,
    eta: float = 1.0,
    s_noise: float = 1.0,
    second_order: SecondOrder = SecondOrder.MIDPOINT,
) -> Iterator[Step]:
    """The second-order multistep solver for the reverse SDE.

    Args:
        eta: share of the noise that is renewed; 0 gives the ODE. s_noise: its strength.
    Source: Lu et al. 2022 (arXiv:2211.01095), section 5, SDE-DPM-Solver++(2M).
    """
    previous: Latents | None = None
    last_step: Sigma | None = None
    for index, sigma, following in levels(sigmas):
        denoised = denoiser(latents, sigma)
        if following == 0:
            latents = denoised
        else:
            clock = mixing.clock(following)
            step = clock - mixing.clock(sigma)
            damped, alpha = step * (eta + 1), mixing.alpha_at(following, clock)
            latents = (
                following / sigma * (-step * eta).exp() * latents - alpha * torch.expm1(-damped) * denoised
            )
            if previous is not None and last_step is not None:
                midpoint = second_order is SecondOrder.MIDPOINT
                weight = -0.5 * torch.expm1(-damped) if midpoint else torch.expm1(-damped) / damped + 1
                latents = latents + alpha * weight * (1 / (last_step / step)) * (denoised - previous)
            latents = latents + _ornstein_uhlenbeck(latents, sigma, following, step * eta, noise) * s_noise
            last_step = step
        previous = denoised
        yield Step(index, latents, denoised)


def dpmpp_2m_sde_heun(
    denoiser: Denoiser,
    latents: Latents,
    sigmas: Sigmas,
    noise: NoiseSource,
    mixing: Mixing,
    *,
    eta: float = 1.0,
    s_noise: float = 1.0,
) -> Iterator[Step]:
    """`dpmpp_2m_sde` with the exact integral of the line through both predictions."""
    return dpmpp_2m_sde(
        denoiser, latents, sigmas, noise, mixing, eta=eta, s_noise=s_noise, second_order=SecondOrder.HEUN
    )


def dpmpp_3m_sde(
    denoiser: Denoiser,
    latents: Latents,
    sigmas: Sigmas,
    noise: NoiseSource,
    mixing: Mixing,
    *,
    eta: float = 1.0,
    s_noise: float = 1.0,
) -> Iterator[Step]:
    """The third-order multistep solver for the reverse SDE.

    Args: as for `dpmpp_2m_sde`.
    Source: Lu et al. 2022 (arXiv:2211.01095), section 5, one order further by divided differences.
    """
    past: list[tuple[Sigma, Latents]] = []  # newest first: step, and what was predicted at its start
    for index, sigma, following in levels(sigmas):
        denoised = denoiser(latents, sigma)
        if following == 0:
            latents = denoised
        else:
            clock = mixing.clock(following)
            step = clock - mixing.clock(sigma)
            damped, alpha = step * (eta + 1), mixing.alpha_at(following, clock)
            latents = (
                following / sigma * (-step * eta).exp() * latents - alpha * torch.expm1(-damped) * denoised
            )
            second = torch.expm1(-damped) / damped + 1
            if past:
                ratio = past[0][0] / step
                first = (denoised - past[0][1]) / ratio
                if len(past) == 1:
                    latents = latents + alpha * second * first
                else:
                    older_ratio = past[1][0] / step
                    bend = first - (past[0][1] - past[1][1]) / older_ratio
                    span = ratio + older_ratio
                    latents = latents + alpha * second * (first + bend * ratio / span)
                    latents = latents - alpha * (second / damped - 0.5) * (bend / span)
            latents = latents + _ornstein_uhlenbeck(latents, sigma, following, step * eta, noise) * s_noise
            past = [(step, denoised), *past[:1]]
        yield Step(index, latents, denoised)


@dataclass(frozen=True, slots=True, eq=False)
class _Place:
    sigma: Sigma
    clock: Sigma


def _ornstein_uhlenbeck(
    latents: Latents, sigma: Sigma, following: Sigma, renewed: Sigma, noise: NoiseSource
) -> Latents:
    """The noise that takes the place of what was forgotten over a stretch of the clock."""
    if renewed == 0:
        return torch.zeros_like(latents)
    return noise(latents, float(sigma), float(following)) * following * (-torch.expm1(-2 * renewed)).sqrt()


def _renewed(
    latents: Latents,
    denoised: Latents,
    here: "_Place",
    there: "_Place",
    noise: NoiseSource,
    mixing: Mixing,
    eta: float,
    s_noise: float,
) -> Latents:
    """An ancestral step by a constant prediction, on latents over their alpha, where noise is added."""
    alpha, next_alpha = mixing.alpha_at(here.sigma, here.clock), mixing.alpha_at(there.sigma, there.clock)
    split = ancestral_split((-here.clock).exp(), (-there.clock).exp(), eta)
    ratio = split.down / (-here.clock).exp()
    reached = next_alpha / alpha * ratio * latents + next_alpha * (1 - ratio) * denoised
    if eta == 0.0:
        return reached
    return reached + next_alpha * noise(latents, float(here.sigma), float(there.sigma)) * s_noise * split.up

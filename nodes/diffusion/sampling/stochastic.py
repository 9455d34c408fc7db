"""Samplers that renew the noise by their own rule: DDPM's posterior, consistency models, extended reverse SDEs."""

from collections.abc import Iterator
from enum import StrEnum

import torch
from torch import Tensor

from nodes.diffusion.denoiser import Denoiser
from nodes.diffusion.mixing import Mixing
from nodes.diffusion.noise import NoiseSource
from nodes.diffusion.resize import resize
from nodes.diffusion.sampling.steps import Step, levels, slope_at
from nodes.diffusion.values import Latents, Sigma, Sigmas

INTEGRATION_POINTS = 200


class Renewal(StrEnum):
    """How strongly `er_sde` renews noise along the way."""

    EXTENDED = "ER-SDE"
    REVERSE = "Reverse-time SDE"
    NONE = "ODE"


def ddpm(denoiser: Denoiser, latents: Latents, sigmas: Sigmas, noise: NoiseSource) -> Iterator[Step]:
    """Draw from the posterior q(x_{t-1} | x_t, x_0) at the predicted x_0.

    Args: as for `euler`.
    Source: Ho et al. 2020 (arXiv:2006.11239), algorithm 2, between latents scaled by sqrt(1 + sigma^2).
    """
    for index, sigma, following in levels(sigmas):
        denoised = denoiser(latents, sigma)
        eps = slope_at(latents, denoised, sigma)
        abar, abar_next = 1 / (sigma**2 + 1), 1 / (following**2 + 1)
        alpha = abar / abar_next
        scaled = latents / (1.0 + sigma**2) ** 0.5
        latents = (1.0 / alpha) ** 0.5 * (scaled - (1 - alpha) * eps / (1 - abar) ** 0.5)
        if following > 0:
            spread = ((1 - alpha) * (1 - abar_next) / (1 - abar)) ** 0.5
            latents = latents + spread * noise(latents, float(sigma), float(following))
        latents = latents * (1.0 + following**2) ** 0.5
        yield Step(index, latents, denoised)


def lcm(
    denoiser: Denoiser, latents: Latents, sigmas: Sigmas, noise: NoiseSource, mixing: Mixing
) -> Iterator[Step]:
    """Jump to the clean latents, add the next level's noise, again.

    Args: as for `euler`.
    Source: Song et al. 2023 (arXiv:2303.01469), algorithm 1; Luo et al. 2023 (arXiv:2310.04378).
    """
    for index, sigma, following in levels(sigmas):
        denoised = latents = denoiser(latents, sigma)
        if following > 0:
            latents = mixing.noised(denoised, noise(denoised, float(sigma), float(following)), following)
        yield Step(index, latents, denoised)


def lcm_upscale(
    denoiser: Denoiser,
    latents: Latents,
    sigmas: Sigmas,
    noise: NoiseSource,
    *,
    ratio: float = 1.0,
    steps: int = -1,
    method: str = "bislerp",
) -> Iterator[Step]:
    """`lcm` that scales the clean latents up a little after each of its first steps.

    Args:
        ratio: of the last size to the first. steps: over how many steps; below 0: half of them. method: of `resize`.
    """
    height, width = latents.shape[-2:]
    count = max(len(sigmas) // 2 + 1, 2) if steps < 0 else min(steps + 1, len(sigmas) + 1)
    factors = [float(factor) for factor in torch.linspace(1.0, ratio, count)[1:]]
    for index, sigma, following in levels(sigmas):
        denoised = latents = denoiser(latents, sigma)
        if index < len(factors):
            latents = resize(
                latents, round(width * factors[index]), round(height * factors[index]), method, "disabled"
            )
        if following > 0:
            latents = latents + following * noise(latents, float(sigma), float(following))
        yield Step(index, latents, denoised)


def er_sde(
    denoiser: Denoiser,
    latents: Latents,
    sigmas: Sigmas,
    noise: NoiseSource,
    mixing: Mixing,
    *,
    s_noise: float = 1.0,
    eta: float = 1.0,
    max_stage: int = 3,
    renewal: Renewal = Renewal.EXTENDED,
) -> Iterator[Step]:
    """The extended reverse-time SDE's solver of third order, on latents over their alpha.

    Args:
        eta: for `Renewal.REVERSE`, how much is renewed; 0 gives the ODE.
        max_stage: order, 1 to 3.
        renewal: `Renewal.NONE` follows the ODE. Others as for `euler_ancestral`.
    Source: Cui et al. 2023 (arXiv:2309.06169), algorithm 3 with noise scale function 5, integrals by Riemann sums.
    """
    if renewal is Renewal.REVERSE and eta == 0.0:
        renewal = Renewal.NONE
    past: list[tuple[Sigma, Latents]] = []  # newest first: sigma / alpha, and what was predicted there
    bend_before: Latents | None = None
    for index, sigma, following in levels(sigmas):
        denoised = denoiser(latents, sigma)
        high, low = (-mixing.clock(sigma)).exp(), (-mixing.clock(following)).exp()
        if following == 0:
            latents = denoised
        else:
            alpha = following / low
            scale = _noise_scale(low, renewal, eta)
            share = scale / _noise_scale(high, renewal, eta)
            kept = alpha / (sigma / high) * share
            reached = kept * latents + alpha * (1 - share) * denoised
            stride = (high - low) / INTEGRATION_POINTS
            places = low + torch.arange(INTEGRATION_POINTS).to(low) * stride
            densities = 1 / _noise_scale(places, renewal, eta)
            if past and max_stage > 1:
                bend = (denoised - past[0][1]) / (high - past[0][0])
                reached = reached + alpha * (low - high + densities.sum() * stride * scale) * bend
                if bend_before is not None and max_stage > 2:
                    curve = (bend - bend_before) / ((high - past[1][0]) / 2)
                    area = ((places - high) * densities).sum() * stride
                    reached = reached + alpha * ((low - high) ** 2 / 2 + area * scale) * curve
                bend_before = bend
            if renewal is not Renewal.NONE and s_noise > 0.0:
                spread = (low**2 - high**2 * share**2).clamp(min=0).sqrt()
                fresh = noise(latents, float(sigma), float(following))
                reached = reached + alpha * fresh * s_noise * spread
            latents = reached
            past = [(high, denoised), *past[:1]]
        yield Step(index, latents, denoised)


def _noise_scale(ratio: Tensor, renewal: Renewal, eta: float) -> Tensor:
    """How strongly noise is renewed at sigma / alpha."""
    match renewal:
        case Renewal.EXTENDED:
            return ratio * ((ratio**0.3).exp() + 10.0)
        case Renewal.REVERSE:
            return ratio ** (eta + 1.0)
        case Renewal.NONE:
            return ratio

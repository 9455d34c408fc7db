"""Samplers that renew the noise by their own rule: DDPM's posterior, consistency models, extended reverse SDEs."""

from collections.abc import Iterator

import torch
from torch import Tensor

from nodes.diffusion.denoiser import Denoiser
from nodes.diffusion.mixing import Mixing
from nodes.diffusion.noise import NoiseSource
from nodes.diffusion.sampling.steps import Step, levels, slope_at
from nodes.diffusion.values import Latents, Sigma, Sigmas

INTEGRATION_POINTS = 200


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


def er_sde(
    denoiser: Denoiser,
    latents: Latents,
    sigmas: Sigmas,
    noise: NoiseSource,
    mixing: Mixing,
    *,
    s_noise: float = 1.0,
) -> Iterator[Step]:
    """The extended reverse-time SDE's solver of third order, on latents over their alpha.

    Args: as for `euler_ancestral`.
    Source: Cui et al. 2023 (arXiv:2309.06169), algorithm 3 with noise scale function 5, integrals by Riemann sums.
    """
    past: list[tuple[Sigma, Latents]] = []  # newest first: sigma / alpha, and what was predicted there
    bend_before: Latents | None = None
    for index, sigma, following in levels(sigmas):
        denoised = denoiser(latents, sigma)
        high = sigma / mixing.alpha(sigma)
        if following == 0:
            latents = denoised
        else:
            alpha = mixing.alpha(following)
            low = following / alpha
            share = _noise_scale(low) / _noise_scale(high)
            reached = share * latents / mixing.alpha(sigma) + (1 - share) * denoised
            stride = (high - low) / INTEGRATION_POINTS
            places = low + torch.arange(INTEGRATION_POINTS).to(low) * stride
            densities = 1 / _noise_scale(places)
            if past:
                bend = (denoised - past[0][1]) / (high - past[0][0])
                reached = reached + (low - high + densities.sum() * stride * _noise_scale(low)) * bend
                if bend_before is not None:
                    curve = (bend - bend_before) / ((high - past[1][0]) / 2)
                    area = ((places - high) * densities).sum() * stride
                    reached = reached + ((low - high) ** 2 / 2 + area * _noise_scale(low)) * curve
                bend_before = bend
            spread = (low**2 - (high * share) ** 2).clamp(min=0).sqrt()
            latents = alpha * (reached + noise(latents, float(sigma), float(following)) * s_noise * spread)
            past = [(high, denoised), *past[:1]]
        yield Step(index, latents, denoised)


def _noise_scale(ratio: Tensor) -> Tensor:
    """How strongly noise is renewed at sigma / alpha."""
    return ratio * ((ratio**0.3).exp() + 10.0)

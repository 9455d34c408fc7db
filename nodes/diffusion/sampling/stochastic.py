"""Samplers that renew the noise by their own rule: DDPM's posterior, and consistency models."""

from collections.abc import Iterator

from torch import Tensor

from nodes.diffusion.denoiser import Denoiser, noised
from nodes.diffusion.noise import NoiseSource
from nodes.diffusion.sampling.steps import Step, levels


def ddpm(denoiser: Denoiser, latents: Tensor, sigmas: Tensor, noise: NoiseSource) -> Iterator[Step]:
    """Draw from the posterior q(x_{t-1} | x_t, x_0) at the predicted x_0.

    Args: as for `euler`.
    Source: Ho et al. 2020 (arXiv:2006.11239), algorithm 2, between latents scaled by sqrt(1 + sigma^2).
    """
    for index, sigma, following in levels(sigmas):
        denoised = denoiser(latents, sigma)
        eps = (latents - denoised) / sigma
        abar, abar_next = 1 / (sigma**2 + 1), 1 / (following**2 + 1)
        alpha = abar / abar_next
        scaled = latents / (1.0 + sigma**2) ** 0.5
        mean = (1.0 / alpha) ** 0.5 * (scaled - (1 - alpha) * eps / (1 - abar) ** 0.5)
        if following > 0:
            spread = ((1 - alpha) * (1 - abar_next) / (1 - abar)) ** 0.5
            mean = mean + spread * noise(latents, float(sigma), float(following))
        latents = mean * (1.0 + following**2) ** 0.5 if following > 0 else mean
        yield Step(index, latents, denoised)


def lcm(denoiser: Denoiser, latents: Tensor, sigmas: Tensor, noise: NoiseSource) -> Iterator[Step]:
    """Jump to the clean latents, add the next level's noise, again.

    Args: as for `euler`.
    Source: Song et al. 2023 (arXiv:2303.01469), algorithm 1; Luo et al. 2023 (arXiv:2310.04378).
    """
    for index, sigma, following in levels(sigmas):
        denoised = denoiser(latents, sigma)
        latents = denoised
        if following > 0:
            latents = noised(denoised, noise(latents, float(sigma), float(following)), following)
        yield Step(index, latents, denoised)

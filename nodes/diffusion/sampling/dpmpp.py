"""DPM-Solver++: exponential integrators on denoised predictions, with memory of the last one or two evaluations a step."""

from collections.abc import Iterator

import torch

from nodes.diffusion.denoiser import Denoiser
from nodes.diffusion.mixing import Mixing
from nodes.diffusion.noise import NoiseSource
from nodes.diffusion.sampling.steps import Step, ancestral_split, drifted, levels, toward
from nodes.diffusion.values import Latents, Sigma, Sigmas

BELOW_ONE = 0.9999  # where noise is traded, the clock of sigma 1 has no middle


def dpmpp_2m(denoiser: Denoiser, latents: Latents, sigmas: Sigmas) -> Iterator[Step]:
    """Second order by extrapolating from the last two predictions; first and last step are of first order.

    Args: as for `euler`.
    Source: Lu et al. 2022 (arXiv:2211.01095), algorithm 2, for added noise.
    """
    previous: Latents | None = None
    last_step: Sigma | None = None
    for index, sigma, following in levels(sigmas):
        denoised = denoiser(latents, sigma)
        now, end = -sigma.log(), -following.log()
        step = end - now
        guess = denoised
        if previous is not None and last_step is not None and following > 0:
            ratio = last_step / step
            guess = (1 + 1 / (2 * ratio)) * denoised - (1 / (2 * ratio)) * previous
        latents = drifted(latents, guess, now, end, step)
        previous, last_step = denoised, step
        yield Step(index, latents, denoised)


def dpmpp_2s_ancestral(
    denoiser: Denoiser,
    latents: Latents,
    sigmas: Sigmas,
    noise: NoiseSource,
    mixing: Mixing,
    *,
    eta: float = 1.0,
    s_noise: float = 1.0,
) -> Iterator[Step]:
    """The prediction halfway (by the clock) carries a step down past the next level; then fresh noise.

    Args: as for `euler_ancestral`.
    Source: Lu et al. 2022 (arXiv:2211.01095), algorithm 1 with r = 1/2, with Song et al.'s noise.
    """
    for index, sigma, following in levels(sigmas):
        denoised = denoiser(latents, sigma)
        split = ancestral_split(sigma, following, eta, mixing)
        latents = (
            denoised
            if split.down == 0
            else _two_stages(denoiser, latents, denoised, sigma, split.down, mixing)
        )
        if following > 0:  # also where all noise was taken off, as a high eta does
            fresh = noise(latents, float(sigma), float(following))
            latents = split.keep * latents + fresh * s_noise * split.up
        yield Step(index, latents, denoised)


def _two_stages(
    denoiser: Denoiser, latents: Latents, denoised: Latents, sigma: Sigma, following: Sigma, mixing: Mixing
) -> Latents:
    start, end = mixing.clock(sigma), mixing.clock(following)
    step = end - start
    halfway = start + 0.5 * step
    if mixing is Mixing.TRADED:
        middle = torch.full_like(sigma, BELOW_ONE) if sigma == 1 else mixing.sigma(halfway)
        reached = toward(latents, denoised, middle / sigma)
        return toward(latents, denoiser(reached, middle), following / sigma)
    middle = mixing.sigma(halfway)
    reached = drifted(latents, denoised, start, halfway, 0.5 * step)
    return drifted(latents, denoiser(reached, middle), start, end, step)

"""Second-order steps that ask the denoiser twice: Heun's, and the midpoint's in log sigma."""

from collections.abc import Iterator

from torch import Tensor

from nodes.diffusion.denoiser import Denoiser
from nodes.diffusion.sampling.steps import Step, levels


def heun(denoiser: Denoiser, latents: Tensor, sigmas: Tensor) -> Iterator[Step]:
    """Euler to the next level, then average the slopes at both ends; the last step is Euler's.

    Args: as for `euler`.
    Source: Karras et al. 2022 (arXiv:2206.00364), algorithm 1 without noise added.
    """
    for index, sigma, following in levels(sigmas):
        denoised = denoiser(latents, sigma)
        slope = (latents - denoised) / sigma
        reached = latents + slope * (following - sigma)
        if following > 0:
            beyond = (reached - denoiser(reached, following)) / following
            reached = latents + (slope + beyond) / 2 * (following - sigma)
        latents = reached
        yield Step(index, latents, denoised)


def dpm_2(denoiser: Denoiser, latents: Tensor, sigmas: Tensor) -> Iterator[Step]:
    """The slope halfway (in log sigma) to the next level carries the whole step; the last step is Euler's.

    Args: as for `euler`.
    Source: Lu et al. 2022 (arXiv:2206.00927), algorithm 1 with r = 1/2, written for sigma.
    """
    for index, sigma, following in levels(sigmas):
        denoised = denoiser(latents, sigma)
        slope = (latents - denoised) / sigma
        if following == 0:
            latents = latents + slope * (following - sigma)
        else:
            middle = sigma.log().lerp(following.log(), 0.5).exp()
            halfway = latents + slope * (middle - sigma)
            slope = (halfway - denoiser(halfway, middle)) / middle
            latents = latents + slope * (following - sigma)
        yield Step(index, latents, denoised)

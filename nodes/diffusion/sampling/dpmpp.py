"""DPM-Solver++: exponential integrators on denoised predictions, with memory of the last one."""

from collections.abc import Iterator

import torch
from torch import Tensor

from nodes.diffusion.denoiser import Denoiser
from nodes.diffusion.noise import NoiseSource
from nodes.diffusion.sampling.steps import Step, levels


def dpmpp_2m(denoiser: Denoiser, latents: Tensor, sigmas: Tensor) -> Iterator[Step]:
    """Second order by extrapolating from the last two predictions; first and last step are of first order.

    Args: as for `euler`.
    Source: Lu et al. 2022 (arXiv:2211.01095), algorithm 2, for the variance-exploding form.
    """
    previous: Tensor | None = None
    last_step: Tensor | None = None
    for index, sigma, following in levels(sigmas):
        denoised = denoiser(latents, sigma)
        step = sigma.log() - following.log()
        carried = denoised
        if previous is not None and last_step is not None and following > 0:
            ratio = last_step / step
            carried = (1 + 1 / (2 * ratio)) * denoised - (1 / (2 * ratio)) * previous
        latents = (following / sigma) * latents - torch.expm1(-step) * carried
        previous, last_step = denoised, step
        yield Step(index, latents, denoised)


def dpmpp_2m_sde(
    denoiser: Denoiser,
    latents: Tensor,
    sigmas: Tensor,
    noise: NoiseSource,
    *,
    eta: float = 1.0,
    s_noise: float = 1.0,
) -> Iterator[Step]:
    """The second-order multistep solver for the reverse SDE, midpoint form.

    Args:
        eta: share of the noise that is renewed; 0 gives the ODE. s_noise: its strength.
    Source: Lu et al. 2022 (arXiv:2211.01095), section 5, SDE-DPM-Solver++(2M).
    """
    previous: Tensor | None = None
    last_step: Tensor | None = None
    for index, sigma, following in levels(sigmas):
        denoised = denoiser(latents, sigma)
        if following == 0:
            latents = denoised
        else:
            step = sigma.log() - following.log()
            damped = step * (eta + 1)
            latents = following / sigma * (-step * eta).exp() * latents - torch.expm1(-damped) * denoised
            if previous is not None and last_step is not None:
                ratio = last_step / step
                latents = latents - 0.5 * torch.expm1(-damped) * (1 / ratio) * (denoised - previous)
            if eta:
                spread = following * (-torch.expm1(-2 * step * eta)).sqrt() * s_noise
                latents = latents + noise(latents, float(sigma), float(following)) * spread
            last_step = step
        previous = denoised
        yield Step(index, latents, denoised)

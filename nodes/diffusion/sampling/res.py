"""Refined exponential solvers: two-point multistep with exact exponential weights, plain, ancestral, and for CFG++.

Source of all: Zhang et al. 2023 (arXiv:2308.02157), section 3.2 (RES), multistep of second order.
"""

from collections.abc import Callable, Iterator

import torch

from nodes.diffusion.denoiser import Denoiser, TwoSidedDenoiser
from nodes.diffusion.noise import NoiseSource
from nodes.diffusion.sampling.steps import Step, ancestral_split, levels, slope_at
from nodes.diffusion.values import Latents, Sigma, Sigmas

Sides = Callable[[Latents, Sigma], tuple[Latents, Latents]]
"""The guided estimate, and the one whose noise is kept."""


def res_multistep(denoiser: Denoiser, latents: Latents, sigmas: Sigmas) -> Iterator[Step]:
    """Without renewed noise.

    Args: as for `euler`.
    """
    return _res(_one_sided(denoiser), latents, sigmas, None, 0.0)


def res_multistep_ancestral(
    denoiser: Denoiser, latents: Latents, sigmas: Sigmas, noise: NoiseSource, *, eta: float = 1.0
) -> Iterator[Step]:
    """Down past the next level, then fresh noise back up to it.

    Args: as for `euler_ancestral`.
    """
    return _res(_one_sided(denoiser), latents, sigmas, noise, eta)


def res_multistep_cfg_pp(denoiser: TwoSidedDenoiser, latents: Latents, sigmas: Sigmas) -> Iterator[Step]:
    """With the noise that the negative side leaves (Chung et al. 2024, arXiv:2406.08070).

    Args: as for `euler`.
    """
    return _res(denoiser.both, latents, sigmas, None, 0.0)


def res_multistep_ancestral_cfg_pp(
    denoiser: TwoSidedDenoiser, latents: Latents, sigmas: Sigmas, noise: NoiseSource, *, eta: float = 1.0
) -> Iterator[Step]:
    """Both of the above.

    Args: as for `euler_ancestral`.
    """
    return _res(denoiser.both, latents, sigmas, noise, eta)


def _one_sided(denoiser: Denoiser) -> Sides:
    def both(latents: Latents, sigma: Sigma) -> tuple[Latents, Latents]:
        denoised = denoiser(latents, sigma)
        return denoised, denoised

    return both


def _res(
    sides: Sides, latents: Latents, sigmas: Sigmas, noise: NoiseSource | None, eta: float
) -> Iterator[Step]:
    before: Latents | None = None
    down_before = sigmas[0]
    for index, sigma, following in levels(sigmas):
        denoised, kept = sides(latents, sigma)
        split = ancestral_split(sigma, following, eta)
        if before is None or split.down == 0:
            slope = slope_at(latents, kept, sigma)
            one_sided = kept is denoised
            latents = latents + slope * (split.down - sigma) if one_sided else denoised + slope * split.down
        else:
            now, end = -sigma.log(), -split.down.log()
            step = end - now
            gap = (-sigmas[index - 1].log() + down_before.log()) / step
            first = torch.expm1(-step) / -step
            second = torch.nan_to_num((first - 1) / -step / gap, nan=0.0)
            moved = latents + (denoised - kept)
            latents = (-step).exp() * moved + step * (
                torch.nan_to_num(first - second) * kept + second * before
            )
        if noise is not None and following > 0:
            latents = latents + noise(latents, float(sigma), float(following)) * split.up
        before, down_before = kept, split.down
        yield Step(index, latents, denoised)

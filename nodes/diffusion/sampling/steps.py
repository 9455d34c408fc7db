"""What all samplers share: the step they yield, and the arithmetic of ancestral noise."""

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import pairwise

from torch import Tensor


@dataclass(frozen=True, slots=True, eq=False)
class Step:
    """Where a sampler stands: `latents` lie at noise level `sigmas[index + 1]`.

    Attributes:
        latents: Float[batch channel *space].
        denoised: the denoiser's guess of the clean latents.
    """

    index: int
    latents: Tensor
    denoised: Tensor


def levels(sigmas: Tensor) -> Iterator[tuple[int, Tensor, Tensor]]:
    """Each step's index, its sigma and the following one, as tensors of one number."""
    for index, (sigma, following) in enumerate(pairwise(sigmas)):
        yield index, sigma, following


def ancestral_split(sigma: Tensor, following: Tensor, eta: float) -> tuple[Tensor, Tensor]:
    """How far to denoise, and how much fresh noise brings it back up to `following`.

    Returns:
        down, up with down**2 + up**2 = following**2; eta 0 gives (following, 0), eta 1 the variance of DDPM.
    Source: Song et al. 2020 (arXiv:2010.02502), eq. 16, in terms of sigma.
    """
    if eta == 0.0:
        return following, following.new_zeros(())
    up = (eta * (following**2 * (sigma**2 - following**2) / sigma**2) ** 0.5).minimum(following)
    return (following**2 - up**2) ** 0.5, up

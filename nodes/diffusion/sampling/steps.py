"""What all samplers share: the step they yield, exact first-order steps, and the arithmetic of ancestral noise."""

import math
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import pairwise
from typing import Any, cast

import torch
from jaxtyping import Float
from torch import Tensor

from nodes.diffusion.mixing import Mixing
from nodes.diffusion.noise import NoiseSource
from nodes.diffusion.values import Latents, Sigma, Sigmas


@dataclass(frozen=True, slots=True, eq=False)
class Step:
    """Where a sampler stands: `latents` lie at noise level `sigmas[index + 1]`.

    Attributes:
        denoised: the denoiser's guess of the clean latents; smaller where the sampler then scaled them up.
    """

    index: int
    latents: Latents
    denoised: Float[Tensor, "batch channel *asked"]


def levels(sigmas: Sigmas) -> Iterator[tuple[int, Sigma, Sigma]]:
    """Each step's index, its sigma and the following one."""
    for index, (sigma, following) in enumerate(pairwise(sigmas)):
        yield index, sigma, following


def slope_at(latents: Latents, denoised: Latents, sigma: Sigma) -> Latents:
    """How fast latents change with sigma along the probability flow (Karras et al. 2022, arXiv:2206.00364, eq. 3)."""
    return (latents - denoised) / sigma


@dataclass(frozen=True, slots=True)
class AncestralSplit:
    """A step down past the following level, and back up to it: `keep * latents + up * noise`."""

    down: Sigma
    up: Sigma
    keep: Sigma


def ancestral_split(
    sigma: Sigma, following: Sigma, eta: float, mixing: Mixing = Mixing.ADDED
) -> AncestralSplit:
    """How far to denoise, and how much fresh noise brings it back up to `following`.

    Args:
        eta: share of the noise that is renewed: 0 none (down is `following`), 1 the variance of DDPM.
    Source: Song et al. 2020 (arXiv:2010.02502), eq. 16, in terms of sigma. Where noise is traded, `down` goes from
        `following` at eta 0 to `following**2 / sigma` at 1, and alpha and sigma after the noise are those of `following`.
    """
    one = following.new_ones(())
    if eta == 0.0:
        return AncestralSplit(following, following.new_zeros(()), one)
    if mixing is Mixing.TRADED:
        down = following * (1.0 + (following / sigma - 1.0) * eta)
        alpha, alpha_down = 1.0 - following, 1.0 - down
        up = (following**2 - down**2 * alpha**2 / alpha_down**2) ** 0.5
        return AncestralSplit(down, up, alpha / alpha_down)
    renewed = following if sigma.isinf() else (following**2 * (sigma**2 - following**2) / sigma**2) ** 0.5
    up = (eta * renewed).minimum(following)
    return AncestralSplit((following**2 - up**2) ** 0.5, up, one)


@dataclass(frozen=True, slots=True)
class Churn:
    """Noise that is added before a step, to be taken off again by it: more of it corrects more errors.

    Source: Karras et al. 2022 (arXiv:2206.00364), algorithm 2, in terms of sigma / alpha.

    Attributes:
        amount: shared out among all steps; 0 for none.
        low, high: the levels between which it is added. strength: of the noise; a little above 1 keeps detail.
    """

    amount: float = 0.0
    low: float = 0.0
    high: float = math.inf
    strength: float = 1.0

    def raised(
        self, latents: Latents, sigma: Sigma, steps: int, noise: NoiseSource | None, mixing: Mixing
    ) -> tuple[Latents, Sigma]:
        """Latents with more noise, and their new level; as they are outside the range, or without a source."""
        if noise is None or self.amount <= 0.0 or not self.low <= float(sigma) <= self.high:
            return latents, sigma
        alpha = mixing.alpha(sigma)
        if alpha == 0:
            return latents, sigma
        ratio = sigma / alpha
        higher = ratio * (1.0 + min(self.amount / steps, 2**0.5 - 1.0))
        next_alpha = 1.0 / (1.0 + higher) if mixing is Mixing.TRADED else alpha
        fresh = noise(latents, float(sigma), float(higher * next_alpha)) * self.strength
        raised = next_alpha * (latents / alpha + (higher**2 - ratio**2).sqrt() * fresh)
        return raised, higher * next_alpha


def toward(latents: Latents, denoised: Latents, ratio: Sigma) -> Latents:
    """Part of the way to the denoised latents, straight: exact of first order where noise is traded.

    Args:
        ratio: of the following sigma to this one.
    Source: Song et al. 2020 (arXiv:2010.02502), eq. 12, where alpha is 1 - sigma.
    """
    return ratio * latents + (1 - ratio) * denoised


def drifted(latents: Latents, denoised: Latents, start: Sigma, end: Sigma, step: Sigma) -> Latents:
    """The latents at a later time of the clock if the denoised ones stay as they are, where noise is added.

    Args:
        step: `end - start` as the caller has it: a difference of the two loses digits that known answers have.
    Source: Lu et al. 2022 (arXiv:2211.01095), eq. 9 for k = 1.
    """
    return (-end).exp() / (-start).exp() * latents - torch.expm1(-step) * denoised


def solved(rows: Float[Tensor, "n n"], wanted: Float[Tensor, " n"]) -> Float[Tensor, " n"]:
    """What the rows must be weighed by to give what is wanted; no numbers where two rows' places are one."""
    return cast("Tensor", cast("Any", torch.linalg).solve_ex(rows, wanted).result)

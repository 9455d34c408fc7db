"""Rules that come before the sides are joined: they bend what guidance will add."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, cast

import torch
from torch import Tensor

from nodes.diffusion.errors import DiffusionError
from nodes.diffusion.guidance.arithmetic import frequencies_scaled, length
from nodes.diffusion.guidance.rule import Evaluation
from nodes.diffusion.latents import LatentOperation
from nodes.diffusion.values import Latents, Rule

BOTH = 2
TINY = 1e-12


@dataclass(frozen=True, slots=True)
class ProjectedGuidance(Rule):
    """Adaptive projected guidance: the part of the difference along the positive estimate, which burns colours, is weighed.

    Source: Sadat et al. 2024 (arXiv:2410.02416), algorithm 1. As in the field, what is added comes on top of the positive
    estimate: without limits, at `along` 1, the result is guidance at one more than its scale.

    Attributes:
        along: how much the parallel part counts.
        longest: the greatest length of an item's difference; 0 sets no limit.
        momentum: how much of earlier differences is added; negative pushes away from them.
    """

    along: float = 1.0
    longest: float = 5.0
    momentum: float = 0.0

    def before(self, at: Evaluation) -> Sequence[Latents]:
        """As `ComesBefore`.

        Raises:
            DiffusionError: the guidance scale is 0.
        """
        if len(at.sides) < BOTH:
            return at.sides
        if at.scale == 0.0:
            raise DiffusionError(
                "Adaptive Projected Guidance divides by cfg, which is 0.",
                "Set the sampler's cfg above 0, or leave the node Adaptive Projected Guidance out.",
            )
        positive, negative, *rest = at.sides
        difference = self._with_momentum(at, positive - negative)
        if self.longest > 0.0:
            difference = difference * (self.longest / length(difference, _axes(difference))).clamp(max=1.0)
        direction = positive / length(positive, _axes(positive)).clamp(min=TINY)
        parallel = (difference * direction).sum(dim=_axes(positive), keepdim=True) * direction
        bent = difference - parallel + self.along * parallel
        return [negative + bent + (positive - negative) / at.scale, negative, *rest]

    def _with_momentum(self, at: Evaluation, difference: Tensor) -> Tensor:
        if self.momentum == 0.0:
            return difference
        sigma = float(at.sigma)
        if sigma > at.kept.get("sigma", sigma):
            at.kept.pop("average", None)
        at.kept["sigma"] = sigma
        average = at.kept.get("average")
        at.kept["average"] = difference if average is None else difference + self.momentum * average
        return at.kept["average"]


def _axes(latents: Tensor) -> tuple[int, ...]:
    """The last three: an item, or a frame of a video."""
    return tuple(range(latents.ndim - 3, latents.ndim))


@dataclass(frozen=True, slots=True)
class FrequencyScaling(Rule):
    """What guidance adds, with low and high spatial frequencies scaled apart (FreSca).

    Source: Huang et al. 2025 (arXiv:2504.02154), eq. 5.

    Attributes:
        low, high: factors; `cutoff`: frequencies up to this count as low.
    """

    low: float = 1.0
    high: float = 1.25
    cutoff: int = 20

    def before(self, at: Evaluation) -> Sequence[Latents]:
        """As `ComesBefore`."""
        if len(at.sides) < BOTH:
            return at.sides
        positive, negative, *rest = at.sides
        return [negative + self._scaled(positive - negative), negative, *rest]

    def _scaled(self, difference: Tensor) -> Tensor:
        height, width = difference.shape[-2:]
        top, left = min(self.cutoff, height // 2), min(self.cutoff, width // 2)
        factors = torch.full((height, width), self.high)
        factors[height // 2 - top : height // 2 + top, width // 2 - left : width // 2 + left] = self.low
        return frequencies_scaled(difference, factors)


@dataclass(frozen=True, slots=True)
class TangentialDamping(Rule):
    """The negative side without what it says across the direction that both sides share (TCFG).

    Source: Kwon et al. 2025 (arXiv:2503.18137), eqs. 8 and 9.
    """

    def before(self, at: Evaluation) -> Sequence[Latents]:
        """As `ComesBefore`."""
        if len(at.sides) < BOTH:
            return at.sides
        positive, negative, *rest = at.sides
        away, toward = ((at.latents - side).flatten(1).float() for side in (negative, positive))
        pair = torch.stack([away, toward], dim=1)
        shared = cast("Tensor", cast("Any", torch.linalg).svd(pair, full_matrices=False).Vh[:, 0])
        along = (away * shared).sum(dim=1, keepdim=True) * shared
        return [positive, at.latents - along.view_as(at.latents).to(at.latents.dtype), *rest]


@dataclass(frozen=True, slots=True)
class OperatedDifference(Rule):
    """What guidance adds, changed by an operation on latents; the positive estimate itself where it stands alone."""

    operation: LatentOperation

    def before(self, at: Evaluation) -> Sequence[Latents]:
        """As `ComesBefore`."""
        if len(at.sides) < BOTH:
            return [self.operation(latent=at.positive)]
        positive, negative, *rest = at.sides
        return [self.operation(latent=positive - negative) + negative, negative, *rest]

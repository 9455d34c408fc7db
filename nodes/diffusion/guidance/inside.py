"""Rules that work on the blocks of a U-Net: what its skips and its sizes are."""

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from nodes.diffusion.changes import BlockChange, Joint, NetworkChanges, Positions, SkipChange
from nodes.diffusion.guidance.arithmetic import frequencies_scaled
from nodes.diffusion.guidance.rule import Evaluation
from nodes.diffusion.resize import resize
from nodes.diffusion.values import Rule

SMALL = 1e-8


@dataclass(frozen=True, slots=True)
class FreeU(Rule):
    """Half of what comes from below is strengthened, low frequencies of the skip are weakened, in the two deepest widths.

    Source: Si et al. 2023 (arXiv:2309.11497), eqs. 4 and 5; its second version scales by each place's own strength.

    Attributes:
        below, skip: factors at four and at two times the first layer's channels.
    """

    below: tuple[float, float] = (1.1, 1.2)
    skip: tuple[float, float] = (0.9, 0.2)
    second_version: bool = False

    def inside(self, _at: Evaluation) -> NetworkChanges:
        """As `WorksInside`."""
        return NetworkChanges(skips=(self._changed,))

    def _changed(self, joint: Joint, hidden: Tensor, skip: Tensor) -> tuple[Tensor, Tensor]:
        row = {4 * joint.width: 0, 2 * joint.width: 1}.get(hidden.shape[1])
        if row is None:
            return hidden, skip
        half = hidden.shape[1] // 2
        factor = self._by_strength(hidden, self.below[row]) if self.second_version else self.below[row]
        hidden = torch.cat([hidden[:, :half] * factor, hidden[:, half:]], dim=1)
        return hidden, _low_scaled(skip, self.skip[row])

    def _by_strength(self, hidden: Tensor, most: float) -> Tensor:
        """From 1 at an item's weakest place to `most` at its strongest."""
        mean = hidden.mean(dim=1, keepdim=True)
        low, high = mean.amin(dim=(2, 3), keepdim=True), mean.amax(dim=(2, 3), keepdim=True)
        return (mean - low) / (high - low).clamp(min=SMALL) * (most - 1.0) + 1.0


def _low_scaled(skip: Tensor, factor: float) -> Tensor:
    """The four lowest spatial frequencies times a number."""
    height, width = skip.shape[-2:]
    factors = torch.ones(height, width)
    factors[max(height // 2 - 1, 0) : height // 2 + 1, max(width // 2 - 1, 0) : width // 2 + 1] = factor
    return frequencies_scaled(skip, factors)


@dataclass(frozen=True, slots=True)
class Downscale(Rule):
    """Early in a run, what an input block gives is made smaller, so that large pictures get one composition.

    Source: kohya-ss 2023, "Deep Shrink".

    Attributes:
        block: number of the input block.
        after_skip: the skip is kept at its own size; otherwise it is made smaller too.
        down, up: values of `resize.Method`.
    """

    block: int = 3
    factor: float = 2.0
    start_percent: float = 0.0
    end_percent: float = 0.35
    after_skip: bool = True
    down: str = "bicubic"
    up: str = "bicubic"

    def inside(self, at: Evaluation) -> NetworkChanges:
        """As `WorksInside`."""
        smaller: Sequence[BlockChange] = ()
        if at.within(self.start_percent, self.end_percent):
            smaller = (self._smaller,)
        fitted: SkipChange = self._fitted
        if self.after_skip:
            return NetworkChanges(after_skip=smaller, skips=(fitted,))
        return NetworkChanges(before_skip=smaller, skips=(fitted,))

    def _smaller(self, number: int, hidden: Tensor) -> Tensor:
        if number != self.block:
            return hidden
        height, width = hidden.shape[-2:]
        return resize(hidden, round(width / self.factor), round(height / self.factor), self.down)

    def _fitted(self, _joint: Joint, hidden: Tensor, skip: Tensor) -> tuple[Tensor, Tensor]:
        if hidden.shape[2] == skip.shape[2]:
            return hidden, skip
        return resize(hidden, skip.shape[-1], skip.shape[-2], self.up), skip


@dataclass(frozen=True, slots=True)
class ScaledPositions(Rule):
    """The places of a picture or video, stretched and moved as a transformer's rotary embedding sees them.

    Source: Chen et al. 2023 (position interpolation, arXiv:2306.15595), eq. 4, for each axis.
    """

    positions: Positions

    def inside(self, _at: Evaluation) -> NetworkChanges:
        """As `WorksInside`."""
        return NetworkChanges(positions=self.positions)

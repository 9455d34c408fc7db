"""Context windows: a network asked for parts of long latents in turn, whose answers are joined where they overlap.

Source: Kosinkadink 2023, "AnimateDiff-Evolved" (the schedules and weights); Bar-Tal et al. 2023 (arXiv:2302.08113), eq. 5.
"""

import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any

import torch
from torch import Tensor

from nodes.diffusion.changes import NO_CHANGES, NetworkChanges
from nodes.diffusion.denoiser import (
    NO_INPUTS,
    Network,
    NetworkInputs,
    Residuals,
)
from nodes.diffusion.errors import DiffusionError
from nodes.diffusion.guidance.wrapped import Wrapped
from nodes.diffusion.values import Rule

BITS = 64
TINY = 1e-37
SCHEDULES = ("standard_static", "standard_uniform", "looped_uniform", "batched")
FUSIONS = ("pyramid", "relative", "flat", "overlap-linear")

Window = tuple[int, ...]


@dataclass(frozen=True, slots=True)
class ContextWindows(Rule):
    """Latents that are longer than a window along an axis are answered window by window.

    Attributes:
        length, overlap: of windows, in latents.
        axis: of the latents, from 0; along the batch nothing changes, since pictures do not see each other anyway.
        schedule, fusion: names of `SCHEDULES` and `FUSIONS`.
        stride: windows of "uniform" schedules also take each 2nd, 4th, ... place, so many kinds of windows.
        closed: the end of the latents goes on at their start.
    """

    length: int = 16
    overlap: int = 4
    schedule: str = "standard_static"
    stride: int = 1
    closed: bool = False
    fusion: str = "pyramid"
    axis: int = 2

    def wrap(self, network: Network, sigma: Callable[[], float], kept: dict[str, Any]) -> Network:
        """As `Wraps`."""
        return Windowed(network, self, sigma, kept)

    def windows(self, size: int, step: int) -> list[Window]:
        """The places that are answered together, at a step of the run (from 0), of latents of a size.

        A wide window that comes around to its own places has each once.
        """
        match self.schedule:
            case "standard_static":
                found = _static(size, self.length, self.overlap)
            case "batched":
                starts = range(0, size, self.length)
                found = (tuple(range(start, min(start + self.length, size))) for start in starts)
            case "looped_uniform":
                around = _uniform(size, step, self, closed=self.closed)
                found = (tuple(place % size for place in window) for window in around)
            case _:
                found = iter(_shifted(_uniform(size, step, self, closed=False), size))
        return [tuple(dict.fromkeys(window)) for window in found]

    def weights(self, window: Window, size: int) -> Tensor:
        """How much each place of a window counts there."""
        count = len(window)
        if self.fusion == "flat":
            return torch.ones(count)
        if self.fusion == "relative":
            middle, reach = (window[0] + window[-1]) / 2, (window[-1] - window[0] + 0.01) / 2
            return torch.tensor([max(0.01, 1 - abs(place - middle) / reach) for place in window])
        if self.fusion == "pyramid":
            return torch.tensor([float(min(place, count - 1 - place) + 1) for place in range(count)])
        made, overlap = torch.ones(count), min(self.overlap, count)
        ramp = torch.linspace(TINY, 1, overlap)
        if min(window) > 0:
            made[:overlap] = ramp
        if max(window) < size - 1:
            made[count - overlap :] = ramp.flip(0)
        return made


@dataclass(slots=True, eq=False)
class Windowed(Wrapped):
    """A network that is asked window by window where latents are longer than one."""

    rule: ContextWindows
    sigma: Callable[[], float]
    kept: dict[str, Any]

    def __call__(
        self,
        latents: Tensor,
        timestep: Tensor,
        context: Tensor,
        *,
        residuals: Residuals | None = None,
        inputs: NetworkInputs = NO_INPUTS,
        changes: NetworkChanges = NO_CHANGES,
    ) -> Tensor:
        """As `Network`.

        Raises:
            DiffusionError: the latents have no such axis, or control nets see them whole.
        """
        rule = self.rule
        if rule.axis >= latents.ndim:
            raise DiffusionError(
                f"Context windows go along axis {rule.axis} (dim); the latents have {latents.ndim}, from 0.",
                "Set dim to 2 or 3: height and width of pictures, or frames of videos.",
            )
        size = latents.shape[rule.axis]
        if rule.axis == 0 or size <= rule.length:
            return self.network(
                latents, timestep, context, residuals=residuals, inputs=inputs, changes=changes
            )
        if residuals is not None:
            raise DiffusionError(
                "Context windows and control nets do not go together yet.", "Leave out one of the two."
            )
        total = torch.zeros_like(latents, dtype=torch.float32)
        weights = torch.zeros(size, dtype=torch.float32, device=latents.device)
        shape = [-1 if axis == rule.axis else 1 for axis in range(latents.ndim)]
        for window in rule.windows(size, self._step()):
            places = torch.tensor(window, device=latents.device)
            part = _cut(inputs, window, places, rule.axis, latents)
            made = self.network(
                latents.index_select(rule.axis, places), timestep, context, inputs=part, changes=changes
            )
            share = rule.weights(window, size).to(latents.device)
            total.index_add_(rule.axis, places, made.float() * share.reshape(shape))
            weights.index_add_(0, places, share)
        return (total / weights.reshape(shape)).to(latents.dtype)

    def _step(self) -> int:
        """Of the noise levels of this run so far, the number of this one, from 0."""
        levels: list[float] = self.kept.setdefault("levels", [])
        level = self.sigma()
        if level not in levels:
            levels.append(level)
        return levels.index(level)


def _cut(inputs: NetworkInputs, window: Window, places: Tensor, axis: int, latents: Tensor) -> NetworkInputs:
    """What lies beside the latents, place by place, cut like them; each window is a condition of its own to caches."""
    joined, inputs = (
        inputs.joined,
        replace(inputs, conds=tuple(hash((cond, window)) for cond in inputs.conds)),
    )
    if joined is None or joined.shape[axis] != latents.shape[axis]:
        return inputs
    return replace(inputs, joined=joined.index_select(axis, places))


def _static(size: int, length: int, overlap: int) -> Iterator[Window]:
    step = max(1, length - overlap)
    for start in range(0, size, step):
        last = start + length >= size
        first = max(0, size - length) if last else start
        yield tuple(range(first, min(first + length, size)))
        if last:
            return


def _uniform(size: int, step: int, rule: ContextWindows, *, closed: bool) -> Iterator[Window]:
    """Windows that begin elsewhere at each step; places beyond the end are those from the start on."""
    kinds = min(rule.stride, math.ceil(math.log2(size / rule.length)) + 1)
    share = int(f"{step:0{BITS}b}"[::-1], 2) / 2**BITS
    shift = round(size * share)
    for stride in (1 << kind for kind in range(kinds)):
        end = size + shift - (0 if closed else rule.overlap)
        for start in range(int(share * stride) + shift, end, max(1, rule.length * stride - rule.overlap)):
            yield tuple(start + place * stride for place in range(rule.length))


def _shifted(windows: Iterator[Window], size: int) -> Sequence[Window]:
    """Windows that would go around the end moved before it; what stays uncovered at the start gets a window of its own."""
    wrapped = [tuple(place % size for place in window) for window in windows]
    made: dict[Window, None] = {}
    for number, window in enumerate(wrapped):
        turn = next((at for at in range(1, len(window)) if window[at] < window[at - 1]), None)
        if turn is None:
            made[window] = None
            continue
        stride = window[1] - window[0] if turn > 1 else (window[2] - window[1] if len(window) > 2 else 1)
        last = size - 1
        made[tuple(max(0, last - stride * (len(window) - 1 - at)) for at in range(len(window)))] = None
        following = wrapped[number + 1] if number + 1 < len(wrapped) else ()
        if window[turn] not in following:
            made[tuple(min(last, window[turn] + stride * at) for at in range(len(window)))] = None
    return list(made)

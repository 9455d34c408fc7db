"""Rules that spare a network's blocks, or all of it, by what is known of runs: what the blocks add changes slowly.

Each condition, and on a processor each image of a batch, is judged for itself.
"""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor

from nodes.diffusion.changes import NO_CHANGES, BlockSparing, NetworkChanges
from nodes.diffusion.denoiser import NO_INPUTS, Network, NetworkInputs, Residuals
from nodes.diffusion.guidance.caching import between, saved
from nodes.diffusion.guidance.wrapped import Wrapped
from nodes.diffusion.values import Rule

SMALL = 1e-8
SPARED, ASKED = "spared", "asked"


@dataclass(frozen=True, slots=True)
class FirstBlockCache(Rule):
    """Asks a transformer's first block alone where it adds about what it added last time.

    Attributes:
        threshold: by which share of itself what the first block adds may have changed.
        start_percent, end_percent: the share of the run.

    Source: Cheng 2024, "ParaAttention", first block cache (after Liu et al. 2024, TeaCache, arXiv:2411.19108).
    """

    threshold: float = 0.1
    start_percent: float = 0.0
    end_percent: float = 1.0

    def wrap(self, network: Network, sigma: Callable[[], float], kept: dict[str, Any]) -> Network:
        """As `Wraps`."""
        return _BlocksSpared(network, self, sigma, kept)

    def begun(self, kept: dict[str, Any]) -> "_FirstBlock":
        """What is known of a condition that is asked for the first time."""
        return _FirstBlock(self, kept)

    def report(self, kept: dict[str, Any]) -> str:
        """As `Reports`."""
        return saved("First-Block Cache", kept, "calls all blocks but the first")


@dataclass(frozen=True, slots=True)
class MagCache(Rule):
    """Spares a transformer's blocks as long as what they add is known to keep its size.

    Attributes:
        ratios: at each step of a run of any length, how large what the blocks add is, in its size at the step before; they
            are the model's own. Empty: nothing is spared, and people are told the ratios of this run.
        steps: of the run.
        threshold: how far the size may have gone off, summed over the steps that are spared.
        most: so many steps in a row.
        rests: the share of the run, from its start, in which nothing is spared.

    Source: Ma et al. 2025 (MagCache, arXiv:2506.09045), section 3; as diffusers does it.
    """

    ratios: tuple[float, ...] = ()
    steps: int = 28
    threshold: float = 0.06
    most: int = 3
    rests: float = 0.2

    def wrap(self, network: Network, sigma: Callable[[], float], kept: dict[str, Any]) -> Network:
        """As `Wraps`."""
        return _BlocksSpared(network, self, sigma, kept)

    def begun(self, kept: dict[str, Any]) -> "_Magnitudes":
        """What is known of a condition that is asked for the first time."""
        return _Magnitudes(self, kept)

    def report(self, kept: dict[str, Any]) -> str:
        """As `Reports`."""
        if self.ratios:
            return saved("MagCache", kept, "calls all blocks")
        measured: list[list[float]] = kept.get("measured", [])
        if not measured:
            return ""
        longest = max(map(len, measured))
        rows = [row for row in measured if len(row) == longest]
        means = [sum(column) / len(rows) for column in zip(*rows, strict=True)]
        numbers = ", ".join(f"{mean:.5f}" for mean in means)
        return f"MagCache measured and spared nothing; the ratios of this run, to be pasted: {numbers}"

    def ratio(self, step: int) -> float:
        """At a step of a run of `steps`: the nearest of the table's."""
        if step >= self.steps:
            return 1.0
        last = len(self.ratios) - 1
        share = last / (self.steps - 1) if self.steps > 1 else 0.0
        return self.ratios[round(step * share) if self.steps > 1 else last]


@dataclass(frozen=True, slots=True)
class TaylorSeer(Rule):
    """Asks the network every few steps, and continues its answers between as a polynomial of the steps.

    What is continued is the network's answer, the sparing form of the method: all of a call is spared, with any network.

    Attributes:
        interval: one call of so many is made. order: of the polynomial, at most.
        warm_up: so many calls are made first.
        end_percent: from this share of the run on all calls are made.

    Source: Liu et al. 2025 (TaylorSeer, arXiv:2503.06923), eqs. 5 and 6; diffusers' lite mode.
    """

    interval: int = 3
    order: int = 1
    warm_up: int = 3
    end_percent: float = 1.0

    def wrap(self, network: Network, sigma: Callable[[], float], kept: dict[str, Any]) -> Network:
        """As `Wraps`."""
        return _Foreseen(network, self, sigma, kept)

    def report(self, kept: dict[str, Any]) -> str:
        """As `Reports`."""
        return saved("TaylorSeer", kept, "calls of the model")


@dataclass(slots=True, eq=False)
class _FirstBlock:
    """A condition under `FirstBlockCache`; a `BlockSparing`."""

    rule: FirstBlockCache
    counts: dict[str, Any]
    kept: dict[tuple[int, str], Tensor] = field(default_factory=dict[tuple[int, str], Tensor])
    _last: Tensor | None = None

    @property
    def after_first(self) -> bool:
        """As `BlockSparing`."""
        return True

    def spares(self, picture: Tensor, /) -> bool:
        """As `BlockSparing`."""
        last = self._last
        near = (
            last is not None
            and bool(self.kept)
            and last.shape == picture.shape
            and float((picture - last).abs().mean() / last.abs().mean()) <= self.rule.threshold
        )
        if not near:
            self._last = picture
        _count(self.counts, spared=near)
        return near

    def learn(self, _added: Tensor, /) -> None:
        """As `BlockSparing`."""


@dataclass(slots=True, eq=False)
class _Magnitudes:
    """A condition under `MagCache`; a `BlockSparing`."""

    rule: MagCache
    counts: dict[str, Any]
    kept: dict[tuple[int, str], Tensor] = field(default_factory=dict[tuple[int, str], Tensor])
    _step: int = 0
    _ratio: float = 1.0
    _error: float = 0.0
    _spared: int = 0
    _sizes: Tensor | None = None
    _measured: list[float] = field(default_factory=list[float])

    @property
    def after_first(self) -> bool:
        """As `BlockSparing`."""
        return False

    def spares(self, _picture: Tensor, /) -> bool:
        """As `BlockSparing`."""
        rule, step = self.rule, self._step
        self._step += 1
        near = False
        if rule.ratios and step >= int(rule.rests * rule.steps + 0.5):
            self._ratio *= rule.ratio(step)
            self._spared += 1
            self._error += abs(1.0 - self._ratio)
            near = bool(self.kept) and self._error <= rule.threshold and self._spared <= rule.most
            if not near:
                self._ratio, self._error, self._spared = 1.0, 0.0, 0
        _count(self.counts, spared=near)
        return near

    def learn(self, added: Tensor, /) -> None:
        """As `BlockSparing`; notes how the size changed where it is to be measured."""
        if self.rule.ratios:
            return
        sizes, last = added.float().square().sum(-1).sqrt(), self._sizes
        known = last is not None and last.shape == sizes.shape
        ratio = sizes / (last + SMALL) if known and last is not None else torch.ones(1)
        self._measured.append(float(ratio.mean()))
        if len(self._measured) == 1:
            self.counts.setdefault("measured", []).append(self._measured)
        self._sizes = sizes


def _count(counts: dict[str, Any], *, spared: bool) -> None:
    name = SPARED if spared else ASKED
    counts[name] = counts.get(name, 0) + 1


@dataclass(slots=True, eq=False)
class _BlocksSpared(Wrapped):
    """A network whose blocks are spared as a rule says."""

    rule: FirstBlockCache | MagCache
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
        """As `Network`."""
        rule = self.rule
        active = isinstance(rule, MagCache) or between(
            self.levels, self.sigma(), rule.start_percent, rule.end_percent
        )
        if active and inputs.conds:
            known: dict[object, BlockSparing] = self.kept.setdefault("known", {})
            name = inputs.conds, inputs.item, latents.shape, context.shape
            if name not in known:
                known[name] = rule.begun(self.kept)
            changes = changes + NetworkChanges(sparing=known[name])
        return self.network(latents, timestep, context, residuals=residuals, inputs=inputs, changes=changes)


@dataclass(slots=True, eq=False)
class _Course:
    """How a condition's answers went so far: the last one and its differences, each by a step."""

    step: int = -1
    asked_at: int = -1
    differences: Sequence[Tensor] = ()

    def learn(self, answer: Tensor, order: int) -> None:
        """Told what the network answered at this step."""
        apart, made = self.step - self.asked_at, [answer]
        for before in self.differences[:order]:
            made.append((made[-1] - before) / apart)
        self.asked_at, self.differences = self.step, tuple(made)

    def foreseen(self) -> Tensor:
        """The answer of this step, as the polynomial continues."""
        ahead = self.step - self.asked_at
        terms = [part * (ahead**power / math.factorial(power)) for power, part in enumerate(self.differences)]
        total = terms[0]
        for term in terms[1:]:
            total = total + term
        return total


@dataclass(slots=True, eq=False)
class _Foreseen(Wrapped):
    """A network whose answers are foreseen between two calls."""

    rule: TaylorSeer
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
        """As `Network`."""
        rule = self.rule
        courses: dict[object, _Course] = self.kept.setdefault("courses", {})
        course = None
        if inputs.conds:
            name = inputs.conds, inputs.item, latents.shape, context.shape
            course = courses.setdefault(name, _Course())
            course.step += 1
            due = course.step < rule.warm_up or (course.step - rule.warm_up - 1) % rule.interval == 0
            cooling = self.sigma() <= self.levels.at_percent(rule.end_percent)
            if course.differences and not due and not cooling:
                _count(self.kept, spared=True)
                return course.foreseen()
        _count(self.kept, spared=False)
        made = self.network(latents, timestep, context, residuals=residuals, inputs=inputs, changes=changes)
        if course is not None:
            course.learn(made, rule.order)
        return made

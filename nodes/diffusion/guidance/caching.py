"""Rules that save calls of the network where a run changes slowly: what it added last time is added again.

Source: Zhou et al. 2025 (EasyCache, arXiv:2507.02860), eqs. 5 to 7; changes are measured at every eighth place.
"""

from collections.abc import Callable
from dataclasses import dataclass
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
from nodes.diffusion.guidance.rule import Evaluation
from nodes.diffusion.guidance.wrapped import Wrapped
from nodes.diffusion.noise_levels import NoiseLevels
from nodes.diffusion.values import Latents, Rule

STRIDE = 8


@dataclass(frozen=True, slots=True)
class LazyCache(Rule):
    """Saves whole evaluations, all sides as one.

    Attributes:
        threshold: how large the change of the estimate may have grown, in its own size, before it is made anew.
        start_percent, end_percent: the share of the run.
        verbose: people are told how much was saved.
    """

    threshold: float = 0.2
    start_percent: float = 0.15
    end_percent: float = 0.95
    verbose: bool = False

    def guess(self, at: Evaluation) -> Latents | None:
        """As `Spares`."""
        seen, rate = at.kept.get("seen"), at.kept.get("rate")
        if not self._active(at) or seen is None or rate is None:
            return None
        here = _sparse(at.latents)
        grown = at.kept.get("grown", 0.0) + rate * _distance(here, seen) / at.kept["size"]
        at.kept["grown"] = grown if grown < self.threshold else 0.0
        if grown >= self.threshold:
            return None
        at.kept["seen"] = here
        at.kept["spared"] = at.kept.get("spared", 0) + 1
        return at.latents + at.kept["added"]

    def learn(self, at: Evaluation, guided: Latents) -> None:
        """As `Spares`."""
        at.kept["asked"] = at.kept.get("asked", 0) + 1
        if not self._active(at):
            return
        here, made = _sparse(at.latents), _sparse(guided)
        if "seen" in at.kept:
            moved = _distance(here, at.kept["seen"])
            at.kept["rate"] = _distance(made, at.kept["made"]) / moved if moved > 0.0 else None
        at.kept.update(seen=here, made=made, size=float(made.abs().mean()), added=guided - at.latents)

    def report(self, kept: dict[str, Any]) -> str:
        """As `Reports`."""
        return saved("LazyCache", kept, "evaluations") if self.verbose else ""

    def _active(self, at: Evaluation) -> bool:
        return between(at.network.levels, float(at.sigma), self.start_percent, self.end_percent)


@dataclass(frozen=True, slots=True)
class EasyCache(Rule):
    """Saves calls of the network, each condition's answer for itself. Attributes as `LazyCache`."""

    threshold: float = 0.2
    start_percent: float = 0.15
    end_percent: float = 0.95
    verbose: bool = False

    def wrap(self, network: Network, sigma: Callable[[], float], kept: dict[str, Any]) -> Network:
        """As `Wraps`."""
        return Reusing(network, self, sigma, kept)

    def report(self, kept: dict[str, Any]) -> str:
        """As `Reports`."""
        return saved("EasyCache", kept, "calls of the model") if self.verbose else ""


def saved(name: str, kept: dict[str, Any], what: str) -> str:
    """What people are told of a rule that counts what was asked and what was spared; nothing where nothing was."""
    spared, asked = kept.get("spared", 0), kept.get("asked", 0)
    return f"{name} spared {spared} of {spared + asked} {what}." if spared + asked else ""


@dataclass(slots=True, eq=False)
class _Course:
    """How the latents, or one item of them that is asked apart, went so far under the condition that was asked first.

    Attributes:
        first: that condition. level: the noise level of the last call.
    """

    threshold: float
    first: int | None = None
    level: float | None = None
    reuses: bool = False
    _seen: Tensor | None = None
    _made: Tensor | None = None
    _rate: float | None = None
    _grown: float = 0.0

    def lead(self, first: int) -> None:
        """Another condition leads, as the one before counts no more; nothing is known of it."""
        self.first, self.reuses, self._grown = first, False, 0.0
        self._seen = self._made = self._rate = None

    def decide(self, latents: Tensor) -> None:
        """Whether all conditions answer at this noise level from what was added last time."""
        self.reuses = self._is_near(latents)

    def _is_near(self, latents: Tensor) -> bool:
        if self._rate is None or not _fits(self._seen, _sparse(latents)):
            return False
        assert self._seen is not None
        assert self._made is not None
        size = float(self._made.abs().mean())
        self._grown += self._rate * _distance(_sparse(latents), self._seen) / size
        near = self._grown < self.threshold
        if not near:
            self._grown = 0.0
        return near

    def learn(self, latents: Tensor, answer: Tensor) -> None:
        """Told what the network answered."""
        here, made = _sparse(latents), _sparse(answer)
        if self._seen is not None and self._made is not None and _fits(self._seen, here):
            moved = _distance(here, self._seen)
            self._rate = _distance(made, self._made) / moved if moved > 0.0 else None
        self._seen, self._made = here, made


@dataclass(slots=True, eq=False)
class Reusing(Wrapped):
    """A network that answers from what it said before, where a condition was asked shortly ago.

    The condition that was asked first decides for all others at a noise level; where it counts no more, the next one does.
    Where the network is asked for one item at a time, each item of a batch decides for itself, as in a run of its own.
    """

    rule: EasyCache
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
        level = self.sigma()
        active = between(self.levels, level, self.rule.start_percent, self.rule.end_percent)
        added: dict[int, Tensor] = self.kept.setdefault("added", {})
        courses: dict[int | None, _Course] = self.kept.setdefault("courses", {})
        parts = latents.chunk(max(1, len(inputs.conds)))
        if active and inputs.conds:
            course = courses.setdefault(inputs.item, _Course(self.rule.threshold))
            if course.first not in inputs.conds and course.level != level:
                course.lead(inputs.conds[0])
            course.level = level
            if course.first in inputs.conds:
                course.decide(parts[inputs.conds.index(course.first)])
            known = [added.get(cond) for cond in inputs.conds]
            fits = [
                one for one, part in zip(known, parts, strict=True) if one is not None and _fits(one, part)
            ]
            if course.reuses and len(fits) == len(parts):
                self.kept["spared"] = self.kept.get("spared", 0) + 1
                return torch.cat([part + one for part, one in zip(parts, fits, strict=True)])
        self.kept["asked"] = self.kept.get("asked", 0) + 1
        made = self.network(latents, timestep, context, residuals=residuals, inputs=inputs, changes=changes)
        if active and inputs.conds:
            for cond, part, answer in zip(inputs.conds, parts, made.chunk(len(parts)), strict=True):
                added[cond] = answer - part
                if cond == courses[inputs.item].first:
                    courses[inputs.item].learn(part, answer)
        return made


def between(levels: NoiseLevels, sigma: float, start_percent: float, end_percent: float) -> bool:
    """Whether a noise level lies in a share of the run; at its end no more."""
    return levels.at_percent(end_percent) < sigma <= levels.at_percent(start_percent)


def _sparse(latents: Tensor) -> Tensor:
    return latents[..., ::STRIDE, ::STRIDE].clone()


def _distance(one: Tensor, other: Tensor) -> float:
    return float((one - other).abs().mean())


def _fits(one: Tensor | None, other: Tensor) -> bool:
    return one is not None and one.shape == other.shape

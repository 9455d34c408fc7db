"""Guiders: a network and what steers it, as one denoiser. All of them obey the rules of the model."""

import math
from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Protocol, cast, runtime_checkable

from nodes.diffusion.changes import NO_CHANGES, NetworkChanges
from nodes.diffusion.conditions import unread
from nodes.diffusion.denoiser import Network, SaysWhatItReads, TwoSidedDenoiser
from nodes.diffusion.guidance.joining import cfg, perpendicular
from nodes.diffusion.guidance.pieces import FindControl
from nodes.diffusion.guidance.recipes import (
    BasicGuidance,
    CfgGuidance,
    DualGuidance,
    Guidance,
    PerpNegGuidance,
)
from nodes.diffusion.guidance.rule import Evaluation
from nodes.diffusion.guidance.steering import Estimate, Steering
from nodes.diffusion.values import Conditioning, Latents, Rule, Sigma

NOTHING: Conditioning = ()
POSITIVE, EMPTY = 0, 2
ROLES = (0, 0, 1)  # of dual guidance's sides: two positive ones, then the negative one


@runtime_checkable
class Guider(TwoSidedDenoiser, Protocol):
    """A steered network; what a run samples."""

    @property
    def network(self) -> Network:
        """The network that is steered."""
        ...

    @property
    def unread(self) -> Sequence[str]:
        """What to tell people of things that its prompts say and its network does not read."""
        ...

    def start(
        self, seed: int, shape: Sequence[int], latents: Latents | None = None, mask: Latents | None = None
    ) -> None:
        """Told that a run begins.

        Args:
            seed: of its noise, whose shape is `shape`.
            latents: what it starts from without noise, at the model's scale.
            mask: where it may change them, 1 there, of their shape; None: everywhere.
        """
        ...


@runtime_checkable
class ReportingGuider(Protocol):
    """A guider whose rules have something to tell people when a run has ended."""

    @property
    def told(self) -> Sequence[str]:
        """A sentence each."""
        ...


def guider(recipe: Guidance, network: Network, controls: FindControl | None = None) -> Guider:
    """The guider of a recipe.

    Args:
        network: that of the recipe's model, loaded.
        controls: finds the loaded network of a control recipe.
    """
    rules = recipe.model.rules
    match recipe:
        case BasicGuidance():
            return Guided(network, recipe.positive, NOTHING, 1.0, controls, rules)
        case CfgGuidance():
            return Guided(network, recipe.positive, recipe.negative, recipe.scale, controls, rules)
        case DualGuidance():
            return DualGuided(network, recipe, controls)
        case PerpNegGuidance():
            return PerpNegGuided(network, recipe, controls)
        case _:
            return cast("Guider", recipe.guider(network, controls))


class _Steered(ABC):
    """What guiders have in common; each has conditionings of its own, and its own way to an estimate."""

    __slots__ = ()
    network: Network
    _steering: Steering

    @property
    @abstractmethod
    def _conditionings(self) -> Sequence[Conditioning]: ...

    @abstractmethod
    def _estimate(self, latents: Latents, sigma: Sigma, *, both: bool) -> Estimate: ...

    @property
    def told(self) -> Sequence[str]:
        """As `ReportingGuider`."""
        return self._steering.told

    @property
    def unread(self) -> Sequence[str]:
        """As `Guider`."""
        network = self.network
        told = isinstance(network, SaysWhatItReads)
        return unread(self._conditionings, network.reads, network.called) if told else ()

    def start(
        self, seed: int, shape: Sequence[int], latents: Latents | None = None, mask: Latents | None = None
    ) -> None:
        """As `Guider`."""
        self._steering.start(seed, shape, latents, mask)

    def __call__(self, latents: Latents, sigma: Sigma) -> Latents:
        return self._estimate(latents, sigma, both=False).guided

    def both(self, latents: Latents, sigma: Sigma) -> tuple[Latents, Latents]:
        """The guided estimate, and the negative side's alone."""
        estimate = self._estimate(latents, sigma, both=True)
        return estimate.guided, estimate.negative


@dataclass(slots=True, eq=False)
class Guided(_Steered):
    """A network steered by positive and negative conditions; a `Guider`.

    Attributes:
        scale: guidance scale; 1 leaves the negative side out.
        controls: finds the loaded network of a control recipe; needed where a condition has controls.
        rules: those of the model.
    """

    network: Network
    positive: Conditioning
    negative: Conditioning
    scale: float
    controls: FindControl | None = None
    rules: Sequence[Rule] = ()
    _steering: Steering = field(init=False)

    def __post_init__(self) -> None:
        self._steering = Steering(self.network, self.rules, self.controls)

    @property
    def _conditionings(self) -> Sequence[Conditioning]:
        return (self.positive, self.negative)

    def sides(
        self,
        latents: Latents,
        sigma: Sigma,
        sides: Sequence[Conditioning],
        changes: NetworkChanges = NO_CHANGES,
    ) -> Sequence[Latents]:
        """The denoised estimate of each side alone; zeros for one that has no active condition."""
        return self._steering.conditioned.sides(latents, sigma, sides, changes)

    def _estimate(self, latents: Latents, sigma: Sigma, *, both: bool) -> Estimate:
        steering = self._steering
        positive, negative = steering.prepared(latents, (self.positive, self.negative))
        at = steering.begin(latents, sigma, self.scale, (positive, negative))
        guess = steering.guessed(at)
        if guess is not None:
            return guess
        alone = math.isclose(at.scale, 1.0) and not both and not steering.needs_both
        asked = [positive] if alone else [positive, negative]
        return steering.joined(replace(at, sides=steering.ask(at, asked)), _by_cfg)


def _rests(at: Evaluation, scale: float) -> bool:
    """Whether a rule has taken guidance away: the scale is 1, and another was asked for."""
    return math.isclose(at.scale, 1.0) and not math.isclose(scale, 1.0)


def _resting(
    steering: Steering,
    at: Evaluation,
    sides: Sequence[Conditioning],
    roles: Sequence[int],
    *,
    both: bool,
) -> Estimate:
    """The first side alone; the negative one is asked where somebody needs it."""
    needed = both or steering.needs_both
    chosen = [0, roles.index(1)] if needed else [0]
    conditions = (sides[0], sides[roles.index(1)])
    at = replace(at, conditions=conditions)
    answers = steering.ask(at, [sides[number] for number in chosen], [roles[number] for number in chosen])
    return steering.joined(replace(at, sides=answers), _by_cfg)


def _by_cfg(at: Evaluation) -> Latents:
    return at.positive if len(at.sides) == 1 else cfg(at.positive, at.negative, at.scale)


@dataclass(slots=True, eq=False)
class DualGuided(_Steered):
    """A network steered by two positive conditionings and a negative one; a `Guider`.

    Source: Brooks et al. 2022 (InstructPix2Pix, arXiv:2211.09800), eq. 3; nested, the first two are joined as if the
    second were the negative one.
    """

    network: Network
    recipe: DualGuidance
    controls: FindControl | None = None
    _steering: Steering = field(init=False)

    def __post_init__(self) -> None:
        self._steering = Steering(self.network, self.recipe.model.rules, self.controls)

    @property
    def rules(self) -> Sequence[Rule]:
        """Those of the model."""
        return self.recipe.model.rules

    @property
    def _conditionings(self) -> Sequence[Conditioning]:
        return (self.recipe.first, self.recipe.second, self.recipe.negative)

    def _estimate(self, latents: Latents, sigma: Sigma, *, both: bool) -> Estimate:
        recipe, steering = self.recipe, self._steering
        first, second, negative = steering.prepared(latents, (recipe.first, recipe.second, recipe.negative))
        if recipe.nested:
            at = steering.begin(latents, sigma, recipe.first_scale, (first, second))
            asked = [first, second, negative]
        else:
            at = steering.begin(latents, sigma, recipe.second_scale, (second, negative))
            asked = [first, second, negative] if both else self._needed(first, second, negative)
        guess = steering.guessed(at)
        if guess is not None:
            return guess
        if _rests(at, recipe.first_scale if recipe.nested else recipe.second_scale):
            return _resting(steering, at, (first, second, negative), ROLES, both=both)
        toward, *rest = steering.ask(at, asked, ROLES[: len(asked)])
        if not recipe.nested:
            between = rest[0] if rest else toward
            return steering.joined(
                replace(at, sides=rest or [toward]),
                _by_cfg,
                lambda guided: guided + (toward - between) * recipe.first_scale,
            )
        middle, away = rest
        return steering.joined(
            replace(at, sides=[toward, middle]),
            _by_cfg,
            lambda guided: away + (guided - away) * recipe.second_scale,
        )

    def _needed(self, *sides: Conditioning) -> Sequence[Conditioning]:
        """The sides that count at these scales."""
        if self._steering.needs_both or not math.isclose(self.recipe.second_scale, 1.0):
            return sides
        return sides[:1] if math.isclose(self.recipe.first_scale, 1.0) else sides[:2]


@dataclass(slots=True, eq=False)
class PerpNegGuided(_Steered):
    """A network steered from an empty prompt, away from what is only in the negative one (Perp-Neg); a `Guider`.

    Source: as `joining.PerpNeg`.
    """

    network: Network
    recipe: PerpNegGuidance
    controls: FindControl | None = None
    _steering: Steering = field(init=False)

    def __post_init__(self) -> None:
        self._steering = Steering(self.network, self.recipe.model.rules, self.controls)

    @property
    def rules(self) -> Sequence[Rule]:
        """Those of the model."""
        return self.recipe.model.rules

    @property
    def _conditionings(self) -> Sequence[Conditioning]:
        return (self.recipe.positive, self.recipe.negative, self.recipe.empty)

    def _estimate(self, latents: Latents, sigma: Sigma, *, both: bool) -> Estimate:
        recipe, steering = self.recipe, self._steering
        sides = steering.prepared(latents, (recipe.positive, recipe.negative, recipe.empty))
        at = steering.begin(latents, sigma, recipe.scale, (sides[0], sides[1]))
        guess = steering.guessed(at)
        if guess is not None:
            return guess
        if _rests(at, recipe.scale):
            return _resting(steering, at, sides, (POSITIVE, 1, EMPTY), both=both)
        if recipe.negative_scale == 0.0 and steering.plain and not both:
            return self._without_negative(at, sides)
        estimates = steering.ask(at, sides)
        return steering.joined(replace(at, sides=estimates), self._joined, own=True)

    def _without_negative(self, at: Evaluation, sides: Sequence[Conditioning]) -> Estimate:
        """What the negative side has no part in; at scale 1 the empty one has none either."""
        positive, _, empty = sides
        if math.isclose(at.scale, 1.0):
            return self._steering.joined(replace(at, sides=self._steering.ask(at, [positive])), _by_cfg)
        estimates = self._steering.ask(at, [positive, empty], (POSITIVE, EMPTY))
        return self._steering.joined(replace(at, sides=estimates), _by_cfg)

    def _joined(self, at: Evaluation) -> Latents:
        positive, negative, empty = at.sides
        return perpendicular(positive, negative, empty, at.scale, self.recipe.negative_scale)

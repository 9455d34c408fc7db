"""Rules at work: one evaluation from the first rule to the last, for any guider."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, TypeVar, cast

import torch

from nodes.diffusion.changes import NO_CHANGES, NetworkChanges
from nodes.diffusion.conditions import Given
from nodes.diffusion.denoiser import ControlNetwork, HookableNetwork, JoinsText, Network
from nodes.diffusion.gligen import PlacedNetwork
from nodes.diffusion.guidance.controlling import Controlled
from nodes.diffusion.guidance.pieces import Conditioned, FindControl
from nodes.diffusion.guidance.rule import (
    AskSides,
    AsksSides,
    ChangesNegative,
    ComesAfter,
    ComesBefore,
    Evaluation,
    Joins,
    NeedsBoth,
    Reports,
    Scales,
    Spares,
    Watches,
    WorksInside,
    Wraps,
)
from nodes.diffusion.lending import LendingNetwork
from nodes.diffusion.resembling import ShownPictures
from nodes.diffusion.values import Conditioning, ControlUse, HookPatch, Latents, Rule, Sigma

NEGATIVE = 1

Join = Callable[[Evaluation], Latents]
Finish = Callable[[Latents], Latents]
_Kind = TypeVar("_Kind")


@dataclass(frozen=True, slots=True, eq=False)
class Estimate:
    """What an evaluation gave: the guided estimate, and the negative side's as the last rules saw it."""

    guided: Latents
    negative: Latents


@dataclass(slots=True, eq=False)
class Steering:
    """A network, the rules of its model, and what they keep during one run."""

    network: Network
    rules: Sequence[Rule] = ()
    controls: FindControl | None = None
    conditioned: Conditioned = field(init=False)
    _kept: Sequence[dict[str, Any]] = field(init=False)
    _chance: torch.Generator = field(init=False)
    _moments: dict[type, Sequence[tuple[object, dict[str, Any]]]] = field(init=False)
    _sigma: float = 0.0
    _last: Estimate | None = None

    def __post_init__(self) -> None:
        self.start(0, ())

    def start(
        self, seed: int, shape: Sequence[int], latents: Latents | None = None, mask: Latents | None = None
    ) -> None:
        """Forget what was kept of a run before: one begins whose noise of this shape came from this seed.

        Args:
            latents, mask: as `Given` has them.
        """
        self._chance = torch.Generator().manual_seed(seed)
        torch.randn(tuple(shape), generator=self._chance)
        self._kept = [{} for _ in self.rules]
        self._moments = {}
        self._last = None
        hooked = self._hooked if isinstance(self.network, HookableNetwork) else None
        seen = self.network.seen if isinstance(self.network, ShownPictures) else None
        given = Given(seed, latents, mask, seen)
        places = self.network.places if isinstance(self.network, PlacedNetwork) else None
        joint = isinstance(self.network, JoinsText) and self.network.joins_text
        controls = self._control if self.controls is not None else None
        self.conditioned = Conditioned(
            self._wrapped(self.network),
            controls,
            hooked=hooked,
            given=given,
            places=places,
            joint=joint,
            uses=tuple(rule.use for rule in self.rules if isinstance(rule, Controlled)),
        )

    def _wrapped(self, network: Network) -> Network:
        """The network as rules would have it seen."""
        for rule, kept in self._of(Wraps):
            network = rule.wrap(network, lambda: self._sigma, kept)
        return network

    @property
    def told(self) -> Sequence[str]:
        """What rules tell people of the run so far."""
        reports = (rule.report(kept) for rule, kept in self._of(Reports))
        return [text for text in reports if text]

    def _control(self, use: ControlUse) -> ControlNetwork:
        """The loaded network of a control, beside the network as no rule has it seen."""
        assert self.controls is not None
        return self.controls(use, self.network)

    def _hooked(self, patches: tuple[HookPatch, ...]) -> Network:
        """The network with patches that hooks put on."""
        assert isinstance(self.network, HookableNetwork)
        return self._wrapped(self.network.hooked(patches))

    @property
    def needs_both(self) -> bool:
        """Whether a rule needs the negative side at any scale."""
        return any(rule.needs_both for rule, _ in self._of(NeedsBoth))

    @property
    def plain(self) -> bool:
        """Whether no rule reads the sides' estimates."""
        return not (self._of(ComesBefore) or self._of(Joins) or self._of(ComesAfter))

    def prepared(self, latents: Latents, sides: Sequence[Conditioning]) -> Sequence[Conditioning]:
        """As `Conditioned.prepared`: sides that answer alone as they do together."""
        return self.conditioned.prepared(sides, latents)

    def begin(
        self, latents: Latents, sigma: Sigma, scale: float, conditions: tuple[Conditioning, Conditioning]
    ) -> Evaluation:
        """An evaluation with the scale and the changes inside the network that rules want.

        Args:
            conditions: prepared; what rules take for the positive and the negative side.
        """
        if not self.rules:
            return Evaluation(latents, sigma, scale, self.conditioned, conditions, chance=self._chance)
        self._sigma = float(sigma)
        lend = self.network.lend if isinstance(self.network, LendingNetwork) else None
        at = Evaluation(latents, sigma, scale, self.conditioned, conditions, lend=lend, chance=self._chance)
        for rule, kept in self._of(Scales):
            at = replace(at, scale=rule.scaled(replace(at, kept=kept)))
        watching, changes, negative = NO_CHANGES, NO_CHANGES, NO_CHANGES
        for rule, kept in self._of(Watches):
            watching = watching + rule.watch(replace(at, kept=kept))
        for rule, kept in self._of(WorksInside):
            changes = changes + rule.inside(replace(at, kept=kept))
        for rule, kept in self._of(ChangesNegative):
            negative = negative + rule.negative(replace(at, kept=kept))
        return replace(at, changes=watching + changes, negative_changes=negative)

    def guessed(self, at: Evaluation) -> Estimate | None:
        """An estimate that a rule makes without the network."""
        for rule, kept in self._of(Spares):
            guess = rule.guess(replace(at, kept=kept))
            if guess is not None:
                return Estimate(guess, torch.zeros_like(guess) if self._last is None else self._last.negative)
        return None

    def joined(
        self, at: Evaluation, join: Join, finish: Finish = lambda guided: guided, *, own: bool = False
    ) -> Estimate:
        """One estimate of the sides'.

        Args:
            join: the guider's way, where no rule has another.
            finish: what the guider does with the result at last.
            own: the guider's way goes before that of any rule.
        """
        if not self.rules:
            return Estimate(finish(join(at)), at.negative)
        for rule, kept in self._of(ComesBefore):
            at = replace(at, sides=rule.before(replace(at, kept=kept)))
        for rule, kept in () if own else self._of(Joins):
            join = _by_rule(rule, kept)
        guided = join(at)
        for rule, kept in self._of(ComesAfter):
            guided = rule.after(replace(at, kept=kept), guided)
        estimate = Estimate(finish(guided), at.negative)
        for rule, kept in self._of(Spares):
            rule.learn(replace(at, kept=kept), estimate.guided)
        self._last = estimate
        return estimate

    def ask(
        self, at: Evaluation, sides: Sequence[Conditioning], roles: Sequence[int] | None = None
    ) -> Sequence[Latents]:
        """Each side's estimate alone; `sides` are prepared, `roles` as of `Conditioned.sides`."""
        asked_as = tuple(range(len(sides)) if roles is None else roles)

        def each(wanted: Sequence[Conditioning]) -> Sequence[Latents]:
            same = len(wanted) == len(asked_as)
            return self._each(at, wanted, asked_as if same else tuple(range(len(wanted))))

        ask: AskSides = each
        for rule, kept in reversed(self._of(AsksSides)):
            ask = _asking(rule, replace(at, kept=kept), ask)
        return ask(sides)

    def _each(
        self, at: Evaluation, sides: Sequence[Conditioning], asked_as: tuple[int, ...]
    ) -> Sequence[Latents]:
        if not at.negative_changes or NEGATIVE not in asked_as:
            return self._asked(at, sides, asked_as, at.changes)
        answers: dict[int, Latents] = {}
        for negative in (False, True):
            chosen = [number for number, role in enumerate(asked_as) if (role == NEGATIVE) is negative]
            if chosen:
                changes = at.changes + at.negative_changes if negative else at.changes
                parts = [sides[number] for number in chosen], [asked_as[number] for number in chosen]
                answers |= dict(zip(chosen, self._asked(at, *parts, changes), strict=True))
        return [answers[number] for number in range(len(sides))]

    def _asked(
        self,
        at: Evaluation,
        sides: Sequence[Conditioning],
        roles: Sequence[int],
        changes: NetworkChanges,
    ) -> Sequence[Latents]:
        return self.conditioned.sides(at.latents, at.sigma, sides, changes, roles)

    def _of(self, kind: type[_Kind]) -> Sequence[tuple[_Kind, dict[str, Any]]]:
        """The rules that have a moment, with what each keeps."""
        if kind not in self._moments:
            each = zip(self.rules, self._kept, strict=True)
            self._moments[kind] = tuple((rule, kept) for rule, kept in each if isinstance(rule, kind))
        return cast("Sequence[tuple[_Kind, dict[str, Any]]]", self._moments[kind])


def _by_rule(rule: Joins, kept: dict[str, Any]) -> Join:
    return lambda at: rule.join(replace(at, kept=kept))


def _asking(rule: AsksSides, at: Evaluation, ask: AskSides) -> AskSides:
    return lambda sides: rule.asked(at, sides, ask)

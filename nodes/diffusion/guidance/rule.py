"""Rules: what nodes add to a model beside its weights, and when each kind of rule is asked.

A rule is a frozen value that rides on the model's recipe, and one or more of the functions below. It keeps nothing in
itself: what has to be remembered from one evaluation to the next of a run lies in `Evaluation.kept`.

Order of one evaluation: `scaled`; `watch`, `inside` and `negative` of every rule, then the network is asked; `before` of
every rule; the last rule that `join`s, else classifier-free guidance; `after` of every rule. Rules of a kind follow the
order of their nodes.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol, runtime_checkable

import torch

from nodes.diffusion.changes import NO_CHANGES, NetworkChanges
from nodes.diffusion.denoiser import Network
from nodes.diffusion.guidance.pieces import Conditioned
from nodes.diffusion.lending import Lend
from nodes.diffusion.values import Conditioning, Latents, Sigma


@dataclass(frozen=True, slots=True, eq=False)
class Evaluation:
    """One estimate in the making, as rules see it.

    Attributes:
        latents: noisy, with noise of standard deviation `sigma`.
        scale: guidance scale.
        conditions: of the positive side, then of the negative one.
        changes: what the model's rules change inside the network; `negative_changes`: further, for the negative side.
        sides: denoised estimates, the positive one first; it stands alone where the negative side is not asked.
        kept: what this rule keeps for the next evaluation of the run.
        lend: finds the networks that rules need beside the guided one; None where nobody keeps any.
        chance: what rules draw from, one after the other; it goes on where the start noise of the run ended.
    """

    latents: Latents
    sigma: Sigma
    scale: float
    conditioned: Conditioned
    conditions: tuple[Conditioning, Conditioning]
    changes: NetworkChanges = NO_CHANGES
    negative_changes: NetworkChanges = NO_CHANGES
    sides: Sequence[Latents] = ()
    kept: dict[str, Any] = field(default_factory=dict[str, Any])
    lend: Lend | None = None
    chance: torch.Generator = field(default_factory=torch.Generator)

    @property
    def network(self) -> Network:
        """The network that is guided."""
        return self.conditioned.network

    @property
    def positive(self) -> Latents:
        """The positive side's estimate."""
        return self.sides[0]

    @property
    def negative(self) -> Latents:
        """The negative side's; zeros where it was not asked."""
        return self.sides[1] if len(self.sides) > 1 else torch.zeros_like(self.latents)

    def again(
        self,
        conditioning: Conditioning,
        changes: NetworkChanges = NO_CHANGES,
        latents: Latents | None = None,
        *,
        negative: bool = False,
    ) -> Latents:
        """One more answer of the network: for these conditions, with further changes, or for other latents.

        Args:
            negative: they are of the negative side, and asked as it is.
        """
        asked = self.latents if latents is None else latents
        other = (changes.left_out, changes.alone, bool(changes.attention), latents is not None)
        inside = self.changes + self.negative_changes if negative else self.changes
        return self.conditioned.sides(
            asked, self.sigma, [conditioning], inside + changes, (int(negative),), hash(other)
        )[0]

    def within(self, start_percent: float, end_percent: float) -> bool:
        """Whether the run is between two shares of it."""
        levels = self.network.levels
        return levels.at_percent(end_percent) <= float(self.sigma) <= levels.at_percent(start_percent)


@runtime_checkable
class Scales(Protocol):
    """Sets the guidance scale."""

    def scaled(self, at: Evaluation) -> float: ...


@runtime_checkable
class WorksInside(Protocol):
    """Changes what happens inside the network."""

    def inside(self, at: Evaluation) -> NetworkChanges: ...


@runtime_checkable
class Watches(Protocol):
    """Looks at what happens inside the network, before any change of another rule."""

    def watch(self, at: Evaluation) -> NetworkChanges: ...


@runtime_checkable
class ChangesNegative(Protocol):
    """Changes what happens inside the network for the negative side alone."""

    def negative(self, at: Evaluation) -> NetworkChanges: ...


AskSides = Callable[[Sequence[Conditioning]], Sequence[Latents]]


@runtime_checkable
class AsksSides(Protocol):
    """Stands before the network when it is asked about sides; those of the first rule stand outermost."""

    def asked(self, at: Evaluation, sides: Sequence[Conditioning], ask: AskSides) -> Sequence[Latents]:
        """An estimate for each side.

        Args:
            sides: prepared; the positive one first.
            ask: what the rules after this one make of sides, as many as it is given.
        """
        ...


@runtime_checkable
class ComesBefore(Protocol):
    """Changes the sides' estimates before they are joined; as many come out as went in."""

    def before(self, at: Evaluation) -> Sequence[Latents]: ...


@runtime_checkable
class Joins(Protocol):
    """Makes one estimate of the sides' in place of classifier-free guidance."""

    def join(self, at: Evaluation) -> Latents: ...


@runtime_checkable
class ComesAfter(Protocol):
    """Changes the joined estimate."""

    def after(self, at: Evaluation, guided: Latents) -> Latents: ...


@runtime_checkable
class NeedsBoth(Protocol):
    """Needs the negative side's estimate even at scale 1."""

    @property
    def needs_both(self) -> bool: ...


@runtime_checkable
class Spares(Protocol):
    """Saves evaluations: guesses their result from earlier ones."""

    def guess(self, at: Evaluation) -> Latents | None:
        """The estimate without asking the network; None: ask it."""
        ...

    def learn(self, at: Evaluation, guided: Latents) -> None:
        """Told what an evaluation gave that was not guessed."""
        ...


@runtime_checkable
class Wraps(Protocol):
    """Stands before the network in every call."""

    def wrap(self, network: Network, sigma: Callable[[], float], kept: dict[str, Any]) -> Network:
        """The network with something before it, for one run; again for each that has further patches (hooks).

        Args:
            sigma: tells the noise level of the evaluation under way.
            kept: what this rule keeps during the run, all networks of it together.
        """
        ...


@runtime_checkable
class Reports(Protocol):
    """Has something to tell people when a run has ended."""

    def report(self, kept: dict[str, Any]) -> str:
        """A sentence, of what was kept; empty: nothing."""
        ...

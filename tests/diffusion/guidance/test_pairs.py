"""Pairs of rules on one model: the order of their moments and of their nodes, and exact values for linear ones."""

from collections.abc import Callable
from dataclasses import dataclass, fields
from itertools import combinations_with_replacement, product

import torch
from torch import Tensor

from nodes.diffusion.changes import NO_CHANGES, Layers, NetworkChanges, Positions
from nodes.diffusion.denoiser import NO_INPUTS, NetworkInputs, Residuals
from nodes.diffusion.guidance import (
    RULES,
    Guided,
    after,
    again,
    attention,
    before,
    inside,
    joining,
)
from nodes.diffusion.guidance.controlling import Controlled, StyleReferenced
from nodes.diffusion.guidance.hypernetworks import Hypernetworked
from nodes.diffusion.guidance.image_prompts import ImagePrompt
from nodes.diffusion.latents import TonemapReinhard
from nodes.diffusion.values import Rule
from tests.diffusion.guidance.steered import NEGATIVE, NOISY, POSITIVE, SIGMA, Given, drawn, names

SCALE = 3.0
WITHOUT, APART = (
    0.5 * drawn(8),
    -0.3 * drawn(9),
)  # what layers left out, or apart, add to the network's answers


@dataclass
class Layered(Given):
    """A network of given answers, whose layers make a known difference."""

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
        made = Given.__call__(self, latents, timestep, context, inputs=inputs, changes=changes)
        times = len(made) // len(NOISY)
        less = WITHOUT * bool(changes.left_out) + APART * bool(changes.alone)
        return made - less.repeat(times, 1, 1, 1) / self.sigma


@dataclass
class State:
    """An evaluation as the test counts it out: sides, how they are joined, and what comes of it."""

    positive: Tensor
    negative: Tensor
    scale: float | Tensor
    inside: Tensor
    made: Tensor


def scaled(state: State) -> None:
    state.scale = 1.0


def less_negative(state: State) -> None:
    state.inside = WITHOUT


def doubled(state: State) -> None:
    state.positive = state.negative + 2.0 * (state.positive - state.negative)


def framed(state: State) -> None:
    state.scale = torch.tensor([2.0, state.scale]).view(2, 1, 1, 1)


def skipped(state: State) -> None:
    state.made = state.made + 1.5 * (state.positive - POSITIVE - WITHOUT)


def perturbed(state: State) -> None:
    state.made = state.made + 0.5 * (state.positive - POSITIVE - APART)


def spread(state: State) -> None:
    state.made = NOISY - (NOISY - state.made) / 1.25


LAYERS = Layers((1,))
LINEAR: tuple[tuple[Rule, int, Callable[[State], None]], ...] = (  # with the moment at which each comes
    (joining.LimitedInterval(0.99, 1.0), 0, scaled),
    (again.NegativeSkippedLayers(LAYERS), 1, less_negative),
    (before.FrequencyScaling(2.0, 2.0), 2, doubled),
    (joining.LinearFrames(2.0), 3, framed),
    (again.SkippedLayers(LAYERS, 1.5, 0.0, 1.0), 4, skipped),
    (again.PerturbedLayers(LAYERS, 0.5), 4, perturbed),
    (after.EpsilonScaling(1.25), 4, spread),
)


def counted(pair: tuple[tuple[Rule, int, Callable[[State], None]], ...]) -> Tensor:
    """The estimate by hand: moments in their order, nodes of one moment in theirs."""
    state = State(POSITIVE, NEGATIVE, SCALE, torch.zeros(()), torch.zeros(()))
    for _, moment, act in sorted(pair, key=lambda each: each[1]):
        if moment < 2:
            act(state)
    alone = state.scale == 1.0 and not any(isinstance(rule, joining.LinearFrames) for rule, *_ in pair)
    state.negative = NEGATIVE + state.inside
    joined = False
    for _, moment, act in sorted(pair, key=lambda each: each[1]):
        if moment == 4 and not joined:
            state.made = (
                state.positive if alone else state.negative + (state.positive - state.negative) * state.scale
            )
            joined = True
        if moment >= 2 and not (alone and moment == 2):
            act(state)
    if not joined:
        state.made = (
            state.positive if alone else state.negative + (state.positive - state.negative) * state.scale
        )
    return state.made


def estimate(*rules: Rule, scale: float = SCALE) -> Tensor:
    return Guided(Layered(), names(0), names(1), scale, None, rules)(NOISY, SIGMA)


def test_linear_rules_in_pairs_give_what_is_counted_out_by_hand():
    for pair in product(LINEAR, LINEAR):
        if pair[0][0] is pair[1][0] and pair[0][1] == 3:
            continue  # the last that joins counts
        made, wanted = estimate(*(rule for rule, *_ in pair)), counted(pair)
        told = [type(rule).__name__ for rule, *_ in pair]
        assert torch.allclose(made, wanted, atol=2e-4), (told, float((made - wanted).abs().max()))


OF_FILES = {Controlled, Hypernetworked, ImagePrompt, StyleReferenced}  # do nothing without the file of one


def every_rule() -> list[Rule]:
    """One of each kind, at work."""
    given: dict[type[Rule], Rule] = {
        before.OperatedDifference: before.OperatedDifference(TonemapReinhard(1.0)),
        joining.PerpNeg: joining.PerpNeg(names(2)),
        inside.ScaledPositions: inside.ScaledPositions(Positions(2.0)),
        attention.NormalisedAttention: attention.NormalisedAttention(names(1)),
        **{
            kind: kind(LAYERS, start_percent=0.0, end_percent=1.0)  # type: ignore[call-arg]
            for kind in (again.SkippedLayers, again.NegativeSkippedLayers, again.PerturbedLayers)
        },
    }
    return [given.get(kind) or kind() for kind in RULES if kind not in OF_FILES]


MOMENTS = ("scaled", "watch", "inside", "negative", "before", "join", "after", "guess", "wrap")


def test_pairs_of_rules_are_finite_and_have_an_order_only_where_they_share_a_moment():
    """Every pair that shares one; of the others, which the moments alone bring together, one pair of each two kinds."""
    seen: set[frozenset[tuple[str, ...]]] = set()
    for one, other in combinations_with_replacement(every_rule(), 2):
        kinds = [tuple(moment for moment in MOMENTS if hasattr(rule, moment)) for rule in (one, other)]
        apart = not {*kinds[0]} & {*kinds[1]}
        if apart and frozenset(kinds) in seen:
            continue
        seen.add(frozenset(kinds))
        made, told = estimate(one, other), (type(one).__name__, type(other).__name__)
        assert bool(made.isfinite().all()), told
        assert made.shape == NOISY.shape, told
        assert not apart or torch.equal(made, estimate(other, one)), told


def test_every_rule_is_finite_at_scale_one_and_alone_where_it_only_guides():
    for rule in every_rule():
        made = estimate(rule, scale=1.0)
        assert bool(made.isfinite().all()), rule
        if hasattr(rule, "join") and not getattr(rule, "needs_both", False):
            assert torch.allclose(made, POSITIVE, atol=2e-4), rule


def test_any_change_inside_a_network_is_one():
    assert not NetworkChanges()
    for entry in fields(NetworkChanges):
        changed = NetworkChanges()
        object.__setattr__(changed, entry.name, (1,))  # any that counts: types are checked where one is made
        assert changed, entry.name
        assert changed + NO_CHANGES is NO_CHANGES + changed is changed

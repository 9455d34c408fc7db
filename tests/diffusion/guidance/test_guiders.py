"""Guiders: which sides are asked, and what is made of them."""

from dataclasses import dataclass
from pathlib import Path

import pytest
import torch

from nodes.diffusion.guidance import (
    BasicGuidance,
    CfgGuidance,
    DualGuidance,
    Guider,
    PerpNegGuidance,
    after,
    before,
    caching,
    guider,
    joining,
)
from nodes.diffusion.values import CheckpointRef, Model, Rule
from tests.diffusion.guidance.steered import (
    NEGATIVE,
    NOISY,
    OTHER,
    POSITIVE,
    SIGMA,
    Given,
    drawn,
    guided,
    names,
)

MODEL = Model(CheckpointRef(Path("model.safetensors"), "abc"))


def made(recipe, network=None):
    return guider(recipe, network or Given())(NOISY, SIGMA)


def close(one, other):
    return torch.allclose(one, other, atol=2e-4)


@pytest.mark.parametrize(
    "recipe",
    [
        BasicGuidance(MODEL, names(0)),
        CfgGuidance(MODEL, names(0), names(1), 2.0),
        DualGuidance(MODEL, names(0), names(1), names(2), 2.0, 3.0),
        PerpNegGuidance(MODEL, names(0), names(1), names(2), 2.0),
    ],
)
def test_every_guider_is_a_guider(recipe):
    network = Given()
    steered = guider(recipe, network)
    assert isinstance(steered, Guider)
    assert steered.network is network
    assert torch.equal(steered.both(NOISY, SIGMA)[0], steered(NOISY, SIGMA))


def test_a_basic_guider_asks_the_positive_side_alone():
    network = Given()
    assert close(made(BasicGuidance(MODEL, names(0)), network), POSITIVE)
    assert network.asked == [0]


@pytest.mark.parametrize("first", [1.0, 2.0])
@pytest.mark.parametrize("second", [1.0, 3.0])
def test_dual_guidance_goes_from_negative_to_the_second_and_on_to_the_first(first, second):
    recipe = DualGuidance(MODEL, names(0), names(1), names(2), first, second)
    network = Given()
    expected = OTHER + (NEGATIVE - OTHER) * second + (POSITIVE - NEGATIVE) * first
    assert close(made(recipe, network), expected)
    assert len(network.asked) == (3 if second != 1.0 else 2 if first != 1.0 else 1)


def test_nested_dual_guidance_guides_what_guidance_gave():
    recipe = DualGuidance(MODEL, names(0), names(1), names(2), 2.0, 3.0, nested=True)
    network = Given()
    inner = NEGATIVE + (POSITIVE - NEGATIVE) * 2.0
    assert close(made(recipe, network), OTHER + (inner - OTHER) * 3.0)
    assert network.asked == [2, 1, 0]


def test_the_perp_neg_guider_does_what_its_rule_does():
    recipe = PerpNegGuidance(MODEL, names(0), names(1), names(2), 3.0, 1.5)
    network = Given()
    by_rule = guided(joining.PerpNeg(names(2), 1.5), scale=3.0)(NOISY, SIGMA)
    assert close(made(recipe, network), by_rule)
    assert network.asked == [2, 1, 0]


def test_rules_of_the_model_hold_for_every_guider():
    model = MODEL.ruled(after.EpsilonScaling(2.0))
    for recipe in (
        BasicGuidance(model, names(0)),
        CfgGuidance(model, names(0), names(1), 2.0),
        PerpNegGuidance(model, names(0), names(1), names(2), 2.0),
    ):
        plain = made(type(recipe)(*[MODEL, *list(vars_of(recipe))[1:]]))
        assert close((NOISY - made(recipe)) * 2.0, NOISY - plain)


def vars_of(recipe):
    return [getattr(recipe, name) for name in recipe.__slots__]


def test_in_dual_guidance_rules_see_the_sides_that_are_joined_first():
    model = MODEL.ruled(before.FrequencyScaling(2.0, 2.0))
    regular = made(DualGuidance(model, names(0), names(1), names(2), 2.0, 3.0))
    assert close(regular, OTHER + (NEGATIVE - OTHER) * 6.0 + (POSITIVE - NEGATIVE) * 2.0)
    nested = made(DualGuidance(model, names(0), names(1), names(2), 2.0, 3.0, nested=True))
    inner = NEGATIVE + (POSITIVE - NEGATIVE) * 4.0
    assert close(nested, OTHER + (inner - OTHER) * 3.0)


def run(rule, steps=12):
    """Evaluations down a run in which little changes, and how often the network was asked."""
    network = Given()
    steered = guided(rule, network=network)
    results, asked = [], []
    for step in range(steps):
        network.sigma = SIGMA * (1.0 - 0.02 * step)
        drift = 0.01 * step
        network.estimates = tuple(part * (1.0 + drift) for part in (POSITIVE, NEGATIVE, OTHER))
        results.append(steered(NOISY * (1.0 - drift), network.sigma))
        asked.append(len(network.changes))
    return results, asked


@pytest.mark.parametrize("cache", [caching.LazyCache, caching.EasyCache])
def test_caches_save_calls_where_little_changes(cache):
    plain, every = run(cache(0.0, 0.0, 1.0))
    close_by, fewer = run(cache(0.2, 0.0, 1.0))
    assert every == list(range(1, 13))
    assert fewer[-1] < every[-1]
    assert fewer[:2] == [1, 2]
    worst = max(float((one - other).abs().mean()) for one, other in zip(plain, close_by, strict=True))
    assert worst < 0.2 * float(plain[0].abs().mean())


@pytest.mark.parametrize("cache", [caching.LazyCache, caching.EasyCache])
def test_caches_rest_outside_their_share_of_the_run(cache):
    _, asked = run(cache(3.0, 0.99, 1.0))
    assert asked[-1] == 12


def test_what_changes_much_is_not_answered_from_a_cache():
    network = Given()
    steered = guided(caching.LazyCache(0.05, 0.0, 1.0), network=network)
    for seed in range(10, 14):
        network.estimates = (drawn(seed), NEGATIVE)
        steered(drawn(seed), SIGMA)
    assert len(network.changes) == 4


def test_a_run_starts_from_its_seed_and_from_nothing_that_was_kept():
    network = Given()
    steered = guided(before.ProjectedGuidance(1.0, 0.0, momentum=0.5), network=network)
    first = steered(NOISY, SIGMA)
    assert not close(steered(NOISY, SIGMA), first)
    steered.start(7, NOISY.shape)
    assert close(steered(NOISY, SIGMA), first)


def test_what_rules_draw_goes_on_where_the_start_noise_ended():
    drawn_by_rule = []

    @dataclass(frozen=True)
    class Drawing(Rule):
        def before(self, at):
            drawn_by_rule.append(torch.rand(3, generator=at.chance))
            return at.sides

    steered = guided(Drawing(), Drawing())
    steered.start(7, NOISY.shape)
    steered(NOISY, SIGMA)
    chance = torch.Generator().manual_seed(7)
    torch.randn(NOISY.shape, generator=chance)
    assert all(torch.equal(part, torch.rand(3, generator=chance)) for part in drawn_by_rule)


@pytest.mark.parametrize("nested", [False, True])
def test_where_a_rule_takes_guidance_away_the_first_side_stands_alone(nested: bool):
    model = MODEL.ruled(joining.LimitedInterval(0.99, 1.0))
    for recipe in (
        CfgGuidance(model, names(0), names(1), 2.0),
        DualGuidance(model, names(0), names(1), names(2), 2.0, 3.0, nested=nested),
        PerpNegGuidance(model, names(0), names(1), names(2), 2.0),
    ):
        network = Given()
        steered = guider(recipe, network)
        assert close(steered(NOISY, SIGMA), POSITIVE)
        assert network.asked == [0]
        guided_to, negative = steered.both(NOISY, SIGMA)
        assert close(guided_to, POSITIVE)
        assert close(negative, OTHER if isinstance(recipe, DualGuidance) else NEGATIVE)

"""Rules that work inside a U-Net, on a tiny one: what they change, and what they leave."""

from itertools import combinations

import pytest
import torch

from nodes.diffusion.changes import NetworkChanges
from nodes.diffusion.guidance import Guided, again, attention, inside, merging
from nodes.diffusion.models.load import load_network
from nodes.diffusion.values import Cond, Rule
from tests.diffusion.models import tiny


def drawn(seed: int, *shape: int) -> torch.Tensor:
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed))


LATENTS = drawn(1, 1, 4, 16, 16)
POSITIVE, NEGATIVE = (Cond(drawn(2, 1, 77, tiny.CONTEXT)),), (Cond(drawn(3, 1, 77, tiny.CONTEXT)),)
SIGMA = torch.tensor(2.0)


@pytest.fixture(scope="module")
def network(model_file, placement):
    return load_network(model_file, placement)


def estimate(network, *rules, scale=2.0, latents=LATENTS):
    return Guided(network, POSITIVE, NEGATIVE, scale, None, rules)(latents, SIGMA)


CHANGING = [
    again.PerturbedAttention(2.0),
    again.SelfAttentionGuidance(0.5, 2.0),
    inside.FreeU(),
    inside.FreeU(second_version=True),
    inside.Downscale(2, end_percent=1.0),
    inside.Downscale(2, end_percent=1.0, after_skip=False),
    attention.HyperTile(tile=4),
    merging.TokenMerging(0.5),
    attention.NormalisedAttention(NEGATIVE),
]


@pytest.mark.parametrize("rule", CHANGING, ids=lambda rule: type(rule).__name__)
def test_a_rule_changes_the_estimate_the_same_way_each_time_and_leaves_nothing_behind(network, rule):
    plain = estimate(network)
    made = estimate(network, rule)
    assert bool(made.isfinite().all())
    assert not torch.allclose(made, plain, atol=1e-4)
    assert torch.equal(estimate(network, rule), made)
    assert torch.equal(estimate(network), plain)


IDLE = [
    again.PerturbedAttention(0.0),
    again.SelfAttentionGuidance(0.0, 2.0),
    inside.FreeU((1.0, 1.0), (1.0, 1.0)),
    inside.FreeU((1.0, 1.0), (1.0, 1.0), second_version=True),
    inside.Downscale(2, end_percent=0.01),
    inside.Downscale(2, factor=1.0, end_percent=1.0),
    attention.HyperTile(tile=64),
    merging.TokenMerging(0.0),
    attention.NormalisedAttention(NEGATIVE, scale=1.0),
    attention.NormalisedAttention(NEGATIVE, share=0.0),
]


@pytest.mark.parametrize("rule", IDLE, ids=lambda rule: type(rule).__name__)
def test_a_rule_at_rest_changes_nothing(network, rule):
    assert torch.allclose(estimate(network, rule), estimate(network), atol=1e-4)


def test_self_attention_guidance_works_at_scale_one_and_not_on_the_smallest_latents(network):
    rule = again.SelfAttentionGuidance(0.5, 2.0)
    assert not torch.allclose(estimate(network, rule, scale=1.0), estimate(network, scale=1.0), atol=1e-4)
    small = LATENTS[..., :4, :4]
    assert torch.equal(estimate(network, rule, latents=small), estimate(network, latents=small))


def test_a_blur_keeps_what_is_even_and_spreads_what_is_not():
    even = torch.full((1, 4, 12, 12), 3.0)
    assert torch.allclose(again.blurred(even, 2.0), even, atol=1e-5)
    point = torch.zeros(1, 1, 17, 17)
    point[0, 0, 8, 8] = 1.0
    spread = again.blurred(point, 1.0)
    assert float(spread.sum()) == pytest.approx(1.0, abs=1e-5)
    assert float(spread[0, 0, 8, 9] / spread[0, 0, 8, 8]) == pytest.approx(2.718281828**-0.5, abs=1e-5)
    assert torch.equal(again.blurred(point, 0.0), point)


def test_merged_tokens_come_back_to_all_their_places():
    tokens, chance = drawn(4, 2, 48, 5), torch.Generator().manual_seed(0)
    merging_none = merging.Merging.of(tokens, merging.split(6, 8, chance), 0)
    assert torch.equal(merging_none.spread(merging_none.joined(tokens)), tokens)
    some = merging.Merging.of(tokens, merging.split(6, 8, chance), 20)
    joined = some.joined(tokens)
    assert joined.shape == (2, 28, 5)
    assert some.spread(joined).shape == tokens.shape
    even = torch.ones(2, 48, 5)
    every = merging.Merging.of(even, merging.split(6, 8, chance), 36)
    assert torch.allclose(every.spread(every.joined(even)), even)


def test_normalised_attention_leads_the_positive_side_alone(network):
    rule = attention.NormalisedAttention(NEGATIVE, scale=3.0)
    guided = Guided(network, POSITIVE, NEGATIVE, 2.0, None, [rule])
    plain = Guided(network, POSITIVE, NEGATIVE, 2.0)
    _, negative = guided.both(LATENTS, SIGMA)
    assert torch.allclose(negative, plain.both(LATENTS, SIGMA)[1], atol=1e-5)


def test_hypertile_attends_within_tiles_at_the_full_size(network):
    seen = set()

    class Watch(Rule):
        def inside(self, _at):
            return NetworkChanges(attention=(watch,))

    def watch(attending, attend):
        seen.add((attending.place.cross, *attending.queries.shape[:2]))
        return attend(attending)

    estimate(network, attention.HyperTile(tile=8, choices=1), Watch())
    assert seen == {
        (False, 4, 64),
        (True, 1, 256),
        (False, 1, 64),
        (True, 1, 64),
    }  # four tiles each


def test_rules_inside_a_u_net_go_together(network):
    """Each pair that works on attention does something that neither does alone."""
    latents = LATENTS[..., :8, :8]
    rules: list[Rule] = [
        again.PerturbedAttention(2.0),
        again.SelfAttentionGuidance(0.5),
        attention.HyperTile(tile=2, depth=3),
        merging.TokenMerging(0.5),
        attention.NormalisedAttention(NEGATIVE, scale=4.0),
    ]

    def asked(*chosen: Rule) -> torch.Tensor:
        guided = Guided(network, POSITIVE, NEGATIVE, 2.0, None, chosen)
        guided.start(3, latents.shape)
        return guided(latents, SIGMA)

    alone = [asked(rule) for rule in rules]
    for (first, one), (second, other) in combinations(enumerate(rules), 2):
        made = asked(one, other)
        told = type(one).__name__, type(other).__name__
        assert bool(made.isfinite().all()), told
        if told == ("HyperTile", "TokenMerging"):
            assert torch.equal(made, alone[first])  # the first of them has the full-size attention for itself
            continue
        assert not torch.allclose(made, alone[first], atol=1e-5), told
        assert not torch.allclose(made, alone[second], atol=1e-5), told


def test_attention_led_away_stays_on_the_positive_side_when_the_negative_one_is_asked_again(network):
    """SAG's second call is of the negative side: a text to lead away from that is its own changes nothing of it."""
    latents = LATENTS[..., :8, :8]
    led, sag = attention.NormalisedAttention(POSITIVE, scale=6.0), again.SelfAttentionGuidance(0.7)

    def added(*others: Rule) -> torch.Tensor:
        """What SAG adds."""
        with_it, without = (
            Guided(network, POSITIVE, NEGATIVE, 2.0, None, chosen)(latents, SIGMA)
            for chosen in ((*others, sag), others)
        )
        return with_it - without

    assert torch.allclose(added(led), added(), atol=1e-4)

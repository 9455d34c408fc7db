"""Each rule against its formula, on estimates that are given."""

from dataclasses import is_dataclass
from pathlib import Path

import pytest
import torch
from torch import Tensor

from nodes.diffusion.changes import Kind, Layers, Positions
from nodes.diffusion.denoiser import Parametrisation
from nodes.diffusion.errors import DiffusionError
from nodes.diffusion.guidance import RULES, after, again, attention, before, inside, joining, merging, sparing
from nodes.diffusion.guidance.rule import Watches, WorksInside
from nodes.diffusion.guidance.rules import INSIDE, idle
from nodes.diffusion.keys import key
from nodes.diffusion.latents import TonemapReinhard
from nodes.diffusion.noise_levels import FlowLevels
from nodes.diffusion.values import CheckpointRef, Model
from tests.diffusion.guidance.steered import (
    NEGATIVE,
    NOISY,
    OTHER,
    POSITIVE,
    SIGMA,
    Given,
    estimate,
    guided,
    names,
)

SCALE = 3.0
CFG = NEGATIVE + (POSITIVE - NEGATIVE) * SCALE
ITEM = (1, 2, 3)


def close(made: Tensor, expected: Tensor) -> bool:
    return torch.allclose(made, expected, atol=2e-4)


def norm(latents: Tensor, axes: tuple[int, ...] = ITEM) -> Tensor:
    return torch.linalg.vector_norm(latents, dim=axes, keepdim=True)


def test_without_rules_it_is_classifier_free_guidance():
    assert close(estimate(), CFG)


def test_rescaling_gives_velocities_the_spread_of_the_positive_ones():
    velocity = lambda clean: (NOISY / (SIGMA**2 + 1) - clean) * (SIGMA**2 + 1) ** 0.5 / SIGMA  # noqa: E731
    whole = velocity(estimate(joining.RescaleCfg(1.0)))
    assert close(whole.std(dim=ITEM), velocity(POSITIVE).std(dim=ITEM))
    half = velocity(estimate(joining.RescaleCfg(0.5)))
    assert close(half, (whole + velocity(CFG)) / 2)
    assert close(estimate(joining.RescaleCfg(0.0)), CFG)


def test_rescaling_a_flow_gives_estimates_the_spread_of_the_positive_ones():
    sigma = torch.tensor(0.6)
    network = Given(parametrisation=Parametrisation.FLOW, levels=FlowLevels(), sigma=sigma)
    made = guided(joining.RescaleCfg(1.0), network=network)(NOISY, sigma)
    assert close(made.std(dim=ITEM), POSITIVE.std(dim=ITEM))


def test_a_renormed_estimate_is_no_longer_than_the_positive_one():
    made = estimate(joining.RenormCfg())
    assert close(norm(made), norm(POSITIVE))
    assert close(made / norm(made), CFG / norm(CFG))
    assert close(estimate(joining.RenormCfg(longest=0.0)), CFG)
    assert close(estimate(joining.RenormCfg(longest=100.0)), CFG)


def test_renormed_guidance_is_the_positive_side_above_its_noise_level():
    assert close(estimate(joining.RenormCfg(truncation=float(SIGMA))), POSITIVE)


def test_frames_of_a_video_are_guided_one_by_one():
    made = estimate(joining.LinearFrames(1.0))
    assert close(made[0], POSITIVE[0])
    assert close(made[1], CFG[1])


def test_a_triangle_guides_the_middle_frame_most():
    frames = tuple(torch.cat([part, part, part[:1]]) for part in (POSITIVE, NEGATIVE, OTHER))
    network = Given(frames)
    rule = joining.TriangleFrames(1.0)
    made = guided(rule, network=network)(torch.cat([NOISY, NOISY, NOISY[:1]]), SIGMA)
    scales = [1.0, 2.0, 3.0, 2.0, 1.0]
    for frame, scale in enumerate(scales):
        toward, away = frames[0][frame], frames[1][frame]
        assert close(made[frame], away + (toward - away) * scale)


def test_perp_neg_takes_nothing_away_of_the_positive_direction():
    made = estimate(joining.PerpNeg(names(2), 1.5))
    toward = POSITIVE - OTHER
    taken = (toward - (made - OTHER) / SCALE) / 1.5
    assert float((taken * toward).sum()) == pytest.approx(0.0, abs=1e-2)
    assert close(taken + toward * ((NEGATIVE - OTHER) * toward).sum() / (toward**2).sum(), NEGATIVE - OTHER)


def test_dynamic_thresholding_keeps_to_the_range_of_the_other_scale():
    made = estimate(joining.DynamicThresholding(1.0, 1.0), scale=9.0)
    centred = lambda part: part - part.mean(dim=(2, 3), keepdim=True)  # noqa: E731
    reach = lambda part: centred(part).abs().amax(dim=(2, 3))  # noqa: E731
    assert close(reach(made), reach(POSITIVE))
    plain = estimate(scale=9.0)
    assert close(made.mean(dim=(2, 3)), plain.mean(dim=(2, 3)))
    assert close(estimate(joining.DynamicThresholding(9.0, 1.0), scale=9.0), plain)


def test_outside_its_interval_guidance_costs_nothing_and_does_nothing():
    network = Given()
    made = estimate(joining.LimitedInterval(0.9, 1.0), network=network)
    assert close(made, POSITIVE)
    assert network.asked == [0]
    assert close(estimate(joining.LimitedInterval(0.0, 1.0)), CFG)


def test_projected_guidance_without_limits_is_guidance_at_one_more():
    made = estimate(before.ProjectedGuidance(1.0, 0.0))
    assert close(made, NEGATIVE + (POSITIVE - NEGATIVE) * (SCALE + 1.0))


def test_projected_guidance_drops_the_part_along_the_positive_estimate():
    made = estimate(before.ProjectedGuidance(0.0, 0.0))
    added = (made - NEGATIVE - (POSITIVE - NEGATIVE)) / SCALE
    assert close((added * POSITIVE).sum(dim=ITEM), torch.zeros(2))
    unit = POSITIVE / norm(POSITIVE)
    difference = POSITIVE - NEGATIVE
    assert close(added, difference - (difference * unit).sum(dim=ITEM, keepdim=True) * unit)


def test_projected_guidance_is_no_longer_than_allowed():
    made = estimate(before.ProjectedGuidance(1.0, 2.0))
    added = (made - NEGATIVE - (POSITIVE - NEGATIVE)) / SCALE
    assert close(norm(added), torch.full((2, 1, 1, 1), 2.0))


def test_projected_guidance_at_scale_zero_says_what_to_change():
    with pytest.raises(DiffusionError, match="divides by cfg, which is 0"):
        estimate(before.ProjectedGuidance(), scale=0.0)


def test_momentum_adds_earlier_differences_until_a_new_run_begins():
    network = Given()
    steered = guided(before.ProjectedGuidance(1.0, 0.0, momentum=0.5), network=network)
    difference = POSITIVE - NEGATIVE
    for factor, times in ((1.0, 1.0), (0.9, 1.5), (0.8, 1.75), (1.0, 1.0)):
        network.sigma = SIGMA * factor
        added = (steered(NOISY, network.sigma) - NEGATIVE - difference) / SCALE
        assert close(added, difference * times)


def test_frequencies_of_guidance_are_scaled_apart():
    assert close(estimate(before.FrequencyScaling(1.0, 1.0)), CFG)
    whole = estimate(before.FrequencyScaling(2.0, 1.0, cutoff=20))
    assert close(whole, NEGATIVE + 2.0 * (POSITIVE - NEGATIVE) * SCALE)
    low = estimate(before.FrequencyScaling(0.0, 1.0, cutoff=1))
    assert close((low - NEGATIVE).mean(dim=(2, 3)), torch.zeros(2, 4))


def test_tangential_damping_keeps_of_the_negative_side_what_both_share():
    steered = guided(before.TangentialDamping(), scale=0.0)
    away = NOISY - steered(NOISY, SIGMA)  # at scale 0 the negative side is all there is
    for item in range(2):
        rows = torch.stack([(NOISY - NEGATIVE)[item].flatten(), (NOISY - POSITIVE)[item].flatten()])
        _, _, directions = torch.linalg.svd(rows, full_matrices=False)
        assert close(away[item].flatten(), (rows[0] @ directions[0]) * directions[0])


def test_an_operation_changes_what_guidance_adds():
    operation = TonemapReinhard(1.0)
    made = estimate(before.OperatedDifference(operation))
    assert close(made, NEGATIVE + operation(latent=POSITIVE - NEGATIVE) * SCALE)
    alone = estimate(before.OperatedDifference(operation), scale=1.0)
    assert close(alone, operation(latent=POSITIVE))


def test_the_optimised_scale_brings_the_negative_side_nearest():
    made = estimate(after.OptimisedScale())
    toward, away = NOISY - POSITIVE, NOISY - NEGATIVE
    best = ((toward * away).sum(dim=ITEM) / (away**2).sum(dim=ITEM)).view(2, 1, 1, 1)
    assert close(made, CFG + NEGATIVE * (best - 1) + SCALE * NEGATIVE * (1 - best))


def test_a_kept_norm_is_no_longer_at_any_place_than_the_positive_sides():
    made = estimate(after.KeptNorm())
    expected = torch.minimum(norm(CFG, (1,)), norm(POSITIVE, (1,)))
    assert close(norm(made, (1,)), expected)
    assert close(estimate(after.KeptNorm(0.5)), made / 2)


def test_mahiro_is_guidance_where_the_sides_agree_and_a_leap_where_they_oppose():
    agreeing = Given((POSITIVE, POSITIVE))
    assert close(estimate(after.Mahiro(), network=agreeing), POSITIVE)
    opposed = Given((POSITIVE, -POSITIVE))
    made = estimate(after.Mahiro(), network=opposed)
    assert close(made, POSITIVE * SCALE)


def test_scaled_epsilon_divides_the_noise():
    made = estimate(after.EpsilonScaling(1.25))
    assert close((NOISY - made) * 1.25, NOISY - CFG)


def test_a_temporal_score_is_rescaled_by_the_ratio_of_widths():
    made = estimate(after.TemporalScoreRescaling(0.5, 2.0))
    snr = 1 / SIGMA**2
    ratio = (snr * 4 + 1) / (snr * 4 / 0.5 + 1)
    assert close(made, NOISY + (CFG - NOISY) * ratio)
    assert close(estimate(after.TemporalScoreRescaling(1.0)), CFG)


def test_a_temporal_score_of_a_flow_counts_from_clean_latents():
    sigma = torch.tensor(0.6)
    network = Given(parametrisation=Parametrisation.FLOW, levels=FlowLevels(), sigma=sigma)
    made = guided(after.TemporalScoreRescaling(0.5), network=network)(NOISY, sigma)
    snr = (0.4 / 0.6) ** 2
    ratio = (snr + 1) / (snr / 0.5 + 1)
    assert close(made, NOISY / 0.4 + (CFG - NOISY / 0.4) * ratio)


def test_perturbed_attention_asks_the_positive_side_once_more():
    network = Given()
    made = estimate(again.PerturbedAttention(2.0), network=network)
    assert close(made, CFG)  # this network has no attention that could be worse
    assert network.asked == [1, 0, 0]
    assert len(network.changes[-1].attention) == 1
    network = Given()
    estimate(again.PerturbedAttention(0.0), network=network)
    assert network.asked == [1, 0]


def test_skipped_layers_are_left_out_in_their_share_of_the_run():
    layers = Layers((7, 8))
    network = Given()
    assert close(estimate(again.SkippedLayers(layers, 3.0, 0.0, 1.0), network=network), CFG)
    assert network.changes[-1].left_out == layers
    network = Given()
    estimate(again.SkippedLayers(layers, 3.0, 0.0, 0.01), network=network)
    assert len(network.changes) == 1
    rescaled = estimate(again.SkippedLayers(layers, 3.0, 0.0, 1.0, rescaling=1.0))
    assert close(rescaled.std(), POSITIVE.std())


def test_perturbed_layers_are_asked_for_in_their_share_of_the_run():
    layers, network = Layers((7, 8), (1,)), Given()
    assert close(estimate(again.PerturbedLayers(layers), network=network), CFG)
    assert network.changes[-1].alone == layers
    network = Given()
    estimate(again.PerturbedLayers(layers, 3.0, 0.0, 0.01), network=network)
    assert len(network.changes) == 1


def test_rules_that_do_nothing_to_a_network_or_less_than_asked_say_so():
    layers = Layers((7, 90), (3,))
    rules = (again.SkippedLayers(layers), inside.FreeU(), after.KeptNorm(), again.PerturbedLayers(layers))
    assert idle(rules, "FLUX.1", {Kind.LAYERS, Kind.ALONE}, (19, 38)) == (
        "Skip-layer guidance: double_layers 90 do nothing, as this FLUX.1 has 19 of them, from 0.",
        "FreeU does nothing to this model: FLUX.1 has no such parts.",
        "Perturbed attention by layer: double_layers 90 do nothing, as this FLUX.1 has 19 of them, from 0.",
    )
    told = idle(rules[:3], "Stable Diffusion 3", {Kind.LAYERS}, (24, 0))
    assert "single_layers 3 do nothing, as this Stable Diffusion 3 has none of them" in told[1]
    assert idle(rules[:3], "SDXL", {Kind.SKIPS}, (0, 0)) == (
        "Skip-layer guidance does nothing to this model: SDXL has no such parts.",
    )


def test_two_rules_for_the_same_attention_say_which_of_them_works():
    rules = (merging.TokenMerging(), attention.HyperTile())
    (told,) = idle(rules, "SDXL", {Kind.ATTENTION}, (0, 0))
    assert "there Token merging, whose node comes first, works alone" in told


def test_every_rule_that_works_inside_a_network_says_how():
    inside_it = {rule for rule in RULES if issubclass(rule, WorksInside | Watches) or hasattr(rule, "layers")}
    by_moments_of_their_own = {again.PerturbedAttention, sparing.FirstBlockCache, sparing.MagCache}
    assert inside_it | by_moments_of_their_own == set(INSIDE)


def test_the_negative_side_alone_is_made_without_layers():
    layers, network = Layers(single=(3,)), Given()
    assert close(estimate(again.NegativeSkippedLayers(layers), network=network), CFG)
    assert network.changes[-1].left_out == layers
    assert network.asked[-1] == 1


def test_positions_reach_the_network_and_the_last_ones_count():
    network = Given()
    first, last = Positions(scale_x=2.0), Positions(shift_y=8.0)
    estimate(inside.ScaledPositions(first), inside.ScaledPositions(last), network=network)
    assert network.changes[-1].positions == last


def test_rules_of_a_kind_follow_the_order_of_their_nodes():
    one, two = after.EpsilonScaling(1.25), after.KeptNorm(0.5)
    first = estimate(one, two)
    second = estimate(two, one)
    assert not close(first, second)
    assert close(estimate(joining.RescaleCfg(), joining.RenormCfg(0.0)), POSITIVE)  # the last that joins


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: rule.__name__)
def test_a_rule_is_a_frozen_value(rule):
    assert is_dataclass(rule)
    assert rule.__dataclass_params__.frozen
    assert rule.__doc__


def test_the_rules_of_a_model_are_part_of_its_key():
    model = Model(CheckpointRef(Path("model.safetensors"), "abc"))
    variants = [
        model,
        model.ruled(joining.RescaleCfg(0.7)),
        model.ruled(joining.RescaleCfg(0.8)),
        model.ruled(joining.RenormCfg()).ruled(joining.RescaleCfg()),
        model.ruled(joining.RescaleCfg()).ruled(joining.RenormCfg()),
        model.ruled(joining.PerpNeg(names(1))),
        model.ruled(joining.PerpNeg(names(2))),
    ]
    assert len({key(variant) for variant in variants}) == len(variants)
    assert key(model.ruled(joining.PerpNeg(names(1)))) == key(model.ruled(joining.PerpNeg(names(1))))

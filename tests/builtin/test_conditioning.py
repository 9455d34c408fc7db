"""Conditioning nodes: what they make of a prompt, where recorded cases do not look."""

from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from nodes.builtin import all_nodes
from nodes.diffusion.values import CheckpointRef, Cond, Hook, HookGroup, HookKeyframe, HookKeyframeGroup, Span

NODES = {entry.spec.id: entry for entry in all_nodes()}
LORA = CheckpointRef(Path("style.safetensors"), "one")


def run(name: str, **inputs: object) -> Any:
    said: list[str] = []
    return NODES[name].run(SimpleNamespace(say=said.append), **inputs)


def cond(tokens: int, pooled: bool = True, value: float = 1.0) -> Cond:
    return Cond(torch.full((1, tokens, 4), value), torch.full((1, 3), value) if pooled else None)


@pytest.mark.parametrize(("mine", "theirs"), [(5, 3), (3, 5), (4, 4)])
def test_an_average_has_the_length_of_the_first_and_misses_what_the_other_lacks(mine: int, theirs: int):
    inputs = {"conditioning_to": (cond(mine),), "conditioning_from": (cond(theirs, value=3.0),)}
    made = run("ConditioningAverage", **inputs, conditioning_to_strength=0.75)[0]
    expected = [1.5] * min(mine, theirs) + [0.75] * max(0, mine - theirs)
    assert made.context[0, :, 0].tolist() == pytest.approx(expected)
    assert made.pooled[0].tolist() == pytest.approx([1.5] * 3)


@pytest.mark.parametrize(
    ("to", "other", "expected"), [(True, False, 1.0), (False, True, 3.0), (False, False, None)]
)
def test_an_average_keeps_the_only_pooled_vector(to: bool, other: bool, expected: float | None):
    sides = {"conditioning_to": (cond(2, to),), "conditioning_from": (cond(2, other, 3.0),)}
    pooled = run("ConditioningAverage", **sides, conditioning_to_strength=0.5)[0].pooled
    assert (None if pooled is None else float(pooled[0, 0])) == expected


def test_of_an_empty_conditioning_nothing_is_mixed_in():
    for name in ("ConditioningConcat", "ConditioningAverage"):
        more = {"conditioning_to_strength": 0.5} if name.endswith("Average") else {}
        made = run(name, conditioning_to=(whole := (cond(2),)), conditioning_from=(), **more)
        assert made == whole


def test_of_longer_prompts_it_is_said_which_tokens_count():
    """Where one of the two says it; the other's all count. Biases of attention are another thing."""
    told = cond(2).with_extra({"attention_mask": torch.tensor([[1, 0]])})
    for sides, expected in (((told, cond(3)), [1, 0, 1, 1, 1]), ((cond(3), told), [1, 1, 1, 1, 0])):
        (made,) = run("ConditioningConcat", conditioning_to=(sides[0],), conditioning_from=(sides[1],))
        assert made.extra["attention_mask"].tolist() == [expected]
    (made,) = run("ConditioningConcat", conditioning_to=(cond(2),), conditioning_from=(cond(3),))
    assert not made.extra


def test_a_range_and_what_lies_around_it():
    spans = run("ConditioningTimestepsRange", start_percent=0.25, end_percent=0.5)
    assert spans == (Span(0.25, 0.5), Span(0.0, 0.25), Span(0.5, 1.0))


def test_properties_are_set_only_where_something_is_given():
    more = {"strength": 0.5, "set_cond_area": "mask bounds"}
    plain = run("ConditioningSetProperties", cond_NEW=(given_cond := cond(2),), **more)
    assert plain == (given_cond,)
    mask = torch.ones(8, 8)
    hooks = HookGroup((Hook(LORA, 1.0, 1.0),))
    full = run(
        "ConditioningSetProperties",
        cond_NEW=(cond(2),),
        **more,
        mask=mask,
        hooks=hooks,
        timesteps=Span(0.1, 0.2),
    )
    made = full[0]
    assert made.mask is not None and tuple(made.mask.shape) == (1, 8, 8)
    assert (made.mask_strength, made.to_bounds, made.strength) == (0.5, True, None)
    assert made.hooks == hooks and made.span == Span(0.1, 0.2)


def test_references_add_up_in_order():
    from nodes.diffusion.values import Latent

    made = (cond(2),)
    for value in (1.0, 2.0):
        made = run("ReferenceLatent", conditioning=made, latent=Latent(torch.full((1, 4, 2, 2), value)))
    assert [float(entry[0, 0, 0, 0]) for entry in made[0].extra["reference_latents"]] == [1.0, 2.0]


def test_unclip_of_no_strength_changes_nothing():
    assert run(
        "unCLIPConditioning", conditioning=(one := cond(1),), clip_vision_output=None, strength=0.0
    ) == (one,)
    made = run(
        "unCLIPConditioning",
        conditioning=(cond(1),),
        clip_vision_output="seen",
        strength=0.5,
        noise_augmentation=0.1,
    )
    assert made[0].extra["unclip_conditioning"] == [
        {"clip_vision_output": "seen", "strength": 0.5, "noise_augmentation": 0.1}
    ]


def test_hooks_that_come_twice_count_once():
    one, other = HookGroup((Hook(LORA, 1.0, 0.0),)), HookGroup((Hook(LORA, 0.5, 0.0),))
    assert run("CombineHooks2", hooks_A=one, hooks_B=one) == one
    assert run("CombineHooks8", hooks_B=one, hooks_H=other).hooks == (*one.hooks, *other.hooks)
    assert run("CombineHooks4") is None


@given(st.lists(st.tuples(st.floats(0, 1), st.floats(-2, 2)), max_size=6), st.floats(0, 1))
def test_the_last_keyframe_that_has_begun_says_how_strong_hooks_are(
    pairs: list[tuple[float, float]], share: float
):
    group = HookKeyframeGroup()
    for start, strength in pairs:
        group = group.with_keyframe(HookKeyframe(strength, start))
    starts = [entry.start for entry in group.keyframes]
    assert starts == sorted(starts)
    begun = [pair for pair in sorted(pairs, key=lambda pair: pair[0]) if pair[0] <= share]
    expected = begun[-1][1] if begun else (group.keyframes[0].strength if pairs else 1.0)
    assert group.at(share) == expected


def test_a_scheduled_text_encoder_is_read_for_each_strength():
    keyframes = HookKeyframeGroup((HookKeyframe(0.5, 0.0), HookKeyframe(2.0, 0.4)))
    group = HookGroup((Hook(LORA, 1.0, 0.5),)).with_keyframes(keyframes)
    assert group.starts() == (0.0, 0.4)
    assert [group.at(share)[0].strength for share in group.starts()] == [0.25, 1.0]
    assert replace(group, hooks=()).at(0.3) == ()

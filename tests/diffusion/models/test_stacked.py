"""What is changed inside diffusion transformers while they are asked, and that nothing of it stays."""

from dataclasses import replace
from typing import Any, cast

import pytest
import torch
from diffusers.models.attention_processor import PAGJointAttnProcessor2_0
from torch import Tensor

from nodes.diffusion.changes import Away, Kind, Layers, NetworkChanges, Positions
from nodes.diffusion.denoiser import NetworkInputs
from nodes.diffusion.guidance.attention import NormalisedAttention
from nodes.diffusion.models.stacked import asked
from nodes.diffusion.values import Cond
from tests.diffusion.models.test_transformers import tiny_network
from tests.diffusion.models.transformers import CASES, Case, some

each = pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
taking = lambda kind: pytest.mark.parametrize(  # noqa: E731
    "case", [case for case in CASES if kind in case.family.takes], ids=lambda case: case.name
)
OF_A_THOUSAND = {"Stable Diffusion 3", "PixArt", "Hunyuan-DiT"}
FIRST = ("pooled", "guidance", "token_mask", "layers", "more_text", "more_mask")
NAG = NormalisedAttention((Cond(some(1, 5, 24)),), scale=4.0, longest=2.0, share=0.7)


class Asked:
    """A tiny network of a case, asked for the first item of its batch."""

    def __init__(self, case: Case) -> None:
        self.case, self.module = case, tiny_network(case)
        self.inputs = first(replace(case.inputs, references=()))
        self.text = some(1, 5, case.text_width, seed=3)
        self.latents = some(*case.latents)[:1]

    def __call__(self, latents: Tensor | None = None, **changes: Any) -> Tensor:
        return asked(
            self.case.family,
            self.module,
            self.latents if latents is None else latents,
            torch.full((1,), 400.0 if self.case.name in OF_A_THOUSAND else 0.4),
            changes.pop("text", self.text),
            inputs=changes.pop("inputs", self.inputs),
            changes=NetworkChanges(**changes),
        )

    @property
    def blocks(self) -> Layers:
        stacks = self.case.family.stacks
        assert stacks is not None
        double, single = stacks.counts(self.module)
        return Layers(tuple(range(double)), tuple(range(single)))

    def but(self, double: tuple[int, ...] = (), single: tuple[int, ...] = ()) -> Layers:
        """All blocks but these."""
        every = self.blocks
        return Layers(
            tuple(n for n in every.double if n not in double),
            tuple(n for n in every.single if n not in single),
        )


def first(inputs: NetworkInputs) -> NetworkInputs:
    parts = {name: getattr(inputs, name) for name in FIRST}
    return replace(inputs, **{name: part[:1] for name, part in parts.items() if part is not None})


@each
def test_without_a_layer_a_network_is_as_if_it_had_never_had_it(case: Case):
    ask = Asked(case)
    plain = ask()
    made = ask(left_out=Layers((0,), (0,)))
    assert not torch.allclose(made, plain)
    assert torch.equal(ask(), plain)
    assert torch.equal(ask(left_out=Layers((90,), (90,))), plain)
    if case.name in {"Chroma", "HiDream", "Hunyuan-DiT"}:
        return  # what their blocks read depends on how many there are
    stacks = case.family.stacks
    assert stacks is not None
    for row in (stacks.double, stacks.single):
        if row is not None:
            del getattr(ask.module, row.name)[0]
    if ask.blocks.double:
        assert torch.equal(ask(), made)


def test_layers_of_stable_diffusion_3_are_left_out_as_by_its_class():
    ask = Asked(CASES[0])
    module: Any = ask.module
    wanted = module(
        ask.latents, ask.text, ask.inputs.pooled, torch.full((1,), 400.0), skip_layers=[1], return_dict=False
    )[0]
    assert torch.equal(ask(left_out=Layers((1,))), wanted)


def test_perturbed_layers_of_stable_diffusion_3_are_those_of_its_class_s_processor():
    ask = Asked(replace(CASES[0], tiny={**CASES[0].tiny, "qk_norm": None, "dual_attention_layers": ()}))
    made, module = ask(alone=Layers((1,))), cast("Any", ask.module)
    module.transformer_blocks[1].attn.set_processor(PAGJointAttnProcessor2_0())
    twice = [torch.cat((part, part)) for part in (ask.latents, ask.text, ask.inputs.pooled)]
    both = module(*twice, torch.full((2,), 400.0), return_dict=False)[0]
    assert torch.allclose(both[1:], made, rtol=1e-4, atol=1e-4)
    assert not torch.allclose(both[:1], made, rtol=1e-4, atol=1e-3)


@taking(Kind.ALONE)
def test_places_that_are_alone_in_their_layer_do_not_see_each_other(case: Case):
    """In a network of that one layer, a place's answer depends on its own latents alone."""
    ask = Asked(case)
    other = ask.latents.clone()
    other[..., -2:, -2:] += 1.0
    kinds: list[tuple[Layers, Layers]] = [(Layers((0,)), ask.but((0,)))]
    if ask.blocks.single:
        kinds.append((Layers((), (0,)), ask.but((), (0,))))
    for layer, others in kinds:
        here = (..., slice(0, 2), slice(0, 2))
        seen = ask(left_out=others)[here], ask(other, left_out=others)[here]
        apart = [ask(latents, left_out=others, alone=layer)[here] for latents in (ask.latents, other)]
        assert not torch.allclose(seen[0], seen[1], atol=1e-6)
        assert torch.allclose(apart[0], apart[1], atol=1e-6)
        assert not torch.allclose(apart[0], seen[0], atol=1e-6)


@taking(Kind.AWAY)
def test_attention_led_away_from_the_same_text_is_as_it_was(case: Case):
    ask = Asked(case)
    plain = ask()
    away = Away(ask.text, NAG._normalised, ask.inputs.token_mask, ask.inputs.layers)  # type: ignore[reportPrivateUsage]
    assert torch.allclose(ask(away=away), plain, atol=1e-4 * float(plain.abs().max()))


@taking(Kind.AWAY)
def test_attention_is_led_away_from_another_text_on_the_positive_side_alone(case: Case):
    ask = Asked(case)
    plain = ask()
    other = some(1, 10, case.text_width, seed=9)
    layers = None if ask.inputs.layers is None else some(1, 2, 6, 12, seed=8)
    away = Away(other, NAG._normalised, None, layers)  # type: ignore[reportPrivateUsage]
    made = ask(away=away)
    assert made.shape == plain.shape
    assert not torch.allclose(made, plain, atol=1e-3 * float(plain.abs().max()))
    assert torch.equal(ask(away=away, inputs=replace(ask.inputs, sides=(1,))), plain)


@taking(Kind.POSITIONS)
def test_moved_positions_move_the_picture_away_from_the_text_and_stretched_ones_stretch_it(case: Case):
    ask = Asked(case)
    plain = ask()
    assert torch.allclose(ask(positions=Positions()), plain, atol=1e-5 * float(plain.abs().max()))
    assert torch.equal(ask(), plain)
    assert not torch.allclose(ask(positions=Positions(shift_x=20.0)), plain, atol=1e-5)
    assert not torch.allclose(ask(positions=Positions(scale_y=3.0)), plain, atol=1e-5)


@pytest.mark.parametrize("name", ["Stable Diffusion 3", "FLUX.1"])
def test_led_attention_joins_what_its_block_mixes_for_each_text(name: str):
    """In a network of one block: mixed values of either text alone, joined by the paper's equations 7 to 10."""
    ask = Asked(next(case for case in CASES if case.name == name))
    others, other = ask.but((0,)), some(1, 5, ask.case.text_width, seed=9)
    before: Any = cast("Any", ask.module).transformer_blocks[0].attn.to_out[0]
    mixed: list[Tensor] = []
    noting = before.register_forward_pre_hook(lambda _module, inputs: mixed.append(inputs[0]))
    ask(left_out=others)
    ask(left_out=others, text=other)
    noting.remove()
    positive, negative = mixed
    led = positive * 4.0 - negative * 3.0
    ratio = led.norm(p=1, dim=-1, keepdim=True) / positive.norm(p=1, dim=-1, keepdim=True)
    joined = 0.7 * led * torch.where(ratio > 2.0, 2.0 / ratio, torch.ones(())) + 0.3 * positive
    putting = before.register_forward_pre_hook(lambda _module, _inputs: (joined,))
    wanted = ask(left_out=others)
    putting.remove()
    away = Away(other, NAG._normalised)  # type: ignore[reportPrivateUsage]
    made = ask(left_out=others, away=away)
    scale = float(wanted.abs().max())
    assert torch.allclose(made, wanted, atol=1e-5 * scale)
    assert not torch.allclose(made, ask(left_out=others), atol=1e-3 * scale)


def test_changes_of_several_kinds_are_made_together():
    ask = Asked(CASES[1])
    away = Away(some(1, 5, 24, seed=9), NAG._normalised)  # type: ignore[reportPrivateUsage]
    made = ask(left_out=Layers((1,)), alone=Layers((0,)), away=away)
    pairs = ({"left_out": Layers((1,)), "alone": Layers((0,))}, {"left_out": Layers((1,)), "away": away})
    assert all(not torch.allclose(ask(**pair), made, atol=1e-5) for pair in pairs)

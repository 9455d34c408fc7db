"""What prompts say beside their text, as transformers read it: pictures to refer to, guidance, attention to a style."""

from dataclasses import replace
from typing import Any, cast

import pytest
import torch
import torch.nn.functional as F
from diffusers.models.transformers.transformer_flux2 import (
    _blend_double_block_mods,  # pyright: ignore[reportPrivateUsage]
    _blend_single_block_mods,  # pyright: ignore[reportPrivateUsage]
)
from torch import Tensor

from nodes.diffusion.changes import Away, NetworkChanges
from nodes.diffusion.conditions import reads_beside, unread
from nodes.diffusion.denoiser import NetworkInputs
from nodes.diffusion.errors import DiffusionError
from nodes.diffusion.guidance.attention import NormalisedAttention
from nodes.diffusion.latent_formats import LatentFormat
from nodes.diffusion.models.families import FAMILIES, flux
from nodes.diffusion.models.families.placing import Spot, spots
from nodes.diffusion.models.stacked import asked
from nodes.diffusion.values import Cond
from tests.diffusion.models.test_transformers import tiny_network
from tests.diffusion.models.transformers import CASES, some

FLUX, QWEN, FLUX2 = (
    next(case for case in CASES if case.name == name) for name in ("FLUX.1", "Qwen-Image", "FLUX.2")
)


def answer(case: Any, module: Any, text: Tensor | None = None, **told: Any) -> Tensor:
    inputs = replace(case.inputs, references=told.pop("references", ()), **told)
    text = some(2, 5, case.text_width, seed=3) if text is None else text
    return asked(
        case.family,
        module,
        some(*case.latents),
        torch.full((2,), 0.4),
        text,
        inputs=inputs,
        changes=NetworkChanges(),
    )


def test_pictures_to_refer_to_lie_where_each_method_says():
    shown = [(4, 6), (6, 4), (2, 2)]
    assert spots("index", (5, 5), shown, "x") == [Spot(1), Spot(2), Spot(3)]
    assert spots("uxo", (5, 5), shown, "x") == [Spot(0, 5, 5), Spot(0, 9, 11), Spot(0, 15, 15)]
    # the second is taller than wide: to the right of the first; the third goes below both
    assert spots("offset", (5, 5), shown, "x") == [Spot(1, 0, 0), Spot(1, 4, 0), Spot(1, 0, 6)]
    assert spots("offset", (5, 5), [(4, 4), (8, 2)], "x") == [Spot(1, 0, 0), Spot(1, 0, 4)]
    assert spots("index_timestep_zero", (5, 5), shown, "x") == spots("index", (5, 5), shown, "x")
    with pytest.raises(DiffusionError, match=r"x cannot place .* 'elsewhere'"):
        spots("elsewhere", (5, 5), shown, "x")


def test_flux_places_a_picture_by_the_method_and_by_offset_where_nobody_says_one():
    module, references = tiny_network(FLUX), (some(2, 4, 4, 8, seed=8), some(2, 4, 8, 2, seed=9))
    ids: list[Tensor] = []
    cast("Any", module).pos_embed.register_forward_pre_hook(lambda _module, inputs: ids.append(inputs[0][5:]))
    made = {
        method: answer(FLUX, module, references=references, reference_method=method)
        for method in ("", "offset", "index", "uxo")
    }
    assert torch.equal(made[""], made["offset"])
    assert not torch.allclose(made["index"], made["offset"])
    assert not torch.allclose(made["uxo"], made["offset"])
    begins = [[tuple(each[start].int().tolist()) for start in (12, 20)] for each in ids[1:]]
    assert begins == [[(1, 0, 0), (1, 0, 4)], [(1, 0, 0), (2, 0, 0)], [(0, 4, 3), (0, 6, 7)]]


def test_flux_2_places_pictures_ten_apart_or_by_another_method():
    module, references = tiny_network(FLUX2), FLUX2.inputs.references
    plain = answer(FLUX2, module, references=references)
    assert torch.equal(answer(FLUX2, module, references=references, reference_method="index"), plain)
    assert not torch.allclose(answer(FLUX2, module, references=references, reference_method="offset"), plain)


CLEAN = "index_timestep_zero"


def walked_double(block: Any, tokens: Tensor, text: Tensor, now: Tensor, each: Tensor, turns: Any) -> Any:
    """A block of two streams of FLUX.1 whose picture's tokens have a timestep each; `each` as `now` is, by token."""
    first, scale_1, gate_1, shift_2, scale_2, gate_2 = block.norm1.linear(F.silu(each)).chunk(6, -1)
    read, text_gate, text_shift, text_scale, text_gate_2 = block.norm1_context(text, emb=now)
    moved = block.norm1.norm(tokens) * (1 + scale_1) + first
    seen, told = block.attn(hidden_states=moved, encoder_hidden_states=read, image_rotary_emb=turns)
    tokens = tokens + gate_1 * seen
    tokens = tokens + gate_2 * block.ff(block.norm2(tokens) * (1 + scale_2) + shift_2)
    text = text + text_gate[:, None] * told
    moved = block.norm2_context(text) * (1 + text_scale[:, None]) + text_shift[:, None]
    return tokens, text + text_gate_2[:, None] * block.ff_context(moved)


def test_flux_takes_pictures_for_clean_ones_where_a_condition_says_so():
    """The same as a walk through the network's parts in which every token has a timestep of its own."""
    module: Any = tiny_network(FLUX)
    references = (some(2, 4, 4, 8, seed=8), some(2, 4, 8, 2, seed=9))
    seen: dict[str, Any] = {}
    hooks = [
        module.register_forward_pre_hook(
            lambda _m, args, said: seen.update(said, tokens=args[0]), with_kwargs=True
        ),
        module.norm_out.register_forward_pre_hook(lambda _m, args: seen.update(made=args[0])),
    ]
    made = answer(FLUX, module, references=references, reference_method=CLEAN)
    for hook in hooks:
        hook.remove()
    told = [seen["pooled_projections"]]
    guided = seen["guidance"] is not None
    told = [seen["guidance"] * 1000, *told] if guided else told
    now = module.time_text_embed(seen["timestep"] * 1000, *told)
    clean = module.time_text_embed(seen["timestep"] * 0, *told)
    tokens, text = module.x_embedder(seen["tokens"]), module.context_embedder(seen["encoder_hidden_states"])
    turns = module.pos_embed(torch.cat((seen["txt_ids"], seen["img_ids"])))
    shown = sum(one.shape[-2] * one.shape[-1] // 4 for one in references)
    times = (now[:, None].expand(-1, tokens.shape[1] - shown, -1), clean[:, None].expand(-1, shown, -1))
    each = torch.cat(times, 1)
    for block in module.transformer_blocks:
        tokens, text = walked_double(block, tokens, text, now, each, turns)
    every, words = torch.cat((text, tokens), 1), text.shape[1]
    each = torch.cat((now[:, None].expand(-1, words, -1), each), 1)
    for block in module.single_transformer_blocks:
        shift, scale, gate = block.norm.linear(F.silu(each)).chunk(3, -1)
        moved = block.norm.norm(every) * (1 + scale) + shift
        mixed = torch.cat(
            (block.attn(hidden_states=moved, image_rotary_emb=turns), block.act_mlp(block.proj_mlp(moved))), 2
        )
        every = every + gate * block.proj_out(mixed)
    assert (seen["made"] - every[:, words:]).abs().max() < 1e-5 * every.abs().max()
    assert not torch.allclose(made, answer(FLUX, module, references=references, reference_method="index"))
    assert torch.equal(answer(FLUX, module, reference_method=CLEAN), answer(FLUX, module))  # nothing stays


def test_flux_2_takes_pictures_for_clean_ones_where_a_condition_says_so():
    """Modulated as diffusers' own network does it for its cache of pictures, which lie before the one in the making."""
    module: Any = tiny_network(FLUX2)
    told = {"references": FLUX2.inputs.references}
    seen: dict[str, Any] = {}
    note = module.register_forward_pre_hook(
        lambda _m, args, said: seen.update(said, tokens=args[0]), with_kwargs=True
    )
    made = answer(FLUX2, module, **told, reference_method=CLEAN)
    note.remove()
    tokens, ids, words = seen.pop("tokens"), seen.pop("img_ids"), seen["encoder_hidden_states"].shape[1]
    count, shown = tokens.shape[1], sum(one.shape[-2] * one.shape[-1] for one in told["references"])
    guidance = None if seen["guidance"] is None else seen["guidance"] * 1000
    clean = module.time_guidance_embed(seen["timestep"] * 0, guidance)
    double, single = module.double_stream_modulation_img, module.single_stream_modulation
    at_zero = double(clean), single(clean)
    hooks = [
        double.register_forward_hook(
            lambda _m, _i, now: _blend_double_block_mods(now, at_zero[0], shown, count)
        ),
        single.register_forward_hook(
            lambda _m, _i, now: _blend_single_block_mods(now, at_zero[1], words, shown, words + count)
        ),
    ]
    turned = (
        torch.cat((each[..., count - shown :, :], each[..., : count - shown, :]), -2)
        for each in (tokens, ids)
    )
    first, places = turned
    wanted = module(first, img_ids=places, **seen)[0][:, shown:]
    for hook in hooks:
        hook.remove()
    torch.testing.assert_close(made.flatten(2).mT, wanted, rtol=1e-4, atol=1e-5)
    assert not torch.allclose(made, answer(FLUX2, module, **told))


def test_what_a_network_reads_beside_its_latents_is_said_and_the_rest_told():
    form = LatentFormat()
    reads = {
        kind: reads_beside(replace(form, joined=joined))
        for kind, joined in {"plain": 0, "inpaint": 5, "edit": 4, "enlarge": 3}.items()
    }
    assert reads["inpaint"] == {"concat_latent_image", "concat_mask"}
    assert reads_beside(LatentFormat(channels=16, joined=80)) == reads["inpaint"]
    assert (reads["edit"], reads["enlarge"]) == ({"concat_latent_image"}, {"concat_image"})
    cond = Cond(
        some(1, 3, 4), extra={"concat_latent_image": some(1, 4, 8, 8), "concat_mask": some(1, 1, 8, 8)}
    )
    assert unread(((cond,), ()), reads["inpaint"], "It") == ()
    said = unread(((cond,), ()), reads["plain"], "It")
    assert [line.split("(")[0] for line in said] == [
        "It does not read a picture beside its latents ",
        "It does not read a mask beside its latents ",
    ]
    assert unread(((cond,), ()), reads["edit"], "It") == said[1:]


def test_qwen_image_edit_takes_pictures_for_clean_ones_where_a_condition_says_so():
    module: Any = tiny_network(QWEN)
    plain = answer(QWEN, module, references=QWEN.inputs.references)
    made = answer(QWEN, module, references=QWEN.inputs.references, reference_method="index_timestep_zero")
    trained: Any = QWEN.module({**QWEN.tiny, "zero_cond_t": True}).eval()
    trained.load_state_dict(module.state_dict())
    assert torch.equal(answer(QWEN, trained, references=QWEN.inputs.references), made)
    assert not torch.allclose(made, plain)
    assert torch.equal(answer(QWEN, module, references=QWEN.inputs.references), plain)
    with pytest.raises(DiffusionError, match="Qwen-Image cannot place"):
        answer(QWEN, module, references=QWEN.inputs.references, reference_method="uxo")


@pytest.mark.parametrize("case", [FLUX, FLUX2], ids=["flux", "flux2"])
def test_without_guidance_nothing_is_added_for_it(case: Any):
    """As if the network's part for guidance gave zeros, which is not what it gives for a guidance of 0."""
    module: Any = tiny_network(case)
    embed = module.time_text_embed if case is FLUX else module.time_guidance_embed
    made, zero = answer(case, module, guidance=None), answer(case, module, guidance=torch.zeros(2))
    assert not torch.allclose(made, zero)
    for parameter in embed.guidance_embedder.linear_2.parameters():
        parameter.zero_()
    assert torch.allclose(answer(case, module, guidance=torch.zeros(2)), made, atol=1e-6)


def test_a_bias_on_a_style_is_as_if_its_tokens_came_so_many_times():
    """Tokens that are read twice count as tokens with ln 2 added to their scores, by definition of softmax."""
    module = tiny_network(FLUX)
    text, style = some(2, 5, 24, seed=3), some(2, 2, 24, seed=4)
    twice = torch.cat((text, style, style), 1)
    once = torch.cat((text, style), 1)
    bias = torch.zeros(2, 8, 8)
    bias[:, :, 5:7] = torch.tensor(2.0).log()  # of style on itself too, as the tokens that come twice pay it
    made = answer(FLUX, module, once, bias=bias.half())
    assert torch.allclose(made, answer(FLUX, module, twice), atol=2e-3 * float(made.abs().max()))
    assert not torch.allclose(made, answer(FLUX, module, once), atol=2e-2 * float(made.abs().max()))


def test_a_style_that_nothing_attends_to_is_not_there():
    module = tiny_network(FLUX)
    text, style = some(2, 5, 24, seed=3), some(2, 2, 24, seed=4)
    bias = torch.zeros(2, 8, 8)
    bias[:, :5, 5:7] = bias[:, 7:, 5:7] = -torch.inf
    made = answer(FLUX, module, torch.cat((text, style), 1), bias=bias)
    assert torch.allclose(made, answer(FLUX, module, text), atol=1e-5 * float(made.abs().max()))
    with pytest.raises(DiffusionError, match="5 tokens, and an attention mask for 7"):
        answer(FLUX, module, text, bias=bias)


def test_attention_is_led_away_from_a_shorter_text_than_that_with_a_style():
    """A bias that adds nothing is none: the negative text is filled up, and what fills it up is not attended to."""
    module, lead = tiny_network(FLUX), NormalisedAttention((), 4.0)._normalised  # type: ignore[reportPrivateUsage]
    away = Away(some(1, 5, 24, seed=9), lead)

    def led(away: Away, **more: Any) -> Tensor:
        return asked(
            FLUX.family,
            module,
            some(*FLUX.latents),
            torch.full((2,), 0.4),
            some(2, 5, 24, seed=3),
            inputs=replace(FLUX.inputs, references=(), **more),
            changes=NetworkChanges(away=away),
        )

    none = torch.zeros(2, 6, 6)
    plain, scale = led(away), float(led(away).abs().max())
    assert torch.allclose(led(away, bias=none), plain, atol=1e-5 * scale)
    shorter = led(Away(away.context[:, :3], lead), bias=none)
    assert bool(shorter.isfinite().all())
    assert not torch.allclose(shorter, plain, atol=1e-3 * scale)
    with pytest.raises(DiffusionError, match="has 7 tokens, more than the 5"):
        led(Away(some(1, 7, 24), lead), bias=none)


def test_a_grid_of_biases_lies_over_the_picture():
    bias = torch.arange(25.0).view(1, 5, 5)  # one token of text, a grid of two by two
    whole = flux.joint_bias(bias, (2, 2), 1, (4, 6), 24 + 3)[0, 0]
    assert whole.shape == (28, 28)
    assert whole[0, 1:25].view(4, 6)[:, 2:4].tolist() == [[1, 2], [1, 2], [3, 4], [3, 4]]
    assert whole[1 + 6 * 3 + 5, 0] == 20
    assert not whole[25:].any()
    assert not whole[:, 25:].any()


def test_what_a_model_does_not_read_is_said():
    cond = Cond(some(1, 5, 24)).with_extra({"reference_latents": [some(1, 4, 4, 4)]})
    masked = Cond(some(1, 5, 24)).with_extra({"attention_mask": torch.zeros(1, 6, 6)})
    reads = {family.name: family.reads for family in FAMILIES}
    assert unread(((cond,), (masked,)), reads["FLUX.1"], "FLUX.1") == ()
    said = unread(((cond,), (masked,)), reads["Stable Diffusion 3"], "Stable Diffusion 3")
    assert said[0] == "Stable Diffusion 3 does not read pictures to refer to (ReferenceLatent)."
    assert len(said) == 2
    tokens = Cond(some(1, 5, 24)).with_extra({"attention_mask": torch.ones(1, 5)})
    assert unread(((tokens,),), reads["Chroma"], "Chroma") == ()
    assert NetworkInputs().reference_method == ""

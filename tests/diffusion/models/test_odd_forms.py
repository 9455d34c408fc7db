"""Forms that files have by whoever wrote them: what stands before names, beside tensors, and how eight bits are scaled."""

import json

import pytest
import torch
from safetensors.torch import load_file, save_file

from nodes.diffusion.models.load import load_network, load_text, load_vae
from tests.diffusion.models import tiny
from tests.diffusion.models.test_transformer_forms import each, stored
from tests.diffusion.models.test_transformers import PLACEMENT, tiny_network

NETWORK, VAE, TEXT = (
    "model.diffusion_model.",
    "first_stage_model.",
    "cond_stage_model.transformer.text_model.",
)
BEFORE = (
    "",
    "model.",
    "diffusion_model.",
    NETWORK,
    "unet.",
    "transformer.",
    "module.",
    "_orig_mod.",
    f"module.{NETWORK}",
)
TRAINED = {
    "model_ema.decay": 1,
    "model_ema.num_updates": 1,
    "betas": 9,
    "loss.logvar": 1,
    "some.unknown.weight": 3,
}
EIGHT = torch.float8_e4m3fn


@pytest.fixture(scope="module")
def state(model_file):
    return load_file(model_file)


def below(state, prefix):
    return {name.removeprefix(prefix): tensor for name, tensor in state.items() if name.startswith(prefix)}


def alike(module, wanted):
    made = module.state_dict()
    return made.keys() == wanted.keys() and all(torch.equal(made[name], wanted[name]) for name in wanted)


def written(tensors, tmp_path):
    save_file({name: tensor.contiguous() for name, tensor in tensors.items()}, tmp_path / "x.safetensors")
    return tmp_path / "x.safetensors"


@pytest.mark.parametrize("before", BEFORE)
def test_a_u_net_is_found_behind_what_trainers_and_compilers_put_before_names(state, before, tmp_path):
    own = {before + name: tensor for name, tensor in below(state, NETWORK).items()}
    assert alike(load_network(written(own, tmp_path), PLACEMENT).module, tiny.unet().state_dict())


@each
def test_a_transformer_is_found_behind_any_of_them_in_both_layouts_with_strange_tensors_beside(
    case, tmp_path
):
    module = tiny_network(case)
    theirs, ours = stored(case, module)[0], module.state_dict()
    for before in ("diffusion_model.", "transformer.", "module."):
        for names in (theirs, ours):
            beside = {} if before == "module." else {name: torch.ones(size) for name, size in TRAINED.items()}
            found = load_network(
                written({before + name: tensor for name, tensor in names.items()} | beside, tmp_path),
                PLACEMENT,
            )
            assert found.family.name == case.name
            assert alike(found.module, ours)


def test_averages_and_leftovers_of_a_training_are_passed_over(state, tmp_path):
    beside = {
        f"model_ema.{name.replace('.', '')}": tensor * 0 for name, tensor in below(state, NETWORK).items()
    }
    beside |= {name: torch.ones(size) for name, size in TRAINED.items()} | {
        f"{NETWORK}junk.weight": torch.ones(3)
    }
    assert alike(load_network(written(state | beside, tmp_path), PLACEMENT).module, tiny.unet().state_dict())


@pytest.mark.parametrize("before", ["", "vae.", VAE, "model.", "module."])
def test_a_vae_is_found_behind_any_of_them_in_both_layouts(state, before, tmp_path):
    wanted = tiny.vae().state_dict()
    for names in (below(state, VAE), wanted):
        own = {before + name: tensor for name, tensor in names.items()}
        assert alike(load_vae(written(own, tmp_path), PLACEMENT).module, wanted)


def test_a_vae_of_old_has_other_names_for_its_attention(state, tmp_path):
    names = {"to_q": "query", "to_k": "key", "to_v": "value", "to_out.0": "proj_attn"}
    own, wanted = {}, tiny.vae().state_dict()
    for name, tensor in wanted.items():
        for ours, theirs in names.items():
            name = name.replace(f".{ours}.", f".{theirs}.")
        own[name] = tensor
    assert alike(load_vae(written(own, tmp_path), PLACEMENT).module, wanted)


@pytest.mark.parametrize(
    "before",
    ["text_model.", "", "transformer.text_model.", TEXT, "conditioner.embedders.0.transformer.text_model.",
     "text_encoders.clip_l.transformer.text_model.", "clip_l.text_model.", "text_encoder.text_model."],
)  # fmt: skip
def test_a_text_encoder_is_found_behind_any_of_them(state, before, tmp_path):
    own = {before + name: tensor for name, tensor in below(state, TEXT).items()}
    places = torch.arange(77)[None].float()
    own |= {f"{before}embeddings.position_ids": places, "logit_scale": torch.ones(())}
    made = load_text(written(own, tmp_path), PLACEMENT).encoders["l"].model.state_dict()
    wanted = tiny.text().state_dict()
    assert {name.removeprefix("text_model."): tensor.sum() for name, tensor in made.items()} == {
        name.removeprefix("text_model."): tensor.sum() for name, tensor in wanted.items()
    }


QUANT = torch.tensor(list(json.dumps({"format": "float8_e4m3fn"}).encode()), dtype=torch.uint8)
MARK = torch.zeros(2).to(EIGHT)
SCALED = {
    "scale_weight": ("scale_weight", (), {"scale_input": torch.ones(())}, {f"{NETWORK}scaled_fp8": MARK}),
    "marker above all": ("scale_weight", (1,), {}, {"scaled_fp8": torch.zeros(0).to(EIGHT)}),
    "weight_scale": ("weight_scale", (), {"input_scale": torch.ones(()), "comfy_quant": QUANT}, {}),
    "by rows": ("weight_scale", (-1, 1), {}, {}),
}  # fmt: skip


@pytest.mark.parametrize("form", SCALED)
def test_eight_bits_with_scales_are_widened_whatever_stands_beside(state, form, tmp_path):
    ending, shape, beside, marks = SCALED[form]
    own, widened = dict(state) | marks, dict(state)
    for name, tensor in state.items():
        if not name.startswith(NETWORK) or tensor.ndim != 2 or not name.endswith(".weight"):
            continue
        bare = name.removesuffix("weight")
        scale = tensor.abs().amax(1) / 448 if form == "by rows" else tensor.abs().max() / 448
        scale = scale.reshape(shape)
        own[name] = (tensor / scale).to(EIGHT)
        widened[name] = own[name].float() * scale
        own |= {bare + ending: scale} | {bare + more: value.clone() for more, value in beside.items()}
    made = load_network(written(own, tmp_path), PLACEMENT).module.state_dict()
    (tmp_path / "x.safetensors").unlink()
    assert alike(load_network(written(widened, tmp_path), PLACEMENT).module, made)


def test_types_may_be_mixed_in_a_file(state, tmp_path):
    kinds = (torch.float16, torch.bfloat16, torch.float32, torch.float64)
    mixed = {name: tensor.to(kinds[number % 4]) for number, (name, tensor) in enumerate(state.items())}
    made = load_network(written(mixed, tmp_path), PLACEMENT).module.state_dict()
    (tmp_path / "x.safetensors").unlink()
    plain = {name: tensor.float() for name, tensor in mixed.items()}
    assert alike(load_network(written(plain, tmp_path), PLACEMENT).module, made)
    assert {tensor.dtype for tensor in made.values()} == {torch.float32}

"""Weights multiplied and merged: each weight is what the recipe says, and none of it stays."""

from dataclasses import replace
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file, save_file
from torch import nn

from nodes.builtin.merging import model_merge_blocks, model_merge_simple, model_merge_subtract
from nodes.diffusion.changes import Layers
from nodes.diffusion.guidance.again import SkippedLayers
from nodes.diffusion.mixing_weights import merged
from nodes.diffusion.patches import Patcher
from nodes.diffusion.pool import Pool
from nodes.diffusion.values import CheckpointRef, Clip, LoraPatch, Merge, Model, ModelSettings, WeightScale
from tests.diffusion.models import tiny

LATENTS = torch.randn(1, 4, 8, 8, generator=torch.Generator().manual_seed(1))
TIMES = torch.tensor([500.0])
CONTEXT = torch.randn(1, 77, tiny.CONTEXT, generator=torch.Generator().manual_seed(2))
MIDDLE = "mid_block.attentions.0.proj_in.weight"
QUERY = "mid_block.attentions.0.transformer_blocks.0.attn1.to_q.weight"
IN, OUT = "down_blocks.0.resnets.0.conv1.weight", "up_blocks.1.resnets.2.conv1.weight"
NOWHERE = CheckpointRef(Path("nowhere.safetensors"), "none")
TIME = "time_embedding.linear_1.weight"


@pytest.fixture(scope="module")
def ref(model_file, hashes):
    return hashes.reference(model_file)


@pytest.fixture(scope="module")
def other(tmp_path_factory, hashes):
    """A model of the same shape with other weights."""
    path = tmp_path_factory.mktemp("others") / "other.safetensors"
    prefix = "model.diffusion_model."
    made = tiny.original_file(path)
    chance = torch.Generator().manual_seed(9)
    tensors = {
        name: torch.randn(tensor.shape, generator=chance) * 0.05 if name.startswith(prefix) else tensor
        for name, tensor in load_file(made).items()
    }
    save_file(tensors, path)
    return hashes.reference(path)


@pytest.fixture
def pool(placement):
    return Pool(placement, 10**9)


@pytest.fixture(scope="module")
def lora(tmp_path_factory, hashes):
    path = tmp_path_factory.mktemp("loras") / "a.safetensors"
    save_file({"lora_unet_mid_block_attentions_0_proj_in.diff": torch.ones(64, 64, 1, 1)}, path)
    return LoraPatch(hashes.reference(path), 0.5)


def weights(pool, model):
    with pool.session() as models:
        state = models.network(model).module.state_dict()
        return {name: state[name].clone() for name in (IN, MIDDLE, QUERY, OUT, TIME)}


def test_a_ratio_mixes_every_weight(pool, ref, other):
    ours, theirs = weights(pool, Model(ref)), weights(pool, Model(other))
    mixed = weights(pool, model_merge_simple.run(None, Model(ref), Model(other), ratio=0.25))
    for name in ours:
        assert torch.allclose(mixed[name], 0.25 * ours[name] + 0.75 * theirs[name], atol=1e-6)
    again = weights(pool, Model(ref))
    assert all(torch.equal(again[name], ours[name]) for name in ours)


def test_what_was_subtracted_from_itself_is_nothing(pool, ref):
    model = model_merge_subtract.run(None, Model(ref), Model(ref), multiplier=2.0)
    assert all(not bool(weight.any()) for weight in weights(pool, model).values())


def test_the_other_model_comes_with_its_patches_and_its_weights_stay_its_own(pool, ref, lora):
    plain, patched = weights(pool, Model(ref)), weights(pool, Model(ref).patched(lora))
    model = model_merge_subtract.run(None, Model(ref).patched(lora), Model(ref), multiplier=1.0)
    assert torch.allclose(weights(pool, model)[MIDDLE], torch.full((64, 64, 1, 1), 0.5), atol=1e-6)
    model = model_merge_simple.run(None, Model(ref), Model(ref).patched(lora), ratio=0.5)
    assert torch.allclose(weights(pool, model)[MIDDLE], plain[MIDDLE] + 0.25, atol=1e-6)
    assert torch.equal(weights(pool, Model(ref).patched(lora))[MIDDLE], patched[MIDDLE])


def test_blocks_have_ratios_of_their_own_and_the_rest_the_first(pool, ref, other):
    ours, theirs = weights(pool, Model(ref)), weights(pool, Model(other))
    model = model_merge_blocks.run(None, Model(ref), Model(other), input=0.75, middle=1.0, out=0.0)
    mixed = weights(pool, model)
    assert torch.equal(mixed[MIDDLE], ours[MIDDLE])
    assert torch.allclose(mixed[OUT], theirs[OUT], atol=1e-6)
    for name in (IN, TIME):
        assert torch.allclose(mixed[name], 0.75 * ours[name] + 0.25 * theirs[name], atol=1e-6)


def test_the_longest_name_that_fits_says_the_ratio(pool, ref, other):
    ours, theirs = weights(pool, Model(ref)), weights(pool, Model(other))
    blocks = (("input_blocks.", 1.0), ("middle_block.", 1.0), ("middle_block.1.transformer", 0.0))
    mixed = weights(pool, Model(ref).patched(Merge(other, blocks=blocks)))
    assert torch.equal(mixed[MIDDLE], ours[MIDDLE])
    assert torch.allclose(mixed[QUERY], theirs[QUERY], atol=1e-6)


def test_patches_follow_each_other(pool, ref, lora):
    plain = weights(pool, Model(ref))
    doubled = WeightScale((("*.proj_in", 2.0),))
    first = weights(pool, Model(ref).patched(doubled).patched(lora))[MIDDLE]
    last = weights(pool, Model(ref).patched(lora).patched(doubled))[MIDDLE]
    assert torch.allclose(first, plain[MIDDLE] * 2 + 0.5, atol=1e-6)
    assert torch.allclose(last, (plain[MIDDLE] + 0.5) * 2, atol=1e-6)


def test_attention_is_multiplied_by_the_names_of_the_fields_layout(pool, ref):
    plain = weights(pool, Model(ref))
    only_output = WeightScale((("middle_block.*.attn1.to_q", 3.0),))
    made = weights(pool, Model(ref).patched(only_output))
    assert torch.allclose(made[QUERY], plain[QUERY] * 3.0)
    assert torch.equal(made[MIDDLE], plain[MIDDLE])


def test_text_encoders_merge_too(pool, ref):
    with pool.session() as models:
        plain = models.encode(Clip(ref), "a cat").context
    with pool.session() as models:
        same = models.encode(Clip(ref).patched(Merge(ref, ours=0.5, theirs=0.5)), "a cat").context
    with pool.session() as models:
        sum_ = models.encode(Clip(ref).patched(Merge(ref, ours=1.0, theirs=1.0)), "a cat").context
    assert torch.allclose(same, plain, atol=1e-5)
    assert not torch.allclose(sum_, plain, atol=1e-3)


def test_weights_that_the_other_model_has_not_alike_stay_and_are_told():
    patcher = Patcher(nn.ModuleDict({"one": nn.Linear(2, 3), "two": nn.Linear(2, 2)}), ("unet.",))
    plain = {name: tensor.clone() for name, tensor in patcher.module.state_dict().items()}
    theirs = {"one.weight": torch.ones(3, 2), "one.bias": torch.ones(5), "two.weight": torch.ones(2, 2)}
    labelled = {f":{name}": tensor for name, tensor in theirs.items()}
    patcher.put_on([merged(Merge(NOWHERE, ours=0.5, theirs=0.5), labelled)])
    mixed = patcher.module.state_dict()
    assert torch.allclose(mixed["one.weight"], plain["one.weight"] * 0.5 + 0.5)
    assert torch.equal(mixed["one.bias"], plain["one.bias"])
    assert patcher.unmatched == ("one.bias", "two.bias")
    patcher.take_off()
    assert all(torch.equal(tensor, plain[name]) for name, tensor in patcher.module.state_dict().items())


def test_a_model_computes_in_the_precision_it_is_told(pool, ref):
    half = replace(Model(ref), settings=ModelSettings(compute="bf16"))
    with pool.session() as models:
        plain = models.network(Model(ref))
        low = models.network(half)
        assert (plain.dtype, low.dtype) == (torch.float32, torch.bfloat16)
        exact = plain(LATENTS, TIMES, CONTEXT)
        made = low(LATENTS.bfloat16(), TIMES, CONTEXT.bfloat16())
        assert made.dtype is torch.bfloat16
        assert torch.allclose(made.float(), exact, atol=0.1)
        assert not torch.equal(made.float(), exact)


def test_rules_that_do_nothing_to_a_unet_are_told_once(pool, ref):
    layers = SkippedLayers(Layers((7, 8)))
    with pool.session() as models:
        models.network(Model(ref).ruled(layers).ruled(layers))
        models.network(Model(ref).ruled(layers))
        assert [text.split(" does nothing ")[0] for text in models.warnings] == ["Skip-layer guidance"]
        assert "Stable Diffusion 1" in models.warnings[0]

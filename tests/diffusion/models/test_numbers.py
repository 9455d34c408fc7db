"""Weights that are no numbers are told with file and tensor: when they are loaded, or when mapped ones are first used."""

from dataclasses import replace

import pytest
import torch
from safetensors.torch import load_file, save_file

from nodes.diffusion.errors import CheckpointUnreadable
from nodes.diffusion.memory.budget import Budget
from nodes.diffusion.memory.meter import Meter
from nodes.diffusion.models.load import load_network, load_text, load_vae
from nodes.diffusion.models.numbers import check_numbers, finite
from nodes.diffusion.pool import Pool
from nodes.diffusion.values import Model

TIMES, LATENTS, CONTEXT = torch.tensor([500.0]), torch.ones(1, 4, 8, 8), torch.ones(1, 77, 64)
NETWORK = "model.diffusion_model.output_blocks.3.1.transformer_blocks.0.attn1.to_q.weight"
VAE, TEXT = "first_stage_model.decoder.mid.block_1.conv1.weight", "encoder.layers.2.mlp.fc1.weight"
TEXT = f"cond_stage_model.transformer.text_model.{TEXT}"
KINDS = [torch.float64, torch.float32, torch.float16, torch.bfloat16, torch.float8_e4m3fn, torch.float8_e5m2]

USES = {
    NETWORK: lambda path, placement: load_network(path, placement)(LATENTS, TIMES, CONTEXT),
    VAE: lambda path, placement: load_vae(path, placement).decode(LATENTS),
    TEXT: lambda path, placement: (
        load_text(path, placement).encoders["l"].model(torch.ones(1, 5, dtype=torch.long))
    ),
}


@pytest.mark.parametrize("dtype", KINDS, ids=str)
def test_nan_and_infinity_are_seen_in_every_type_at_every_place(dtype):
    sound = torch.linspace(-400, 400, 999).to(dtype)
    wrong = [float("nan"), -float("nan")]
    wrong += [] if dtype is torch.float8_e4m3fn else [float("inf"), -float("inf")]
    assert finite(sound) and finite(torch.empty(0, dtype=dtype)) and finite(torch.tensor([2**31 - 1]))
    for place in (0, 500, 998):
        for value in wrong:
            broken = sound.clone()
            broken[place] = torch.tensor(value).to(dtype)
            assert not finite(broken)


def broken(model_file, path, name, dtype, value=float("nan")):
    state = {key: tensor.to(dtype) for key, tensor in load_file(model_file).items()}
    state[name].view(-1)[7] = value
    save_file(state, path)
    return path


@pytest.mark.parametrize("name", [NETWORK, VAE, TEXT], ids=["network", "vae", "text"])
@pytest.mark.parametrize("dtype", [torch.float16, torch.float32], ids=["copied", "mapped"])
def test_a_file_with_weights_that_are_no_numbers_is_told_with_the_tensor(
    name, dtype, model_file, placement, tmp_path
):
    path = broken(model_file, tmp_path / "bad.safetensors", name, dtype)
    with pytest.raises(CheckpointUnreadable) as told:
        USES[name](path, placement)
    assert f"bad.safetensors cannot be read: its tensor {name} holds values that are no numbers" in str(
        told.value
    )
    assert "again" in told.value.hint


def test_mapped_weights_are_judged_once_and_again_while_they_are_bad(model_file, placement, tmp_path):
    path = broken(model_file, tmp_path / "bad.safetensors", NETWORK, torch.float32)
    network = load_network(path, placement)
    for _ in range(2):
        with pytest.raises(CheckpointUnreadable, match="attn1"):
            network(LATENTS, TIMES, CONTEXT)
    sound = load_network(model_file, placement)
    sound(LATENTS, TIMES, CONTEXT)
    assert not any(part._forward_pre_hooks for part in sound.module.modules())


def test_blocks_that_come_from_the_file_are_judged_as_they_come(model_file, placement, tmp_path, hashes):
    path = broken(model_file, tmp_path / "bad.safetensors", NETWORK, torch.float16, float("inf"))
    whole = 2 * path.stat().st_size
    pool = Pool(placement, Budget(whole, device=whole // 3, host=0), Meter(whole // 3))
    with pytest.raises(CheckpointUnreadable, match="attn1"), pool.session(room=0) as models:
        models.network(Model(hashes.reference(path)))(LATENTS, TIMES, CONTEXT)


def test_a_value_too_large_for_half_precision_is_told(model_file, placement, tmp_path):
    path = broken(model_file, tmp_path / "wide.safetensors", NETWORK, torch.float32, 1e6)
    assert load_network(path, placement)
    with pytest.raises(CheckpointUnreadable, match=r"1e\+06, too large for half precision"):
        load_network(path, replace(placement, dtype=torch.float16))
    with pytest.raises(CheckpointUnreadable, match="too large"):
        check_numbers(path, "a", torch.tensor([-7e4]), torch.float16)

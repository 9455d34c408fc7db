"""Control networks of the XL family, and unions of several: asked as diffusers' classes ask them."""

from pathlib import Path
from typing import Any

import pytest
import torch
from diffusers import ControlNetModel, ControlNetUnionModel
from safetensors.torch import save_file
from torch import Tensor

from nodes.diffusion.control import LoadedControl
from nodes.diffusion.denoiser import NetworkInputs
from nodes.diffusion.errors import DiffusionError
from nodes.diffusion.models.load import Placement, load_control
from tests.diffusion.models.tiny import seeded

CONTEXT, POOLED = 16, 24
SIZES: dict[str, Any] = {
    "block_out_channels": (32, 64),
    "layers_per_block": 1,
    "down_block_types": ("DownBlock2D", "CrossAttnDownBlock2D"),
    "cross_attention_dim": CONTEXT,
    "attention_head_dim": (1, 1),
    "use_linear_projection": True,
    "addition_embed_type": "text_time",
    "addition_time_embed_dim": 256,
    "projection_class_embeddings_input_dim": POOLED + 6 * 256,
    "transformer_layers_per_block": (1, 1),
}
CHANCE = torch.Generator().manual_seed(8)
LATENTS, TIMES = torch.randn(2, 4, 8, 8, generator=CHANCE), torch.tensor([400.0, 400.0])
TEXT, HINT = torch.randn(2, 5, CONTEXT, generator=CHANCE), torch.rand(2, 3, 64, 64, generator=CHANCE)
NUMBERS = torch.tensor([[64.0, 64.0, 0.0, 8.0, 64.0, 128.0]] * 2)
INPUTS = NetworkInputs(pooled=torch.randn(2, POOLED, generator=CHANCE), sizes=NUMBERS)
TOLD = {"text_embeds": INPUTS.pooled, "time_ids": NUMBERS}


def union() -> ControlNetUnionModel:
    module = seeded(
        ControlNetUnionModel(
            **SIZES, num_control_type=6, num_trans_channel=32, num_trans_head=8, num_proj_channel=32
        ),
        4,
    )
    for parameter in (module.task_embedding, module.controlnet_cond_embedding.conv_out.weight):
        parameter.data = torch.randn(parameter.shape, generator=torch.Generator().manual_seed(1))
    return module


def loaded(module: torch.nn.Module, folder: Path, placement: Placement) -> LoadedControl:
    save_file(
        {name: tensor.clone() for name, tensor in module.state_dict().items()}, folder / "net.safetensors"
    )
    return load_control(folder / "net.safetensors", placement)


def same(made: Any, down: list[Tensor], middle: Tensor) -> None:
    for ours, theirs in zip((*made.down, made.middle), (*down, middle), strict=True):
        torch.testing.assert_close(ours, theirs, rtol=1e-4, atol=1e-4)


def test_a_net_of_the_xl_family_is_told_pooled_text_and_sizes(tmp_path: Path, placement: Placement):
    module = seeded(ControlNetModel(**SIZES), 3)
    control = loaded(module, tmp_path, placement)
    with torch.no_grad():
        expected = module(LATENTS, TIMES, TEXT, HINT, added_cond_kwargs=TOLD, return_dict=False)
    same(control(LATENTS, TIMES, TEXT, HINT, INPUTS), *expected)


@pytest.mark.parametrize("kind", [0, 5])
def test_a_union_is_told_which_kind_of_hint_it_gets(tmp_path: Path, placement: Placement, kind: int):
    module, control = union(), loaded(union(), tmp_path, placement)
    types = torch.nn.functional.one_hot(torch.tensor([kind, kind]), 6).float()
    with torch.no_grad():
        expected = module(
            LATENTS, TIMES, TEXT, [HINT], types, [kind], added_cond_kwargs=TOLD, return_dict=False
        )
    chosen = LoadedControl(control.module, control.device, control.dtype, kind=kind)
    same(chosen(LATENTS, TIMES, TEXT, HINT, INPUTS), *expected)


def test_a_union_that_is_told_no_kind_takes_the_hint_as_a_plain_net_does(
    tmp_path: Path, placement: Placement
):
    module, control = union(), loaded(union(), tmp_path, placement)
    hints = (48, 96, 192, 384)  # widths of what reads hints, wider than of a single net
    plain = ControlNetModel(**SIZES, conditioning_embedding_out_channels=hints).eval().requires_grad_(False)
    state = module.state_dict()
    plain.load_state_dict({name: state[name] for name in plain.state_dict()})
    with torch.no_grad():
        waves = module.control_type_proj(torch.zeros(6)).reshape(1, -1)
        plain.time_embedding.linear_2.bias += module.control_add_embedding(waves)[0]
        expected = plain(LATENTS, TIMES, TEXT, HINT, added_cond_kwargs=TOLD, return_dict=False)
    same(control(LATENTS, TIMES, TEXT, HINT, INPUTS), *expected)
    same(control(LATENTS, TIMES, TEXT, HINT, INPUTS), *expected)  # nothing of it stays on the net


def test_a_kind_that_a_union_was_not_trained_on_is_refused(tmp_path: Path, placement: Placement):
    control = loaded(union(), tmp_path, placement)
    with pytest.raises(DiffusionError, match="6 kinds of hints; this is number 8"):
        LoadedControl(control.module, control.device, control.dtype, kind=7)(
            LATENTS, TIMES, TEXT, HINT, INPUTS
        )

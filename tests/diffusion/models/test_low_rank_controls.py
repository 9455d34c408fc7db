"""Control networks kept as differences give what the whole ones give."""

from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file, save_file
from torch import Tensor

from nodes.diffusion.errors import DiffusionError
from nodes.diffusion.models.controls import Company, load_control_file
from nodes.diffusion.models.load import Placement, load_network
from nodes.diffusion.models.network import LoadedNetwork
from nodes.diffusion.values import CheckpointRef, ControlNet
from tests.diffusion.models import tiny

CHANCE = torch.Generator().manual_seed(5)
LATENTS, TIMES = torch.randn(2, 4, 8, 8, generator=CHANCE), torch.tensor([400.0, 400.0])
TEXT, HINT = torch.randn(2, 5, tiny.CONTEXT, generator=CHANCE), torch.rand(2, 3, 64, 64, generator=CHANCE)
NET = ControlNet(CheckpointRef(Path("net.safetensors"), "abc"))
RANK = 3
ALONE = ("zero_convs", "middle_block_out", "input_hint_block")


@pytest.fixture(scope="module")
def network(model_file: Path, placement: Placement) -> LoadedNetwork:
    return load_network(model_file, placement)


@pytest.fixture(scope="module")
def base(model_file: Path) -> dict[str, Tensor]:
    """The U-Net's tensors in the original layout."""
    before = "model.diffusion_model."
    read = load_file(model_file).items()
    return {name.removeprefix(before): tensor for name, tensor in read if name.startswith(before)}


@pytest.fixture(scope="module")
def whole(control_file: Path) -> dict[str, Tensor]:
    return {name.removeprefix("control_model."): part for name, part in load_file(control_file).items()}


def given(path: Path, network: LoadedNetwork, placement: Placement) -> list[Tensor]:
    made = load_control_file(path, placement).beside(Company(NET, network))(LATENTS, TIMES, TEXT, HINT)
    assert made.middle is not None
    return [*made.down, made.middle]


def same(path: Path, state: dict[str, Tensor], network: LoadedNetwork, placement: Placement) -> None:
    wanted = path.with_name("whole.safetensors")
    save_file({name: tensor.contiguous() for name, tensor in state.items()}, wanted)
    for ours, theirs in zip(given(path, network, placement), given(wanted, network, placement), strict=True):
        assert float((ours - theirs).abs().max()) < 1e-4 * float(theirs.abs().max())


def test_a_low_rank_control_is_the_model_with_its_differences(
    network: LoadedNetwork,
    base: dict[str, Tensor],
    whole: dict[str, Tensor],
    tmp_path: Path,
    placement: Placement,
):
    file, dense = {"lora_controlnet": torch.zeros(0)}, dict(whole)
    for name, tensor in whole.items():
        layer, _, part = name.rpartition(".")
        if name.startswith(ALONE):
            file[name] = tensor
        elif part == "weight" and tensor.ndim > 1:
            up, down = (
                torch.randn(len(tensor), RANK, generator=CHANCE),
                torch.randn(RANK, tensor[0].numel(), generator=CHANCE),
            )
            down = (0.1 * down).reshape(RANK, *tensor.shape[1:])
            file[f"{layer}.up"] = up[..., None, None] if tensor.ndim > 2 else up
            file[f"{layer}.down"] = down
            dense[name] = base[name] + (up @ down.flatten(1)).reshape(tensor.shape)
        elif part == "bias" and "conv" not in layer and "in_layers.2" in layer:
            file[name] = tensor
        else:
            dense[name] = base[name]
    save_file(file, tmp_path / "net.safetensors")
    before = {name: tensor.clone() for name, tensor in network.module.state_dict().items()}
    same(tmp_path / "net.safetensors", dense, network, placement)
    assert all(torch.equal(tensor, before[name]) for name, tensor in network.module.state_dict().items())


def test_a_difference_is_added_to_the_model(
    network: LoadedNetwork,
    base: dict[str, Tensor],
    whole: dict[str, Tensor],
    tmp_path: Path,
    placement: Placement,
):
    dense = {name: tensor + base[name] if name in base else tensor for name, tensor in whole.items()}
    save_file(whole | {"difference": torch.zeros(0)}, tmp_path / "net.safetensors")
    same(tmp_path / "net.safetensors", dense, network, placement)


def test_a_low_rank_control_of_another_model_is_refused(
    network: LoadedNetwork, whole: dict[str, Tensor], tmp_path: Path, placement: Placement
):
    file = {name: tensor for name, tensor in whole.items() if name.startswith(ALONE)}
    file["input_blocks.1.0.in_layers.2.up"] = torch.zeros(320, 4)
    file["input_blocks.1.0.in_layers.2.down"] = torch.zeros(4, 320, 3, 3)
    file |= {"label_emb.0.0.weight": torch.zeros(1280, 2816), "lora_controlnet": torch.zeros(0)}
    save_file(file, tmp_path / "net.safetensors")
    with pytest.raises(
        DiffusionError, match=r"made for Stable Diffusion XL; the model is Stable Diffusion 1"
    ):
        given(tmp_path / "net.safetensors", network, placement)

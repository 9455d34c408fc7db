"""Hypernetworks through their node: files of the field's layout, against attention that is written out by hooks."""

from collections import OrderedDict
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import save_file
from torch import Tensor, nn

from nodes.builtin import all_nodes
from nodes.diffusion.guidance import Guided
from nodes.diffusion.models.converting import convert
from nodes.diffusion.models.files import ContentHashes
from nodes.diffusion.models.load import Placement
from nodes.diffusion.noise_levels import from_betas, scaled_linear_betas
from nodes.diffusion.pool import Pool
from nodes.diffusion.values import Cond, Model
from nodes.spec import NodeError
from server.workspace import Workspace
from tests.builtin.surroundings import Surroundings
from tests.diffusion.models import tiny

NODES = {entry.spec.id: entry for entry in all_nodes()}
PLACEMENT = Placement(torch.device("cpu"), torch.float32, torch.float32)
LEVELS = from_betas(scaled_linear_betas())
SIGMA = LEVELS.sigmas[500]
CHANCE = torch.Generator().manual_seed(5)
LATENTS, TEXT = torch.randn(1, 4, 8, 8, generator=CHANCE), torch.randn(1, 7, tiny.CONTEXT, generator=CHANCE)
STRENGTH = 0.7
ACTIVATIONS: dict[str, nn.Module] = {
    "linear": nn.Identity(),
    "relu": nn.ReLU(),
    "leakyrelu": nn.LeakyReLU(),
    "elu": nn.ELU(),
    "swish": nn.Hardswish(),
    "tanh": nn.Tanh(),
    "sigmoid": nn.Sigmoid(),
    "softsign": nn.Softsign(),
    "mish": nn.Mish(),
}


def network(width: int, activation: str, seed: int, *, norm: bool, last: bool) -> nn.Sequential:
    """As it was trained, with what is dropped out left out: its numbers are kept all the same."""
    parts: list[nn.Module] = []
    for index, (read, made) in enumerate(((width, 2 * width), (2 * width, width))):
        parts.append(nn.Linear(read, made))
        if activation != "linear" and (index == 0 or last):
            parts.append(ACTIVATIONS[activation])
        if norm:
            parts.append(nn.LayerNorm(made))
        if index == 0:
            parts.append(nn.Identity())
    return tiny.seeded(nn.Sequential(*parts), seed)


def hypernetwork(activation: str, *, norm: bool = False, last: bool = False) -> dict[int, tuple[Any, Any]]:
    return {
        width: tuple(network(width, activation, width + kind, norm=norm, last=last) for kind in (0, 1))
        for width in (32, 64)
    }  # type: ignore[return-value]


def written(path: Path, networks: dict[int, tuple[Any, Any]], **said: object) -> None:
    """A .pt file as the field's trainers save it, converted as nodes convert it."""
    held: dict[object, object] = {**said}
    for width, pair in networks.items():
        held[width] = tuple(
            OrderedDict((f"linear.{name}", tensor) for name, tensor in each.state_dict().items())
            for each in pair
        )
    torch.save(held, path.with_suffix(".pt"))
    with path.with_suffix(".pt").open("rb") as source, path.open("wb") as target:
        convert(source, target)
    path.with_suffix(".pt").unlink()


@pytest.fixture(scope="module")
def around(tmp_path_factory: pytest.TempPathFactory) -> Surroundings:
    path = tmp_path_factory.mktemp("hyper")
    for folder in ("hypernetworks", "checkpoints"):
        (path / "models" / folder).mkdir(parents=True)
    save_file(tiny.unet().state_dict(), path / "models" / "checkpoints" / "tiny.safetensors")
    return Surroundings(Workspace(path), {Pool: Pool(PLACEMENT, 2**30), ContentHashes: ContentHashes()})


def place(around: Surroundings, name: str) -> Path:
    return around.files.root / "models" / "hypernetworks" / name


def added(around: Surroundings, name: str, strength: float = STRENGTH) -> Model:
    file = around.resource(ContentHashes).reference(around.files.find("checkpoints", "tiny.safetensors"))
    return NODES["HypernetworkLoader"].run(
        around, model=Model(file), hypernetwork_name=name, strength=strength
    )


def ours(around: Surroundings, model: Model) -> Tensor:
    with around.resource(Pool).session() as models:
        return Guided(models.network(model), (Cond(TEXT),), (), 1.0, rules=model.rules)(LATENTS, SIGMA)


def theirs(networks: dict[int, tuple[Any, Any]], strength: float = STRENGTH) -> Tensor:
    module = tiny.unet()
    for name, part in module.named_modules():
        kind = {"to_k": 0, "to_v": 1}.get(name.rpartition(".")[2])
        if kind is not None and part.in_features in networks:
            mlp = networks[part.in_features][kind]
            part.register_forward_pre_hook(lambda _module, args, mlp=mlp: args[0] + mlp(args[0]) * strength)
    scaled, time = LATENTS / (SIGMA**2 + 1.0) ** 0.5, LEVELS.timestep(SIGMA.reshape(1))
    with torch.no_grad():
        return LATENTS - module(scaled, time, TEXT).sample * SIGMA


@pytest.mark.parametrize("activation", ACTIVATIONS)
def test_keys_and_values_are_made_of_changed_tokens(around: Surroundings, activation: str):
    networks = hypernetwork(activation, norm=activation == "relu", last=activation == "tanh")
    said = {"activation_func": activation, "is_layer_norm": activation == "relu", "step": 3, "name": "x"}
    written(
        place(around, f"{activation}.safetensors"), networks, activate_output=activation == "tanh", **said
    )
    made = ours(around, added(around, f"{activation}.safetensors"))
    torch.testing.assert_close(made, theirs(networks), rtol=1e-4, atol=1e-4)
    assert (made - theirs({})).abs().max() > 0.01


def test_without_words_beside_it_is_linear_and_none_at_strength_0(around: Surroundings):
    networks = hypernetwork("linear")
    written(place(around, "one.safetensors"), networks)
    model = added(around, "one.safetensors")
    torch.testing.assert_close(ours(around, model), theirs(networks), rtol=1e-4, atol=1e-4)
    assert not added(around, "one.safetensors", 0.0).rules


def test_what_is_none_is_told(around: Surroundings):
    written(place(around, "odd.safetensors"), hypernetwork("linear"), activation_func="sine")
    with pytest.raises(NodeError, match="'sine'"):
        added(around, "odd.safetensors")
    save_file({"a": torch.zeros(1)}, place(around, "other.safetensors"))
    with pytest.raises(NodeError, match="hypernetwork"):
        added(around, "other.safetensors")

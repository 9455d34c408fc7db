"""Hypernetworks: small networks beside a U-Net's attention that change the tokens it makes keys and values of.

Source: NovelAI 2022 and its carrying on in Stable Diffusion web UI: for each width of tokens a network for keys and one
for values, `tokens + network(tokens) * strength`. What is dropped out in training is not here.
"""

import json
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

import torch
from torch import Tensor, nn

from nodes.diffusion.errors import CheckpointUnknown, CheckpointUnreadable
from nodes.diffusion.models.build import fill, unfilled
from nodes.diffusion.models.files import AGAIN, WeightFile, open_weights
from nodes.diffusion.models.load import Placement

KINDS = ("keys", "values")
LAYER = re.compile(r"(\d+)\.([01])\.linear\.?(\d+)\.(weight|bias)")
ACTIVATIONS: Mapping[str, Callable[[], nn.Module]] = {
    "linear": nn.Identity,
    "relu": nn.ReLU,
    "leakyrelu": nn.LeakyReLU,
    "elu": nn.ELU,
    "swish": nn.Hardswish,
    "tanh": nn.Tanh,
    "sigmoid": nn.Sigmoid,
    "softsign": nn.Softsign,
    "mish": nn.Mish,
}
PLAIN = "linear"


@dataclass(frozen=True, slots=True, eq=False)
class LoadedHypernetwork:
    """A hypernetwork at work; implements `ChangesReading`."""

    module: nn.Module
    device: torch.device
    dtype: torch.dtype

    @torch.no_grad()
    def changed(self, tokens: Tensor, kind: str, strength: float) -> Tensor:
        """As `ChangesReading`."""
        networks = cast("Any", self.module)
        name = f"{tokens.shape[-1]}_{kind}"
        if name not in networks:
            return tokens
        return tokens + networks[name](tokens.to(self.dtype)).to(tokens) * strength


@dataclass(frozen=True, slots=True)
class FoundHypernetwork:
    """A hypernetwork in a file.

    Attributes:
        layers: by the name of a network ("768_keys"), the numbers of its layers that have weights.
        names: of each tensor, in the file and in the network.
        activation: a name in `ACTIVATIONS`. activates_last: it follows the last layer too.
    """

    weights: WeightFile
    layers: Mapping[str, Sequence[int]]
    names: Sequence[tuple[str, str]]
    activation: str
    activates_last: bool


def find_hypernetwork(path: Path) -> FoundHypernetwork:
    """The hypernetwork of a file, of which the header alone is read.

    Raises:
        CheckpointMissing, CheckpointUnreadable: it is not there, or damaged.
        CheckpointUnknown: it is none, or has an activation that Weft does not know.
    """
    weights = open_weights(path)
    layers: dict[str, set[int]] = {}
    names: list[tuple[str, str]] = []
    for name in weights.shapes:
        found = LAYER.fullmatch(name)
        if found is not None:
            network, number = f"{found[1]}_{KINDS[int(found[2])]}", int(found[3])
            layers.setdefault(network, set()).add(number)
            names.append((name, f"{network}.{number}.{found[4]}"))
    if not layers:
        what = "it has no tensors 768.0.linear.0.weight and such"
        raise CheckpointUnknown(path, "a hypernetwork", what)
    activation = _said(weights, "activation_func", otherwise=PLAIN)
    if activation not in ACTIVATIONS:
        known = ", ".join(ACTIVATIONS)
        raise CheckpointUnknown(
            path,
            "a hypernetwork that Weft knows",
            f"it has the activation {activation!r} ({known} are known)",
        )
    ordered = {network: sorted(numbers) for network, numbers in layers.items()}
    last = bool(_said(weights, "activate_output", otherwise=False))
    return FoundHypernetwork(weights, ordered, names, str(activation), last)


def load_hypernetwork(path: Path, placement: Placement) -> LoadedHypernetwork:
    """The hypernetwork of a file. Errors as `find_hypernetwork`."""
    found = find_hypernetwork(path)

    def make() -> nn.Module:
        return nn.ModuleDict({name: _network(found, name) for name in found.layers})

    module = unfilled(make, path)
    fill(module, found.weights, found.names, placement.device, placement.dtype)
    return LoadedHypernetwork(module, placement.device, placement.dtype)


def _network(found: FoundHypernetwork, name: str) -> nn.Module:
    """One network: its layers by their numbers in the file, an activation behind each linear one, as it was trained."""
    shapes = {ours: found.weights.shapes[theirs] for theirs, ours in found.names}
    network = nn.Sequential()
    numbers = found.layers[name]
    linear = [number for number in numbers if len(shapes.get(f"{name}.{number}.weight", ())) == 2]
    if not linear:
        raise CheckpointUnreadable(found.weights.path, f"its network {name} has no layers", AGAIN)
    for number in numbers:
        shape = shapes[f"{name}.{number}.weight"]
        if number in linear:
            bias = f"{name}.{number}.bias" in shapes
            network.add_module(str(number), nn.Linear(shape[1], shape[0], bias=bias))
            if number != linear[-1] or found.activates_last:
                network.add_module(f"after_{number}", ACTIVATIONS[found.activation]())
        else:
            network.add_module(str(number), nn.LayerNorm(shape[0]))
    return network


def _said(weights: WeightFile, name: str, *, otherwise: object) -> Any:
    """What a file says beside its tensors."""
    text = weights.metadata.get(name)
    if text is None:
        return otherwise
    try:
        return json.loads(text)
    except ValueError:
        return text

"""Control networks kept as differences: low-rank ones to the U-Net that they steer (Control-LoRA), or whole ones to a model.

A Control-LoRA is half of that U-Net with W + up @ down for some weights, and with a few tensors of its own. What it shares
with the U-Net lies in memory once: layers of the U-Net are asked, and the low-rank part is added to what they give.
"""

from collections.abc import Mapping
from copy import deepcopy
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, cast

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from nodes.diffusion.control import LoadedControl
from nodes.diffusion.denoiser import ControlNetwork
from nodes.diffusion.models import unet_shape
from nodes.diffusion.models.build import modules_in, unfilled
from nodes.diffusion.models.controls.company import SD1, SDXL, Company, UnetControl
from nodes.diffusion.models.families.unets import told_settings
from nodes.diffusion.models.files import WeightFile, cast_tensor
from nodes.diffusion.models.load import Placement

LOW_RANK, DIFFERENCE = "lora_controlnet", "difference"  # tensors that mark such files


class Lowered(nn.Module):
    """A linear layer or convolution of another network, with a low-rank difference and perhaps a bias of its own."""

    def __init__(self, layer: nn.Module, parts: Mapping[str, Tensor]) -> None:
        super().__init__()
        self.layer = layer
        self.parts = dict(parts)

    def forward(self, hidden: Tensor) -> Tensor:
        """What the layer gives, and what its difference adds."""
        made, layer = cast("Tensor", self.layer(hidden)), cast("Any", self.layer)
        if "up" in self.parts:
            up, down = (self.parts[name].to(hidden) for name in ("up", "down"))
            made = made + _low(layer, hidden, up, down)
        if "bias" in self.parts:
            change = self.parts["bias"].to(made) - layer.bias.to(made)
            made = made + (change[:, None, None] if isinstance(layer, nn.Conv2d) else change)
        return made


def _low(layer: Any, hidden: Tensor, up: Tensor, down: Tensor) -> Tensor:
    if not isinstance(layer, nn.Conv2d):
        return F.linear(F.linear(hidden, down.flatten(1)), up.flatten(1))
    inner = F.conv2d(
        hidden,
        down.reshape(len(down), *layer.weight.shape[1:]),
        stride=cast("Any", layer.stride),
        padding=cast("Any", layer.padding),
    )
    return F.conv2d(inner, up.flatten(1)[..., None, None])


@dataclass(frozen=True, slots=True, eq=False)
class LowRankControl:
    """The tensors of a Control-LoRA, as `ControlFile`.

    Attributes:
        module: holds them, so that they are counted. names: theirs, in the file's layout.
    """

    module: nn.ParameterList
    names: tuple[str, ...]
    device: torch.device
    dtype: torch.dtype

    def beside(self, company: Company) -> ControlNetwork:
        """As `ControlFile`: with the layers of the recipe's model, or else of the one that is steered."""
        base = company.network if company.base is None else company.base()
        made_for = SDXL if any(name.startswith("label_emb.") for name in self.names) else SD1
        if base.family.folder != "unet":
            raise company.refuse(made_for)
        shapes = {name: tuple(tensor.shape) for name, tensor in base.module.state_dict().items()}
        shape = replace(unet_shape.diffusers_shape(shapes), ups=())
        names = unet_shape.control_names(shape)
        found: dict[str, dict[str, Tensor]] = {}
        for name, tensor in zip(self.names, self.module, strict=True):
            ours = unet_shape.renamed(name, names)
            if ours is None:
                raise company.refuse(made_for)
            layer, _, part = ours.rpartition(".")
            found.setdefault(layer, {})[part] = tensor
        module = _network({**shape.settings(), **told_settings(shapes)}, base.module, found)
        if module is None:
            raise company.refuse(made_for)
        control = LoadedControl(module, self.device, self.dtype)
        return UnetControl(control).beside(company)


def load_low_rank(source: WeightFile, placement: Placement) -> LowRankControl:
    """The Control-LoRA of a file."""
    names = tuple(name for name in source.shapes if name != LOW_RANK)
    read = source.tensors(names)
    tensors = [cast_tensor(read[name], placement.device, placement.dtype) for name in names]
    held = nn.ParameterList([nn.Parameter(tensor, requires_grad=False) for tensor in tensors])
    return LowRankControl(held, names, placement.device, placement.dtype)


def _network(
    settings: Mapping[str, Any], base: nn.Module, found: Mapping[str, Mapping[str, Tensor]]
) -> nn.Module | None:
    """A control network of a U-Net's layers and of those found in a file; None where they do not fit together."""
    from diffusers.models.controlnets.controlnet import ControlNetModel

    module = unfilled(lambda: ControlNetModel(**settings), Path(LOW_RANK))
    layers = dict(modules_in(base))
    for name, layer in list(modules_in(module)):
        own = dict(layer.named_parameters(recurse=False))
        if not own:
            continue
        parts, shared = found.get(name, {}), layers.get(name)
        if own.keys() <= parts.keys():
            if any(parts[part].shape != tensor.shape for part, tensor in own.items()):
                return None
            layer.load_state_dict({part: parts[part] for part in own}, assign=True)
        elif shared is None or not _fits(cast("Any", shared), own, parts):
            return None
        else:
            module.set_submodule(name, Lowered(shared, parts) if parts else shared)
    return module.eval().requires_grad_(requires_grad=False)


def _fits(shared: Any, own: Mapping[str, Tensor], parts: Mapping[str, Tensor]) -> bool:
    if shared.weight.shape != own["weight"].shape or "weight" in parts:
        return False
    if "up" not in parts:
        return True
    rows, columns = shared.weight.flatten(1).shape
    return len(parts["up"]) == rows and parts["down"].flatten(1).shape[1] == columns


@dataclass(frozen=True, slots=True, eq=False)
class DifferentControl:
    """A control network whose weights, where the model has some of that name, are differences to it; as `ControlFile`."""

    control: LoadedControl

    @property
    def module(self) -> nn.Module:
        return self.control.module

    def beside(self, company: Company) -> ControlNetwork:
        """As `ControlFile`: added to the recipe's model, or else to the one that is steered."""
        base = company.network if company.base is None else company.base()
        whole = deepcopy(self.module)
        theirs = cast("Mapping[str, Tensor]", base.module.state_dict())
        for name, tensor in cast("Mapping[str, Tensor]", whole.state_dict()).items():
            if name in theirs and theirs[name].shape == tensor.shape:
                tensor.add_(theirs[name].to(tensor))
        return UnetControl(replace(self.control, module=whole)).beside(company)

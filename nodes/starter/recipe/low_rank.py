"""A style as a low-rank change of the U-Net (LoRA, and LoCon for convolutions), and the file that the field reads.

Source: Hu et al. 2021 (arXiv:2106.09685). Names are those of kohya's scripts: `lora_unet_...lora_down.weight`.
"""

import json
from collections.abc import Mapping
from pathlib import Path

import torch
import torch.nn.functional as F
from diffusers import UNet2DConditionModel
from safetensors.torch import save_file
from torch import Tensor, nn


class Changed(nn.Module):
    """A layer with `up(down(x))` added; only that is trained, and it begins at nothing."""

    def __init__(self, layer: nn.Linear | nn.Conv2d, rank: int) -> None:
        super().__init__()
        self.layer = layer.requires_grad_(requires_grad=False)
        inner = min(rank, *layer.weight.shape[:2])
        self.down = nn.Parameter(torch.empty(inner, *layer.weight.shape[1:]))
        nn.init.kaiming_uniform_(self.down, a=5**0.5)
        self.up = nn.Parameter(torch.zeros(len(layer.weight), inner, *[1] * (layer.weight.ndim - 2)))

    def forward(self, hidden: Tensor) -> Tensor:
        """The layer's answer with the change."""
        layer = self.layer
        if isinstance(layer, nn.Linear):
            return layer(hidden) + F.linear(F.linear(hidden, self.down), self.up)
        inner = F.conv2d(hidden, self.down, stride=layer.stride, padding=layer.padding)
        return layer(hidden) + F.conv2d(inner, self.up)


def change(model: UNet2DConditionModel, rank: int, seed: int = 0) -> dict[str, Changed]:
    """Give every layer but those of the timestep a change; returns them by the layers' names."""
    torch.manual_seed(seed)
    model.requires_grad_(requires_grad=False)
    changed: dict[str, Changed] = {}
    for name, module in list(model.named_modules()):
        if isinstance(module, nn.Linear | nn.Conv2d) and "time_emb" not in name:
            parent = model.get_submodule(name.rpartition(".")[0])
            changed[name] = Changed(module, rank)
            setattr(parent, name.rpartition(".")[2], changed[name])
    return changed


def write(changed: Mapping[str, Changed], file: Path, about: Mapping[str, str]) -> None:
    """Write the changes in float16, with what `about` says in the file's metadata."""
    tensors: dict[str, Tensor] = {}
    for name, layer in changed.items():
        key = f"lora_unet_{name.replace('.', '_')}"
        tensors[f"{key}.lora_down.weight"] = layer.down.detach().half().contiguous()
        tensors[f"{key}.lora_up.weight"] = layer.up.detach().half().contiguous()
        tensors[f"{key}.alpha"] = torch.tensor(float(len(layer.down)), dtype=torch.float16)
    file.parent.mkdir(parents=True, exist_ok=True)
    save_file(tensors, file, metadata=dict(about))


def about(trigger: str, rank: int, pictures: int) -> dict[str, str]:
    """What the file says of itself, by the names that lists of models read."""
    return {
        "modelspec.title": "Weft starter ink",
        "modelspec.trigger_phrase": trigger,
        "modelspec.license": "Apache-2.0",
        "modelspec.description": "One ink on cream paper, for weft-starter-v0.",
        "ss_network_dim": str(rank),
        "ss_network_alpha": str(rank),
        "ss_tag_frequency": json.dumps({"ink": {trigger: pictures}}),
    }

"""Loaded vision models as tensors of a file: the way back from `vision`."""

from collections.abc import Mapping
from pathlib import Path
from typing import cast

import torch
from torch import Tensor, nn

from nodes.diffusion.models.clip import BLOCK, LAYER, OPEN_NAMES, THIRDS
from nodes.diffusion.models.saving import most, typed
from nodes.diffusion.models.vision import PROJECTOR, LoadedVision
from nodes.diffusion.models.vision_files import OPEN_OUTER, find_vision

NESTED = "vision_model."
WHOLE, VISUAL = (
    "conditioner.embedders.0.",
    "open_clip.model.visual.",
)  # in checkpoints that are steered by pictures
PROJECTION = "visual_projection.weight"
PLACES = "position_ids"
LAYERS_OF_PROJECTOR = {"0.": "linear_1.", "2.": "linear_2."}


def vision_tensors(loaded: LoadedVision, source: Path) -> dict[str, Tensor]:
    """A vision model as it lies in a whole checkpoint: CLIP's by OpenCLIP's names, others by those of transformers.

    Args:
        source: the file that it was loaded from, whose type the tensors have.
    """
    found = find_vision(source)
    return typed(_named(loaded), most(found.weights, found.prefix))


def _named(loaded: LoadedVision) -> dict[str, Tensor]:
    parts = {name: _state(loaded, name) for name in ("network", "projection", "projector")}
    network = {name.removeprefix(NESTED): tensor for name, tensor in parts["network"].items()}
    matrix = parts["projection"].get("weight")
    projector = {
        f"{WHOLE}{PROJECTOR}{theirs}{name.removeprefix(ours)}": tensor
        for ours, theirs in LAYERS_OF_PROJECTOR.items()
        for name, tensor in parts["projector"].items()
        if name.startswith(ours)
    }
    if "embeddings.class_embedding" not in network or projector:
        made = {WHOLE + NESTED + name: tensor for name, tensor in network.items()}
        return made | projector | ({} if matrix is None else {WHOLE + PROJECTION: matrix})
    opened = {WHOLE + VISUAL + name: tensor for name, tensor in _opened(network).items()}
    return opened if matrix is None else opened | {WHOLE + VISUAL + "proj": matrix.T.contiguous()}


def _state(loaded: LoadedVision, part: str) -> dict[str, Tensor]:
    parts = cast("nn.ModuleDict", loaded.module)
    state = cast("Mapping[str, Tensor]", parts[part].state_dict() if part in parts else {})
    return {name: tensor.detach().cpu() for name, tensor in state.items() if PLACES not in name}


def _opened(network: Mapping[str, Tensor]) -> dict[str, Tensor]:
    outer = {ours: theirs for theirs, ours in OPEN_OUTER.items()}
    made: dict[str, Tensor] = {}
    for name, tensor in network.items():
        if name in outer:
            made[outer[name]] = tensor
            continue
        layer, _, rest = name.removeprefix(LAYER).partition(".")
        inside = f"{BLOCK}{layer}."
        third = next((each for each in THIRDS if rest.startswith(f"self_attn.{each}.")), None)
        if third == THIRDS[0]:
            kind = rest.rpartition(".")[2]
            before = name.removesuffix(f"{third}.{kind}")
            made[f"{inside}attn.in_proj_{kind}"] = torch.cat(
                [network[f"{before}{each}.{kind}"] for each in THIRDS]
            )
        elif third is None:
            theirs, ours = next(pair for pair in OPEN_NAMES.items() if rest.startswith(pair[1]))
            made[inside + theirs + rest.removeprefix(ours)] = tensor
    return made

"""Loaded networks as tensors of a file in the original layout: the way back from `load`.

Weights go into the types that they had in the file they came from.
"""

from collections import Counter
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any, cast

import torch
from torch import Tensor, nn

from nodes.diffusion.models import text, vae_shape
from nodes.diffusion.models.clip import BLOCK, LAYER, NESTED, OPEN_NAMES, OPEN_PROJECTION, PROJECTION, THIRDS
from nodes.diffusion.models.detect import Part, find_part, network_folder, vae_folder
from nodes.diffusion.models.family import Place
from nodes.diffusion.models.files import SCALES, WeightFile, folder_weights
from nodes.diffusion.models.network import LoadedNetwork
from nodes.diffusion.text import Encoder, TextEncoder
from nodes.diffusion.vae import VaeCoder

TYPES = {
    "F64": torch.float64,
    "F32": torch.float32,
    "F16": torch.float16,
    "BF16": torch.bfloat16,
    "F8_E4M3": torch.float8_e4m3fn,
    "F8_E5M2": torch.float8_e5m2,
}
COMPUTE = {torch.float32: "fp32", torch.float16: "fp16", torch.bfloat16: "bf16"}
# Where the encoders of a family lie in its whole checkpoints, and whether by OpenCLIP's names.
WHOLE: Mapping[frozenset[str], Mapping[str, tuple[str, bool]]] = {
    frozenset({"l"}): {"l": ("cond_stage_model.transformer.text_model.", False)},
    frozenset({"h"}): {"h": ("cond_stage_model.model.", True)},
    frozenset({"g"}): {"g": ("conditioner.embedders.0.model.", True)},
    frozenset({"l", "g"}): {
        "l": ("conditioner.embedders.0.transformer.text_model.", False),
        "g": ("conditioner.embedders.1.model.", True),
    },
}
CLIPS = frozenset({"l", "g", "h"})
OWN_WORDS, SHARED_WORDS = "encoder.embed_tokens.weight", "shared.weight"  # of T5: the same tensor twice


def network_tensors(network: LoadedNetwork, source: Path) -> dict[str, Tensor]:
    """A network by the names of the original layout, without a prefix.

    Args:
        source: the file or folder that it was loaded from.
    """
    state = _state(network.module)
    places = network.family.places({name: tuple(tensor.shape) for name, tensor in state.items()})
    types = _network_types(source)
    parts: dict[str, list[Place]] = {}
    for place in places:
        parts.setdefault(place.theirs, []).append(place)
    made: dict[str, Tensor] = {}
    for theirs, held in parts.items():
        held.sort(key=lambda place: place.rows or (0, 0))
        whole = torch.cat([_written(place, state[place.ours]) for place in held])
        dtype = types.get(theirs) or types.get(held[0].ours) or whole.dtype
        made[theirs] = whole.to(dtype).contiguous()
    return made


def compute_for(source: Path, placed: torch.dtype) -> str:
    """The type to load a network in so that nothing of its file is lost, for `ModelSettings`; empty: as it is placed."""
    kinds = Counter(_network_types(source).values())
    kind = kinds.most_common(1)[0][0] if kinds else placed
    return "" if placed in (torch.float32, kind) else COMPUTE.get(kind, "")


def text_tensors(encoders: Mapping[str, Encoder], source: Iterable[Path], kind: str) -> dict[str, Tensor]:
    """Text encoders as they lie in a whole checkpoint of their family."""
    types = _text_types(source)
    none: Mapping[str, tuple[str, bool]] = {}
    where = none if kind else WHOLE.get(frozenset(encoders), none)
    made: dict[str, Tensor] = {}
    for name, encoder in encoders.items():
        before, opened = where.get(name, (f"text_encoders.{file_name(name)}.transformer.", False))
        if isinstance(encoder, TextEncoder) and name not in where:
            before += NESTED
        state = _encoder(encoder, opened=opened)
        made |= {before + key: tensor for key, tensor in typed(state, types.get(name)).items()}
    return made


def encoder_tensors(name: str, encoder: Encoder, source: Iterable[Path]) -> dict[str, Tensor]:
    """One text encoder as a file of its own has it, by the names of transformers."""
    state = typed(_encoder(encoder, opened=False), _text_types(source).get(name))
    before = NESTED if isinstance(encoder, TextEncoder) else ""
    return {key if key == PROJECTION else before + key: tensor for key, tensor in state.items()}


def file_name(encoder: str) -> str:
    """What the field calls a text encoder in names of files and tensors ("clip_l", "t5xxl")."""
    return f"clip_{encoder}" if encoder in CLIPS else encoder


def vae_tensors(coder: VaeCoder, source: Path) -> dict[str, Tensor]:
    """An autoencoder by the names of the original layout, without a prefix; one of another class by its own."""
    state = _state(coder.module)
    if type(coder.module).__name__ == "AutoencoderKL":
        shape = vae_shape.diffusers_shape({name: tuple(tensor.shape) for name, tensor in state.items()})
        state = dict(vae_shape.to_original(name, tensor, shape) for name, tensor in state.items())
    weights = folder_weights(_vae_folder(source)) if source.is_dir() else find_part(source, Part.VAE).weights
    prefix = "" if source.is_dir() else find_part(source, Part.VAE).prefix
    return typed(state, most(weights, prefix))


def _vae_folder(path: Path) -> Path:
    return path if (path / "config.json").is_file() else path / vae_folder(path)


def _state(module: nn.Module) -> dict[str, Tensor]:
    state = cast("Mapping[str, Tensor]", module.state_dict())
    return {name: tensor.detach().cpu() for name, tensor in state.items()}


def _written(place: Place, tensor: Tensor) -> Tensor:
    """A tensor of the network as its part of the file's: what `Place.read` undoes."""
    if place.swapped:
        first, second = tensor.chunk(2)
        tensor = torch.cat((second, first))
    return tensor[..., None, None] if place.flat else tensor


def _network_types(source: Path) -> dict[str, torch.dtype]:
    """Of a file's tensors, by their names without the prefix."""
    if source.is_dir():
        folder = source if (source / "config.json").is_file() else source / (network_folder(source) or "unet")
        weights, prefix = folder_weights(folder), ""
    else:
        found = find_part(source, Part.NETWORK)
        weights, prefix = found.weights, found.prefix
    return {
        name.removeprefix(prefix): TYPES[kind]
        for name, kind in weights.dtypes.items()
        if name.startswith(prefix) and kind in TYPES and not _is_scaled(name, weights)
    }


def _is_scaled(name: str, weights: WeightFile) -> bool:
    return any(name.removesuffix("weight") + ending in weights.dtypes for ending in SCALES)


def _text_types(source: Iterable[Path]) -> dict[str, torch.dtype]:
    found = (each for path in source for each in text.text_shapes(path))
    kinds = {each.name: most(each.weights, each.prefix) for each in found}
    return {name: kind for name, kind in kinds.items() if kind is not None}


def most(weights: WeightFile, prefix: str) -> torch.dtype | None:
    """The type of most tensors below a prefix, of those that hold more than eight bits."""
    kinds = Counter(kind for name, kind in weights.dtypes.items() if name.startswith(prefix))
    usual = [kind for kind, _ in kinds.most_common() if kind in ("F32", "F16", "BF16")]
    return TYPES[usual[0]] if usual else None


def typed(state: Mapping[str, Tensor], dtype: torch.dtype | None) -> dict[str, Tensor]:
    """Tensors in a type, those that are no fractions as they are; None: all as they are."""
    return {
        name: tensor.to(dtype or tensor.dtype if tensor.is_floating_point() else tensor.dtype).clone()
        for name, tensor in state.items()
    }


def _encoder(encoder: Encoder, *, opened: bool) -> dict[str, Tensor]:
    """A text encoder's tensors: CLIP's without what they are nested in, its projection among them."""
    state = {name.removeprefix(NESTED): tensor for name, tensor in _state(encoder.model).items()}
    if SHARED_WORDS in state:
        state.pop(OWN_WORDS, None)
    projection = cast("nn.Module | None", getattr(encoder, "projection", None))
    matrix = None if projection is None else _state(projection)["weight"]
    if not opened:
        return state if matrix is None else state | {PROJECTION: matrix}
    made = _to_open(state)
    return made if matrix is None else made | {OPEN_PROJECTION: matrix.T.contiguous()}


def _to_open(state: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """CLIP's tensors by OpenCLIP's names, queries, keys and values in one."""
    made: dict[str, Tensor] = {}
    for name, tensor in state.items():
        layer, _, rest = name.removeprefix(LAYER).partition(".")
        inside = f"{BLOCK}{layer}." if name.startswith(LAYER) else ""
        rest = rest if inside else name
        if name == "embeddings.position_embedding.weight":
            made["positional_embedding"] = tensor
            continue
        third = next((each for each in THIRDS if rest.startswith(f"self_attn.{each}.")), None)
        if third == THIRDS[0]:
            kind = rest.rpartition(".")[2]
            before = name.removesuffix(f"{third}.{kind}")
            made[f"{inside}attn.in_proj_{kind}"] = torch.cat(
                [cast("Any", state)[f"{before}{each}.{kind}"] for each in THIRDS]
            )
        elif third is None:
            theirs, ours = next(pair for pair in OPEN_NAMES.items() if rest.startswith(pair[1]))
            made[inside + theirs + rest.removeprefix(ours)] = tensor
    return made

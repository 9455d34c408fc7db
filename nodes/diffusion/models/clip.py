"""CLIP's text models: from a single file in either layout of the field, or from a folder with settings and vocabulary."""

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from nodes.diffusion.errors import CheckpointUnreadable
from nodes.diffusion.models.build import fill, unfilled
from nodes.diffusion.models.files import AGAIN, WeightFile, read_json
from nodes.diffusion.models.text_files import FoundText, TextLayout, count
from nodes.diffusion.text import TextEncoder, Tokenizer, clip_tokenizer, folder_tokenizer

HEAD_WIDTH = 64
NESTED = "text_model."
PROJECTION = "text_projection.weight"
OPEN_PROJECTION = "text_projection"  # of OpenCLIP: a bare matrix, the other way round
ZERO_PADDED = frozenset({"g", "h"})  # CLIP-L fills up with its end token
OPEN_NAMES = {
    "token_embedding.": "embeddings.token_embedding.",
    "ln_final.": "final_layer_norm.",
    "ln_1.": "layer_norm1.",
    "ln_2.": "layer_norm2.",
    "attn.out_proj.": "self_attn.out_proj.",
    "mlp.c_fc.": "mlp.fc1.",
    "mlp.c_proj.": "mlp.fc2.",
}
BLOCK, LAYER = "transformer.resblocks.", "encoder.layers."
THIRDS = ("q_proj", "k_proj", "v_proj")  # in this order in OpenCLIP's joined matrix


def clip_of_file(found: FoundText, device: torch.device, dtype: torch.dtype) -> TextEncoder:
    """A CLIP text model found in a file, with CLIP's own vocabulary.

    Raises:
        CheckpointUnreadable: tensors of it are missing or odd.
    """
    tokenizer = clip_tokenizer(0 if found.name in ZERO_PADDED else None)
    settings = _settings(found)
    names = [(found.prefix + theirs, ours) for theirs, ours in _names(found)]
    encoder = _loaded(settings, found.weights, names, tokenizer, device, dtype)
    return TextEncoder(encoder.model, tokenizer, projection=_projection(found, device, dtype))


def clip_of_folder(
    folder: Path, part: str, weights: WeightFile, device: torch.device, dtype: torch.dtype
) -> TextEncoder:
    """A text model of a model's folder; its own tokenizer where there is one.

    Args:
        part: the folder of its weights within the model's: "text_encoder", "text_encoder_2".

    Raises:
        CheckpointUnreadable: files of it are damaged or do not fit each other.
    """
    said = read_json(folder / part / "config.json")
    names = [(name, name.removeprefix(NESTED)) for name in weights.shapes if name != PROJECTION]
    tokenizer = clip_tokenizer()
    words = folder / part.replace("text_encoder", "tokenizer")
    if words.is_dir():
        try:
            tokenizer = folder_tokenizer(words)
        except (OSError, ValueError, KeyError) as error:
            what = f"its vocabulary does not read ({error})"
            raise CheckpointUnreadable(words, what, AGAIN) from error
    encoder = _loaded(said, weights, names, tokenizer, device, dtype)
    found = FoundText("", TextLayout.CLIP, weights, NESTED, "")
    return TextEncoder(encoder.model, tokenizer, projection=_projection(found, device, dtype))


def _settings(found: FoundText) -> dict[str, Any]:
    shapes, opened = found.shapes, found.layout is TextLayout.OPEN_CLIP
    try:
        words, width = shapes["token_embedding.weight" if opened else "embeddings.token_embedding.weight"]
        places = shapes["positional_embedding" if opened else "embeddings.position_embedding.weight"][0]
        inner = shapes[f"{BLOCK}0.mlp.c_fc.weight" if opened else f"{LAYER}0.mlp.fc1.weight"][0]
    except (KeyError, ValueError) as error:
        what = f"its text encoder lacks {error}"
        raise CheckpointUnreadable(found.weights.path, what, AGAIN) from error
    return {
        "vocab_size": words,
        "hidden_size": width,
        "intermediate_size": inner,
        "num_hidden_layers": count(shapes, BLOCK if opened else LAYER),
        "num_attention_heads": max(1, width // HEAD_WIDTH),
        "max_position_embeddings": places,
        "hidden_act": "gelu" if found.name in ZERO_PADDED else "quick_gelu",
    }


def _names(found: FoundText) -> list[tuple[str, str]]:
    """Names of tensors in the file, each with that in the network; OpenCLIP's joined ones come three times."""
    if found.layout is TextLayout.CLIP:
        return [(name, name) for name in found.shapes]
    return [(name, ours) for name in found.shapes for ours in _from_open(name)]


def _from_open(name: str) -> list[str]:
    if name == "positional_embedding":
        return ["embeddings.position_embedding.weight"]
    layer, _, rest = name.removeprefix(BLOCK).partition(".")
    inside = f"{LAYER}{layer}." if name.startswith(BLOCK) else ""
    rest = rest if inside else name
    if rest in ("attn.in_proj_weight", "attn.in_proj_bias"):
        kind = rest.rpartition("_")[2]
        return [f"{inside}self_attn.{third}.{kind}" for third in THIRDS]
    for theirs, ours in OPEN_NAMES.items():
        if rest.startswith(theirs):
            return [inside + ours + rest.removeprefix(theirs)]
    return []


def _third(name: str, tensor: Tensor, joined: bool) -> Tensor:
    """The part of a joined matrix that a network's tensor is."""
    for index, third in enumerate(THIRDS):
        if joined and f".{third}." in name:
            return tensor.chunk(3)[index]
    return tensor


def _projection(found: FoundText, device: torch.device, dtype: torch.dtype) -> nn.Module | None:
    """What maps the pooled vector, where the file has it."""
    inside = (found.outer + PROJECTION, found.prefix + PROJECTION)
    turned = (found.outer + OPEN_PROJECTION, found.prefix + OPEN_PROJECTION)
    name = next((name for name in (*inside, *turned) if name in found.weights.shapes), None)
    if name is None:
        return None
    rows, columns = found.weights.shapes[name]
    bare = name in turned
    width, made = (rows, columns) if bare else (columns, rows)
    module = unfilled(lambda: nn.Linear(width, made, bias=False), found.weights.path)
    return fill(module, found.weights, [(name, "weight")], device, dtype, _turned if bare else _as_it_is)


def _turned(_name: str, tensor: Tensor) -> Tensor:
    return tensor.T.contiguous()


def _as_it_is(_name: str, tensor: Tensor) -> Tensor:
    return tensor


def _loaded(
    settings: Mapping[str, Any],
    weights: WeightFile,
    names: Iterable[tuple[str, str]],
    tokenizer: Tokenizer,
    device: torch.device,
    dtype: torch.dtype,
) -> TextEncoder:
    from transformers import CLIPTextConfig, CLIPTextModel  # a second, which each start would wait for

    known = {key: value for key, value in settings.items() if key in CLIPTextConfig().to_dict()}
    known |= {"bos_token_id": tokenizer.start, "eos_token_id": tokenizer.end, "pad_token_id": tokenizer.pad}
    known.pop("dtype", None)
    try:
        config = CLIPTextConfig(**known)
    except (TypeError, ValueError) as error:
        raise CheckpointUnreadable(
            weights.path, f"its settings fit no text encoder ({error})", AGAIN
        ) from error
    model = unfilled(lambda: CLIPTextModel(config), weights.path)
    nested = any(name.startswith(NESTED) for name in model.state_dict())
    pairs = list(names)
    renamed = [(theirs, NESTED + ours if nested else ours) for theirs, ours in pairs]
    joined = any("in_proj_" in theirs for theirs, _ in pairs)
    _count_places(model, device)
    fill(model, weights, renamed, device, dtype, lambda name, tensor: _third(name, tensor, joined))
    return TextEncoder(model, tokenizer)


def _count_places(model: nn.Module, device: torch.device) -> None:
    """Places are numbered, not learned: no file needs to say them."""
    for part in model.modules():
        places = getattr(part, "position_ids", None)
        if isinstance(places, torch.Tensor):
            part.register_buffer(
                "position_ids", torch.arange(places.shape[-1], device=device)[None], persistent=False
            )

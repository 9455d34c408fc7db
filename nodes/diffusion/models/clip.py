"""CLIP's text models: from a single file, told from tensors, or from a folder with settings and a vocabulary."""

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any, cast

import torch
from torch import nn
from transformers import CLIPTextConfig, CLIPTextModel

from nodes.diffusion.errors import CheckpointUnreadable
from nodes.diffusion.models.build import fill, unfilled
from nodes.diffusion.models.detect import Found
from nodes.diffusion.models.files import AGAIN, Shape, WeightFile, read_json
from nodes.diffusion.text import TextEncoder, Tokenizer, clip_tokenizer, folder_tokenizer

HEAD_WIDTH = 64
NESTED = "text_model."


def text_of_file(found: Found, device: torch.device, dtype: torch.dtype) -> TextEncoder:
    """A text model found in a file, with CLIP's own vocabulary.

    Raises:
        CheckpointUnreadable: tensors of it are missing or odd.
    """
    settings = _settings(found.shapes, found.weights.path)
    names = [(found.prefix + name, name) for name in found.shapes]
    return _loaded(settings, found.weights, names, clip_tokenizer(), device, dtype)


def text_of_folder(
    folder: Path, weights: WeightFile, device: torch.device, dtype: torch.dtype
) -> TextEncoder:
    """The text model of a model's folder; its own tokenizer where there is one.

    Raises:
        CheckpointUnreadable: files of it are damaged or do not fit each other.
    """
    said = read_json(folder / "text_encoder" / "config.json")
    names = [(name, name.removeprefix(NESTED)) for name in weights.shapes]
    tokenizer = clip_tokenizer()
    if (folder / "tokenizer").is_dir():
        try:
            tokenizer = folder_tokenizer(folder / "tokenizer")
        except (OSError, ValueError, KeyError) as error:
            what = f"its vocabulary does not read ({error})"
            raise CheckpointUnreadable(folder / "tokenizer", what, AGAIN) from error
    return _loaded(said, weights, names, tokenizer, device, dtype)


def _settings(shapes: Mapping[str, Shape], path: Path) -> dict[str, Any]:
    try:
        words, width = shapes["embeddings.token_embedding.weight"]
        places = shapes["embeddings.position_embedding.weight"][0]
        inner = shapes["encoder.layers.0.mlp.fc1.weight"][0]
    except (KeyError, ValueError) as error:
        raise CheckpointUnreadable(path, f"its text encoder lacks {error}", AGAIN) from error
    layers = sum(f"encoder.layers.{layer}.mlp.fc1.weight" in shapes for layer in range(64))
    return {
        "vocab_size": words,
        "hidden_size": width,
        "intermediate_size": inner,
        "num_hidden_layers": layers,
        "num_attention_heads": max(1, width // HEAD_WIDTH),
        "max_position_embeddings": places,
        "hidden_act": "quick_gelu",
    }


def _loaded(
    settings: Mapping[str, Any],
    weights: WeightFile,
    names: Iterable[tuple[str, str]],
    tokenizer: Tokenizer,
    device: torch.device,
    dtype: torch.dtype,
) -> TextEncoder:
    known = {key: value for key, value in settings.items() if key in CLIPTextConfig().to_dict()}
    known |= {"bos_token_id": tokenizer.start, "eos_token_id": tokenizer.end, "pad_token_id": tokenizer.pad}
    known.pop("dtype", None)
    try:
        config = CLIPTextConfig(**known)
    except (TypeError, ValueError) as error:
        raise CheckpointUnreadable(
            weights.path, f"its settings fit no text encoder ({error})", AGAIN
        ) from error
    model = cast("CLIPTextModel", unfilled(lambda: CLIPTextModel(config), weights.path))
    nested = any(name.startswith(NESTED) for name in model.state_dict())
    renamed = [(theirs, NESTED + ours if nested else ours) for theirs, ours in names]
    _count_places(model, device)
    fill(model, weights, renamed, device, dtype)
    return TextEncoder(model, tokenizer)


def _count_places(model: nn.Module, device: torch.device) -> None:
    """Places are numbered, not learned: no file needs to say them."""
    for part in model.modules():
        places = getattr(part, "position_ids", None)
        if isinstance(places, torch.Tensor):
            part.register_buffer(
                "position_ids", torch.arange(places.shape[-1], device=device)[None], persistent=False
            )

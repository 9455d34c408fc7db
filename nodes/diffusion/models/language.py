"""Language models as text encoders: their sizes told from tensors, filled from a file."""

from collections.abc import Mapping
from typing import Any, cast

import torch
from torch import nn

from nodes.diffusion.errors import CheckpointUnreadable
from nodes.diffusion.models.build import fill, unfilled
from nodes.diffusion.models.files import AGAIN, Shape
from nodes.diffusion.models.text_files import FoundText, TextLayout, count
from nodes.diffusion.models.vocabularies import vocabulary
from nodes.diffusion.text import LanguageEncoder

HEAD_WIDTHS = (128, 64, 32, 16, 8)  # the first that fits; families of today have 128, those of Gemma 256
GEMMA_HEAD_WIDTH = 256
ROPE = {
    "llama": 500000.0,
    "qwen25_3b": 1000000.0,
    "qwen25_7b": 1000000.0,
    "qwen3_4b": 1000000.0,
    "gemma2_2b": 10000.0,
}


def language_of(found: FoundText, device: torch.device, dtype: torch.dtype) -> LanguageEncoder:
    """A language model found in a file, with the vocabulary that lies with it.

    Raises:
        CheckpointUnreadable: tensors of it are missing or odd.
        VocabularyMissing: no vocabulary is there, and none could be fetched.
    """
    words = vocabulary(found)
    try:
        module = unfilled(lambda: _network(found), found.weights.path)
    except (KeyError, IndexError, StopIteration) as error:
        what = f"its text encoder lacks {error}"
        raise CheckpointUnreadable(found.weights.path, what, AGAIN) from error
    names = [(found.prefix + name, name) for name in found.shapes]
    if found.layout is TextLayout.T5:
        names += [(found.prefix + "shared.weight", "encoder.embed_tokens.weight")]
    fill(module, found.weights, names, device, dtype)
    _number_places(module, device)
    return LanguageEncoder(module, words)


def _network(found: FoundText) -> nn.Module:
    return _t5(found.shapes) if found.layout is TextLayout.T5 else _decoder(found.name, found.shapes)


def _t5(shapes: Mapping[str, Shape]) -> nn.Module:
    from transformers import T5Config, T5EncoderModel, UMT5Config, UMT5EncoderModel

    first = "encoder.block.0.layer."
    gated = f"{first}1.DenseReluDense.wi_0.weight" in shapes
    buckets, heads = shapes[f"{first}0.SelfAttention.relative_attention_bias.weight"]
    inner, width = shapes[f"{first}0.SelfAttention.q.weight"]
    settings: dict[str, Any] = {
        "vocab_size": shapes["shared.weight"][0],
        "d_model": width,
        "d_kv": inner // heads,
        "d_ff": shapes[f"{first}1.DenseReluDense.{'wi_0' if gated else 'wi'}.weight"][0],
        "num_layers": count(shapes, "encoder.block."),
        "num_heads": heads,
        "relative_attention_num_buckets": buckets,
        "feed_forward_proj": "gated-gelu" if gated else "relu",
        "tie_word_embeddings": True,
    }
    if "encoder.block.1.layer.0.SelfAttention.relative_attention_bias.weight" in shapes:
        return cast("nn.Module", UMT5EncoderModel(UMT5Config(**settings)))
    return cast("nn.Module", T5EncoderModel(T5Config(**settings)))


def _decoder(name: str, shapes: Mapping[str, Shape]) -> nn.Module:
    from transformers import (
        Gemma2Config,
        Gemma2Model,
        LlamaConfig,
        LlamaModel,
        Qwen2Config,
        Qwen2Model,
        Qwen3Config,
        Qwen3Model,
    )

    attention = "layers.0.self_attn."
    queries, width = shapes[f"{attention}q_proj.weight"]
    keys = shapes[f"{attention}k_proj.weight"][0]
    head = _head_width(name, shapes, queries, keys)
    words, _ = shapes["embed_tokens.weight"]
    settings: dict[str, Any] = {
        "vocab_size": words,
        "hidden_size": width,
        "intermediate_size": shapes["layers.0.mlp.gate_proj.weight"][0],
        "num_hidden_layers": count(shapes, "layers."),
        "num_attention_heads": queries // head,
        "num_key_value_heads": keys // head,
        "head_dim": head,
        "rms_norm_eps": 1e-5 if name == "llama" else 1e-6,
        "rope_theta": ROPE[name],
        "use_cache": False,
    }
    made = {
        "gemma2_2b": (Gemma2Config, Gemma2Model),
        "qwen3_4b": (Qwen3Config, Qwen3Model),
        "qwen25_3b": (Qwen2Config, Qwen2Model),
        "qwen25_7b": (Qwen2Config, Qwen2Model),
        "llama": (LlamaConfig, LlamaModel),
    }
    config, model = cast("Any", made[name])
    return model(config(**settings))


def _head_width(name: str, shapes: Mapping[str, Shape], queries: int, keys: int) -> int:
    norm = shapes.get("layers.0.self_attn.q_norm.weight")
    if norm is not None:
        return norm[0]
    widths = (GEMMA_HEAD_WIDTH, *HEAD_WIDTHS) if name == "gemma2_2b" else HEAD_WIDTHS
    return next(width for width in widths if queries % width == 0 and keys % width == 0)


def _number_places(module: nn.Module, device: torch.device) -> None:
    """Make the buffers that no file holds: a network without memory for its weights has none for them either."""
    for part in module.modules():
        if hasattr(part, "inv_freq") and hasattr(part, "config"):
            fresh = type(part)(cast("Any", part).config)
            for name, buffer in cast("Any", fresh).named_buffers():
                part.register_buffer(name, buffer.to(device), persistent=False)
        scale = getattr(part, "embed_scale", None)
        if isinstance(scale, torch.Tensor) and scale.is_meta:
            width = cast("Any", part).embedding_dim
            part.register_buffer("embed_scale", torch.tensor(width**0.5, device=device), persistent=False)

"""Language models as text encoders: their sizes told from tensors, filled from a file; some have eyes."""

from collections.abc import Mapping
from typing import Any, cast

import torch
from torch import nn

from nodes.diffusion.errors import CheckpointUnreadable
from nodes.diffusion.models.build import fill, unfilled
from nodes.diffusion.models.files import AGAIN, Shape
from nodes.diffusion.models.text_files import FoundText, TextLayout, count, readable
from nodes.diffusion.models.vocabularies import vocabulary
from nodes.diffusion.text import LanguageEncoder
from nodes.diffusion.text.language import PLACEHOLDER

HEAD_WIDTHS = (128, 64, 32, 16, 8)  # the first that fits; families of today have 128, those of Gemma 256
GEMMA_HEAD_WIDTH = 256
BERT_HEAD_WIDTH = 64
GEMMA3_NEAR, GEMMA3_NEAR_ROPE, GEMMA3_STRETCH = (
    1024,
    10000.0,
    8.0,
)  # five layers of six see so many words, by this rope
ROPE = {
    "llama": 500000.0,
    "qwen25_3b": 1000000.0,
    "qwen25_7b": 1000000.0,
    "qwen3_2b": 1000000.0,
    "qwen3_4b": 1000000.0,
    "qwen3_8b": 1000000.0,
    "gemma2_2b": 10000.0,
    "gemma3_4b": 1000000.0,
    "mistral3_24b": 1000000000.0,
}
COARSE = ("llama", "mistral3_24b")  # whose norms add 1e-5, not 1e-6
SEEING = ("qwen25_3b", "qwen25_7b")  # which have eyes in some files
EYES = "visual."
EYE_HEADS = 16
EYES_WIDE = (7, 15, 23, 31)  # layers of eyes that look at the whole picture


def language_of(found: FoundText, device: torch.device, dtype: torch.dtype) -> LanguageEncoder:
    """A language model found in a file, with the vocabulary that lies with it.

    Raises:
        CheckpointUnreadable: tensors of it are missing or odd, or no family that Weft has reads it.
        VocabularyMissing: no vocabulary is there, and none could be fetched.
    """
    readable(found)
    words = vocabulary(found)
    eyes = _eyes(found)
    try:
        module = unfilled(lambda: _network(found, eyes), found.weights.path)
    except (KeyError, IndexError, StopIteration) as error:
        what = f"its text encoder lacks {error}"
        raise CheckpointUnreadable(found.weights.path, what, AGAIN) from error
    inside = "language_model." if eyes else ""
    names = [(found.prefix + name, inside + name) for name in found.shapes]
    if found.layout is TextLayout.T5:
        names += [(found.prefix + "shared.weight", "encoder.embed_tokens.weight")]
    for before in eyes:
        names += [(before + name, EYES + name) for name in found.weights.under(before)]
        place = words.words.token_to_id(PLACEHOLDER)
        cast("Any", module).config.image_token_id = -1 if place is None else place
    fill(module, found.weights, names, device, dtype)
    _number_places(module, device)
    return LanguageEncoder(module, words, sees=bool(eyes))


def _eyes(found: FoundText) -> tuple[str, ...]:
    """What stands before the names of the part that sees; none where the file has no such part."""
    mark = EYES + "patch_embed.proj.weight"
    whole = next((name for name in found.weights.shapes if name.endswith(mark)), None)
    return (whole.removesuffix("patch_embed.proj.weight"),) if whole and found.name in SEEING else ()


def _network(found: FoundText, eyes: tuple[str, ...]) -> nn.Module:
    if found.layout is TextLayout.T5:
        return _t5(found.shapes)
    if found.layout is TextLayout.BERT:
        return _bert(found.shapes)
    settings = _decoder_settings(found.name, found.shapes)
    if eyes:
        return _seeing(settings, found.weights.under(eyes[0]))
    return _decoder(found.name, settings)


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


def _bert(shapes: Mapping[str, Shape]) -> nn.Module:
    from transformers import BertConfig, BertModel

    words, width = shapes["embeddings.word_embeddings.weight"]
    settings: dict[str, Any] = {
        "vocab_size": words,
        "hidden_size": width,
        "num_hidden_layers": count(shapes, "encoder.layer."),
        "num_attention_heads": max(1, width // BERT_HEAD_WIDTH),
        "intermediate_size": shapes["encoder.layer.0.intermediate.dense.weight"][0],
        "max_position_embeddings": shapes["embeddings.position_embeddings.weight"][0],
        "type_vocab_size": shapes["embeddings.token_type_embeddings.weight"][0],
    }
    return cast("nn.Module", BertModel(BertConfig(**settings), add_pooling_layer=False))


def _decoder_settings(name: str, shapes: Mapping[str, Shape]) -> dict[str, Any]:
    attention = "layers.0.self_attn."
    queries, width = shapes[f"{attention}q_proj.weight"]
    keys = shapes[f"{attention}k_proj.weight"][0]
    head = _head_width(name, shapes, queries, keys)
    words, _ = shapes["embed_tokens.weight"]
    return {
        "vocab_size": words,
        "hidden_size": width,
        "intermediate_size": shapes["layers.0.mlp.gate_proj.weight"][0],
        "num_hidden_layers": count(shapes, "layers."),
        "num_attention_heads": queries // head,
        "num_key_value_heads": keys // head,
        "head_dim": head,
        "rms_norm_eps": 1e-5 if name in COARSE else 1e-6,
        "rope_theta": ROPE[name],
        "use_cache": False,
    }


def _decoder(name: str, settings: Mapping[str, Any]) -> nn.Module:
    from transformers import (
        Gemma2Config,
        Gemma2Model,
        Gemma3TextConfig,
        Gemma3TextModel,
        LlamaConfig,
        LlamaModel,
        MistralConfig,
        MistralModel,
        Qwen2Config,
        Qwen2Model,
        Qwen3Config,
        Qwen3Model,
    )

    if name == "mistral3_24b":
        module = MistralModel(MistralConfig(**settings, sliding_window=None))
        cast(
            "nn.Module", module
        ).norm = nn.Identity()  # only earlier layers are read: files of this size are cut off after them
        return module
    made = {
        "gemma2_2b": (Gemma2Config, Gemma2Model),
        "gemma3_4b": (Gemma3TextConfig, Gemma3TextModel),
        "qwen3_2b": (Qwen3Config, Qwen3Model),
        "qwen3_4b": (Qwen3Config, Qwen3Model),
        "qwen3_8b": (Qwen3Config, Qwen3Model),
        "qwen25_3b": (Qwen2Config, Qwen2Model),
        "qwen25_7b": (Qwen2Config, Qwen2Model),
        "llama": (LlamaConfig, LlamaModel),
    }
    config, model = cast("Any", made[name])
    return model(config(**(_near_and_far(settings) if name == "gemma3_4b" else settings)))


def _near_and_far(settings: Mapping[str, Any]) -> dict[str, Any]:
    """Gemma 3's layers see near words or all of them, each kind by a rope of its own (arXiv:2503.19786, section 2)."""
    far = {"rope_type": "linear", "rope_theta": settings["rope_theta"], "factor": GEMMA3_STRETCH}
    near = {"rope_type": "default", "rope_theta": GEMMA3_NEAR_ROPE}
    return {
        **{name: value for name, value in settings.items() if name != "rope_theta"},
        "sliding_window": GEMMA3_NEAR,
        "query_pre_attn_scalar": settings["head_dim"],
        "rope_parameters": {"full_attention": far, "sliding_attention": near},
    }


def _seeing(settings: Mapping[str, Any], eyes: Mapping[str, Shape]) -> nn.Module:
    """A Qwen2.5-VL, whose places in a picture have a row and a column of their own."""
    from transformers import Qwen2_5_VLConfig, Qwen2_5_VLModel

    head = settings["head_dim"]
    words = {name: value for name, value in settings.items() if name not in ("head_dim", "rope_theta")}
    words["rope_parameters"] = {
        "rope_type": "default",
        "rope_theta": settings["rope_theta"],
        "mrope_section": [head // 8, head * 3 // 16, head * 3 // 16],
    }
    width, _, frames, patch, _ = eyes["patch_embed.proj.weight"]
    seen = {
        "depth": count(eyes, "blocks."),
        "hidden_size": width,
        "intermediate_size": eyes["blocks.0.mlp.gate_proj.weight"][0],
        "num_heads": EYE_HEADS,
        "patch_size": patch,
        "temporal_patch_size": frames,
        "out_hidden_size": eyes["merger.mlp.2.weight"][0],
        "fullatt_block_indexes": list(EYES_WIDE),
    }
    return Qwen2_5_VLModel(Qwen2_5_VLConfig(text_config=words, vision_config=seen))


def _head_width(name: str, shapes: Mapping[str, Shape], queries: int, keys: int) -> int:
    norm = shapes.get("layers.0.self_attn.q_norm.weight")
    if norm is not None:
        return norm[0]
    widths = (GEMMA_HEAD_WIDTH, *HEAD_WIDTHS) if name == "gemma2_2b" else HEAD_WIDTHS
    return next(width for width in widths if queries % width == 0 and keys % width == 0)


def _number_places(module: nn.Module, device: torch.device) -> None:
    """Make the buffers that no file holds: a network without memory for its weights has none for them either."""
    for part in module.modules():
        turns = [name for name, _ in part.named_buffers(recurse=False) if name.endswith("inv_freq")]
        if turns and hasattr(part, "config"):
            fresh = type(part)(cast("Any", part).config)
            for name, buffer in cast("Any", fresh).named_buffers():
                part.register_buffer(name, buffer.to(device), persistent=False)
        scale = getattr(part, "embed_scale", None)
        if isinstance(scale, torch.Tensor) and scale.is_meta:
            width = cast("Any", part).embedding_dim
            part.register_buffer("embed_scale", torch.tensor(width**0.5, device=device), persistent=False)

"""Text encoders in files: which there are and what the field calls them, told from tensors' names and shapes alone."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from enum import Enum
from pathlib import Path

from nodes.diffusion.errors import CheckpointUnknown, CheckpointUnreadable
from nodes.diffusion.models.files import Shape, WeightFile, open_weights

LARGE_LAYERS, HUGE_LAYERS = 31, 22  # at least, of CLIP-G and CLIP-H; CLIP-L has 12
QWEN25_3B_WIDTH = 2048
GEMMA3_4B_WIDTH = 2560
QWEN3_WIDTHS = {2048: "qwen3_2b", 4096: "qwen3_8b"}
PILE_WIDTH, BASE_WIDTH, GLYPH_WIDTH = 2048, 768, 1472  # of T5's sizes XL and base, and of ByT5 small
MT5_WORDS = 250_000  # at least, of mT5's vocabulary; T5 has an eighth of it


class TextLayout(Enum):
    """Which names a text encoder's tensors have, and so which class of network they fill."""

    CLIP = "clip"  # of transformers
    OPEN_CLIP = "open_clip"
    T5 = "t5"
    BERT = "bert"
    DECODER = "decoder"  # of a model that writes text: Llama, Mistral, Qwen, Gemma


@dataclass(frozen=True, slots=True)
class FoundText:
    """A text encoder within a file.

    Attributes:
        name: what the field calls it: "l", "g", "h", "t5xxl"...
        prefix: before the names of its tensors. `outer`: before those that stand outside its network (a projection).
    """

    name: str
    layout: TextLayout
    weights: WeightFile
    prefix: str
    outer: str

    @property
    def shapes(self) -> Mapping[str, Shape]:
        """Of its tensors, by names without the prefix."""
        return self.weights.under(self.prefix)


BERT_MARK = "encoder.layer.0.attention.self.query.weight"
# A tensor that each kind of text encoder has; what stands before it in the file is the prefix.
MARKS = (
    (TextLayout.CLIP, "text_model.", "embeddings.token_embedding.weight"),
    (TextLayout.CLIP, "", "embeddings.token_embedding.weight"),
    (TextLayout.OPEN_CLIP, "", "transformer.resblocks.0.attn.in_proj_weight"),
    (TextLayout.T5, "", "encoder.block.0.layer.0.SelfAttention.q.weight"),
    (TextLayout.BERT, "bert.", BERT_MARK),
    (TextLayout.BERT, "", BERT_MARK),
    (TextLayout.DECODER, "model.", "layers.0.self_attn.q_proj.weight"),
    (TextLayout.DECODER, "", "layers.0.self_attn.q_proj.weight"),
)
# Whole checkpoints say by the place which encoder it is.
PLACES = {
    "cond_stage_model.transformer.": "l",
    "cond_stage_model.model.": "h",
    "conditioner.embedders.0.transformer.": "l",
    "conditioner.embedders.0.model.": "g",
    "conditioner.embedders.1.model.": "g",
    "text_encoders.clip_l.transformer.": "l",
    "text_encoders.clip_g.transformer.": "g",
    "text_encoders.t5xxl.transformer.": "t5xxl",
    "text_encoders.mt5xl.transformer.": "mt5xl",
}
NESTS = ("text_model.", "bert.")
WORDS = "embed_tokens.weight"  # a decoder has it; CLIP's layers, called alike, do not
VISION = re.compile(r"(^|\.)(vision_model|visual)\.")


def find_texts(path: Path) -> tuple[FoundText, ...]:
    """The text encoders of a file, each with the field's name for it.

    Raises:
        CheckpointMissing, CheckpointUnreadable: it is not there, or damaged.
        CheckpointUnknown: it holds none.
    """
    weights = open_weights(path)
    found = texts_in(weights)
    if not found:
        names = ", ".join(sorted(weights.shapes)[:2])
        raise CheckpointUnknown(path, "a text encoder", f"none of its tensors ({names}, ...) belongs to one")
    return found


UNREAD = {
    "gemma3": "it is Gemma 3 of another size than 4B, which LTX 2 reads",
    "umt5base": "it is UMT5 base, which ACE-Step reads",
}


def readable(found: FoundText) -> None:
    """Whether any family that Weft has reads an encoder.

    Raises:
        CheckpointUnreadable: none does.
    """
    if found.name in UNREAD:
        hint = "Weft has no model that reads it yet. Choose another text encoder."
        raise CheckpointUnreadable(found.weights.path, UNREAD[found.name], hint)


def texts_in(weights: WeightFile) -> tuple[FoundText, ...]:
    """The same of an opened file; empty if it holds none."""
    found: dict[str, FoundText] = {}
    taken: set[str] = set()
    for layout, nest, mark in MARKS:
        for tensor in weights.shapes:
            whole = nest + mark
            if not tensor.endswith(whole) or VISION.search(tensor):
                continue
            outer = tensor.removesuffix(whole)
            if outer in taken or any(outer == known + nest for known in taken for nest in NESTS):
                continue
            if layout is TextLayout.DECODER and outer + nest + WORDS not in weights.shapes:
                continue
            taken.add(outer)
            shapes = weights.under(outer + nest)
            name = PLACES.get(outer) or name_of(layout, shapes)
            found.setdefault(name, FoundText(name, layout, weights, outer + nest, outer))
    return tuple(found.values())


def name_of(layout: TextLayout, shapes: Mapping[str, Shape]) -> str:
    """What the field calls an encoder of such tensors."""
    if layout is TextLayout.T5:
        return _t5(shapes)
    if layout is TextLayout.DECODER:
        return _decoder(shapes)
    if layout is TextLayout.BERT:
        return "hydit_clip"
    layers = count(shapes, "encoder.layers." if layout is TextLayout.CLIP else "transformer.resblocks.")
    if layers >= LARGE_LAYERS:
        return "g"
    return "h" if layers >= HUGE_LAYERS else "l"


def count(shapes: Mapping[str, Shape], before: str) -> int:
    """How many layers there are, numbered after a prefix."""
    numbers = {name.removeprefix(before).partition(".")[0] for name in shapes if name.startswith(before)}
    return len({number for number in numbers if number.isdigit()})


def _t5(shapes: Mapping[str, Shape]) -> str:
    width = shapes["encoder.block.0.layer.0.SelfAttention.q.weight"][1]
    if width == GLYPH_WIDTH:
        return "byt5"
    if "encoder.block.1.layer.0.SelfAttention.relative_attention_bias.weight" in shapes:
        if width == BASE_WIDTH:
            return "umt5base"
        return "pile_t5xl" if width == PILE_WIDTH else "umt5xxl"
    if shapes.get("shared.weight", (0,))[0] >= MT5_WORDS:
        return "mt5xl"
    if width == BASE_WIDTH:
        return "t5base"
    return "t5xxl" if "encoder.block.0.layer.1.DenseReluDense.wi_0.weight" in shapes else "old_t5xxl"


def _decoder(shapes: Mapping[str, Shape]) -> str:
    rows, width = shapes["layers.0.self_attn.q_proj.weight"]
    normed = "layers.0.self_attn.q_norm.weight" in shapes
    if "layers.0.post_feedforward_layernorm.weight" in shapes:
        if not normed:
            return "gemma2_2b"
        return "gemma3_4b" if width == GEMMA3_4B_WIDTH else "gemma3"
    if normed:
        return QWEN3_WIDTHS.get(width, "qwen3_4b")
    if "layers.0.self_attn.q_proj.bias" in shapes:
        return "qwen25_3b" if width == QWEN25_3B_WIDTH else "qwen25_7b"
    return "llama" if rows == width else "mistral3_24b"

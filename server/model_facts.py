"""What a model file says of itself in its header: its family, what it is, words that call it. No weights are read."""

import json
import struct
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, cast

from nodes.spec import Json
from server import gguf_header

MAX_HEADER = 100 * 1024 * 1024  # bytes of a safetensors header
MOST_WORDS = 12

Shapes = Mapping[str, Sequence[int]]

# The width of a text token that cross-attention reads tells the U-Nets apart.
WIDTHS: Mapping[int, str] = {
    192: "Weft starter",
    768: "Stable Diffusion 1",
    1024: "Stable Diffusion 2",
    1280: "SDXL refiner",
    2048: "SDXL",
}
# Parts of tensors' names that one family alone has, the most telling first.
MARKS: Sequence[tuple[str, str]] = (
    ("double_stream_modulation_img", "FLUX.2"),
    ("distilled_guidance_layer", "Chroma"),
    ("joint_transformer_blocks.0", "AuraFlow"),
    ("double_stream_blocks.0", "HiDream"),
    ("x_pad_token", "Z-Image"),
    ("text_embedding_padding", "Hunyuan-DiT"),
    ("clip_txt_pooled_mapper", "Stable Cascade"),
    ("blocks.0.cross_attn.norm_k", "Wan"),
    ("double_blocks.0.img_attn", "FLUX.1"),
    ("lora_unet_double_blocks", "FLUX.1"),
    ("single_transformer_blocks", "FLUX.1"),
    ("joint_blocks.", "Stable Diffusion 3"),
    ("transformer_blocks.0.img_mod", "Qwen-Image"),
    ("txt_norm.weight", "Qwen-Image"),
    ("double_layers.0", "AuraFlow"),
    ("caption_projection.linear_1", "PixArt"),
    ("noise_refiner", "Lumina 2"),
    ("transformer_blocks.0.norm1_context", "Stable Diffusion 3"),
)
ARCHITECTURES: Sequence[tuple[str, str]] = (
    ("stable-diffusion-xl", "SDXL"),
    ("stable-diffusion-v3", "Stable Diffusion 3"),
    ("stable-diffusion-v2", "Stable Diffusion 2"),
    ("stable-diffusion-v1", "Stable Diffusion 1"),
    ("sdxl", "SDXL"),
    ("sd_v1", "Stable Diffusion 1"),
    ("sd_v2", "Stable Diffusion 2"),
    ("flux", "FLUX.1"),
    ("qwen", "Qwen-Image"),
)


# Text encoders, by what GGUF files call their architecture.
ENCODERS: Mapping[str, str] = {
    "t5": "T5",
    "t5encoder": "T5",
    "llama": "Llama",
    "qwen2": "Qwen 2",
    "qwen2vl": "Qwen 2.5 VL",
    "qwen3": "Qwen 3",
    "gemma2": "Gemma 2",
    "gemma3": "Gemma 3",
    "mistral3": "Mistral 3",
}


@dataclass(frozen=True, slots=True)
class Facts:
    """What a header tells.

    Attributes:
        family: the architecture it is, or is made for; None if that is not known.
        words: that call what it learned, the most used first.
        title, about: by who made it; None if they did not say.
    """

    family: str | None = None
    words: Sequence[str] = ()
    title: str | None = None
    about: str | None = None
    said: Mapping[str, Json] = field(default_factory=dict[str, Json])


def facts(path: Path) -> Facts:
    """The facts of a safetensors or GGUF file, or of diffusers' folder; none of others, and of what cannot be read."""
    try:
        if path.is_dir():
            return Facts(_of_folder(path))
        if path.suffix == ".gguf":
            return _of_gguf(path)
        return _of_file(path) if path.suffix == ".safetensors" else Facts()
    except (OSError, ValueError, RecursionError):
        return Facts()


def _of_file(path: Path) -> Facts:
    with path.open("rb") as file:
        head = file.read(8)
        if len(head) < 8 or (size := struct.unpack("<Q", head)[0]) > MAX_HEADER:
            return Facts()
        header = json.loads(file.read(size))
    if not isinstance(header, dict):
        return Facts()
    content = cast("dict[str, Any]", header)
    said = content.pop("__metadata__", None)
    told: dict[str, Json] = said if isinstance(said, dict) else {}
    shapes = {name: value["shape"] for name, value in content.items() if isinstance(value, dict)}
    text = _text(told)
    return Facts(
        _by_names(shapes) or _by_word(text("modelspec.architecture", "ss_base_model_version")),
        words_in(told),
        text("modelspec.title", "ss_output_name"),
        text("modelspec.description"),
        told,
    )


def _of_gguf(path: Path) -> Facts:
    shapes, said = gguf_header.read(path, ENCODERS)
    kind = said.get(gguf_header.ARCHITECTURE)
    family = _by_names(shapes) or ENCODERS.get(kind or "") or _by_word(kind)
    return Facts(family, (), said.get("general.name"), said.get("general.description"), {**said})


def words_in(told: Mapping[str, Json]) -> Sequence[str]:
    """Trigger words: as they are declared, else the tags of the training's captions, the most used first."""
    declared = _text(told)("modelspec.trigger_phrase", "trigger_words", "ss_trigger_words")
    if declared:
        return [word.strip() for word in declared.split(",") if word.strip()][:MOST_WORDS]
    try:
        tags = json.loads(str(told.get("ss_tag_frequency") or "{}"))
    except ValueError:
        return []
    counts: dict[str, float] = {}
    for folder in tags.values() if isinstance(tags, dict) else ():
        for word, count in folder.items() if isinstance(folder, dict) else ():
            if isinstance(count, int | float):
                counts[word.strip()] = counts.get(word.strip(), 0) + count
    return sorted(counts, key=lambda word: (-counts[word], word))[:MOST_WORDS]


def _of_folder(path: Path) -> str | None:
    for name in ("model_index.json", "config.json"):
        if (path / name).is_file():
            said = json.loads((path / name).read_text(encoding="utf-8"))
            kind = str(said.get("_class_name") or "")
            if kind in ("StableDiffusionPipeline", "ControlNetModel", "UNet2DConditionModel"):
                settings = path / "unet" / "config.json" if name == "model_index.json" else path / name
                width = json.loads(settings.read_text(encoding="utf-8")).get("cross_attention_dim")
                return WIDTHS.get(width, kind)
            return kind.removesuffix("Pipeline") or None
    return None


def _by_names(shapes: Shapes) -> str | None:
    for mark, family in MARKS:
        if any(mark in name for name in shapes):
            return family
    for name, shape in shapes.items():
        # In a LoRA the second factor's other side is its rank.
        plain = name.replace("_", ".")
        if (
            "attn2.to.k.weight" in plain or "attn2.to.k.lora.down" in plain or "attn2.to.k.lora.A" in plain
        ) and len(shape) > 1:
            return WIDTHS.get(shape[1])
    return None


def _by_word(said: str | None) -> str | None:
    return next((family for mark, family in ARCHITECTURES if said and mark in said.lower()), None)


def _text(told: Mapping[str, Json]) -> Callable[..., str | None]:
    """The first of some entries that has words in it."""

    def text(*names: str) -> str | None:
        found = (told.get(name) for name in names)
        return next((value for value in found if isinstance(value, str) and value.strip()), None)

    return text

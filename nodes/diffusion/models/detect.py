"""What a file or folder holds, told from its tensors' names and shapes alone."""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import Enum
from pathlib import Path

from nodes.diffusion.errors import CheckpointMissing, CheckpointUnknown
from nodes.diffusion.models.files import Shape, WeightFile, open_weights

UNET, VAE, TEXT, CONTROL = (
    "model.diffusion_model.",
    "first_stage_model.",
    "cond_stage_model.transformer.",
    "control_model.",
)


class Part(Enum):
    """What a checkpoint may hold."""

    NETWORK = "diffusion model"
    TEXT = "text encoder"
    VAE = "VAE"
    CONTROL = "control network"


class Layout(Enum):
    """Which names tensors have."""

    ORIGINAL = "original"
    DIFFUSERS = "diffusers"
    TRANSFORMERS = "transformers"


@dataclass(frozen=True, slots=True)
class Found:
    """A part within a file: its tensors are those below `prefix`."""

    part: Part
    layout: Layout
    weights: WeightFile
    prefix: str

    @property
    def shapes(self) -> Mapping[str, Shape]:
        """Of its tensors, by names without the prefix."""
        return self.weights.under(self.prefix)


@dataclass(frozen=True, slots=True)
class Place:
    """How a part is recognised: a tensor that it must have, below one of some prefixes."""

    part: Part
    layout: Layout
    mark: str
    prefixes: tuple[str, ...]


PLACES = (
    Place(Part.CONTROL, Layout.ORIGINAL, "zero_convs.0.0.weight", (CONTROL, "")),
    Place(Part.CONTROL, Layout.DIFFUSERS, "controlnet_cond_embedding.conv_in.weight", ("",)),
    Place(Part.NETWORK, Layout.ORIGINAL, "output_blocks.0.0.in_layers.0.weight", (UNET, "")),
    Place(Part.NETWORK, Layout.DIFFUSERS, "up_blocks.0.resnets.0.conv1.weight", ("", "unet.")),
    Place(Part.VAE, Layout.ORIGINAL, "decoder.mid.block_1.conv1.weight", (VAE, "", "vae.")),
    Place(Part.VAE, Layout.DIFFUSERS, "decoder.mid_block.resnets.0.conv1.weight", ("", "vae.")),
    Place(
        Part.TEXT,
        Layout.TRANSFORMERS,
        "embeddings.token_embedding.weight",
        (TEXT + "text_model.", TEXT, "text_model.", "", "text_encoder.text_model."),
    ),
)

# Families whose files are met often; they are told apart so that the person learns what the file is.
OTHERS = {
    "conditioner.embedders.1.model.ln_final.weight": "it is a model of the SDXL family",
    "cond_stage_model.model.ln_final.weight": "it is a model of the Stable Diffusion 2 family",
    "model.diffusion_model.joint_blocks.0.x_block.attn.qkv.weight": "it is a model of the SD3 family",
    "model.diffusion_model.double_blocks.0.img_attn.qkv.weight": "it is a model of the Flux family",
    "double_blocks.0.img_attn.qkv.weight": "it is a model of the Flux family",
}
LORA_MARKS = (".lora_down.weight", ".lora_A.weight", ".lora.down.weight", ".hada_w1_a")


def find_parts(path: Path) -> dict[Part, Found]:
    """What a file holds.

    Raises:
        CheckpointMissing, CheckpointUnreadable: it is not there, or damaged.
    """
    weights = open_weights(path)
    found: dict[Part, Found] = {}
    for place in PLACES:
        prefix = next((prefix for prefix in place.prefixes if prefix + place.mark in weights.shapes), None)
        if prefix is not None and place.part not in found:
            found[place.part] = Found(place.part, place.layout, weights, prefix)
    if Part.CONTROL in found:
        found.pop(Part.NETWORK, None)
    return found


def find_part(path: Path, part: Part) -> Found:
    """One part of a file.

    Raises:
        CheckpointUnknown: the file holds no such part. CheckpointMissing, CheckpointUnreadable: as `find_parts`.
    """
    parts = find_parts(path)
    if part in parts:
        return parts[part]
    raise CheckpointUnknown(path, f"a file with a {part.value}", _described(open_weights(path), parts))


def is_model_folder(path: Path) -> bool:
    """Whether a folder is one model in diffusers' form, to be listed as one entry."""
    return (path / "model_index.json").is_file() or (path / "unet" / "config.json").is_file()


def contents(path: Path) -> frozenset[Part]:
    """The parts that a checkpoint's file or folder can lend.

    Raises:
        CheckpointMissing, CheckpointUnreadable: it is not there, or damaged.
        CheckpointUnknown: no part of it is known.
    """
    if path.is_dir():
        folders = {Part.NETWORK: "unet", Part.TEXT: "text_encoder", Part.VAE: "vae"}
        held = frozenset(part for part, name in folders.items() if (path / name / "config.json").is_file())
        if not held:
            raise CheckpointUnknown(path, "a model's folder", "it has none of unet, text_encoder, vae")
        return held
    if not path.exists():
        raise CheckpointMissing(path)
    parts = find_parts(path)
    other = next((said for name, said in OTHERS.items() if name in open_weights(path).shapes), None)
    if not parts or other is not None:
        raise CheckpointUnknown(
            path, "a model that Weft knows", other or _described(open_weights(path), parts)
        )
    return frozenset(parts)


def _described(weights: WeightFile, parts: Mapping[Part, Found]) -> str:
    """What a file is, as far as can be told, for one who took it for something else."""
    other = next((said for name, said in OTHERS.items() if name in weights.shapes), None)
    if other is not None:
        return f"{other}, which Weft does not load yet"
    if parts:
        return "it holds a " + " and a ".join(part.value for part in parts)
    if any(name.endswith(LORA_MARKS) for name in weights.shapes):
        return "it is a LoRA, which changes a model and is none itself"
    names = ", ".join(sorted(weights.shapes)[:2])
    return (
        f"none of its {len(weights.shapes)} tensors ({names}, ...) is known"
        if names
        else "it holds no tensors"
    )

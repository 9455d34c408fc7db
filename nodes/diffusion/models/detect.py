"""What a file or folder holds, told from its tensors' names and shapes alone."""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import Enum
from itertools import takewhile
from pathlib import Path

from nodes.diffusion.errors import CheckpointMissing, CheckpointUnknown
from nodes.diffusion.models.families import FAMILIES
from nodes.diffusion.models.family import Family, Place
from nodes.diffusion.models.files import Shape, WeightFile, open_weights, read_json
from nodes.diffusion.models.text_files import texts_in

NETWORK_PREFIXES = ("model.diffusion_model.", "", "unet.", "transformer.", "diffusion_model.", "model.")
VAE, CONTROL = "first_stage_model.", "control_model."


class Part(Enum):
    """What a checkpoint may hold."""

    NETWORK = "diffusion model"
    TEXT = "text encoder"
    VAE = "VAE"
    CONTROL = "control network"
    VISION = "vision model"
    STYLE = "style model"
    GLIGEN = "GLIGEN model"
    UPSCALER = "upscale model"
    IMAGE_PROMPTS = "IP-Adapter"
    HYPERNETWORK = "hypernetwork"
    AUDIO = "audio encoder"
    DEPTH = "network for depth"
    POSE = "network for poses"
    PHOTOMAKER = "PhotoMaker"
    STYLE_TOKENS = "style projector"


class Layout(Enum):
    """Which names tensors have."""

    ORIGINAL = "original"
    DIFFUSERS = "diffusers"
    TRANSFORMERS = "transformers"
    BLOCKS = "blocks"  # of control networks of transformers, in any layout
    BLOCKWISE = "blockwise"  # nets of Qwen-Image that work beside each of its blocks
    XS = "xs"  # ControlNet-XS
    Z_IMAGE = "z-image"  # its control nets
    ADAPTER = "adapter"  # of T2I adapters, in either layout


@dataclass(frozen=True, slots=True)
class Found:
    """A part within a file: its tensors are those below `prefix`.

    Attributes:
        family: of a denoising network; `places`: where its tensors lie, if it is in the original layout.
    """

    part: Part
    layout: Layout
    weights: WeightFile
    prefix: str
    family: Family | None = None
    places: tuple[Place, ...] = ()

    @property
    def shapes(self) -> Mapping[str, Shape]:
        """Of its tensors, by names without the prefix."""
        return self.weights.under(self.prefix)


@dataclass(frozen=True, slots=True)
class Mark:
    """How a part is recognised: a tensor that it must have, below one of some prefixes."""

    part: Part
    layout: Layout
    tensor: str
    prefixes: tuple[str, ...]


MARKS = (
    Mark(Part.CONTROL, Layout.XS, "control_to_base_for_conv_in.weight", ("",)),
    Mark(Part.CONTROL, Layout.ORIGINAL, "zero_convs.0.0.weight", (CONTROL, "")),
    Mark(Part.CONTROL, Layout.DIFFUSERS, "controlnet_cond_embedding.conv_in.weight", ("",)),
    Mark(Part.CONTROL, Layout.BLOCKS, "controlnet_blocks.0.weight", ("", "controlnet.")),
    Mark(Part.CONTROL, Layout.ADAPTER, "body.0.resnets.0.block1.weight", ("adapter.", "")),
    Mark(Part.CONTROL, Layout.ADAPTER, "body.0.block1.weight", ("adapter.", "")),
    Mark(Part.CONTROL, Layout.ADAPTER, "body.0.body.0.block1.weight", ("adapter.", "")),
    Mark(Part.CONTROL, Layout.BLOCKWISE, "controlnet_blocks.0.y_rms.weight", ("",)),
    Mark(Part.CONTROL, Layout.Z_IMAGE, "control_all_x_embedder.2-1.weight", ("",)),
    Mark(Part.VAE, Layout.ORIGINAL, "decoder.mid.block_1.conv1.weight", (VAE, "", "vae.")),
    Mark(Part.VAE, Layout.ORIGINAL, "decoder.middle.0.residual.0.gamma", (VAE, "", "vae.")),
    Mark(Part.VAE, Layout.ORIGINAL, "vquantizer.codebook.weight", (VAE, "", "vae.")),
    Mark(Part.VAE, Layout.DIFFUSERS, "vquantizer.embedding.weight", ("", "vae.", "vqgan.")),
    Mark(Part.VAE, Layout.DIFFUSERS, "decoder.mid_block.resnets.0.conv1.weight", ("", "vae.", VAE)),
)

VAE_FOLDERS = ("vae", "vqgan")
NETWORK_FOLDERS = ("unet", "transformer", "prior", "decoder")
# Models that are met in the same folders; they are told apart so that the person learns what the file is.
OTHERS = {
    "blocks.0.cross_attn.norm_k.weight": "a video model of the Wan family",
    "txt_in.individual_token_refiner.blocks.0.norm1.weight": "a video model of the HunyuanVideo family",
    "input_blocks.1.1.time_stack.0.norm1.weight": "a Stable Video Diffusion model",
    "scale_shift_table": "a model of the LTX-Video or PixArt family",
}
LORA_MARKS = (".lora_down.weight", ".lora_A.weight", ".lora.down.weight", ".hada_w1_a")


def find_parts(path: Path) -> dict[Part, Found]:
    """What a file holds.

    Raises:
        CheckpointMissing, CheckpointUnreadable: it is not there, or damaged.
    """
    weights = open_weights(path)
    found: dict[Part, Found] = {}
    before = _before_all(weights)
    for mark in MARKS:
        prefixes = (*mark.prefixes, before)
        prefix = next((prefix for prefix in prefixes if prefix + mark.tensor in weights.shapes), None)
        if prefix is not None and mark.part not in found:
            found[mark.part] = Found(mark.part, mark.layout, weights, prefix)
    texts = texts_in(weights)
    if texts:
        found[Part.TEXT] = Found(Part.TEXT, Layout.TRANSFORMERS, weights, texts[0].prefix)
    network = None if Part.CONTROL in found else find_network(weights)
    return found if network is None else found | {Part.NETWORK: network}


def find_network(weights: WeightFile) -> Found | None:
    """The denoising network of a file, of the first family that knows its tensors; None if there is none."""
    before = _before_all(weights)
    further = (before + prefix for prefix in NETWORK_PREFIXES) if before else ()
    for prefix in dict.fromkeys((*NETWORK_PREFIXES, *further)):
        shapes = weights.under(prefix) if prefix else weights.shapes
        for family in FAMILIES if shapes else ():
            places = family.original(shapes)
            if places is not None:
                return Found(Part.NETWORK, Layout.ORIGINAL, weights, prefix, family, tuple(places))
            if _takes(family, shapes):
                return Found(Part.NETWORK, Layout.DIFFUSERS, weights, prefix, family)
    return None


def _before_all(weights: WeightFile) -> str:
    """What stands before the names of all tensors (`module.`), as trainers leave it; empty, or ends in a full stop."""
    names = weights.shapes
    first, last = (min(names).split("."), max(names).split(".")) if names else ([], [])
    alike = takewhile(lambda pair: pair[0] == pair[1], zip(first[:-1], last[:-1], strict=False))
    return "".join(f"{part}." for part, _ in alike)


def _takes(family: Family, shapes: Mapping[str, Shape]) -> bool:
    """Whether a family knows these tensors by diffusers' names, be they all or not."""
    try:
        return family.settings(shapes) is not None
    except (KeyError, IndexError, ValueError):
        return True  # its mark is there: whoever loads it says what is missing


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
    return (path / "model_index.json").is_file() or network_folder(path) is not None


def network_folder(path: Path) -> str | None:
    """The folder of the denoising network within a model's folder; None if it has none."""
    return next((name for name in NETWORK_FOLDERS if (path / name / "config.json").is_file()), None)


def vae_folder(path: Path) -> str:
    """The folder of the autoencoder within a model's folder; the usual one, if it has none."""
    return next((name for name in VAE_FOLDERS if (path / name / "config.json").is_file()), VAE_FOLDERS[0])


def contents(path: Path) -> frozenset[Part]:
    """The parts that a checkpoint's file or folder can lend.

    Raises:
        CheckpointMissing, CheckpointUnreadable: it is not there, or damaged.
        CheckpointUnknown: no part of it is known.
    """
    if path.is_dir():
        folders = {Part.NETWORK: network_folder(path), Part.TEXT: "text_encoder", Part.VAE: vae_folder(path)}
        held = frozenset(
            part for part, name in folders.items() if name and (path / name / "config.json").is_file()
        )
        if not held:
            raise CheckpointUnknown(
                path, "a model's folder", "it has none of unet, transformer, text_encoder, vae"
            )
        return held
    if not path.exists():
        raise CheckpointMissing(path)
    parts = find_parts(path)
    if not parts:
        raise CheckpointUnknown(path, "a model that Weft knows", _described(open_weights(path), parts))
    return frozenset(parts)


def family_in(path: Path) -> Family | None:
    """Of which family the network of a file or folder is; None where it has none that is known.

    Raises:
        CheckpointMissing, CheckpointUnreadable: it is not there, or damaged.
    """
    if path.is_dir():
        return family_of(read_json(path / (network_folder(path) or "") / "config.json"))
    network = find_network(open_weights(path))
    return None if network is None else network.family


def text_kind(path: Path) -> str:
    """For which family the text encoders of a whole checkpoint read, as loaders name it; empty where they tell themselves.

    Raises:
        CheckpointMissing, CheckpointUnreadable: it is not there, or damaged.
    """
    family = family_in(path)
    return "" if family is None else family.text


def family_of(said: Mapping[str, object]) -> Family | None:
    """The family of a network of diffusers with these settings; None where none is known."""
    made_by = said.get("_class_name")
    fits = (
        row for row in FAMILIES if made_by in (None, row.made_by.partition(":")[2]) and row.of_folder(said)
    )
    return next(fits, None)


def _described(weights: WeightFile, parts: Mapping[Part, Found]) -> str:
    """What a file is, as far as can be told, for one who took it for something else."""
    other = next(
        (
            said
            for mark, said in OTHERS.items()
            if any(prefix + mark in weights.shapes for prefix in NETWORK_PREFIXES)
        ),
        None,
    )
    if other is not None:
        return f"it is {other}, which Weft does not load from such a file"
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

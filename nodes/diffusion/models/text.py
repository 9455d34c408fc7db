"""The text encoders of a checkpoint, of a model's folder, or of files of their own."""

from dataclasses import dataclass
from pathlib import Path
from typing import cast

import torch
from torch import nn

from nodes.diffusion.errors import CheckpointUnknown, PartMissing
from nodes.diffusion.models.files import folder_weights, read_json
from nodes.diffusion.models.text_files import FoundText, TextLayout, find_texts, name_of
from nodes.diffusion.text import Encoder

PARTS = ("text_encoder", "text_encoder_2", "text_encoder_3", "text_encoder_4")
LOADER = "CheckpointLoaderSimple"


@dataclass(frozen=True, slots=True, eq=False)
class TextStack:
    """Loaded text encoders of one file, by the names that the field has for them ("l", "g", "t5xxl"...).

    Attributes:
        module: their networks, by the same names; a projection as "NAME_projection".
    """

    encoders: dict[str, Encoder]
    module: nn.ModuleDict


def load_text(
    path: Path, device: torch.device, clip_dtype: torch.dtype, language_dtype: torch.dtype
) -> TextStack:
    """Every text encoder of a file or a model's folder.

    Raises:
        DiffusionError: the file is missing, damaged, of an unknown family, or holds none; a vocabulary is missing.
    """
    encoders: dict[str, Encoder] = {}
    for found, part in _found(path):
        if found.layout in (TextLayout.CLIP, TextLayout.OPEN_CLIP):
            from nodes.diffusion.models.clip import clip_of_file, clip_of_folder

            encoders[found.name] = (
                clip_of_file(found, device, clip_dtype)
                if not part
                else clip_of_folder(path, part, found.weights, device, clip_dtype)
            )
        else:
            from nodes.diffusion.models.language import language_of

            encoders[found.name] = language_of(found, device, language_dtype)
    modules = {name: encoder.model for name, encoder in encoders.items()}
    for name, encoder in encoders.items():
        projection = getattr(encoder, "projection", None)
        if projection is not None:
            modules[f"{name}_projection"] = cast("nn.Module", projection)
    return TextStack(encoders, nn.ModuleDict(modules))


def text_shapes(path: Path) -> list[FoundText]:
    """The text encoders that a file or a model's folder holds. Errors as `load_text`."""
    return [found for found, _ in _found(path)]


def _found(path: Path) -> list[tuple[FoundText, str]]:
    """Each text encoder, and in which part of a folder it lies; empty for one in a file."""
    if not path.is_dir():
        return [(found, "") for found in find_texts(path)]
    parts = [part for part in PARTS if (path / part / "config.json").is_file()]
    if not parts:
        raise PartMissing(path, "text encoder", LOADER)
    made = [(_of_part(path / part, first=part == PARTS[0]), part) for part in parts]
    return [(found, part) for found, part in made]


def _of_part(folder: Path, *, first: bool) -> FoundText:
    """A folder's encoder: a CLIP model that a second one follows is L, another is told by how it was trained."""
    weights = folder_weights(folder)
    for found in find_texts(weights.path):
        if found.layout is not TextLayout.CLIP:
            return found
        told = name_of(found.layout, found.shapes)
        gelu = read_json(folder / "config.json").get("hidden_act") == "gelu"
        name = told if told != "l" else ("l" if first or not gelu else "g")
        return FoundText(name, found.layout, weights, found.prefix, found.outer)
    raise CheckpointUnknown(folder, "a text encoder's folder", "it holds none")

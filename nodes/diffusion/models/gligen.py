"""GLIGEN models: gated self-attention that lets a U-Net of Stable Diffusion 1 look at boxes with words.

Source: Li et al. 2023 (GLIGEN, arXiv:2301.07093), eqs. 5 and 8, in the layout in which its authors published it.
"""

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol, cast, runtime_checkable

import torch
from torch import Tensor, nn

from nodes.diffusion.changes import NetworkChanges, Place, Way
from nodes.diffusion.errors import CheckpointUnknown, DiffusionError
from nodes.diffusion.gligen import MOST_BOXES, Box, Gligen
from nodes.diffusion.models.build import fill, unfilled
from nodes.diffusion.models.detect import Part
from nodes.diffusion.models.files import WeightFile, open_weights
from nodes.diffusion.models.load import Placement
from nodes.diffusion.values import CheckpointRef

FUSER = re.compile(
    r"(?:.*\.)?(input_blocks|middle_block|output_blocks)\.(\d+)(?:\.\d+)?\.transformer_blocks\.(\d+)\.fuser\.(.+)"
)
WAYS = {"input_blocks": Way.INPUT, "middle_block": Way.MIDDLE, "output_blocks": Way.OUTPUT}
POSITIONS = "position_net."
FIRST, PICTURES = "linears.0.weight", "linears_image.0.weight"
HEADS, WAVES = 8, 64  # of every attention of Stable Diffusion 1; numbers that tell of a box's sides
CORNERS = 4


@dataclass(frozen=True, slots=True, eq=False)
class LoadedGligen:
    """A GLIGEN model at work; implements `TellsPlaces`.

    Attributes:
        module: `position_net` makes tokens of boxes, `fusers` look at them, each by the name of its place.
    """

    module: nn.Module
    path: Path
    device: torch.device
    dtype: torch.dtype

    @torch.no_grad()
    def changes(self, boxes: Sequence[Box], latents: Tensor) -> NetworkChanges:
        """As `TellsPlaces`.

        Raises:
            DiffusionError: the words were read for another model, or (in use) the network is of another size.
        """
        parts = cast("Any", self.module)
        width = parts.position_net.positive_len
        height, across = latents.shape[-2:]
        words, corners = torch.zeros(1, MOST_BOXES, width), torch.zeros(1, MOST_BOXES, CORNERS)
        shown = torch.zeros(1, MOST_BOXES)
        for index, box in enumerate(boxes):
            if box.words.shape[-1] != width:
                what = (
                    f"{self.path.name} reads words of {width} features, and is given {box.words.shape[-1]}."
                )
                raise DiffusionError(what, "Use the text encoder of the model that it was trained with.")
            words[0, index] = box.words[0]
            sides = (
                box.x / across,
                box.y / height,
                (box.x + box.width) / across,
                (box.y + box.height) / height,
            )
            corners[0, index], shown[0, index] = torch.tensor(sides), 1.0
        given = (tensor.to(self.device, self.dtype) for tensor in (corners, shown, words))
        tokens = cast("Tensor", parts.position_net(*given))

        def look(place: Place, hidden: Tensor) -> Tensor:
            name = _name(place.way, place.number, place.index)
            if name not in parts.fusers:
                return hidden
            fuser = parts.fusers[name]
            if hidden.shape[-1] != fuser.linear.out_features:
                what = f"{self.path.name} was made for a network of another size than this model's."
                raise DiffusionError(what, "Use a model of the Stable Diffusion 1 family with it.")
            return fuser(hidden, tokens.to(hidden).expand(len(hidden), -1, -1))

        return NetworkChanges(between=(look,))


def load_gligen(path: Path, placement: Placement) -> LoadedGligen:
    """The GLIGEN model of a file.

    Raises:
        CheckpointMissing, CheckpointUnreadable: it is not there, or damaged.
        CheckpointUnknown: it is none that Weft knows.
    """
    weights = open_weights(path)
    names = list(_names(weights))
    before = next(
        (name.removesuffix(POSITIONS + FIRST) for name in weights.shapes if name.endswith(POSITIONS + FIRST)),
        None,
    )
    if before is None or not names:
        other = any(name.endswith(POSITIONS + PICTURES) for name in weights.shapes)
        what = (
            "it reads pictures beside words, which Weft does not know"
            if other
            else "it has no gated attention"
        )
        raise CheckpointUnknown(path, "a GLIGEN model for words", what)
    module = unfilled(lambda: _module(weights, before + POSITIONS, names), path)
    pairs = [(theirs, f"fusers.{name}.{rest}") for theirs, name, rest in names]
    pairs += [
        (name, "position_net." + name.removeprefix(before + POSITIONS))
        for name in weights.shapes
        if name.startswith(before + POSITIONS)
    ]
    fill(module, weights, pairs, placement.device, placement.dtype)
    return LoadedGligen(module, path, placement.device, placement.dtype)


@runtime_checkable
class Shelf(Protocol):
    """Keeps loaded networks; a session of the pool."""

    def beside(
        self, part: Part, source: CheckpointRef, load: Callable[[Path, Placement], LoadedGligen]
    ) -> LoadedGligen:
        """The network of a file, loaded if it is not there yet."""
        ...


def load_places(shelf: Shelf, model: Gligen) -> LoadedGligen:
    """What tells a U-Net of boxes; as `FindPlaces`. Errors as `load_gligen`."""
    return shelf.beside(Part.GLIGEN, model.checkpoint, load_gligen)


def _names(weights: WeightFile) -> Sequence[tuple[str, str, str]]:
    """Of each tensor of a gated attention: its name in the file, its place's, and what it is there."""
    found = ((name, FUSER.fullmatch(name)) for name in weights.shapes)
    return [
        (
            name,
            _name(WAYS[match[1]], 0 if match[1] == "middle_block" else int(match[2]), int(match[3])),
            match[4],
        )
        for name, match in found
        if match is not None
    ]


def _name(way: Way, number: int, index: int) -> str:
    return f"{way.value}_{number}_{index}"


def _module(weights: WeightFile, before: str, names: Sequence[tuple[str, str, str]]) -> nn.Module:
    from diffusers.models.attention import GatedSelfAttentionDense
    from diffusers.models.embeddings import GLIGENTextBoundingboxProjection

    read = weights.shapes[before + FIRST][1] - WAVES
    last = max(
        name for name in weights.shapes if name.startswith(before + "linears.") and name.endswith(".weight")
    )
    made = weights.shapes[last][0]
    fusers = nn.ModuleDict()
    for theirs, name, rest in names:
        if rest == "linear.weight":
            width, context = weights.shapes[theirs]
            fusers[name] = GatedSelfAttentionDense(width, context, HEADS, width // HEADS)
    whole = nn.Module()
    whole.position_net = GLIGENTextBoundingboxProjection(read, made, fourier_freqs=WAVES // 2 // CORNERS)
    whole.fusers = fusers
    return whole

"""Boxes with words: what stands where in a picture (GLIGEN), as recipes and as what a network is told of them.

Source: Li et al. 2023 (GLIGEN, arXiv:2301.07093), sections 4.1 and 4.2.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol, runtime_checkable

from torch import Tensor

from nodes.diffusion.changes import NetworkChanges
from nodes.diffusion.values import CheckpointRef

MOST_BOXES = 30
BOXES = "gligen"  # what conditioning calls them


@dataclass(frozen=True, slots=True)
class Gligen:
    """Recipe of what lets a network be told of boxes."""

    checkpoint: CheckpointRef


@dataclass(frozen=True, slots=True, eq=False)
class Box:
    """Where something stands, in latents from the upper left.

    Attributes:
        words: what it is, as a pooled vector that was not projected, Float[1 feature].
    """

    words: Tensor
    height: int
    width: int
    y: int
    x: int


@dataclass(frozen=True, slots=True, eq=False)
class Boxes:
    """What a condition says of places: boxes, and the model that was trained to read them."""

    model: Gligen
    boxes: tuple[Box, ...] = ()

    def with_box(self, model: Gligen, box: Box) -> "Boxes":
        """One longer; the last model counts for all."""
        return Boxes(model, (*self.boxes, box))


@runtime_checkable
class TellsPlaces(Protocol):
    """A loaded model that tells a network of boxes."""

    def changes(self, boxes: Sequence[Box], latents: Tensor) -> NetworkChanges:
        """What is done inside the network for these latents, all of which the boxes are for."""
        ...


@runtime_checkable
class FindPlaces(Protocol):
    """Finds the loaded model of a recipe."""

    def __call__(self, model: Gligen, /) -> TellsPlaces: ...


@runtime_checkable
class PlacedNetwork(Protocol):
    """A network that may be told of boxes."""

    @property
    def places(self) -> FindPlaces | None:
        """Finds what tells it; None: it cannot be told."""
        ...

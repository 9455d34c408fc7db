"""Boxes with words: what stands where in a picture (GLIGEN), as recipes and as what a network is told of them.

Source: Li et al. 2023 (GLIGEN, arXiv:2301.07093), sections 4.1 and 4.2.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Protocol, runtime_checkable

from torch import Tensor

from nodes.diffusion.changes import NetworkChanges
from nodes.diffusion.values import CheckpointRef, Conditioning, Span

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
    """What a condition says of places: boxes, and the model that was trained to read them.

    Attributes:
        boxes: none: the network is told that there are none, which is not the same as telling it nothing.
        spans: the shares of the run in which it is told; empty: whenever the condition counts.
    """

    model: Gligen
    boxes: tuple[Box, ...] = ()
    spans: tuple[Span, ...] = ()

    def with_box(self, model: Gligen, box: Box) -> "Boxes":
        """One longer; the last model counts for all."""
        return replace(self, model=model, boxes=(*self.boxes, box))


def without_boxes(negative: Conditioning, positive: Conditioning) -> Conditioning:
    """Negative conditions beside positive ones with boxes: they are told that there are none, while the others count.

    Source: diffusers' StableDiffusionGLIGENPipeline, whose gates are open for both sides as long as they are for one.
    """
    told = [(cond, boxes) for cond in positive if isinstance(boxes := cond.extra.get(BOXES), Boxes)]
    if not told:
        return negative
    throughout = any(cond.span is None for cond, _ in told)
    spans = () if throughout else tuple(cond.span for cond, _ in told if cond.span is not None)
    none = Boxes(told[0][1].model, spans=spans)
    return tuple(cond if BOXES in cond.extra else cond.with_extra({BOXES: none}) for cond in negative)


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

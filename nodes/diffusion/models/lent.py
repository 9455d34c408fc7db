"""What is lent beside a loaded network: each kind of recipe with what loads it and makes it ready."""

from collections.abc import Callable
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any, Protocol, runtime_checkable

from nodes.diffusion.lending import Hypernetwork, ImagePromptAdapter, Lent
from nodes.diffusion.models.detect import Part
from nodes.diffusion.models.gligen import load_places
from nodes.diffusion.models.hypernetworks import load_hypernetwork
from nodes.diffusion.models.image_prompts import load_image_prompts
from nodes.diffusion.models.load import Placement
from nodes.diffusion.models.network import LoadedNetwork
from nodes.diffusion.values import CheckpointRef


@runtime_checkable
class Shelf(Protocol):
    """Keeps loaded networks; a session of the pool."""

    def beside(self, part: Part, source: CheckpointRef, load: Callable[[Path, Placement], Any]) -> Any:
        """The network of a file, loaded if it is not there yet."""
        ...


def equipped(network: LoadedNetwork, shelf: Shelf) -> LoadedNetwork:
    """A network with what finds others beside it."""
    places = partial(load_places, shelf) if network.family.folder == "unet" else None
    return replace(network, places=places, lend=partial(lent, shelf, network))


def lent(shelf: Shelf, network: LoadedNetwork, recipe: Lent) -> object:
    """What a rule needs beside a network; as `Lend`.

    Raises:
        DiffusionError: the file is wrong, or was made for a network of another shape.
    """
    match recipe:
        case ImagePromptAdapter():
            adapter = shelf.beside(Part.IMAGE_PROMPTS, recipe.checkpoint, load_image_prompts)
            return adapter.beside(network.module)
        case Hypernetwork():
            return shelf.beside(Part.HYPERNETWORK, recipe.checkpoint, load_hypernetwork)

"""Networks that rules use beside the one that is guided: their recipes, and how a rule gets them loaded."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Protocol, TypeAlias, runtime_checkable

from torch import Tensor

from nodes.diffusion.changes import Place
from nodes.diffusion.values import CheckpointRef


@dataclass(frozen=True, slots=True)
class ImagePromptAdapter:
    """Recipe of an IP-Adapter: lets a U-Net read pictures beside its text."""

    checkpoint: CheckpointRef


@dataclass(frozen=True, slots=True)
class Hypernetwork:
    """Recipe of small networks that change what a U-Net's attentions read."""

    checkpoint: CheckpointRef


@dataclass(frozen=True, slots=True)
class ModelPatch:
    """Recipe of a network that steers a transformer by a picture, or reads a style for it; its file tells which."""

    checkpoint: CheckpointRef


@dataclass(frozen=True, slots=True)
class PhotoMaker:
    """Recipe of a network that says a person's picture in a prompt."""

    checkpoint: CheckpointRef


Lent: TypeAlias = ImagePromptAdapter | Hypernetwork


@runtime_checkable
class PictureLayers(Protocol):
    """What an IP-Adapter adds to the attentions of the network that it stands beside."""

    def mixtures(self, tokens: Tensor) -> Mapping[Place, tuple[Tensor, Tensor]]:
        """Keys and values of a picture's tokens at each attention that reads the context.

        Args:
            tokens: Float[batch token feature].

        Returns:
            Float[batch token inner], twice, where the network computes.

        Raises:
            DiffusionError: the adapter was made for a network of another shape.
        """
        ...


@runtime_checkable
class ChangesReading(Protocol):
    """What a hypernetwork makes of the tokens that an attention reads."""

    def changed(self, tokens: Tensor, kind: str, strength: float) -> Tensor:
        """The tokens with what is added to them; themselves where it knows none of their width.

        Args:
            tokens: before the projection, Float[batch token feature]. kind: "keys" or "values".
        """
        ...


@runtime_checkable
class Lend(Protocol):
    """Finds the loaded network of a recipe, made ready for the one that is guided."""

    def __call__(self, recipe: Lent, /) -> object:
        """As one of the Protocols of this module.

        Raises:
            DiffusionError: its file is wrong, or fits no such network.
        """
        ...


@runtime_checkable
class LendingNetwork(Protocol):
    """A network that others can be lent beside."""

    @property
    def lend(self) -> Lend | None:
        """Finds them; None where nobody keeps files."""
        ...

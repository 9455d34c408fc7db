"""What a family of denoising networks is: one row that says how to recognise, build, name and ask it.

Names of tensors are translated first, sizes are read off after that, so that a family measures itself once for both
layouts: `original` -> diffusers' names -> `settings` -> an empty network -> weights.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from enum import Enum
from importlib import import_module
from math import prod
from typing import Any, Protocol, cast, runtime_checkable

import torch
from torch import Tensor, nn

from nodes.diffusion.changes import NO_CHANGES, Kind, NetworkChanges
from nodes.diffusion.denoiser import NO_INPUTS, NetworkInputs, Residuals
from nodes.diffusion.models.files import Shape, WeightFile
from nodes.diffusion.models.scheduling import Training

Shapes = Mapping[str, Shape]
Settings = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Place:
    """Where a tensor of a diffusers network lies in a file of the original layout.

    Attributes:
        ours: its name in the network.
        theirs: its name in the file, without the file's prefix.
        rows: first row and number of rows, where a tensor of the file holds several of the network; None: all of it.
        swapped: its two halves of rows change places (scale and shift).
        flat: the network has it as a matrix, the file with further axes of 1 (a 1x1 convolution).
    """

    ours: str
    theirs: str
    rows: tuple[int, int] | None = None
    swapped: bool = False
    flat: bool = False

    def read(self, stored: Tensor) -> Tensor:
        """The network's tensor, from the file's."""
        part = stored if self.rows is None else stored.narrow(0, *self.rows)
        if self.swapped:
            first, second = part.chunk(2)
            part = torch.cat((second, first))
        return part.flatten(1) if self.flat else part

    def shape(self, stored: Shape) -> Shape:
        """The shape of what `read` gives."""
        part = stored if self.rows is None else (self.rows[1], *stored[1:])
        return (part[0], prod(part[1:])) if self.flat else part


def translated(shapes: Shapes, places: Sequence[Place]) -> dict[str, Shape]:
    """Shapes under diffusers' names; what has no place there is left out."""
    return {place.ours: place.shape(shapes[place.theirs]) for place in places if place.theirs in shapes}


@runtime_checkable
class Ask(Protocol):
    """Calls a family's network with what samplers hold, in the words of its class."""

    def __call__(
        self,
        module: nn.Module,
        latents: Tensor,
        timestep: Tensor,
        context: Tensor,
        *,
        residuals: Residuals | None = None,
        inputs: NetworkInputs = NO_INPUTS,
        changes: NetworkChanges = NO_CHANGES,
    ) -> Tensor:
        """As `Network`, for this module.

        Args:
            latents: Float[batch channel *space], scaled for the network; sides that it cannot cut into patches are dealt
                with inside (padded, and cut off again).
            timestep: Float[batch], as the family's levels say it.
        """
        ...


BOTH_LAYOUTS = "original or diffusers' names"
BOTH = ("encoder_hidden_states", "hidden_states")


class Order(Enum):
    """Which tokens come first where those of text and picture lie in one row."""

    TEXT = "text"
    PICTURE = "picture"


@dataclass(frozen=True, slots=True)
class Stack:
    """One row of like blocks of a diffusion transformer.

    Attributes:
        name: of the list in the module.
        gives: what a block gives, by the names of its arguments, in order; one alone is no tuple.
        attention: names of its attentions in which places of the picture see each other.
        reading: names of those in which they see the text alone.
    """

    name: str
    gives: tuple[str, ...] = BOTH
    attention: tuple[str, ...] = ("attn",)
    reading: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Stacks:
    """The blocks of a diffusion transformer: those of two streams, and those of one.

    A family with one kind alone has it as `double`, as the field numbers them.
    """

    double: Stack
    single: Stack | None = None
    order: Order = Order.TEXT

    def counts(self, module: nn.Module) -> tuple[int, int]:
        """How many blocks of each kind a network has."""
        single = 0 if self.single is None else len(getattr(module, self.single.name))
        return len(getattr(module, self.double.name)), single


@dataclass(frozen=True, slots=True)
class Family:
    """One family of networks.

    Attributes:
        name: what people call it ("Stable Diffusion 3").
        made_by: the class, "module:Class", imported when it is first needed.
        original: where every tensor lies in a file of the original layout, from its tensors' shapes (without the prefix);
            None if the file is of another family. It raises nothing on tensors it does not know.
        places: the same from shapes under diffusers' names, for savers and LoRAs.
        settings: of the class, from shapes under diffusers' names; None if these are of another family. KeyError where
            tensors are missing that every one has.
        ask: calls the network.
        trained: what it predicts and its noise levels, from the shapes under diffusers' names and the file (flags such as
            `v_pred`; a number that tells what names do not).
        latents: name of its `LatentFormat`.
        text: the kind of `Clip` that it reads, as loaders name it ("sd3"); empty where the encoders tell.
        encoders: which node loads its text encoders from files of their own.
        folder: of the network within a diffusers folder.
        of_folder: whether a diffusers folder with these settings of its network (its config.json) is of this family.
        channels: that it reads in all, those of its latents first, from the config of a network.
        reads: of what prompts can say (`conditions.SAID`), what its `ask` reads.
        takes: kinds of changes that act on it; others do nothing to it, and the run says so.
        stacks: its blocks; None: it is no transformer.
        controlled: whether its `ask` adds what control networks give; others are asked without any.
        one_file: in which layouts a file of its own loads, in words.
        held_to: what tests hold it to, in words; empty: one call of diffusers' class in each form.
    """

    name: str
    made_by: str
    original: Callable[[Shapes], Sequence[Place] | None]
    places: Callable[[Shapes], Sequence[Place]]
    settings: Callable[[Shapes], Settings | None]
    ask: Ask
    trained: Callable[[Shapes, WeightFile], Training]
    latents: str
    text: str = ""
    encoders: str = "CLIPLoader"
    folder: str = "transformer"
    of_folder: Callable[[Settings], bool] = lambda _settings: False
    channels: Callable[[Any], int] = lambda config: int(config.in_channels)
    reads: frozenset[str] = frozenset()
    takes: frozenset[Kind] = frozenset()
    stacks: Stacks | None = None
    controlled: bool = False
    one_file: str = BOTH_LAYOUTS
    held_to: str = ""

    def class_of(self) -> Callable[..., nn.Module]:
        """The class of its networks; the first import takes a second."""
        module, _, name = self.made_by.partition(":")
        return cast("Callable[..., nn.Module]", getattr(import_module(module), name))

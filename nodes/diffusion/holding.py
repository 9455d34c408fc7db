"""What the pool holds: a loaded part of a file, with what made it and which changes are on it."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol, cast, runtime_checkable

import torch
from torch import Tensor, nn

from nodes.diffusion.lora_files import LoraFile, Strong, read_lora, sorted_by_module
from nodes.diffusion.lora_names import NETWORK_PREFIXES, text_prefixes
from nodes.diffusion.memory.budget import Residence
from nodes.diffusion.memory.streaming import Streamed
from nodes.diffusion.models.build import Gate, size_of
from nodes.diffusion.models.detect import Part
from nodes.diffusion.models.load import Placement, load_network, module_of, text_aliases
from nodes.diffusion.models.network import LoadedNetwork
from nodes.diffusion.models.stored import STORED
from nodes.diffusion.models.text import TextStack
from nodes.diffusion.patches import Patcher, Patchers
from nodes.diffusion.vae import VaeCoder
from nodes.diffusion.values import (
    CheckpointRef,
    Difference,
    LoraPatch,
    Merge,
    ModelSettings,
    Patch,
    TensorPatch,
    WeightScale,
)

COMPUTE = {"": None, "fp32": torch.float32, "fp16": torch.float16, "bf16": torch.bfloat16}
LEARNED = Path("the LoRA just trained")  # what stands for the file of one in memory


@runtime_checkable
class Beside(Protocol):
    """A loaded network that stands beside a checkpoint's own: a vision model, a style model."""

    @property
    def module(self) -> nn.Module: ...


Loaded = LoadedNetwork | TextStack | VaeCoder | Beside


@dataclass(frozen=True, slots=True)
class Build:
    """How a part is made, and what puts changes on it."""

    load: Callable[[Path, Placement], Loaded]
    patcher: Callable[[Loaded], Patcher | Patchers | None] = lambda _loaded: None
    dtype: torch.dtype | None = None  # None: the placement's
    stored: torch.dtype | None = None  # None: the one it computes in

    @property
    def types(self) -> tuple[torch.dtype | None, torch.dtype | None]:
        """In which it computes and is kept; parts of one file that differ in these are not the same."""
        return self.dtype, self.stored


@dataclass(slots=True, eq=False)
class Kept:
    """A loaded part: who uses it, and which changes are on it.

    Attributes:
        residence: where its weights lie; None: all on the device.
        streamed: its blocks that come and go.
        stamp: what told, when it was loaded, whether its file was written since.
    """

    part: Part
    source: CheckpointRef
    loaded: Loaded
    gate: Gate
    build: Build
    patcher: Patcher | Patchers | None
    patches: tuple[Patch, ...] = ()
    users: int = 0
    residence: Residence | None = None
    streamed: Streamed | None = None
    stamp: tuple[int, int, int] | None = None

    @property
    def module(self) -> nn.Module:
        return module_of(self.loaded)

    @property
    def weights(self) -> dict[str, Tensor]:
        """All of them, by label of the network, colon and name."""
        networks = {"": self.module}
        if isinstance(self.loaded, TextStack):
            networks = {name: encoder.model for name, encoder in self.loaded.encoders.items()}
        states = {
            label: cast("dict[str, Tensor]", network.state_dict()) for label, network in networks.items()
        }
        return {
            f"{label}:{name}": tensor for label, state in states.items() for name, tensor in state.items()
        }

    @property
    def size(self) -> int:
        """Bytes of the device."""
        if self.residence is not None:
            return self.residence.held
        return size_of(self.module) + (self.patcher.size if self.patcher is not None else 0)


def network_build(settings: ModelSettings) -> Build:
    """How a denoising network is made, as nodes have set it."""

    def patcher(loaded: Loaded) -> Patcher:
        return Patcher(module_of(loaded), NETWORK_PREFIXES, places=cast("LoadedNetwork", loaded).published)

    return Build(load_network, patcher, COMPUTE[settings.compute], STORED.get(settings.stored))


def text_patchers(loaded: Loaded) -> Patchers:
    """What puts changes on each text encoder of a file that LoRAs have a name for."""
    encoders = cast("TextStack", loaded).encoders
    return Patchers(
        [
            Patcher(
                encoder.model, text_prefixes(name), text_aliases(encoder.model), keeps_half=True, label=name
            )
            for name, encoder in encoders.items()
        ]
    )


def opened(patch: LoraPatch | TensorPatch, read: dict[str, LoraFile]) -> Strong:
    """A LoRA with what it says.

    Args:
        read: what was read before, by content; it is noted there.

    Raises:
        CheckpointMissing, CheckpointUnreadable, CheckpointUnknown: as `read_lora`.
    """
    if isinstance(patch, TensorPatch):
        content = patch.lora.content
        if content not in read:
            read[content] = LoraFile(LEARNED, sorted_by_module(patch.lora.tensors))
    else:
        content = patch.file.content
        if content not in read:
            read[content] = read_lora(patch.file.path)
    return Strong(read[content], patch.strength)


def file_name(patch: Patch) -> str:
    """The name of a patch's file, if it has one."""
    match patch:
        case LoraPatch() | Difference():
            return patch.file.path.name
        case Merge():
            return patch.checkpoint.path.name
        case TensorPatch():
            return LEARNED.name
        case WeightScale():
            return ""

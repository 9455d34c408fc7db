"""The blocks of a network: what is asked as one and can come to the device by itself."""

from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, cast

import torch
from torch import nn

from nodes.diffusion.memory.budget import Sizes
from nodes.diffusion.models.build import BLOCKS, modules_in


@dataclass(frozen=True, slots=True, eq=False)
class Owned:
    """A weight by the module that has it."""

    owner: nn.Module
    name: str
    full: str  # from the network's root

    @property
    def weight(self) -> nn.Parameter:
        return cast("Any", self.owner)._parameters[self.name]  # noqa: SLF001 - as it is kept, whatever `forward` sees


@dataclass(frozen=True, slots=True, eq=False)
class Block:
    """A part of a network with weights of its own, which are used only while it is asked."""

    name: str
    module: nn.Module
    weights: tuple[Owned, ...]


def blocks_of(module: nn.Module) -> list[Block]:
    """The outermost blocks of a network: those of known classes, and what stands in a list of modules.

    A weight that two of them share belongs to none.
    """
    found = [Block(name, part, tuple(_weights(name, part))) for name, part in _outermost("", module)]
    shared = Counter(id(owned.weight) for block in found for owned in block.weights)
    own = (
        Block(block.name, block.module, tuple(one for one in block.weights if shared[id(one.weight)] == 1))
        for block in found
    )
    return [block for block in own if block.weights]


def rest_of(module: nn.Module, blocks: list[Block]) -> list[Owned]:
    """The weights that are in none of the blocks."""
    taken = {owned.full for block in blocks for owned in block.weights}
    return [owned for owned in _weights("", module) if owned.full not in taken]


def sizes_of(module: nn.Module, dtypes: Mapping[str, torch.dtype] | None = None) -> Sizes:
    """What a network weighs.

    Args:
        dtypes: in which its weights are on the device, by name, where that is another type than they have.
    """
    blocks, wanted = blocks_of(module), dtypes or {}

    def size(owned: Owned) -> int:
        weight = owned.weight
        return weight.numel() * wanted.get(owned.full, weight.dtype).itemsize

    buffers = sum(buffer.numel() * buffer.element_size() for buffer in module.buffers())
    return Sizes(
        tuple(sum(size(owned) for owned in block.weights) for block in blocks),
        sum({id(owned.weight): size(owned) for owned in rest_of(module, blocks)}.values()) + buffers,
    )


def _outermost(prefix: str, module: nn.Module) -> Iterator[tuple[str, nn.Module]]:
    for name, child in module.named_children():
        full = f"{prefix}{name}"
        listed = isinstance(module, nn.ModuleList | nn.Sequential)
        if type(child).__name__ in BLOCKS or (listed and not _has_blocks(child)):
            yield full, child
        else:
            yield from _outermost(f"{full}.", child)


def _has_blocks(module: nn.Module) -> bool:
    return isinstance(module, nn.ModuleList | nn.ModuleDict) or any(
        type(part).__name__ in BLOCKS for part in module.modules()
    )


def _weights(prefix: str, module: nn.Module) -> Iterator[Owned]:
    for name, part in modules_in(module):
        own: dict[str, nn.Parameter | None] = cast("Any", part)._parameters  # noqa: SLF001 - as `Owned.weight`
        for short, weight in own.items():
            if weight is not None:
                yield Owned(part, short, ".".join(filter(None, (prefix, name, short))))

"""Pictures made larger by a network, tile by tile: what is computed at once stays small however large the picture is."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Protocol, runtime_checkable

import torch
from torch import Tensor

from nodes.diffusion.errors import DiffusionError, is_no_memory
from nodes.diffusion.values import CheckpointRef

TILE, OVERLAP = 512, 32  # pixels of the small picture
LEAST_TILE = 128
COLOURS = 3


@dataclass(frozen=True, slots=True)
class UpscaleModel:
    """Recipe of a network that makes pictures larger."""

    checkpoint: CheckpointRef


@runtime_checkable
class Enlarges(Protocol):
    """A network that makes planes `scale` times as large."""

    @property
    def scale(self) -> int: ...

    def __call__(self, planes: Tensor) -> Tensor: ...


def enlarged(
    network: Enlarges, image: Tensor, tell: Callable[[str], None], done: Callable[[int, int], None]
) -> Tensor:
    """A picture [batch height width channel] in 0..1, larger: [batch height width 3], each of the batch alone.

    Tiles overlap, and fade into each other linearly. Where memory does not suffice they become smaller, which changes
    the picture slightly; `tell` is then told.

    Args:
        done: is told how many tiles are done, of how many; may raise, to stop.

    Raises:
        DiffusionError: there is no memory even for small tiles, or a picture has fewer than three channels.
    """
    if image.shape[-1] < COLOURS:
        raise DiffusionError(
            f"The picture has {image.shape[-1]} channels, and upscale models read 3.",
            "Make it a colour picture first; a mask becomes one by Convert Mask to Image.",
        )
    tile = TILE
    while True:
        made = _if_it_fits(network, image[..., :COLOURS].movedim(-1, 1), tile, done)
        if made is not None:
            return made.clamp(0.0, 1.0).movedim(1, -1).contiguous()
        tile //= 2
        if tile < LEAST_TILE:
            raise DiffusionError(
                f"There is too little memory to enlarge the picture, even in tiles of {2 * tile} pixels.",
                "Close other programs that use the device, or choose a smaller upscale model.",
            )
        tell(f"There was too little memory: the picture is enlarged in tiles of {tile} pixels.")


def _if_it_fits(
    network: Enlarges, planes: Tensor, tile: int, done: Callable[[int, int], None]
) -> Tensor | None:
    """None if the device's memory does not suffice; nothing then holds what was computed until then."""
    rows, columns = (list(spans(side, tile)) for side in planes.shape[-2:])
    total = len(planes) * len(rows) * len(columns)
    made: list[Tensor] = []
    try:
        for index in range(len(planes)):
            one = planes[index : index + 1]
            first = index * len(rows) * len(columns)
            made.append(
                _tiled(network, one, (rows, columns), lambda count, first=first: done(first + count, total))
            )
    except (RuntimeError, MemoryError) as error:
        if not is_no_memory(error):
            raise
        return None
    return torch.cat(made)


def _tiled(
    network: Enlarges, planes: Tensor, tiles: tuple[list[slice], list[slice]], done: Callable[[int], None]
) -> Tensor:
    if all(len(spanned) == 1 for spanned in tiles):
        made = network(planes)
        done(1)
        return made
    scale = network.scale
    height, width = (side * scale for side in planes.shape[-2:])
    total = torch.zeros(1, COLOURS, height, width)
    weights = torch.zeros(1, 1, height, width)
    count = 0
    for rows in tiles[0]:
        for columns in tiles[1]:
            made = network(planes[..., rows, columns])
            weight = _rise(made.shape[-2], OVERLAP * scale)[:, None] * _rise(made.shape[-1], OVERLAP * scale)
            there = tuple(slice(part.start * scale, part.stop * scale) for part in (rows, columns))
            total[(..., *there)] += made * weight
            weights[(..., *there)] += weight
            count += 1
            done(count)
    return total / weights


def spans(side: int, tile: int) -> Iterator[slice]:
    """Where tiles lie along a side; the last may be shorter."""
    if side <= tile:
        yield slice(0, side)
        return
    for start in range(0, side - OVERLAP, tile - OVERLAP):
        yield slice(start, min(start + tile, side))


def _rise(side: int, width: int) -> Tensor:
    """Weights along a side: they rise from each end over `width` places; 1 where the side is no longer than that."""
    if side <= width:
        return torch.ones(side)
    places = torch.arange(side, dtype=torch.float32)
    return (places + 1).clamp(max=width) * (side - places).clamp(max=width) / width**2

"""Planes worked on in tiles that overlap, and put together: for packs that enlarge or decode in pieces."""

import itertools
from collections.abc import Callable, Sequence
from typing import Any

import torch
from torch import Tensor


def tile_count(width: int, height: int, tile_x: int, tile_y: int, overlap: int) -> int:
    """How many tiles a plane of that size takes."""
    return len(places(height, tile_y, overlap)) * len(places(width, tile_x, overlap))


def places(size: int, tile: int, overlap: int) -> list[int]:
    """Where tiles begin along a side; one tile holds a side that is no longer than it."""
    if size <= tile:
        return [0]
    return list(range(0, size - overlap, tile - overlap))


def tiled(
    samples: Tensor,
    function: Callable[[Tensor], Tensor],
    tile: Sequence[int],
    overlap: Sequence[int],
    scales: Sequence[Callable[[int], int]],
    channels: int,
    device: torch.device | str,
    done: Callable[[], None],
) -> Tensor:
    """What `function` gives of samples [batch channel *sides], tile by tile; where tiles overlap their shares rise linearly.

    Args:
        function: [1 channel *tile] to [1 channels *scaled tile].
        tile, overlap: for each side, in cells of the samples.
        scales: for each side, a length or place of the samples as one of the result.
        channels: of the result.
        done: called after each tile.

    Returns:
        [batch channels *scaled sides], float32, on `device`.
    """
    sides = [scale(size) for scale, size in zip(scales, samples.shape[2:], strict=True)]
    made = torch.zeros((len(samples), channels, *sides), device=device)
    for item in range(len(samples)):
        made[item] = _item(
            samples[item : item + 1], function, tile, overlap, scales, made[item].shape, device, done
        )
    return made


def _item(
    samples: Tensor,
    function: Callable[[Tensor], Tensor],
    tile: Sequence[int],
    overlap: Sequence[int],
    scales: Sequence[Callable[[int], int]],
    shape: Sequence[int],
    device: torch.device | str,
    done: Callable[[], None],
) -> Tensor:
    total, shares = torch.zeros(shape, device=device), torch.zeros(shape, device=device)
    sizes = samples.shape[2:]
    steps = [places(*side) for side in zip(sizes, tile, overlap, strict=True)]
    for corner in itertools.product(*steps):
        piece, ends = samples, []
        for axis, start in enumerate(corner):
            at = max(0, min(sizes[axis] - overlap[axis], start))
            length = min(tile[axis], sizes[axis] - at)
            piece = piece.narrow(axis + 2, at, length)
            ends.append(scales[axis](at))
        result = function(piece).to(device)[0]
        weight = _feathered(result, [scales[axis](overlap[axis]) for axis in range(len(tile))])
        into = (slice(None), *(slice(at, at + size) for at, size in zip(ends, result.shape[1:], strict=True)))
        total[into] += result * weight
        shares[into] += weight
        done()
    return total / shares


def _feathered(tile: Tensor, feathers: Sequence[int]) -> Tensor:
    """Ones that rise from each edge over so many cells."""
    weight = torch.ones_like(tile)
    for axis, feather in enumerate(feathers, start=1):
        size = tile.shape[axis]
        if feather >= size:
            continue
        for cell in range(feather):
            share = (cell + 1) / feather
            weight.narrow(axis, cell, 1).mul_(share)
            weight.narrow(axis, size - 1 - cell, 1).mul_(share)
    return weight


def scaling(amount: Any) -> Callable[[int], int]:
    """A length times `amount`, rounded; or what `amount` makes of it."""
    if callable(amount):
        made: Callable[[int], Any] = amount
        return lambda length: int(made(length))
    return lambda length: round(length * amount)


def per_side(value: Any, sides: int) -> list[Any]:
    """One value for each side, where one stands for all."""
    return list(value) if isinstance(value, list | tuple) else [value] * sides

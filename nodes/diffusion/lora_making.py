"""LoRAs made of weights: a difference of models as two factors of a rank, or whole, by the names of the original layout."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, cast

import torch
from torch import Tensor

from nodes.diffusion.models.family import Place

HELD = 0.99  # share of the factors' numbers that are kept as they are; larger ones are cut to that
KEPT_AS = torch.float16
ENDS = (".weight", ".bias")


def in_layout(state: Mapping[str, Tensor], places: Sequence[Place]) -> dict[str, Tensor]:
    """A network's tensors by the names of files of the original layout; by our own where it has no such layout."""
    if not places:
        return dict(state)
    grouped: dict[str, list[Place]] = {}
    for place in places:
        grouped.setdefault(place.theirs, []).append(place)
    return {
        theirs: torch.cat([_turned(place, state[place.ours]) for place in parts])
        if len(parts) > 1
        else _turned(parts[0], state[parts[0].ours])
        for theirs, parts in grouped.items()
        if all(place.ours in state for place in parts)
    }


def extracted(
    differences: Mapping[str, Tensor], rank: int, *, whole: bool, biases: bool
) -> Iterator[tuple[str, Sequence[tuple[str, Tensor]]]]:
    """The tensors of a LoRA, one difference at a time; none for one that is nothing, or that is left out.

    Args:
        differences: by name; only weights and biases count.
        rank: of the factors; never more than a weight has rows or columns.
        whole: each difference as it is, instead of factors.
        biases: also what has one axis: biases, and weights of norms.
    """
    for name, difference in differences.items():
        if not name.endswith(ENDS):
            continue
        module, _, kind = name.rpartition(".")
        if not bool(difference.any()):
            yield name, ()
        elif kind == "bias":
            yield name, [(f"{module}.diff_b", _plain(difference))] if biases else ()
        elif whole or difference.ndim < 2:
            kept = whole or biases
            yield name, [(f"{module}.diff", _plain(difference))] if kept else ()
        else:
            up, down = factors(difference.float(), rank)
            yield (
                name,
                [(f"{module}.lora_up.weight", _plain(up)), (f"{module}.lora_down.weight", _plain(down))],
            )


def factors(difference: Tensor, rank: int) -> tuple[Tensor, Tensor]:
    """The nearest product of two factors of a rank (Eckart and Young 1936), their few largest numbers cut.

    Returns:
        up [row rank] and down [rank column], with the axes of a kernel: up 1x1, down as the difference.
    """
    flat = difference.flatten(1)
    rank = min(rank, *flat.shape)
    made = cast("Any", torch.linalg).svd(flat, full_matrices=False)
    left, sizes, right = cast("tuple[Tensor, Tensor, Tensor]", tuple(made))
    up, down = left[:, :rank] * sizes[:rank], right[:rank]
    most = _quantile(torch.cat((up.flatten(), down.flatten())), HELD)
    up, down = up.clamp(-most, most), down.clamp(-most, most)
    if difference.ndim > 2:
        up = up.reshape(*up.shape, *[1] * (difference.ndim - 2))
        down = down.reshape(rank, *difference.shape[1:])
    return up, down


def _quantile(numbers: Tensor, share: float) -> float:
    """The number below which a share of them lies, between two neighbours in proportion."""
    ordered = numbers.sort().values
    place = (len(ordered) - 1) * share
    low = int(place)
    high = min(low + 1, len(ordered) - 1)
    return float(ordered[low] + (ordered[high] - ordered[low]) * (place - low))


def _turned(place: Place, tensor: Tensor) -> Tensor:
    if not place.swapped:
        return tensor
    first, second = tensor.chunk(2)
    return torch.cat((second, first))


def _plain(tensor: Tensor) -> Tensor:
    return tensor.to("cpu", KEPT_AS).contiguous()

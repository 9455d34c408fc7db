"""Batches of pictures, masks and latents brought to one length: whoever is shorter starts over."""

import math
from collections.abc import Sequence

import torch
from torch import Tensor

from nodes.diffusion.errors import DiffusionError


def repeated(items: Tensor, count: int) -> Tensor:
    """The first `count` items along the first axis; a shorter batch starts over as often as needed.

    Raises:
        DiffusionError: there is no item to repeat.
    """
    if len(items) == count:
        return items
    if len(items) > count:
        return items[:count]
    if not len(items):
        raise DiffusionError(
            "An empty batch cannot be repeated.", "Connect one with at least one picture, mask or latent."
        )
    return items.repeat(math.ceil(count / len(items)), *[1] * (items.ndim - 1))[:count]


def held(items: Tensor, count: int) -> Tensor:
    """A batch made `count` long by its last item; a longer one stays as it is."""
    missing = count - len(items)
    return torch.cat((items, items[-1:].expand(missing, *items.shape[1:]))) if missing > 0 else items


def regrouped(items: Sequence[Tensor], size: int) -> list[Tensor]:
    """All items of several batches in batches of `size`, in order; the last may be shorter.

    Raises:
        RuntimeError: items of one group differ in shape.
    """
    singles = [batch[place : place + 1] for batch in items for place in range(len(batch))]
    return [torch.cat(singles[start : start + size]) for start in range(0, len(singles), size)]

"""Morphology: shapes grown and shrunk by a flat window, on planes [batch channel height width].

Source: Serra 1982, "Image analysis and mathematical morphology"; gray values, so minimum and maximum.
"""

import math
from collections.abc import Callable, Mapping
from types import MappingProxyType

import torch
import torch.nn.functional as F
from torch import Tensor


def dilated(planes: Tensor, size: int) -> Tensor:
    """The greatest value within a square window; of an even size it reaches one further to the top and left."""
    before, after = size // 2, size - 1 - size // 2
    padded = F.pad(planes, (before, after, before, after), value=-math.inf)
    return F.max_pool2d(F.max_pool2d(padded, (1, size), stride=1), (size, 1), stride=1)


def eroded(planes: Tensor, size: int) -> Tensor:
    """The least value within a square window; placed as for `dilated`."""
    return -dilated(-planes, size)


def opened(planes: Tensor, size: int) -> Tensor:
    """Without bright spots that are smaller than the window."""
    return dilated(eroded(planes, size), size)


def closed(planes: Tensor, size: int) -> Tensor:
    """Without dark spots that are smaller than the window."""
    return eroded(dilated(planes, size), size)


OPERATIONS: Mapping[str, Callable[[Tensor, int], Tensor]] = MappingProxyType(
    {
        "erode": eroded,
        "dilate": dilated,
        "open": opened,
        "close": closed,
        "gradient": lambda planes, size: dilated(planes, size) - eroded(planes, size),
        "bottom_hat": lambda planes, size: closed(planes, size) - planes,
        "top_hat": lambda planes, size: planes - opened(planes, size),
    }
)


def grown_once(mask: Tensor, plus: bool) -> Tensor:
    """A mask [batch height width] one pixel larger: the greatest of each pixel and its neighbours; the border counts double.

    Args:
        plus: the four neighbours that share a side; otherwise all eight.
    """
    planes = F.pad(mask[:, None], (1, 1, 1, 1), mode="replicate")
    if not plus:
        return F.max_pool2d(planes, 3, stride=1)[:, 0]
    across = F.max_pool2d(planes[:, :, 1:-1], (1, 3), stride=1)
    down = F.max_pool2d(planes[:, :, :, 1:-1], (3, 1), stride=1)
    return torch.maximum(across, down)[:, 0]

"""Hints: pictures of edges, depth or poses, at the size at which a control network reads them."""

from typing import Protocol, runtime_checkable

import torch.nn.functional as F
from torch import Tensor


@runtime_checkable
class Encodes(Protocol):
    """Makes latents of a picture; a VAE."""

    def encode(self, image: Tensor) -> Tensor:
        """The latents of Float[batch height width 3] in 0..1, as it gives them."""
        ...


def fitted_hint(hint: Tensor, width: int, height: int) -> Tensor:
    """A hint [B, H, W, 3] at the picture's size as [B, 3, height, width]: cut to its aspect, nearest pixels."""
    return fitted(hint.movedim(-1, 1), width, height)


def fitted(planes: Tensor, width: int, height: int, mode: str = "nearest-exact") -> Tensor:
    """Planes [B, C, H, W] at another size: cut to its aspect, then enlarged or reduced."""
    old_height, old_width = planes.shape[-2:]
    old, new = old_width / old_height, width / height
    if old > new:
        cut = round((old_width - old_width * (new / old)) / 2)
        planes = planes[..., cut : old_width - cut]
    elif old < new:
        cut = round((old_height - old_height * (old / new)) / 2)
        planes = planes[..., cut : old_height - cut, :]
    return F.interpolate(planes, (height, width), mode=mode)

"""Small sums that several rules share."""

from typing import Any, cast

import torch
from torch import Tensor

BY_ITEM = (1, 2, 3)
BY_PLACE = (1,)


def length(latents: Tensor, axes: tuple[int, ...]) -> Tensor:
    """Euclidean length over these axes, which are kept with size 1."""
    return (latents**2).sum(dim=axes, keepdim=True).sqrt()


def beside(values: Tensor, latents: Tensor) -> Tensor:
    """One number for each item, shaped to be multiplied with latents."""
    return values.to(latents).view(-1, *[1] * (latents.ndim - 1))


def frequencies_scaled(planes: Tensor, factors: Tensor) -> Tensor:
    """Planes with their spatial frequencies times factors [height width], whose middle is the constant part."""
    fft = cast("Any", torch.fft)
    axes = (-2, -1)
    waves = fft.fftshift(fft.fft2(planes.float()), dim=axes)
    made = fft.ifft2(fft.ifftshift(waves * factors.to(planes.device), dim=axes)).real
    return cast("Tensor", made).to(planes.dtype)

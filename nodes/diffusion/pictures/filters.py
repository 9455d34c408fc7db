"""Filters: blur and sharpening of planes [batch channel height width]."""

import torch
import torch.nn.functional as F
from torch import Tensor

from nodes.diffusion.errors import DiffusionError


def gaussian(radius: int, sigma: float) -> Tensor:
    """A Gaussian of (2 radius + 1) squared places, its sum 1. `sigma` is a share of the radius, not pixels."""
    steps = torch.linspace(-1.0, 1.0, 2 * radius + 1)
    distance = steps[:, None] ** 2 + steps**2
    kernel = torch.exp(-distance / (2.0 * sigma**2))
    return kernel / kernel.sum()


def sharpening(radius: int, sigma: float, amount: float) -> Tensor:
    """A kernel of sum 1 that takes `amount` times a Gaussian away from a picture and adds as much to its middle."""
    kernel = gaussian(radius, sigma) * -amount
    kernel[radius, radius] += 1.0 - kernel.sum()
    return kernel


def filtered(planes: Tensor, kernel: Tensor) -> Tensor:
    """Planes under a square kernel, channel by channel, borders reflected; not cut to a range.

    Raises:
        DiffusionError: the kernel reaches beyond the reflection of a small picture.
    """
    radius = kernel.shape[-1] // 2
    channels, height, width = planes.shape[1:]
    if radius >= min(height, width):
        raise DiffusionError(
            f"A radius of {radius} is too large for a picture of {width} x {height} pixels.",
            "Choose one that is smaller than both sides.",
        )
    padded = F.pad(planes, [radius] * 4, mode="reflect")
    weights = kernel.to(planes).expand(channels, 1, *kernel.shape)
    return F.conv2d(padded, weights, groups=channels)

"""Edges: a picture's outlines.

Source: Canny 1986, "A computational approach to edge detection"; smoothing, thresholds and ties as the field has them.
"""

import torch
import torch.nn.functional as F
from torch import Tensor

from nodes.diffusion.pictures.colour import LUMA

NEIGHBOURS = (
    (0, 1),
    (1, 1),
    (1, 0),
    (1, -1),
    (0, -1),
    (-1, -1),
    (-1, 0),
    (-1, 1),
)  # dy, dx by steps of 45 degrees


def find_edges(pictures: Tensor, low: float, high: float) -> Tensor:
    """Edges [B, 1, H, W] of 0 and 1 in pictures [B, 3, H, W] of 0..1; `low` and `high` are slopes."""
    weights = torch.tensor(LUMA, dtype=pictures.dtype, device=pictures.device).view(1, 3, 1, 1)
    gray = _smoothed((pictures * weights).sum(1, keepdim=True))
    across, down = _slopes(gray)
    magnitude = (across**2 + down**2 + 1e-6).sqrt()
    angle = torch.round(torch.atan2(down, across) * (180 / torch.pi) / 45).long() % 8
    thinned = magnitude * _is_ridge(magnitude, angle)
    return _traced(thinned > low, thinned > high).to(pictures.dtype)


def _smoothed(gray: Tensor) -> Tensor:
    """Gaussian of 5x5 and sigma 1 on [B, 1, H, W], borders reflected."""
    steps = torch.arange(-2, 3, dtype=gray.dtype, device=gray.device)
    kernel = torch.exp(-(steps**2) / 2)
    kernel = kernel / kernel.sum()
    padded = F.pad(gray, (2, 2, 2, 2), mode="reflect")
    return F.conv2d(F.conv2d(padded, kernel.view(1, 1, 1, 5)), kernel.view(1, 1, 5, 1))


def _slopes(gray: Tensor) -> tuple[Tensor, Tensor]:
    """Sobel slopes along x and y, not normalised, borders repeated."""
    across = torch.tensor([[-1.0, 0, 1], [-2, 0, 2], [-1, 0, 1]], dtype=gray.dtype, device=gray.device)
    padded = F.pad(gray, (1, 1, 1, 1), mode="replicate")
    return F.conv2d(padded, across.view(1, 1, 3, 3)), F.conv2d(padded, across.T.reshape(1, 1, 3, 3))


def _is_ridge(magnitude: Tensor, angle: Tensor) -> Tensor:
    """Where a pixel is greater than both its neighbours along the slope (angle in steps of 45 degrees)."""
    height, width = magnitude.shape[-2:]
    padded = F.pad(magnitude, (1, 1, 1, 1))
    beside = torch.cat(
        [padded[..., 1 + dy : 1 + dy + height, 1 + dx : 1 + dx + width] for dy, dx in NEIGHBOURS], dim=1
    )
    ahead = beside.gather(1, angle)
    behind = beside.gather(1, (angle + 4) % 8)
    return (magnitude > ahead) & (magnitude > behind)


def _traced(weak: Tensor, strong: Tensor) -> Tensor:
    """Strong pixels, and weak ones that touch them through weak ones."""
    while True:
        grown = weak & (F.max_pool2d(strong.float(), 3, stride=1, padding=1) > 0)
        grown = grown | strong
        if torch.equal(grown, strong):
            return strong
        strong = grown

"""Latents added, mixed, cut, pasted and filtered: what people do between two samplers."""

from dataclasses import dataclass
from typing import Protocol, runtime_checkable

import torch
import torch.nn.functional as F
from torch import Tensor

from nodes.diffusion.batches import repeated
from nodes.diffusion.errors import DiffusionError
from nodes.diffusion.pictures.filters import sharpening
from nodes.diffusion.pictures.shapes import AnyPlanes
from nodes.diffusion.resize import resize

# Of latents that may stand at a video's start, how far their mean and spread may lie from those of the start itself.
MEAN_RANGE = (-0.3, 0.35)
SPREAD_RANGE = (-0.35, 0.5)


@runtime_checkable
class LatentOperation(Protocol):
    """A change of latents that travels on a wire, to be applied by another node."""

    def __call__(self, latent: Tensor) -> Tensor:
        """The changed latents [batch channel *space], of the same shape."""
        ...


def sized_as(latents: AnyPlanes, other: AnyPlanes, method: str = "bilinear") -> AnyPlanes:
    """Latents at the size of others, cut to their aspect first; as they are if nothing but the batch differs."""
    if latents.shape[1:] == other.shape[1:]:
        return latents
    return resize(latents, other.shape[-1], other.shape[-2], method, "center")


def fitted(latents: AnyPlanes, other: AnyPlanes) -> AnyPlanes:
    """Latents at the size of others and as many as they are."""
    return repeated(sized_as(latents, other), len(other))


def interpolated(one: AnyPlanes, other: AnyPlanes, ratio: float) -> AnyPlanes:
    """Between latents of one shape: directions and lengths of channel vectors mixed apart. 1 is `one`, 0 `other`."""
    one_length, other_length = _lengths(one), _lengths(other)
    way = (one / one_length).nan_to_num() * ratio + (other / other_length).nan_to_num() * (1.0 - ratio)
    return (way / _lengths(way)).nan_to_num() * (one_length * ratio + other_length * (1.0 - ratio))


def pasted(onto: AnyPlanes, latents: AnyPlanes, x: int, y: int, feather: int = 0) -> AnyPlanes:
    """Latents laid over others at x, y, cut at their right and bottom; all in latent units.

    Args:
        feather: width of the ramp that blends the sides which do not lie on the border of `onto`.
    """
    height, width = latents.shape[-2:]
    share = torch.ones(height, width, dtype=latents.dtype, device=latents.device)
    for place in range(min(feather, height)):
        if y:
            share[place] *= (place + 1) / feather
        if y + height < onto.shape[-2]:
            share[height - 1 - place] *= (place + 1) / feather
    for place in range(min(feather, width)):
        if x:
            share[:, place] *= (place + 1) / feather
        if x + width < onto.shape[-1]:
            share[:, width - 1 - place] *= (place + 1) / feather
    tall, wide = max(0, min(height, onto.shape[-2] - y)), max(0, min(width, onto.shape[-1] - x))
    result = onto.clone()
    region = result[..., y : y + tall, x : x + wide]
    share = share[:tall, :wide]
    result[..., y : y + tall, x : x + wide] = latents[..., :tall, :wide] * share + region * (1.0 - share)
    return result


def sliced(latents: AnyPlanes, axis: int, index: int, amount: int) -> AnyPlanes:
    """`amount` places along an axis from an index on, cut where it ends. A negative index counts from the end."""
    size = latents.shape[axis]
    if index >= 0:
        index = min(index, size - 1)
        return latents.narrow(axis, index, min(amount, size - index))
    index = max(index, -size)
    return latents.narrow(axis, size + index, min(amount, -index))


def stacked_slices(latents: AnyPlanes, axis: int, size: int) -> AnyPlanes:
    """Slices of one size along an axis as a batch, item by item; what does not fill a slice is left out."""
    size = min(size, latents.shape[axis])
    count = latents.shape[axis] // size
    parts = [latents.narrow(axis, place * size, size) for place in range(count)]
    return torch.stack(parts, dim=1).flatten(0, 1)


def with_calm_start(latents: AnyPlanes, start: int, reference: int) -> AnyPlanes:
    """Video latents [batch channel frame height width] whose first frames get the brightness and contrast of those after.

    Frame by frame, mean and standard deviation become those of the reference, as far as they may move.

    Args:
        start: how many frames are changed.
        reference: how many frames after them say what is right.
    """
    frames = latents.shape[2]
    if frames <= 1:
        return latents
    first = latents[:, :, :start]
    after = latents[:, :, start : start + min(reference, frames - 1)]
    if not after.shape[2]:
        return latents
    axes = (1, 3, 4)
    mean, spread = first.mean(axes, keepdim=True), first.std(axes, keepdim=True)
    wanted_mean = after.mean().clamp(mean + MEAN_RANGE[0], mean + MEAN_RANGE[1])
    wanted_spread = after.std().clamp(spread + SPREAD_RANGE[0], spread + SPREAD_RANGE[1])
    calm = (first - mean) / (spread + 1e-8) * wanted_spread + wanted_mean
    return torch.cat((calm, latents[:, :, start:]), dim=2)


@dataclass(frozen=True, slots=True)
class Sharpen:
    """The directions of channel vectors sharpened, their lengths kept.

    Attributes:
        radius: of the filter, in latents.
        sigma: of its Gaussian, as a share of the radius.
        alpha: how much; 0 is not at all.
    """

    radius: int
    sigma: float
    alpha: float

    def __call__(self, latent: Tensor) -> Tensor:
        """Sharpened latents.

        Raises:
            DiffusionError: the radius is as large as a side of theirs.
        """
        height, width = latent.shape[-2:]
        if self.radius >= min(height, width):
            raise DiffusionError(
                f"A sharpen_radius of {self.radius} is too large for latents of {width} x {height}.",
                "Choose one that is smaller than both sides.",
            )
        lengths = _lengths(latent) + 1e-6
        kernel = sharpening(self.radius, self.sigma, self.alpha * 10.0).to(latent)
        flat = _as_planes(latent / lengths)
        padded = F.pad(flat, [self.radius] * 4, mode="reflect")
        channels = flat.shape[1]
        made = F.conv2d(padded, kernel.expand(channels, 1, *kernel.shape), groups=channels)
        return _like(made, latent) * lengths


@dataclass(frozen=True, slots=True)
class TonemapReinhard:
    """Long channel vectors shortened, as photographs' highlights are (Reinhard et al. 2002, equation 3).

    Attributes:
        multiplier: how long vectors may stay, in units of what is usual in the latents.
    """

    multiplier: float

    def __call__(self, latent: Tensor) -> Tensor:
        """Latents whose vectors are shorter than (mean + 5 standard deviations) times the multiplier."""
        lengths = _lengths(latent) + 1e-10
        axes = tuple(range(1, latent.ndim))
        top = (lengths.std(axes, keepdim=True) * 5 + lengths.mean(axes, keepdim=True)) * self.multiplier
        if self.multiplier == 0:
            return torch.zeros_like(latent)
        share = lengths / top
        return latent / lengths * (share / (share + 1.0) * top)


def _lengths(latents: Tensor) -> Tensor:
    return latents.pow(2).sum(dim=1, keepdim=True).sqrt()


def _as_planes(latents: Tensor) -> Tensor:
    return latents.movedim(2, 1).flatten(0, 1) if latents.ndim == 5 else latents


def _like(planes: Tensor, latents: Tensor) -> Tensor:
    if latents.ndim == 5:
        return planes.reshape(len(latents), latents.shape[2], *planes.shape[1:]).movedim(1, 2)
    return planes

"""Latents to a network: empty ones take the shape that it works on, others must have it."""

import math

import torch.nn.functional as F
from torch import Tensor

from nodes.diffusion.errors import DiffusionError
from nodes.diffusion.latent_formats import LatentFormat, families
from nodes.diffusion.values import Latent

SPATIAL_RATIO = "downscale_ratio_spacial"  # the field's spelling: pixels for which empty latents were counted


def fitted(latent: Latent, form: LatentFormat) -> Tensor:
    """The samples, with the channels, axes and, if they are empty, the size that the family needs.

    Raises:
        DiffusionError: they are another family's, or their list of places does not go with the batch.
    """
    samples = latent.samples
    if not samples.numel():
        raise DiffusionError(
            f"The latents are empty: {list(samples.shape)}.",
            "Look at what made latent_image: a batch, a frame or a side of it is 0.",
        )
    if form.axes == 3 and samples.ndim == 4:
        samples = samples.unsqueeze(2)
    if not bool(samples.any()):
        samples = _resized(
            _with_channels(samples, form.channels), latent.extra.get(SPATIAL_RATIO), form.pixels
        )
    if samples.shape[1] != form.channels or samples.ndim - 2 != form.axes:
        raise _mismatch(samples, form)
    if latent.batch_index is not None and len(latent.batch_index) != len(samples):
        raise DiffusionError(
            f"There are {len(samples)} latents, but {len(latent.batch_index)} places in a larger batch for them.",
            "Batch latents with Weft's nodes, which keep both together.",
        )
    return samples


def _with_channels(samples: Tensor, channels: int) -> Tensor:
    repeats = math.ceil(channels / samples.shape[1])
    return samples.repeat(1, repeats, *[1] * (samples.ndim - 2))[:, :channels]


def _resized(samples: Tensor, counted: object, pixels: int) -> Tensor:
    if not isinstance(counted, int | float) or counted == pixels or samples.ndim not in (4, 5):
        return samples
    height, width = (round(side * counted / pixels) for side in samples.shape[-2:])
    flat = samples.flatten(1, -3) if samples.ndim == 5 else samples
    sized = F.interpolate(flat, (height, width), mode="nearest-exact")
    return sized.reshape(*samples.shape[:-2], height, width)


def _mismatch(samples: Tensor, form: LatentFormat) -> DiffusionError:
    given = families(samples.shape[1], samples.ndim - 2)
    wanted = families(form.channels, form.axes)
    return DiffusionError(
        f"These latents are {_shape(samples.shape[1], samples.ndim - 2)}{_of(given)}; "
        f"the model works on {_shape(form.channels, form.axes)}{_of(wanted)}.",
        "Encode the picture with the VAE that belongs to the model, or start from an empty latent of its kind.",
    )


def _shape(channels: int, axes: int) -> str:
    kind = {1: "sounds", 2: "pictures", 3: "videos"}.get(axes, f"arrays of {axes} axes")
    return f"{kind} of {channels} channels"


def _of(family: str) -> str:
    return f" ({family})" if family else ""

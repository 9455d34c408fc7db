"""Previews: a quick picture of latents by a linear map from channels to colours, one pixel for one latent.

The numbers of each family are those in common use (`latent_formats`). For an autoencoder of its own a map is fitted by
least squares to pictures that it has encoded; where no linear map tells its colours there is no preview, rather than a
wrong one.
"""

import json
from dataclasses import replace
from pathlib import Path
from typing import Any, Protocol, cast, runtime_checkable

import torch
import torch.nn.functional as F
from torch import Tensor

from nodes.diffusion.latent_formats import LatentFormat, latent_format

PICTURES = 12
SIDE = 16  # latents
LEAST_EXPLAINED = 0.5  # share of the colours' variance that a fitted map must tell


@runtime_checkable
class Encoder(Protocol):
    """Pictures to latents, as a `VaeCoder` does."""

    @property
    def pixels(self) -> int: ...

    def encode(self, image: Tensor) -> Tensor: ...


def colours(latents: Tensor, form: LatentFormat) -> Tensor | None:
    """A preview of latents at the VAE's scale [batch channel *space], as a picture [batch height width 3] in 0..1.

    Of a video, its first frame. None where the format has no map, or the latents are not of its kind.
    """
    if form.preview is None or not _is_of(latents, form):
        return None
    planes = _unfolded(form.to_model(first_frame(latents).float().cpu()), len(form.preview))
    mapped = planes.movedim(1, -1)[..., : len(form.preview)] @ form.preview
    if form.preview_bias is not None:
        mapped = mapped + form.preview_bias
    return ((mapped + 1.0) / 2.0).clamp(0.0, 1.0)


def sd1_format() -> LatentFormat:
    """Stable Diffusion 1's latents."""
    return latent_format("SD15")


def first_frame(latents: Tensor) -> Tensor:
    """Of a video's latents [batch channel frame height width], those of its first frame; of a picture's, all."""
    return latents[:, :, 0] if latents.ndim == 5 else latents


def _is_of(latents: Tensor, form: LatentFormat) -> bool:
    return latents.ndim == form.axes + 2 and latents.shape[1] == form.channels


def _unfolded(planes: Tensor, channels: int) -> Tensor:
    """Planes whose channels hold squares of 2 x 2 (Flux 2) with these laid out; others as they are."""
    return F.pixel_shuffle(planes, 2) if planes.shape[1] == channels * 4 else planes


def with_stored_map(form: LatentFormat, path: Path) -> LatentFormat | None:
    """The map of a `preview.json`: `factors`, channels by 3, and `bias`, 3; None if it is not there or does not fit."""
    if not path.is_file():
        return None
    try:
        said = json.loads(path.read_text("utf-8"))
        factors = torch.tensor(said["factors"], dtype=torch.float32)
        bias = torch.tensor(said.get("bias", [0.0, 0.0, 0.0]), dtype=torch.float32)
    except (ValueError, TypeError, KeyError, AttributeError):
        return None
    fits = factors.shape == (form.channels, 3) and bias.shape == (3,)
    return replace(form, preview=factors, preview_bias=bias) if fits else None


def with_fitted_map(form: LatentFormat, vae: Encoder) -> LatentFormat:
    """The linear map that tells an autoencoder's colours best; none where that is not well."""
    pictures = _pictures(SIDE * vae.pixels)
    latents = form.to_model(vae.encode(pictures)).movedim(1, -1).reshape(-1, form.channels).double()
    wanted = (
        F.avg_pool2d(pictures.movedim(-1, 1) * 2.0 - 1.0, vae.pixels).movedim(1, -1).reshape(-1, 3).double()
    )
    entries = torch.cat([latents, torch.ones(len(latents), 1, dtype=torch.float64)], dim=1)
    found = cast("Any", torch.linalg).lstsq(entries, wanted).solution
    assert isinstance(found, Tensor)
    left = (entries @ found - wanted).var(dim=0).sum() / wanted.var(dim=0).sum()
    if not float(1.0 - left) >= LEAST_EXPLAINED:
        return replace(form, preview=None, preview_bias=None)
    return replace(form, preview=found[:-1].float(), preview_bias=found[-1].float())


def _pictures(side: int) -> Tensor:
    """Plain grounds and gradients with rectangles of any colour, Float[picture side side 3]; the same every time."""
    chance = torch.Generator().manual_seed(0)

    def drawn(*shape: int) -> Tensor:
        return torch.rand(shape, generator=chance)

    corners = drawn(PICTURES, 3, 2, 2)
    corners[::2] = corners[::2, :, :1, :1]
    pictures = (
        F.interpolate(corners, (side, side), mode="bilinear", align_corners=True).movedim(1, -1).contiguous()
    )
    for picture in pictures:
        for _ in range(4):
            left, top, right, bottom = (int(place) for place in (drawn(4) * side))
            area = picture[min(top, bottom) : max(top, bottom), min(left, right) : max(left, right)]
            area.copy_(drawn(3).expand_as(area))
    return pictures

"""How families scale their latents, as the classes that packs know."""

from collections.abc import Mapping
from typing import Any, cast

from torch import Tensor

from nodes.diffusion.latent_formats import LatentFormat as Own
from nodes.diffusion.latent_formats import latent_formats


class LatentFormat:
    """One that leaves latents as they are, but for a factor."""

    scale_factor = 1.0
    latent_channels = 4
    latent_dimensions = 2
    latent_rgb_factors: Any = None
    latent_rgb_factors_bias: Any = None
    latent_rgb_factors_reshape: Any = None
    taesd_decoder_name: str | None = None
    spacial_downscale_ratio = 8
    temporal_downscale_ratio = 1
    _own: Own | None = None

    def process_in(self, latent: Tensor) -> Tensor:
        """From the VAE's scale to the model's."""
        return latent * self.scale_factor if self._own is None else self._own.to_model(latent)

    def process_out(self, latent: Tensor) -> Tensor:
        """From the model's scale to the VAE's."""
        return latent / self.scale_factor if self._own is None else self._own.from_model(latent)


def _listed(values: Tensor | None) -> list[Any] | None:
    return None if values is None else cast("list[Any]", values.tolist())


def _face(name: str, own: Own) -> type[LatentFormat]:
    parts: dict[str, Any] = {
        "scale_factor": own.scale,
        "latent_channels": own.channels,
        "latent_dimensions": own.axes,
        "latent_rgb_factors": _listed(own.preview),
        "latent_rgb_factors_bias": _listed(own.preview_bias),
        "taesd_decoder_name": own.small_decoder or None,
        "spacial_downscale_ratio": own.pixels,
        "_own": own,
    }
    if own.shift:
        parts["shift_factor"] = own.shift
    return type(name, (LatentFormat,), parts)


FORMATS: Mapping[str, type[LatentFormat]] = {name: _face(name, own) for name, own in latent_formats().items()}


def face_of(own: Own) -> type[LatentFormat]:
    """The class of a format of Weft's."""
    known = next((name for name, each in latent_formats().items() if each is own), None)
    return FORMATS[known] if known else _face("LatentFormat", own)

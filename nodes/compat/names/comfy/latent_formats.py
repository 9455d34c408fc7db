"""`comfy.latent_formats`: how families scale their latents, as classes."""

import torch

from nodes.diffusion.latent_formats import latent_formats


class LatentFormat:
    scale_factor = 1.0
    latent_channels = 4
    latent_dimensions = 2
    latent_rgb_factors = None
    latent_rgb_factors_bias = None
    latent_rgb_factors_reshape = None
    taesd_decoder_name = None
    spacial_downscale_ratio = 8
    temporal_downscale_ratio = 1
    _own = None

    def process_in(self, latent):
        return latent * self.scale_factor if self._own is None else self._own.to_model(latent)

    def process_out(self, latent):
        return latent / self.scale_factor if self._own is None else self._own.from_model(latent)


def _listed(values):
    return values.tolist() if isinstance(values, torch.Tensor) else values


def _face(name, own):
    parts = {
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


for _name, _own in latent_formats().items():
    globals()[_name] = _face(_name, _own)


def face_of(own):
    """The class of a format of Weft's."""
    known = next((name for name, each in latent_formats().items() if each is own), None)
    return globals()[known] if known else _face("LatentFormat", own)

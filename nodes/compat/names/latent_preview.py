"""`latent_preview`: pictures of what is being made."""

import torch
from PIL import Image

from nodes.compat.names.comfy import utils
from nodes.compat.names.comfy.cli_args import LatentPreviewMethod, args

MAX_PREVIEW_RESOLUTION = args.preview_size
default_preview_method = args.preview_method


def preview_to_image(latent_image, do_scale=True):
    """Colours [height width 3], from -1 to 1 (or from 0 to 1), as a picture."""
    colours = (latent_image + 1.0) / 2.0 if do_scale else latent_image
    return Image.fromarray((colours.clamp(0, 1) * 255).to(torch.uint8).cpu().numpy())


class LatentPreviewer:
    def decode_latent_to_preview(self, x0):
        raise NotImplementedError

    def decode_latent_to_preview_image(self, preview_format, x0):
        return ("JPEG", self.decode_latent_to_preview(x0), MAX_PREVIEW_RESOLUTION)


class Latent2RGBPreviewer(LatentPreviewer):
    def __init__(self, latent_rgb_factors, latent_rgb_factors_bias=None, latent_rgb_factors_reshape=None):
        self.latent_rgb_factors = torch.tensor(latent_rgb_factors).transpose(0, 1)
        self.latent_rgb_factors_bias = (
            None if latent_rgb_factors_bias is None else torch.tensor(latent_rgb_factors_bias)
        )
        self.latent_rgb_factors_reshape = latent_rgb_factors_reshape

    def decode_latent_to_preview(self, x0):
        if self.latent_rgb_factors_reshape is not None:
            x0 = self.latent_rgb_factors_reshape(x0)
        planes = x0[0, :, 0] if x0.ndim == 5 else x0[0]
        factors = self.latent_rgb_factors.to(planes)
        bias = None if self.latent_rgb_factors_bias is None else self.latent_rgb_factors_bias.to(planes)
        return preview_to_image(torch.nn.functional.linear(planes.movedim(0, -1), factors, bias))


def get_previewer(device, latent_format):
    """By the format's linear map, where the person wants previews; else None."""
    method = args.preview_method
    factors = getattr(latent_format, "latent_rgb_factors", None)
    if method == LatentPreviewMethod.NoPreviews or factors is None:
        return None
    return Latent2RGBPreviewer(
        factors, latent_format.latent_rgb_factors_bias, latent_format.latent_rgb_factors_reshape
    )


def prepare_callback(model, steps, x0_output_dict=None):
    """A function to call after each step: it tells progress, and shows what is being made."""
    bar = utils.ProgressBar(steps)
    inner = getattr(model, "model", None)
    previewer = get_previewer(getattr(model, "load_device", None), getattr(inner, "latent_format", None))

    def callback(step, x0, x, total_steps):
        if x0_output_dict is not None:
            x0_output_dict["x0"] = x0
        shown = previewer.decode_latent_to_preview_image("JPEG", x0) if previewer is not None else None
        bar.update_absolute(step + 1, total_steps, shown)

    return callback


def set_preview_method(override=None):
    """What the person chose stands unless it is overridden; "default" gives it back."""
    wanted = LatentPreviewMethod.from_string(override) if override else None
    args.preview_method = default_preview_method if wanted is None else wanted

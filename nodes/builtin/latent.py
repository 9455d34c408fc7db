"""Latents at another size, and masks on them."""

from dataclasses import replace
from typing import Annotated

from nodes.builtin.checks import as_batch
from nodes.builtin.kinds import LatentIn, LatentOut, MaskIn
from nodes.diffusion.resize import resize
from nodes.diffusion.values import Latent
from nodes.spec import Combo, Context, Float, Int, NodeError, node

PIXELS = 8  # side of the picture square behind one latent
SMALLEST = 64  # pixels
METHODS = ("nearest-exact", "bilinear", "area", "bicubic", "bislerp")
Side = Annotated[int, Int(minimum=0, maximum=16384, step=8)]


@node("LatentUpscale", name="Upscale Latent", category="latent")
def latent_upscale(
    ctx: Context,
    samples: LatentIn,
    upscale_method: Annotated[str, Combo(METHODS)],
    width: Side = 512,
    height: Side = 512,
    crop: Annotated[str, Combo(("disabled", "center"))] = "disabled",
) -> LatentOut:
    """Scale latents to a size in pixels. A side of 0 follows from the other; both 0 leaves them as they are."""
    if width == 0 and height == 0:
        return samples
    tall, wide = samples.samples.shape[-2:]
    if width == 0:
        height = max(SMALLEST, height)
        width = max(SMALLEST, round(wide * height / tall))
    elif height == 0:
        width = max(SMALLEST, width)
        height = max(SMALLEST, round(tall * width / wide))
    else:
        width, height = max(SMALLEST, width), max(SMALLEST, height)
    return _scaled(samples, width // PIXELS, height // PIXELS, upscale_method, crop)


@node("LatentUpscaleBy", name="Upscale Latent By", category="latent")
def latent_upscale_by(
    ctx: Context,
    samples: LatentIn,
    upscale_method: Annotated[str, Combo(METHODS)],
    scale_by: Annotated[float, Float(minimum=0.01, maximum=8.0, step=0.01)] = 1.5,
) -> LatentOut:
    """Scale both sides of latents by a factor."""
    tall, wide = samples.samples.shape[-2:]
    return _scaled(samples, round(wide * scale_by), round(tall * scale_by), upscale_method, "disabled")


@node("SetLatentNoiseMask", name="Set Latent Noise Mask", category="latent/inpaint")
def set_latent_noise_mask(ctx: Context, samples: LatentIn, mask: MaskIn) -> LatentOut:
    """Let sampling change the latents only where the mask is white."""
    return replace(samples, noise_mask=as_batch(mask)[:, None])


def _scaled(latent: Latent, width: int, height: int, method: str, crop: str) -> Latent:
    if width < 1 or height < 1:
        raise NodeError(f"The latents would be {width} x {height}.", "Choose a larger size.")
    return latent.with_samples(resize(latent.samples, width, height, method, crop))


NODES = (latent_upscale, latent_upscale_by, set_latent_noise_mask)

"""Latents of videos as what guides a second run: a larger or finer video of the same."""

from dataclasses import replace
from typing import Annotated

import torch
from torch import Tensor

from nodes.builtin.kinds import ConditioningIn, LatentIn
from nodes.builtin.models import models
from nodes.diffusion.pictures.layout import resized
from nodes.diffusion.values import Conditioning, Image, Latent, Vae
from nodes.spec import Context, Float, NodeError, Out, Socket, node

PIXELS = 16  # to one latent of HunyuanVideo 1.5
REFINER_CHANNELS = 32
Positive = Annotated[Conditioning, Out("CONDITIONING", "positive")]
Negative = Annotated[Conditioning, Out("CONDITIONING", "negative")]
Guided = tuple[Positive, Negative, Annotated[Latent, Out("LATENT", "latent")]]


@node("HunyuanVideo15SuperResolution", category="sd")
def hunyuan_super_resolution(
    ctx: Context,
    positive: ConditioningIn,
    negative: ConditioningIn,
    latent: LatentIn,
    noise_augmentation: Annotated[float, Float(minimum=0.0, maximum=1.0, step=0.01)] = 0.70,
    vae: Annotated[Vae | None, Socket("VAE", optional=True)] = None,
    start_image: Annotated[Image | None, Socket("IMAGE", optional=True)] = None,
    clip_vision_output: Annotated[object, Socket("CLIP_VISION_OUTPUT", optional=True)] = None,
) -> Guided:
    """Let HunyuanVideo 1.5's second model make a video sharper: the latents guide it, and a first picture may too."""
    samples = latent.samples
    channels, space = samples.shape[1], samples.shape[-3:]
    guide = torch.zeros(len(samples), channels * 2 + 2, *space)
    if start_image is not None:
        encoded = _encoded(ctx, vae, start_image, space)
        guide[:, :channels, : encoded.shape[2]] = encoded
        guide[:, channels, 0] = 1.0
    guide[:, channels + 1 : -1] = samples
    guide[:, -1] = 1.0
    more: dict[str, object] = {"concat_latent_image": guide, "noise_augmentation": noise_augmentation}
    if clip_vision_output is not None:
        more["clip_vision_output"] = clip_vision_output
    return _with(positive, more), _with(negative, more), latent


@node("HunyuanRefinerLatent", category="sd")
def hunyuan_refiner_latent(
    ctx: Context,
    positive: ConditioningIn,
    negative: ConditioningIn,
    latent: LatentIn,
    noise_augmentation: Annotated[float, Float(minimum=0.0, maximum=1.0, step=0.01)] = 0.10,
) -> Guided:
    """Let HunyuanImage 2.1's refiner work on latents, which guide it while it starts from noise."""
    samples = latent.samples
    more: dict[str, object] = {"concat_latent_image": samples, "noise_augmentation": noise_augmentation}
    empty = Latent(torch.zeros(len(samples), REFINER_CHANNELS, *samples.shape[-3:]))
    return _with(positive, more), _with(negative, more), empty


def _encoded(ctx: Context, vae: Vae | None, image: Image, space: torch.Size) -> Tensor:
    """Frames as latents [1 channel frame height width], at the size of the video to come."""
    if vae is None:
        raise NodeError("start_image needs a VAE.", "Connect one to vae, or disconnect start_image.")
    height, width = space[1] * PIXELS, space[2] * PIXELS
    with models(ctx) as loaded:
        made = loaded.vae(vae).encode(resized(image[..., :3], width, height, "bilinear", "center"), ctx.say)
    return made if made.ndim == 5 else made.movedim(0, 1)[None]


def _with(conditioning: Conditioning, more: dict[str, object]) -> Conditioning:
    return tuple(replace(cond, extra={**cond.extra, **more}) for cond in conditioning)


NODES = (hunyuan_super_resolution, hunyuan_refiner_latent)

"""Latents of videos as what guides a second run, a larger or finer video of the same; and what guided LTX Video."""

from dataclasses import replace
from typing import Annotated

import torch
from torch import Tensor

from nodes.builtin.kinds import AnyVae, ConditioningIn, LatentIn
from nodes.builtin.starting import as_video, encoded_at
from nodes.diffusion.values import Conditioning, Image, Latent
from nodes.spec import Context, Float, NodeError, Out, Socket, node

PIXELS = 16  # to one latent of HunyuanVideo 1.5
REFINER_CHANNELS = 32
KEYFRAMES, GUIDES = "keyframe_idxs", "guide_attention_entries"
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
    vae: Annotated[AnyVae, Socket("VAE", optional=True)] = None,
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


@node("LTXVConditioning", category="conditioning/video_models")
def ltxv_conditioning(
    ctx: Context,
    positive: ConditioningIn,
    negative: ConditioningIn,
    frame_rate: Annotated[float, Float(minimum=0.0, maximum=1000.0, step=0.01)] = 25.0,
) -> tuple[Positive, Negative]:
    """Tell LTX Video how many frames a second has."""
    return _with(positive, {"frame_rate": frame_rate}), _with(negative, {"frame_rate": frame_rate})


@node("LTXVCropGuides", category="conditioning/video_models")
def ltxv_crop_guides(
    ctx: Context, positive: ConditioningIn, negative: ConditioningIn, latent: LatentIn
) -> Guided:
    """Without the frames that guided LTX Video: they stand at the end of its latents."""
    samples = latent.samples
    if samples.ndim != 5:
        raise NodeError("latent is of a picture, not of a video.", "Connect latents of LTX Video.")
    mask = latent.noise_mask
    if mask is None:
        mask = samples.new_ones(len(samples), 1, samples.shape[2], 1, 1)
    guides = _guides(positive, samples)
    if not guides:
        return positive, negative, Latent(samples, mask)
    none: dict[str, object] = {KEYFRAMES: None, GUIDES: None}
    kept = max(samples.shape[2] - guides, 0)
    return _with(positive, none), _with(negative, none), Latent(samples[:, :, :kept], mask[:, :, :kept])


def _guides(positive: Conditioning, samples: Tensor) -> int:
    """How many frames guide: a token of each place of each was told."""
    told = next((cond.extra[KEYFRAMES] for cond in positive if cond.extra.get(KEYFRAMES) is not None), None)
    return told.shape[2] // (samples.shape[3] * samples.shape[4]) if isinstance(told, Tensor) else 0


def _encoded(ctx: Context, vae: AnyVae, image: Image, space: torch.Size) -> Tensor:
    """Frames as latents [1 channel frame height width], at the size of the video to come."""
    if vae is None:
        raise NodeError("start_image needs a VAE.", "Connect one to vae, or disconnect start_image.")
    height, width = space[1] * PIXELS, space[2] * PIXELS
    return as_video(encoded_at(ctx, vae, image, width, height))


def _with(conditioning: Conditioning, more: dict[str, object]) -> Conditioning:
    return tuple(replace(cond, extra={**cond.extra, **more}) for cond in conditioning)


NODES = (hunyuan_super_resolution, hunyuan_refiner_latent, ltxv_conditioning, ltxv_crop_guides)

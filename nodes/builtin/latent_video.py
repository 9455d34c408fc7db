"""Latents of videos as what guides a second run, a larger or finer video of the same; and what guided LTX Video."""

from collections.abc import Mapping
from dataclasses import replace
from typing import Annotated, cast

import torch
from torch import Tensor

from nodes.builtin.kinds import AnyVae, ConditioningIn, ImageIn, LatentIn, VaeIn
from nodes.builtin.models import models
from nodes.builtin.starting import as_video, encoded_at
from nodes.builtin.vae import there
from nodes.diffusion.values import Cond, Conditioning, Image, Latent
from nodes.spec import Context, Float, Int, NodeError, Out, Socket, node

PIXELS = 16  # to one latent of HunyuanVideo 1.5
REFINER_CHANNELS = 32
LTX_CHANNELS, STRIDE = 128, 8  # of LTX Video: pictures to one latent, but for the first
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


@node("LTXVAddGuide", category="conditioning/video_models")
def ltxv_add_guide(
    ctx: Context,
    positive: ConditioningIn,
    negative: ConditioningIn,
    vae: VaeIn,
    latent: LatentIn,
    image: ImageIn,
    frame_idx: Annotated[int, Int(minimum=-9999, maximum=9999)] = 0,
    strength: Annotated[float, Float(minimum=0.0, maximum=1.0, step=0.01)] = 1.0,
) -> Guided:
    """Let pictures guide LTX Video from one frame on: their latents stand after the video's, until LTXVCropGuides.

    A negative `frame_idx` counts from the end. Of several pictures, as many as fill whole latents count.
    """
    samples = latent.samples
    if samples.ndim != 5 or samples.shape[1] != LTX_CHANNELS:
        raise NodeError(
            f"latent is {list(samples.shape)}; LTX Video has {LTX_CHANNELS} channels, frames, height and width.",
            "Connect latents of LTX Video.",
        )
    pictures = image[: (len(image) - 1) // STRIDE * STRIDE + 1]
    start, single = _begin(frame_idx, samples.shape[2] - _guides(positive, samples)), len(pictures) == 1
    inside = not single and start > 0
    if (
        inside
    ):  # the VAE's first latent is of one picture alone: it gets one of its own, which is then left out
        start = (start - 1) // STRIDE * STRIDE + 1
        pictures = torch.cat((pictures[:1], pictures[:-1]))
    with models(ctx) as loaded:
        side = loaded.vae(there(vae)).pixels
    shown = as_video(encoded_at(ctx, vae, pictures, samples.shape[4] * side, samples.shape[3] * side))
    shown = shown[:, :, 1:] if inside else shown
    _fits(samples, shown, start)
    mask = samples.new_ones(len(samples), 1, samples.shape[2], 1, 1)
    mask = mask if latent.noise_mask is None else latent.noise_mask
    free = mask.new_full((*mask.shape[:2], shown.shape[2], *mask.shape[3:]), max(0.0, 1.0 - strength))
    places = _places(shown.shape[2:], side, start, alone=single or start == 0)
    entry = {
        "pre_filter_count": places.shape[2],
        "strength": strength,
        "pixel_mask": None,
        "latent_shape": list(shown.shape[2:]),
    }
    longer = Latent(
        torch.cat((samples, shown.expand(len(samples), -1, -1, -1, -1)), 2), torch.cat((mask, free), 2)
    )
    return _guided(positive, places, entry), _guided(negative, places, entry), longer


def _begin(frame: int, frames: int) -> int:
    """The picture at which a guide begins, of a video of so many latent frames."""
    return max((frames - 1) * STRIDE + 1 + frame, 0) if frame < 0 else frame


def _fits(samples: Tensor, shown: Tensor, start: int) -> None:
    """Raises NodeError where a guide is of another VAE, or does not end with the video."""
    if shown.shape[1] != samples.shape[1] or shown.shape[3:] != samples.shape[3:]:
        raise NodeError(
            f"The VAE gives {list(shown.shape[1:])}; this video is {list(samples.shape[1:])}.",
            "Connect the VAE of LTX Video.",
        )
    if -(-start // STRIDE) + shown.shape[2] > samples.shape[2]:
        raise NodeError(
            f"{shown.shape[2]} latent frames from frame {start} on go beyond the video's {samples.shape[2]}.",
            "Choose a smaller frame_idx, or fewer pictures.",
        )


def _places(shape: torch.Size, side: int, start: int, *, alone: bool) -> Tensor:
    """Where each token begins and ends, in frames and pixels: Int[1 3 token 2], axes frame, y, x.

    Args:
        alone: the first latent is of one picture, not of `STRIDE`.
    """
    at = torch.stack(torch.meshgrid(*(torch.arange(size) for size in shape), indexing="ij")).flatten(1)
    scale = torch.tensor([STRIDE, side, side])[:, None, None]
    ends = torch.stack((at, at + 1), -1) * scale
    if alone:
        ends[0] = (ends[0] - (STRIDE - 1)).clamp(min=0)
    ends[0] += start
    return ends[None]


def _guided(conditioning: Conditioning, places: Tensor, entry: Mapping[str, object]) -> Conditioning:
    """With a further guide after those that there are."""

    def told(cond: Cond) -> Cond:
        had = cond.extra.get(KEYFRAMES)
        before = cond.extra.get(GUIDES)
        return cond.with_extra(
            {
                KEYFRAMES: torch.cat((had, places), 2) if isinstance(had, Tensor) else places,
                GUIDES: [*(cast("list[object]", before) if isinstance(before, list) else []), entry],
            }
        )

    return tuple(told(cond) for cond in conditioning)


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


NODES = (
    hunyuan_super_resolution,
    hunyuan_refiner_latent,
    ltxv_conditioning,
    ltxv_crop_guides,
    ltxv_add_guide,
)

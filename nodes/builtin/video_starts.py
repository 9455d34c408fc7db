"""Latents of videos to be made from a picture: empty ones, with what the first or last frames show."""

from collections.abc import Callable
from dataclasses import replace
from typing import Annotated

import torch
from torch import Tensor

from nodes.builtin.kinds import AnyVae, ConditioningIn, LatentIn, LatentOut, NegativeOut, PositiveOut, VaeIn
from nodes.builtin.models import models
from nodes.builtin.starting import as_video, begun, encoded_at, first_frames, frame_count, with_entries
from nodes.builtin.vae import there
from nodes.diffusion.joined_latents import JoinedLatents, NoLatents
from nodes.diffusion.latent_formats import latent_format
from nodes.diffusion.pictures.layout import resized
from nodes.diffusion.values import Image, Latent
from nodes.spec import Boolean, Combo, Context, Float, Int, NodeError, Out, Socket, node

GRAY = 0.5
CHANNELS = 16
COSMOS_FRAMES = 8  # to one latent frame
CATEGORY = "conditioning/video_models"
MODES = ("v1 (concat)", "v2 (replace)", "custom")
Batch = Annotated[int, Int(minimum=1, maximum=4096)]
Side = Annotated[int, Int(minimum=16, maximum=16384, step=16)]
Eighths = Annotated[int, Int(minimum=1, maximum=16384, step=8)]
Quarters = Annotated[int, Int(minimum=1, maximum=16384, step=4)]
Start = Annotated[Image | None, Socket("IMAGE", optional=True)]
NamedLatent = Annotated[Latent, Out("LATENT", "latent")]


@node("CosmosImageToVideoLatent", category="conditioning/inpaint")
def cosmos_image_to_video_latent(
    ctx: Context,
    vae: VaeIn,
    width: Side = 1280,
    height: Side = 704,
    length: Eighths = 121,
    batch_size: Batch = 1,
    start_image: Start = None,
    end_image: Start = None,
) -> LatentOut:
    """For Cosmos: a video that starts or ends with given pictures; the rest is made."""
    shape = (CHANNELS, (length - 1) // COSMOS_FRAMES + 1, height // 8, width // 8)
    return _between(ctx, vae, (start_image, end_image), shape, (length, batch_size), Tensor.clone)


@node("CosmosPredict2ImageToVideoLatent", category="conditioning/inpaint")
def cosmos_predict2_image_to_video_latent(
    ctx: Context,
    vae: VaeIn,
    width: Side = 848,
    height: Side = 480,
    length: Quarters = 93,
    batch_size: Batch = 1,
    start_image: Start = None,
    end_image: Start = None,
) -> LatentOut:
    """For Cosmos Predict 2: a video that starts or ends with given pictures; the rest is made."""
    shape = (CHANNELS, (length - 1) // 4 + 1, height // 8, width // 8)
    neutral = latent_format("Wan21").from_model  # what is to be made is 0 for the model
    return _between(ctx, vae, (start_image, end_image), shape, (length, batch_size), neutral)


@node("HunyuanImageToVideo", category=CATEGORY)
def hunyuan_image_to_video(
    ctx: Context,
    positive: ConditioningIn,
    vae: VaeIn,
    width: Side = 848,
    height: Side = 480,
    length: Quarters = 53,
    batch_size: Batch = 1,
    *,
    guidance_type: Annotated[str, Combo(MODES, bare=False)],
    start_image: Start = None,
) -> tuple[PositiveOut, NamedLatent]:
    """For HunyuanVideo: a video that starts with a picture, shown to the model in the way that it was trained for."""
    samples = torch.zeros(batch_size, CHANNELS, (length - 1) // 4 + 1, height // 8, width // 8)
    if start_image is None:
        return positive, Latent(samples)
    shown = encoded_at(ctx, vae, start_image[:length], width, height)
    mask = first_frames(samples, len(start_image[:length]))
    if guidance_type == MODES[0]:
        return with_entries(positive, {"concat_latent_image": shown, "concat_mask": mask}), Latent(samples)
    if guidance_type == MODES[1]:
        latent = Latent(begun(samples, shown), mask)
        return with_entries(positive, {"guiding_frame_index": 0}), latent
    return with_entries(positive, {"ref_latent": shown}), Latent(samples)


@node("HunyuanVideo15ImageToVideo", category=CATEGORY)
def hunyuan_video15_image_to_video(
    ctx: Context,
    positive: ConditioningIn,
    negative: ConditioningIn,
    vae: VaeIn,
    width: Side = 848,
    height: Side = 480,
    length: Quarters = 33,
    batch_size: Batch = 1,
    start_image: Start = None,
    clip_vision_output: Annotated[object, Socket("CLIP_VISION_OUTPUT", optional=True)] = None,
) -> tuple[PositiveOut, NegativeOut, NamedLatent]:
    """For HunyuanVideo 1.5: a video that starts with a picture, which CLIP Vision may describe too."""
    samples = torch.zeros(batch_size, 32, (length - 1) // 4 + 1, height // 16, width // 16)
    more: dict[str, object] = {}
    if start_image is not None:
        shown = encoded_at(ctx, vae, start_image[:length], width, height)
        mask = first_frames(samples, len(start_image[:length]))
        more |= {"concat_latent_image": begun(samples, shown), "concat_mask": mask}
    if clip_vision_output is not None:
        more["clip_vision_output"] = clip_vision_output
    return with_entries(positive, more), with_entries(negative, more), Latent(samples)


@node("Kandinsky5ImageToVideo", category=CATEGORY)
def kandinsky5_image_to_video(
    ctx: Context,
    positive: ConditioningIn,
    negative: ConditioningIn,
    vae: VaeIn,
    width: Side = 768,
    height: Side = 512,
    length: Quarters = 121,
    batch_size: Batch = 1,
    start_image: Start = None,
) -> tuple[
    PositiveOut, NegativeOut, NamedLatent, Annotated[Latent | NoLatents, Out("LATENT", "cond_latent")]
]:
    """For Kandinsky 5: a video that starts with a picture; its own latents come out too."""
    samples = torch.zeros(batch_size, CHANNELS, (length - 1) // 4 + 1, height // 8, width // 8)
    if start_image is None:
        return positive, negative, Latent(samples), NoLatents()
    shown = encoded_at(ctx, vae, start_image[:length], width, height)
    mask = first_frames(samples, len(start_image[:length]))
    more = {"time_dim_replace": shown, "concat_mask": mask}
    return with_entries(positive, more), with_entries(negative, more), Latent(samples), Latent(shown)


@node("LTXVImgToVideoInplace", category=CATEGORY)
def ltxv_img_to_video_inplace(
    ctx: Context,
    vae: VaeIn,
    image: Annotated[Image, Socket("IMAGE")],
    latent: LatentIn,
    strength: Annotated[float, Float(minimum=0.0, maximum=1.0)] = 1.0,
    bypass: Annotated[bool, Boolean()] = False,
) -> NamedLatent:
    """For LTX Video: put a picture's latents into the first frames; at strength 1 they stay as they are."""
    if bypass:
        return latent
    samples = latent.samples
    if samples.ndim != 5:
        raise NodeError("The latents are no video's.", "Connect latents of LTX Video to latent.")
    with models(ctx) as loaded:
        pixels = loaded.vae(there(vae)).pixels
    height, width = samples.shape[3] * pixels, samples.shape[4] * pixels
    shown = encoded_at(ctx, vae, image, width, height)
    made = begun(samples, shown)
    mask = samples.new_ones(len(samples), 1, samples.shape[2], 1, 1)
    if latent.noise_mask is not None:
        mask = latent.noise_mask.clone()
    mask[:, :, : frame_count(shown)] = 1.0 - strength
    return Latent(made, mask)


@node("LTXVImgToVideo", category=CATEGORY)
def ltxv_img_to_video(
    ctx: Context,
    positive: ConditioningIn,
    negative: ConditioningIn,
    vae: VaeIn,
    image: Annotated[Image, Socket("IMAGE")],
    width: Annotated[int, Int(minimum=64, maximum=16384, step=32)] = 768,
    height: Annotated[int, Int(minimum=64, maximum=16384, step=32)] = 512,
    length: Annotated[int, Int(minimum=9, maximum=16384, step=8)] = 97,
    batch_size: Batch = 1,
    strength: Annotated[float, Float(minimum=0.0, maximum=1.0)] = 1.0,
) -> tuple[PositiveOut, NegativeOut, NamedLatent]:
    """For LTX Video: a video that starts with a picture; at strength 1 that stays as it is."""
    samples = torch.zeros(batch_size, 128, (length - 1) // 8 + 1, height // 32, width // 32)
    shown = encoded_at(ctx, vae, image, width, height)
    mask = torch.ones(batch_size, 1, samples.shape[2], 1, 1)
    mask[:, :, : frame_count(shown)] = 1.0 - strength
    return positive, negative, Latent(begun(samples, shown), mask)


@node("LTXVConcatAVLatent", category="latent/video/ltxv")
def ltxv_concat_av_latent(
    ctx: Context,
    video_latent: Annotated[Latent | JoinedLatents, Socket("LATENT")],
    audio_latent: LatentIn,
) -> Annotated[JoinedLatents, Out("LATENT", "latent")]:
    """A video's latents and a sound's as one, for models that make both together.

    A video that has a sound keeps its length: the new sound is cut to the old one's, or silence follows it.
    """
    if isinstance(video_latent, JoinedLatents):
        audio_latent = _as_long(audio_latent, video_latent.audio.samples)
        video_latent = video_latent.video
    if video_latent.noise_mask is None and audio_latent.noise_mask is None:
        return JoinedLatents(video_latent, audio_latent)
    return JoinedLatents(_masked(video_latent), _masked(audio_latent))


@node("LTXVSeparateAVLatent", category="latent/video/ltxv")
def ltxv_separate_av_latent(
    ctx: Context, av_latent: Annotated[Latent | JoinedLatents, Socket("LATENT")]
) -> tuple[
    Annotated[Latent, Out("LATENT", "video_latent")], Annotated[Latent, Out("LATENT", "audio_latent")]
]:
    """A video's latents and its sound's, each by itself. Of others: the first two of the batch."""
    if isinstance(av_latent, JoinedLatents):
        return av_latent.video, av_latent.audio
    if len(av_latent.samples) < 2:
        raise NodeError(
            "The latents are one video's or one sound's: there is nothing to take apart.",
            "Connect latents that LTXVConcatAVLatent has joined.",
        )
    video, audio = av_latent.samples[:2]
    return Latent(video), Latent(audio)


def _between(
    ctx: Context,
    vae: AnyVae,
    images: tuple[Image | None, Image | None],
    shape: tuple[int, int, int, int],
    counts: tuple[int, int],
    neutral: Callable[[Tensor], Tensor],
) -> Latent:
    """Latents of one video whose first and last frames may be given; the mask is 0 there.

    Args:
        counts: pictures of the video, and videos of the batch.
        neutral: what empty latents become where something is to be made.
    """
    samples = torch.zeros(1, *shape)
    start, end = images
    if start is None and end is None:
        return Latent(samples)
    length, batch = counts
    mask = torch.ones(1, 1, *shape[1:])
    height, width = shape[2] * 8, shape[3] * 8
    made = neutral(samples)
    if start is not None:
        shown = _begins(ctx, vae, start, (length, width, height), 1)
        made = begun(made, shown)
        mask[:, :, : shown.shape[2]] = 0.0
    if end is not None:
        shown = _begins(ctx, vae, end, (length, width, height), 0)
        made = begun(made.flip(2), shown.flip(2)).flip(2)
        mask[:, :, -shown.shape[2] :] = 0.0
    return Latent(made.repeat(batch, 1, 1, 1, 1), mask.repeat(batch, 1, 1, 1, 1))


def _begins(ctx: Context, vae: AnyVae, image: Image, size: tuple[int, int, int], more: int) -> Tensor:
    """The latent frames that pictures fill, encoded before so much gray that a whole number of them results."""
    length, width, height = size
    count = min(len(image), length)
    filled = (count - 1) // COSMOS_FRAMES + 1
    frames = min(length, (filled + more) * COSMOS_FRAMES - (COSMOS_FRAMES - 1))
    picture = resized(image[:count, ..., :3], width, height, "bilinear", "center")
    gray = picture.new_full((max(frames - count, 0), *picture.shape[1:]), GRAY)
    return as_video(encoded_at(ctx, vae, torch.cat((picture, gray)), width, height))[:, :, :filled]


def _as_long(audio: Latent, old: Tensor) -> Latent:
    """A sound's latents cut or filled with zeros to the size of others; a mask is 1 there.

    Raises:
        NodeError: they differ along more than one axis.
    """
    samples, mask = audio.samples, audio.noise_mask
    axes = [axis for axis in range(min(samples.ndim, old.ndim)) if samples.shape[axis] != old.shape[axis]]
    if samples.ndim != old.ndim or len(axes) > 1:
        raise NodeError(
            f"audio_latent is {list(samples.shape)} and the sound that the video has {list(old.shape)}: they differ in "
            "more than their length.",
            "Use latents of one audio VAE.",
        )
    if not axes:
        return audio
    size = old.shape[axes[0]]
    fitted = _along(samples, axes[0], size, 0.0)
    if mask is not None and mask.ndim == samples.ndim and mask.shape[axes[0]] == samples.shape[axes[0]]:
        mask = _along(mask, axes[0], size, 1.0)
    return replace(audio, samples=fitted, noise_mask=mask)


def _along(planes: Tensor, axis: int, size: int, filling: float) -> Tensor:
    """Planes cut to a size along an axis, or with so much of one number after them."""
    missing = list(planes.shape)
    missing[axis] = max(0, size - planes.shape[axis])
    return torch.cat(
        (planes.narrow(axis, 0, min(size, planes.shape[axis])), planes.new_full(missing, filling)), axis
    )


def _masked(latent: Latent) -> Latent:
    return (
        latent
        if latent.noise_mask is not None
        else replace(latent, noise_mask=torch.ones_like(latent.samples))
    )


NODES = (
    cosmos_image_to_video_latent,
    cosmos_predict2_image_to_video_latent,
    hunyuan_image_to_video,
    hunyuan_video15_image_to_video,
    kandinsky5_image_to_video,
    ltxv_img_to_video,
    ltxv_img_to_video_inplace,
    ltxv_concat_av_latent,
    ltxv_separate_av_latent,
)

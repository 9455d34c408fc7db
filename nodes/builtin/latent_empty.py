"""Empty latents: the start of a new picture, video or sound, in the shape that each family works on."""

from collections.abc import Mapping
from typing import Annotated

import torch

from nodes.builtin.kinds import LatentOut
from nodes.diffusion.values import Latent
from nodes.spec import Context, Float, Int, NodeError, Out, node

SPATIAL_RATIO = "downscale_ratio_spacial"  # the field's spelling
TEMPORAL_RATIO = "downscale_ratio_temporal"
AUDIO = {"type": "audio"}
LARGEST = 16384
SAMPLE_RATE = 44100  # Hz, of the audio models here
OOBLECK = 2048  # sound samples behind one latent of Stable Audio
ACE_HOP = 512  # sound samples behind one column of ACE-Step's spectrum, 8 of which make one latent

Batch = Annotated[int, Int(minimum=1, maximum=4096)]
Side8 = Annotated[int, Int(minimum=16, maximum=LARGEST, step=8)]
Side16 = Annotated[int, Int(minimum=16, maximum=LARGEST, step=16)]
Side32 = Annotated[int, Int(minimum=64, maximum=LARGEST, step=32)]
CascadeSide = Annotated[int, Int(minimum=256, maximum=LARGEST, step=8)]
FramesBy4 = Annotated[int, Int(minimum=1, maximum=LARGEST, step=4)]
FramesBy8 = Annotated[int, Int(minimum=1, maximum=LARGEST, step=8)]
Seconds = Annotated[float, Float(minimum=1.0, maximum=1000.0, step=0.1)]


def empty(*shape: int, extra: Mapping[str, object] | None = None) -> Latent:
    """Zeros [batch channel *space], with entries that samplers read (how many pixels or samples one latent is).

    Raises:
        NodeError: there would be none, since a size or the batch is too small.
    """
    if min(shape) < 1:
        batch, channels, *space = shape
        raise NodeError(
            f"There would be {batch} latents of {' x '.join(map(str, space))} with {channels} channels.",
            "Give batch_size, and what says their size (width and height, length or seconds), more.",
        )
    return Latent(torch.zeros(shape), extra=extra or {})


@node("EmptyLatentImage", name="Empty Latent Image", category="latent")
def empty_latent_image(
    ctx: Context, width: Side8 = 512, height: Side8 = 512, batch_size: Batch = 1
) -> LatentOut:
    """The start of a new picture: its size in pixels, and how many at once."""
    return empty(batch_size, 4, height // 8, width // 8, extra={SPATIAL_RATIO: 8})


@node("EmptySD3LatentImage", category="latent/sd3")
def empty_sd3(ctx: Context, width: Side16 = 1024, height: Side16 = 1024, batch_size: Batch = 1) -> LatentOut:
    """The start of a new picture for models with 16 channels: Stable Diffusion 3, Flux, Qwen-Image."""
    return empty(batch_size, 16, height // 8, width // 8, extra={SPATIAL_RATIO: 8})


@node("EmptyFlux2LatentImage", name="Empty Flux 2 Latent", category="latent")
def empty_flux2(
    ctx: Context, width: Side16 = 1024, height: Side16 = 1024, batch_size: Batch = 1
) -> LatentOut:
    """The start of a new picture for Flux 2."""
    return empty(batch_size, 128, height // 16, width // 16)


@node("EmptyHunyuanImageLatent", category="latent")
def empty_hunyuan_image(
    ctx: Context, width: Side32 = 2048, height: Side32 = 2048, batch_size: Batch = 1
) -> LatentOut:
    """The start of a new picture for HunyuanImage 2.1."""
    return empty(batch_size, 64, height // 32, width // 32)


@node("EmptyChromaRadianceLatentImage", category="latent/chroma_radiance")
def empty_chroma_radiance(
    ctx: Context, width: Side16 = 1024, height: Side16 = 1024, batch_size: Batch = 1
) -> LatentOut:
    """The start of a new picture for Chroma Radiance, which works on pixels."""
    return empty(batch_size, 3, height, width)


@node("EmptyQwenImageLayeredLatentImage", name="Empty Qwen Image Layered Latent", category="latent/qwen")
def empty_qwen_layers(
    ctx: Context,
    width: Side16 = 640,
    height: Side16 = 640,
    layers: Annotated[int, Int(minimum=0, maximum=LARGEST, step=1)] = 3,
    batch_size: Batch = 1,
) -> LatentOut:
    """The start of a picture in layers for Qwen-Image-Layered; the whole picture comes before its layers."""
    return empty(batch_size, 16, layers + 1, height // 8, width // 8)


@node("StableCascade_EmptyLatentImage", category="latent/stable_cascade")
def empty_cascade(
    ctx: Context,
    width: CascadeSide = 1024,
    height: CascadeSide = 1024,
    compression: Annotated[int, Int(minimum=4, maximum=128, step=1)] = 42,
    batch_size: Batch = 1,
) -> tuple[Annotated[Latent, Out("LATENT", "stage_c")], Annotated[Latent, Out("LATENT", "stage_b")]]:
    """The start of a new picture for both stages of Stable Cascade."""
    small = empty(batch_size, 16, height // compression, width // compression)
    return small, empty(batch_size, 4, height // 4, width // 4)


@node("EmptyHunyuanLatentVideo", name="Empty HunyuanVideo 1.0 Latent", category="latent/video")
def empty_hunyuan_video(
    ctx: Context, width: Side16 = 848, height: Side16 = 480, length: FramesBy4 = 25, batch_size: Batch = 1
) -> LatentOut:
    """The start of a new video for HunyuanVideo and Wan 2.1: size in pixels, length in frames."""
    frames = (length - 1) // 4 + 1
    return empty(batch_size, 16, frames, height // 8, width // 8, extra={SPATIAL_RATIO: 8})


@node("EmptyHunyuanVideo15Latent", name="Empty HunyuanVideo 1.5 Latent", category="latent/video")
def empty_hunyuan_video_15(
    ctx: Context, width: Side16 = 848, height: Side16 = 480, length: FramesBy4 = 25, batch_size: Batch = 1
) -> LatentOut:
    """The start of a new video for HunyuanVideo 1.5: size in pixels, length in frames."""
    frames = (length - 1) // 4 + 1
    return empty(batch_size, 32, frames, height // 16, width // 16, extra={SPATIAL_RATIO: 16})


@node("EmptyCosmosLatentVideo", category="latent/video")
def empty_cosmos(
    ctx: Context, width: Side16 = 1280, height: Side16 = 704, length: FramesBy8 = 121, batch_size: Batch = 1
) -> LatentOut:
    """The start of a new video for Cosmos: size in pixels, length in frames."""
    return empty(batch_size, 16, (length - 1) // 8 + 1, height // 8, width // 8)


@node("EmptyMochiLatentVideo", category="latent/video")
def empty_mochi(
    ctx: Context,
    width: Side16 = 848,
    height: Side16 = 480,
    length: Annotated[int, Int(minimum=7, maximum=LARGEST, step=6)] = 25,
    batch_size: Batch = 1,
) -> LatentOut:
    """The start of a new video for Mochi: size in pixels, length in frames."""
    return empty(batch_size, 12, (length - 1) // 6 + 1, height // 8, width // 8)


@node("EmptyLTXVLatentVideo", category="latent/video/ltxv")
def empty_ltxv(
    ctx: Context, width: Side32 = 768, height: Side32 = 512, length: FramesBy8 = 97, batch_size: Batch = 1
) -> LatentOut:
    """The start of a new video for LTX-Video: size in pixels, length in frames."""
    frames = (length - 1) // 8 + 1
    return empty(batch_size, 128, frames, height // 32, width // 32, extra={SPATIAL_RATIO: 32})


@node("EmptyLatentAudio", name="Empty Latent Audio", category="latent/audio")
def empty_audio(ctx: Context, seconds: Seconds = 47.6, batch_size: Batch = 1) -> LatentOut:
    """The start of a new sound for Stable Audio."""
    length = round(seconds * SAMPLE_RATE / OOBLECK / 2) * 2
    return empty(batch_size, 64, length, extra={**AUDIO, TEMPORAL_RATIO: OOBLECK})


@node("EmptyAceStepLatentAudio", category="latent/audio")
def empty_ace_step(ctx: Context, seconds: Seconds = 120.0, batch_size: Batch = 1) -> LatentOut:
    """The start of a new song for ACE-Step."""
    return empty(batch_size, 8, 16, int(seconds * SAMPLE_RATE / ACE_HOP / 8), extra=AUDIO)


@node("EmptyLatentHunyuan3Dv2", category="latent/3d")
def empty_hunyuan_3d(
    ctx: Context,
    resolution: Annotated[int, Int(minimum=1, maximum=8192)] = 3072,
    batch_size: Batch = 1,
) -> LatentOut:
    """The start of a new shape for Hunyuan3D 2: a list of vectors that describe it."""
    return empty(batch_size, 64, resolution, extra={"type": "hunyuan3dv2"})


NODES = (
    empty_latent_image,
    empty_sd3,
    empty_flux2,
    empty_hunyuan_image,
    empty_chroma_radiance,
    empty_qwen_layers,
    empty_cascade,
    empty_hunyuan_video,
    empty_hunyuan_video_15,
    empty_cosmos,
    empty_mochi,
    empty_ltxv,
    empty_audio,
    empty_ace_step,
    empty_hunyuan_3d,
)

"""A picture as the start of a video or of other views of what it shows: Stable Video Diffusion, SV3D, Stable Zero123."""

import math
from typing import Annotated

import torch
from torch import Tensor

from nodes.builtin.kinds import ImageIn, ModelOut, NegativeOut, PositiveOut, VaeIn, VaeOut
from nodes.builtin.loaders import content_of
from nodes.builtin.models import models, reference, told
from nodes.builtin.starting import encoded_at
from nodes.diffusion.models.detect import Part, contents
from nodes.diffusion.models.vision import load_vision
from nodes.diffusion.models.vision_files import find_vision
from nodes.diffusion.pictures.layout import resized
from nodes.diffusion.values import Cond, Latent, Model, Vae
from nodes.diffusion.vision_values import ClipVision
from nodes.spec import Combo, Context, Float, Int, NodeError, Out, Socket, node

PIXELS = 8
CAMERA_PITCH = 90.0  # degrees, the same in all training data
VisionIn = Annotated[ClipVision, Socket("CLIP_VISION")]
Side = Annotated[int, Int(minimum=16, maximum=16384, step=8)]
Batch = Annotated[int, Int(minimum=1, maximum=4096)]
Turn = Annotated[float, Float(minimum=-180.0, maximum=180.0, step=0.1, round=False)]
Guided = tuple[PositiveOut, NegativeOut, Annotated[Latent, Out("LATENT", "latent")]]


@node("SVD_img2vid_Conditioning", name="SVD_img2vid_Conditioning", category="conditioning/video_models")
def svd_img2vid_conditioning(
    ctx: Context,
    clip_vision: VisionIn,
    init_image: ImageIn,
    vae: VaeIn,
    width: Side = 1024,
    height: Side = 576,
    video_frames: Annotated[int, Int(minimum=1, maximum=4096)] = 14,
    motion_bucket_id: Annotated[int, Int(minimum=1, maximum=1023)] = 127,
    fps: Annotated[int, Int(minimum=1, maximum=1024)] = 6,
    augmentation_level: Annotated[float, Float(minimum=0.0, maximum=10.0, step=0.01)] = 0.0,
) -> Guided:
    """For Stable Video Diffusion: a video that starts with a picture; how much moves, how fast, and how true it stays."""
    picture = resized(init_image[..., :3], width, height, "bilinear", "center")
    if augmentation_level > 0:
        # The field's noise is another one each time; here the same picture gives the same video.
        noise = torch.randn(picture.shape, generator=torch.Generator().manual_seed(0))
        picture = picture + noise * augmentation_level
    entries = {
        "motion_bucket_id": motion_bucket_id,
        "fps": fps,
        "augmentation_level": augmentation_level,
        "concat_latent_image": encoded_at(ctx, vae, picture, width, height),
    }
    return _shown(_seen(ctx, clip_vision, init_image), entries, _empty(video_frames, width, height))


@node("SV3D_Conditioning", category="conditioning/3d_models")
def sv3d_conditioning(
    ctx: Context,
    clip_vision: VisionIn,
    init_image: ImageIn,
    vae: VaeIn,
    width: Side = 576,
    height: Side = 576,
    video_frames: Annotated[int, Int(minimum=1, maximum=4096)] = 21,
    elevation: Annotated[float, Float(minimum=-90.0, maximum=90.0, step=0.1, round=False)] = 0.0,
) -> Guided:
    """For SV3D: a video that goes once around what a picture shows, at a height in degrees."""
    step = 360 / (max(video_frames, 2) - 1)
    entries = {
        "concat_latent_image": encoded_at(ctx, vae, init_image, width, height),
        "elevation": [elevation] * video_frames,
        "azimuth": [step * frame for frame in range(video_frames)],
    }
    return _shown(_seen(ctx, clip_vision, init_image), entries, _empty(video_frames, width, height))


@node("StableZero123_Conditioning", category="conditioning/3d_models")
def zero123_conditioning(
    ctx: Context,
    clip_vision: VisionIn,
    init_image: ImageIn,
    vae: VaeIn,
    width: Side = 256,
    height: Side = 256,
    batch_size: Batch = 1,
    elevation: Turn = 0.0,
    azimuth: Turn = 0.0,
) -> Guided:
    """For Stable Zero123: what a picture shows, seen from elsewhere, by angles in degrees."""
    entries = {"concat_latent_image": encoded_at(ctx, vae, init_image, width, height)}
    steered = _from_there(_seen(ctx, clip_vision, init_image), [(elevation, azimuth)])
    return _shown(steered, entries, _empty(batch_size, width, height))


@node("StableZero123_Conditioning_Batched", category="conditioning/3d_models")
def zero123_conditioning_batched(
    ctx: Context,
    clip_vision: VisionIn,
    init_image: ImageIn,
    vae: VaeIn,
    width: Side = 256,
    height: Side = 256,
    batch_size: Batch = 1,
    elevation: Turn = 0.0,
    azimuth: Turn = 0.0,
    elevation_batch_increment: Turn = 0.0,
    azimuth_batch_increment: Turn = 0.0,
) -> Guided:
    """For Stable Zero123: several views at once, each so many degrees further; all start from the same noise."""
    angles = [
        (elevation + elevation_batch_increment * turn, azimuth + azimuth_batch_increment * turn)
        for turn in range(batch_size)
    ]
    entries = {"concat_latent_image": encoded_at(ctx, vae, init_image, width, height)}
    latent = Latent(_empty(batch_size, width, height), batch_index=(0,) * batch_size)
    steered = _from_there(_seen(ctx, clip_vision, init_image), angles)
    positive, negative, _ = _shown(steered, entries, latent.samples)
    return positive, negative, latent


@node(
    "ImageOnlyCheckpointLoader",
    name="Image Only Checkpoint Loader (img2vid model)",
    category="loaders/video_models",
    change_token=content_of("checkpoints", "ckpt_name"),
)
def image_only_checkpoint_loader(
    ctx: Context, ckpt_name: Annotated[str, Combo(folder="checkpoints")]
) -> tuple[ModelOut, Annotated[ClipVision, Out("CLIP_VISION")], VaeOut]:
    """A model that is steered by pictures alone, with its vision model and its VAE."""
    file = reference(ctx, "checkpoints", ckpt_name)
    with told():
        parts = contents(file.path)
        find_vision(file.path)
    if Part.NETWORK not in parts:
        raise NodeError(f"{ckpt_name} holds no diffusion model that Weft knows.", "Choose another file.")
    return Model(file), ClipVision(file), Vae(file) if Part.VAE in parts else None


def _seen(ctx: Context, vision: ClipVision, image: Tensor) -> Tensor:
    """What a vision model sees in pictures, Float[1 picture feature]."""
    with models(ctx) as loaded:
        seen = loaded.beside(Part.VISION, vision.checkpoint, load_vision).read(image, "center")
    if seen.image_embeds is None:
        raise NodeError(
            "clip_vision gives no single vector of a picture.", "Use the vision model of the checkpoint."
        )
    return seen.image_embeds[None]


def _from_there(seen: Tensor, angles: list[tuple[float, float]]) -> Tensor:
    """What is seen, with where the camera is to be, Float[view picture feature]."""
    cameras = torch.tensor(
        [
            [
                math.radians(-elevation),
                math.sin(math.radians(azimuth)),
                math.cos(math.radians(azimuth)),
                math.radians(CAMERA_PITCH),
            ]
            for elevation, azimuth in angles
        ]
    )
    views = len(angles)
    return torch.cat((seen.expand(views, -1, -1), cameras[:, None].expand(-1, seen.shape[1], -1)), dim=-1)


def _empty(count: int, width: int, height: int) -> Tensor:
    return torch.zeros(count, 4, height // PIXELS, width // PIXELS)


def _shown(steered: Tensor, entries: dict[str, object] | dict[str, Tensor], samples: Tensor) -> Guided:
    """Both sides: the negative one sees nothing. Zero123's negative has no camera."""
    camera = 4 if steered.shape[-1] == 772 else 0
    nothing = torch.zeros(*steered.shape[:-1], steered.shape[-1] - camera)
    shown = entries["concat_latent_image"]
    assert isinstance(shown, Tensor)
    blank: dict[str, object] = {**entries, "concat_latent_image": torch.zeros_like(shown)}
    return (Cond(steered, extra={**entries}),), (Cond(nothing, extra=blank),), Latent(samples)


NODES = (
    svd_img2vid_conditioning,
    sv3d_conditioning,
    zero123_conditioning,
    zero123_conditioning_batched,
    image_only_checkpoint_loader,
)

"""Videos of Wan to be made from pictures: empty latents, and what models of each kind are told of the pictures.

A model of these kinds reads a video of latents beside its own (`concat_latent_image`) and a mask of what of it is known
(`concat_mask`, 0 where it is; the four frames of each group are channels of it, or it has one channel).
"""

from typing import Annotated

import torch
from torch import Tensor

from nodes.builtin.kinds import AnyVae, ConditioningIn, LatentOut, NegativeOut, PositiveOut, VaeIn
from nodes.builtin.models import models, told
from nodes.builtin.starting import as_video, begun, encoded_at, first_frames, with_appended, with_entries
from nodes.builtin.vae import there
from nodes.diffusion.latent_formats import latent_format
from nodes.diffusion.media import Tracks
from nodes.diffusion.pictures.layout import resized
from nodes.diffusion.tracks import carried
from nodes.diffusion.values import Conditioning, Image, Latent
from nodes.diffusion.vision_values import ClipVisionOutput
from nodes.spec import Context, Float, Int, NodeError, Out, Socket, node

GRAY = 0.5
CHANNELS = 16
PIXELS = 8  # to one latent
GROUP = 4  # frames to one of latents
CATEGORY = "conditioning/video_models"
Side = Annotated[int, Int(minimum=16, maximum=16384, step=16)]
Frames = Annotated[int, Int(minimum=1, maximum=16384, step=4)]
Batch = Annotated[int, Int(minimum=1, maximum=4096)]
Pictures = Annotated[Image | None, Socket("IMAGE", optional=True)]
Seen = Annotated[ClipVisionOutput | None, Socket("CLIP_VISION_OUTPUT", optional=True)]
NamedLatent = Annotated[Latent, Out("LATENT", "latent")]
Guided = tuple[PositiveOut, NegativeOut, NamedLatent]


@node("WanImageToVideo", category=CATEGORY)
def wan_image_to_video(
    ctx: Context,
    positive: ConditioningIn,
    negative: ConditioningIn,
    vae: VaeIn,
    width: Side = 832,
    height: Side = 480,
    length: Frames = 81,
    batch_size: Batch = 1,
    clip_vision_output: Seen = None,
    start_image: Pictures = None,
) -> Guided:
    """For Wan: a video that starts with a picture, which CLIP Vision may describe too."""
    samples = empty(width, height, length, batch_size)
    more = seen(clip_vision_output)
    if start_image is not None:
        more |= started(ctx, vae, start_image, samples, (width, height, length))
    return with_entries(positive, more), with_entries(negative, more), Latent(samples)


@node("WanFirstLastFrameToVideo", category=CATEGORY)
def wan_first_last_frame_to_video(
    ctx: Context,
    positive: ConditioningIn,
    negative: ConditioningIn,
    vae: VaeIn,
    width: Side = 832,
    height: Side = 480,
    length: Frames = 81,
    batch_size: Batch = 1,
    clip_vision_start_image: Seen = None,
    clip_vision_end_image: Seen = None,
    start_image: Pictures = None,
    end_image: Pictures = None,
) -> Guided:
    """For Wan: a video between pictures, each of which CLIP Vision may describe too."""
    views = [view for view in (clip_vision_start_image, clip_vision_end_image) if view is not None]
    both = views[0] if views else None
    if len(views) > 1:
        states = torch.cat([view.penultimate_hidden_states for view in views], dim=-2)
        both = ClipVisionOutput(None, states, states)
    return _between(
        ctx, (positive, negative), vae, (start_image, end_image), (width, height, length, batch_size), both
    )


@node("WanFunInpaintToVideo", category=CATEGORY)
def wan_fun_inpaint_to_video(
    ctx: Context,
    positive: ConditioningIn,
    negative: ConditioningIn,
    vae: VaeIn,
    width: Side = 832,
    height: Side = 480,
    length: Frames = 81,
    batch_size: Batch = 1,
    clip_vision_output: Seen = None,
    start_image: Pictures = None,
    end_image: Pictures = None,
) -> Guided:
    """For Wan Fun: a video between pictures, which CLIP Vision may describe too."""
    sizes = (width, height, length, batch_size)
    return _between(ctx, (positive, negative), vae, (start_image, end_image), sizes, clip_vision_output)


@node("WanFunControlToVideo", category=CATEGORY)
def wan_fun_control_to_video(
    ctx: Context,
    positive: ConditioningIn,
    negative: ConditioningIn,
    vae: VaeIn,
    width: Side = 832,
    height: Side = 480,
    length: Frames = 81,
    batch_size: Batch = 1,
    clip_vision_output: Seen = None,
    start_image: Pictures = None,
    control_video: Pictures = None,
) -> Guided:
    """For Wan Fun Control: a video that follows another one (poses, depth, edges), from a picture on."""
    samples = empty(width, height, length, batch_size)
    parts = [
        _filled(ctx, vae, pictures, neutral(samples), (width, height, length))
        for pictures in (control_video, start_image)
    ]
    more = {"concat_latent_image": torch.cat(parts, 1), **seen(clip_vision_output)}
    return with_entries(positive, more), with_entries(negative, more), Latent(samples)


@node("Wan22FunControlToVideo", category=CATEGORY)
def wan22_fun_control_to_video(
    ctx: Context,
    positive: ConditioningIn,
    negative: ConditioningIn,
    vae: VaeIn,
    width: Side = 832,
    height: Side = 480,
    length: Frames = 81,
    batch_size: Batch = 1,
    ref_image: Pictures = None,
    control_video: Pictures = None,
) -> Guided:
    """For Wan 2.2 Fun Control: a video that follows another one and looks like a picture."""
    with models(ctx) as loaded:
        coder = loaded.vae(there(vae))
        channels, pixels = coder.channels, coder.pixels
    frames = (length - 1) // GROUP + 1
    samples = torch.zeros(batch_size, channels, frames, height // pixels, width // pixels)
    blank = neutral(samples)
    shown = _filled(ctx, vae, control_video, blank, (width, height, length))
    mask = torch.ones(1, GROUP, *samples.shape[2:])
    more = {
        "concat_latent_image": torch.cat((shown, blank), 1),
        "concat_mask": mask,
        "concat_mask_index": channels,
    }
    conds = [with_entries(cond, more) for cond in (positive, negative)]
    if ref_image is not None:
        picture = encoded_at(ctx, vae, ref_image[:1], width, height)
        conds = [with_appended(cond, {"reference_latents": [picture]}) for cond in conds]
    return conds[0], conds[1], Latent(samples)


@node("Wan22ImageToVideoLatent", category="conditioning/inpaint")
def wan22_image_to_video_latent(
    ctx: Context,
    vae: VaeIn,
    width: Annotated[int, Int(minimum=32, maximum=16384, step=32)] = 1280,
    height: Annotated[int, Int(minimum=32, maximum=16384, step=32)] = 704,
    length: Frames = 49,
    batch_size: Batch = 1,
    start_image: Pictures = None,
) -> LatentOut:
    """For Wan 2.2's small model: the start of a video, whose first frames may be given."""
    samples = torch.zeros(1, 48, (length - 1) // GROUP + 1, height // 16, width // 16)
    if start_image is None:
        return Latent(samples)
    shown = encoded_at(ctx, vae, start_image[:length], width, height)
    made = begun(latent_format("Wan22").from_model(samples), shown)
    mask = torch.ones(1, 1, *samples.shape[2:])
    mask[:, :, : as_video(shown).shape[2]] = 0.0
    return Latent(made.repeat(batch_size, 1, 1, 1, 1), mask.repeat(batch_size, 1, 1, 1, 1))


@node("WanCameraImageToVideo", category=CATEGORY)
def wan_camera_image_to_video(
    ctx: Context,
    positive: ConditioningIn,
    negative: ConditioningIn,
    vae: VaeIn,
    width: Side = 832,
    height: Side = 480,
    length: Frames = 81,
    batch_size: Batch = 1,
    clip_vision_output: Seen = None,
    start_image: Pictures = None,
    camera_conditions: Annotated[Tensor | None, Socket("WAN_CAMERA_EMBEDDING", optional=True)] = None,
) -> Guided:
    """For Wan Fun Camera: a video from a picture on, seen by a camera that moves."""
    samples = empty(width, height, length, batch_size)
    more = seen(clip_vision_output)
    if start_image is not None:
        shown = encoded_at(ctx, vae, start_image[:length], width, height)
        more["concat_latent_image"] = begun(neutral(samples), shown)
        more["concat_mask"] = known_start(samples, len(start_image[:length]))
    if camera_conditions is not None:
        more["camera_conditions"] = camera_conditions
    return with_entries(positive, more), with_entries(negative, more), Latent(samples)


@node("WanPhantomSubjectToVideo", category=CATEGORY)
def wan_phantom_subject_to_video(
    ctx: Context,
    positive: ConditioningIn,
    negative: ConditioningIn,
    vae: VaeIn,
    width: Side = 832,
    height: Side = 480,
    length: Frames = 81,
    batch_size: Batch = 1,
    images: Pictures = None,
) -> tuple[
    PositiveOut,
    Annotated[Conditioning, Out("CONDITIONING", "negative_text")],
    Annotated[Conditioning, Out("CONDITIONING", "negative_img_text")],
    NamedLatent,
]:
    """For Phantom: a video in which people and things of pictures appear. The last negative shows none of them."""
    latent = Latent(empty(width, height, length, batch_size))
    if images is None:
        return positive, negative, negative, latent
    each = [as_video(encoded_at(ctx, vae, image[None], width, height)) for image in images]
    shown = torch.cat(each, dim=2)
    subjects = {"time_dim_concat": shown}
    without = with_entries(negative, {"time_dim_concat": neutral(shown)})
    return with_entries(positive, subjects), with_entries(negative, subjects), without, latent


@node("WanMoveTrackToVideo", category=CATEGORY)
def wan_move_track_to_video(
    ctx: Context,
    positive: ConditioningIn,
    negative: ConditioningIn,
    vae: VaeIn,
    strength: Annotated[float, Float(minimum=0.0, maximum=100.0, step=0.01)] = 1.0,
    width: Side = 832,
    height: Side = 480,
    length: Frames = 81,
    batch_size: Batch = 1,
    *,
    start_image: Annotated[Image, Socket("IMAGE")],
    tracks: Annotated[Tracks | None, Socket("TRACKS", optional=True)] = None,
    clip_vision_output: Seen = None,
) -> Guided:
    """For Wan-Move: a video from a picture on, whose parts move along tracks."""
    samples = empty(width, height, length, batch_size)
    more = started(ctx, vae, start_image, samples, (width, height, length))
    if tracks is not None and strength > 0.0:
        if batch_size > 1:
            raise NodeError(f"batch_size is {batch_size}; tracks are for one video.", "Set batch_size to 1.")
        shown = more["concat_latent_image"]
        assert isinstance(shown, Tensor)
        with told():
            more["concat_latent_image"] = carried(shown, tracks, strength)
    more |= seen(clip_vision_output)
    return with_entries(positive, more), with_entries(negative, more), Latent(samples)


def empty(width: int, height: int, length: int, batch: int) -> Tensor:
    """Latents of videos of Wan 2.1, zeros."""
    if min(width // PIXELS, height // PIXELS, length, batch) < 1:
        raise NodeError(
            f"There would be {batch} videos of {width} x {height} pixels and {length} frames.",
            "Give width, height, length and batch_size more.",
        )
    return torch.zeros(batch, CHANNELS, (length - 1) // GROUP + 1, height // PIXELS, width // PIXELS)


def neutral(samples: Tensor) -> Tensor:
    """Latents of that shape which are 0 for the model.

    Raises:
        NodeError: they are no family's of Wan.
    """
    for name in ("Wan21", "Wan22"):
        form = latent_format(name)
        if form.channels == samples.shape[1]:
            return form.from_model(torch.zeros_like(samples))
    raise NodeError(
        f"The VAE's latents have {samples.shape[1]} channels, which no model of Wan has.",
        "Connect the VAE of Wan.",
    )


def known_start(samples: Tensor, count: int) -> Tensor:
    """A mask [1 4 frame height width] of which the first pictures are known."""
    batch, _, frames, height, width = samples.shape
    del batch
    mask = torch.ones(1, 1, frames * GROUP, height, width)
    mask[:, :, : count + GROUP - 1] = 0.0
    return mask.view(1, frames, GROUP, height, width).transpose(1, 2)


def started(
    ctx: Context, vae: AnyVae, pictures: Image, samples: Tensor, sizes: tuple[int, int, int]
) -> dict[str, object]:
    """What models are told of a video that starts with pictures and goes on in gray; `sizes` are width, height, length."""
    width, height, length = sizes
    given = pictures[:length]
    shown = encoded_at(ctx, vae, _in_gray(given, width, height, length), width, height)
    mask = first_frames(samples.new_ones(1, 1, samples.shape[2], *shown.shape[-2:]), len(given))
    return {"concat_latent_image": shown, "concat_mask": mask}


def seen(view: ClipVisionOutput | None) -> dict[str, object]:
    """What CLIP Vision says of a picture, if it was asked."""
    return {} if view is None else {"clip_vision_output": view}


def _in_gray(pictures: Image | None, width: int, height: int, length: int) -> Image:
    """A video of gray frames with pictures at its start."""
    frames = torch.full((length, height, width, 3), GRAY)
    if pictures is not None:
        frames[: len(pictures)] = resized(pictures[..., :3], width, height, "bilinear", "center")
    return frames


def _filled(
    ctx: Context, vae: AnyVae, pictures: Image | None, blank: Tensor, sizes: tuple[int, int, int]
) -> Tensor:
    """Neutral latents with those of pictures in their first frames."""
    width, height, length = sizes
    return blank if pictures is None else begun(blank, encoded_at(ctx, vae, pictures[:length], width, height))


def _between(
    ctx: Context,
    sides: tuple[Conditioning, Conditioning],
    vae: AnyVae,
    ends: tuple[Image | None, Image | None],
    sizes: tuple[int, int, int, int],
    view: ClipVisionOutput | None,
) -> Guided:
    """A video in gray with pictures at its start and at its end; `sizes` are width, height, length and batch."""
    width, height, length, batch = sizes
    with models(ctx) as loaded:
        coder = loaded.vae(there(vae))
        channels, pixels = coder.channels, coder.pixels
    frames = (length - 1) // GROUP + 1
    samples = torch.zeros(batch, channels, frames, height // pixels, width // pixels)
    start, end = ends
    video = _in_gray(None if start is None else start[:length], width, height, length)
    mask = torch.ones(1, 1, frames * GROUP, *samples.shape[-2:])
    if start is not None:
        mask[:, :, : len(start[:length]) + GROUP - 1] = 0.0
    if end is not None:
        last = end[-length:]
        video[-len(last) :] = resized(last[..., :3], width, height, "bilinear", "center")
        mask[:, :, -len(last) :] = 0.0
    more: dict[str, object] = {
        "concat_latent_image": encoded_at(ctx, vae, video, width, height),
        "concat_mask": mask.view(1, frames, GROUP, *samples.shape[-2:]).transpose(1, 2),
        **seen(view),
    }
    return with_entries(sides[0], more), with_entries(sides[1], more), Latent(samples)


NODES = (
    wan_image_to_video,
    wan_first_last_frame_to_video,
    wan_fun_inpaint_to_video,
    wan_fun_control_to_video,
    wan22_fun_control_to_video,
    wan22_image_to_video_latent,
    wan_camera_image_to_video,
    wan_phantom_subject_to_video,
    wan_move_track_to_video,
)

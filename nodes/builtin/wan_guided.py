"""Videos of Wan that follow more than pictures: edited (VACE), acted (Animate), spoken or sung ones (HuMo, S2V)."""

from collections.abc import Mapping, Sequence
from typing import Annotated, Any, TypeAlias, cast

import torch
import torch.nn.functional as F
from torch import Tensor

from nodes.builtin.checks import as_batch
from nodes.builtin.kinds import AnyVae, ConditioningIn, LatentIn, NegativeOut, PositiveOut, VaeIn
from nodes.builtin.starting import as_video, begun, encoded_at, frame_count, with_appended, with_entries
from nodes.builtin.wan_videos import (
    CATEGORY,
    GRAY,
    GROUP,
    PIXELS,
    Batch,
    Frames,
    Guided,
    NamedLatent,
    Pictures,
    Seen,
    Side,
    empty,
    neutral,
    seen,
    started,
)
from nodes.diffusion.hearing_values import AudioEncoderOutput
from nodes.diffusion.pictures.layout import resized, resized_mask
from nodes.diffusion.values import Conditioning, Image, Latent, Mask
from nodes.spec import Context, Float, Int, NodeError, Out, Socket, String, node

FACE = 512  # side in pixels
MOTION, MOTION_LATENTS = 73, 19  # frames that a spoken video goes on from
BANDS = ((0, 8), (8, 16), (16, 24), (24, 32), (32, 33))  # of the layers of a network that hears
HEARD_SAMPLES = 640  # sound samples behind two of its steps
WINDOW = 8  # steps that each latent frame hears
Sounds: TypeAlias = AudioEncoderOutput | Mapping[str, Any]
Heard = Annotated[Sounds | None, Socket("AUDIO_ENCODER_OUTPUT", optional=True)]
Masks = Annotated[Mask | None, Socket("MASK", optional=True)]


@node("WanVaceToVideo", category=CATEGORY)
def wan_vace_to_video(
    ctx: Context,
    positive: ConditioningIn,
    negative: ConditioningIn,
    vae: VaeIn,
    width: Side = 832,
    height: Side = 480,
    length: Frames = 81,
    batch_size: Batch = 1,
    strength: Annotated[float, Float(minimum=0.0, maximum=1000.0, step=0.01)] = 1.0,
    control_video: Pictures = None,
    control_masks: Masks = None,
    reference_image: Pictures = None,
) -> tuple[PositiveOut, NegativeOut, NamedLatent, Annotated[int, Out("INT", "trim_latent")]]:
    """For VACE: a video made anew where a mask is white, which may follow another video and look like a picture."""
    samples = empty(width, height, length, batch_size)
    video = padded(control_video, (width, height, length), GRAY)
    if control_masks is None:
        mask = torch.ones(length, height, width)
    else:
        mask = resized_mask(as_batch(control_masks)[:length], width, height, "bilinear", "center")
        mask = torch.cat((mask, torch.ones(length - len(mask), height, width)))
    shift, share = video - GRAY, mask[..., None]
    kept, changed = shift * (1.0 - share) + GRAY, shift * share + GRAY
    shown = torch.cat([encoded_at(ctx, vae, part, width, height) for part in (kept, changed)], dim=1)
    more = 0
    if reference_image is not None:
        picture = as_video(encoded_at(ctx, vae, reference_image[:1], width, height))
        more = picture.shape[2]
        shown = torch.cat((torch.cat((picture, neutral(picture)), 1), as_video(shown)), 2)
    entries: dict[str, list[object]] = {
        "vace_frames": [shown],
        "vace_mask": [_blocks(mask, samples.shape[2], more)],
        "vace_strength": [strength],
    }
    latent = Latent(torch.zeros(batch_size, samples.shape[1], samples.shape[2] + more, *samples.shape[3:]))
    return with_appended(positive, entries), with_appended(negative, entries), latent, more


@node("WanAnimateToVideo", category=CATEGORY, experimental=True)
def wan_animate_to_video(
    ctx: Context,
    positive: ConditioningIn,
    negative: ConditioningIn,
    vae: VaeIn,
    width: Side = 832,
    height: Side = 480,
    length: Frames = 77,
    batch_size: Batch = 1,
    continue_motion_max_frames: Annotated[int, Int(minimum=1, maximum=16384, step=4)] = 5,
    video_frame_offset: Annotated[int, Int(minimum=0, maximum=16384, step=1)] = 0,
    clip_vision_output: Seen = None,
    reference_image: Pictures = None,
    face_video: Pictures = None,
    pose_video: Pictures = None,
    background_video: Pictures = None,
    character_mask: Masks = None,
    continue_motion: Pictures = None,
) -> tuple[
    PositiveOut,
    NegativeOut,
    NamedLatent,
    Annotated[int, Out("INT", "trim_latent")],
    Annotated[int, Out("INT", "trim_image")],
    Annotated[int, Out("INT", "video_frame_offset")],
]:
    """For Wan Animate: somebody of a picture does what somebody in a video does, part after part of it."""
    samples = empty(width, height, length, batch_size)
    frames, rows, columns = samples.shape[2:]
    sizes = (width, height)
    person = torch.zeros(1, height, width, 3) if reference_image is None else reference_image[:1]
    reference = as_video(encoded_at(ctx, vae, _at(person, *sizes), width, height))
    before = 0 if continue_motion is None else len(continue_motion[-continue_motion_max_frames:])
    offset = max(0, video_frame_offset - before)
    groups = (before - 1) // GROUP + 1 if before else 0
    trimmed = max(0, GROUP * groups - (GROUP - 1))
    video, mask = (
        torch.full((length, height, width, 3), GRAY),
        torch.ones(1, 1, GROUP * frames, rows, columns),
    )
    if continue_motion is not None:
        video[:before] = _at(continue_motion[-before:], *sizes)[:length]
        mask[:, :, : GROUP * groups] = 0.0
    background = _from(background_video, offset, length)
    if background is not None:
        video[trimmed : len(background)] = _at(background, *sizes)[trimmed:]
    character = (
        None if character_mask is None else _from(as_batch(character_mask), offset, length, still=True)
    )
    if character is not None:
        planes = resized_mask(character, columns, rows, "nearest-exact", "center")
        planes = planes.expand(length, -1, -1) if len(planes) == 1 else planes
        mask[0, 0, trimmed : len(planes)] = planes[trimmed:]
    grouped = mask.view(1, frames, GROUP, rows, columns).transpose(1, 2)
    known = torch.zeros(1, GROUP, frame_count(reference), rows, columns)
    entries: dict[str, object] = {
        "concat_latent_image": torch.cat(
            (reference, as_video(encoded_at(ctx, vae, video, width, height))), 2
        ),
        "concat_mask": torch.cat((known, grouped), 2),
        **seen(clip_vision_output),
    }
    pose = _from(pose_video, offset, length)
    if pose is not None:
        last = pose[-1:].expand(length - len(pose), *pose.shape[1:])
        entries["pose_video_latent"] = encoded_at(
            ctx, vae, _at(torch.cat((pose, last)), *sizes), width, height
        )
    faces, none = dict[str, object](), dict[str, object]()
    face = _from(face_video, offset, length)
    if face is not None:
        pixels = (_at(face, FACE, FACE) * 2.0 - 1.0).movedim(-1, 0)[None]
        faces, none = {"face_video_pixels": pixels}, {"face_video_pixels": torch.full_like(pixels, -1.0)}
    more = frame_count(reference)
    latent = Latent(torch.zeros(batch_size, samples.shape[1], frames + more, rows, columns))
    sides = (with_entries(positive, entries | faces), with_entries(negative, entries | none))
    return *sides, latent, more, trimmed, offset + length


@node("WanHuMoImageToVideo", category=CATEGORY, experimental=True)
def wan_humo_image_to_video(
    ctx: Context,
    positive: ConditioningIn,
    negative: ConditioningIn,
    vae: VaeIn,
    width: Side = 832,
    height: Side = 480,
    length: Frames = 97,
    batch_size: Batch = 1,
    audio_encoder_output: Heard = None,
    ref_image: Pictures = None,
) -> Guided:
    """For HuMo: a video of somebody of a picture, who moves to a sound."""
    samples = empty(width, height, length, batch_size)
    frames = samples.shape[2]
    if ref_image is None:
        nobody = torch.zeros(batch_size, samples.shape[1], 1, *samples.shape[3:])
        pictures = [nobody, nobody]
    else:
        person = as_video(encoded_at(ctx, vae, ref_image[:1], width, height))
        pictures = [person, torch.zeros_like(person)]
    if audio_encoder_output is None:
        silence = torch.zeros(batch_size, frames + 1, WINDOW, len(BANDS), 1280)
        heard = [silence, silence]
    else:
        sound = _windows(audio_encoder_output, frames)
        heard = [sound, torch.zeros_like(sound)]
    sides = [
        with_entries(with_appended(cond, {"reference_latents": [picture]}), {"audio_embed": sound})
        for cond, picture, sound in zip((positive, negative), pictures, heard, strict=True)
    ]
    return sides[0], sides[1], Latent(samples)


@node("WanSoundImageToVideo", category=CATEGORY)
def wan_sound_image_to_video(
    ctx: Context,
    positive: ConditioningIn,
    negative: ConditioningIn,
    vae: VaeIn,
    width: Side = 832,
    height: Side = 480,
    length: Frames = 77,
    batch_size: Batch = 1,
    audio_encoder_output: Heard = None,
    ref_image: Pictures = None,
    control_video: Pictures = None,
    ref_motion: Pictures = None,
) -> Guided:
    """For Wan S2V: a video of somebody of a picture, who may go on from a motion and follow another video."""
    samples = empty(width, height, length, batch_size)
    motion = None
    if ref_motion is not None:
        last = _at(ref_motion[-MOTION:], width, height, "bilinear")
        gray = torch.full((MOTION - len(last), height, width, 3), GRAY)
        motion = as_video(encoded_at(ctx, vae, torch.cat((gray, last)), width, height))[
            :, :, -MOTION_LATENTS:
        ]
    sides = _sounding(
        ctx, (positive, negative), vae, samples, (ref_image, control_video), audio_encoder_output
    )
    if motion is not None:
        sides = tuple(with_entries(cond, {"reference_motion": motion}) for cond in sides)
    return sides[0], sides[1], Latent(samples)


@node("WanSoundImageToVideoExtend", category=CATEGORY)
def wan_sound_image_to_video_extend(
    ctx: Context,
    positive: ConditioningIn,
    negative: ConditioningIn,
    vae: VaeIn,
    length: Frames = 77,
    *,
    video_latent: LatentIn,
    audio_encoder_output: Heard = None,
    ref_image: Pictures = None,
    control_video: Pictures = None,
) -> Guided:
    """For Wan S2V: what comes after a video."""
    before = video_latent.samples
    if before.ndim != 5:
        raise NodeError("video_latent is of a picture, not of a video.", "Connect latents of Wan S2V.")
    samples = empty(before.shape[-1] * PIXELS, before.shape[-2] * PIXELS, length, len(before))
    sides = _sounding(
        ctx, (positive, negative), vae, samples, (ref_image, control_video), audio_encoder_output
    )
    motion = {"reference_motion": before[:, :, -MOTION_LATENTS:]}
    return with_entries(sides[0], motion), with_entries(sides[1], motion), Latent(samples)


@node("WanTrackToVideo", category=CATEGORY)
def wan_track_to_video(
    ctx: Context,
    positive: ConditioningIn,
    negative: ConditioningIn,
    vae: VaeIn,
    tracks: Annotated[str, String(multiline=True, extra={"default": "[]"})],
    width: Side = 832,
    height: Side = 480,
    length: Frames = 81,
    batch_size: Batch = 1,
    temperature: Annotated[float, Float(minimum=1.0, maximum=1000.0, step=0.1)] = 220.0,
    topk: Annotated[int, Int(minimum=1, maximum=10)] = 2,
    *,
    start_image: Annotated[Image, Socket("IMAGE")],
    clip_vision_output: Seen = None,
) -> Guided:
    """For ATI: a video from a picture on. Its tracks are not followed yet; Wan-Move's are."""
    del temperature, topk
    if tracks.strip() not in ("", "[]", "[[]]"):
        raise NodeError(
            "tracks are not followed yet.", "Empty tracks, or use WanMoveTrackToVideo with Wan-Move."
        )
    samples = empty(width, height, length, batch_size)
    more = started(ctx, vae, start_image, samples, (width, height, length)) | seen(clip_vision_output)
    return with_entries(positive, more), with_entries(negative, more), Latent(samples)


def padded(pictures: Image | None, sizes: tuple[int, int, int], value: float) -> Image:
    """Pictures at a width and height, then others of one value up to a length."""
    width, height, length = sizes
    frames = torch.full((length, height, width, 3), value)
    if pictures is not None:
        given = pictures[:length]
        frames[: len(given)] = resized(given[..., :3], width, height, "bilinear", "center")
    return frames


def _at(pictures: Image, width: int, height: int, method: str = "area") -> Image:
    return resized(pictures[..., :3], width, height, method, "center")


def _from(pictures: Tensor | None, offset: int, length: int, *, still: bool = False) -> Tensor | None:
    """Frames from one on; None where there are none. `still`: a single one counts for all."""
    if pictures is None or (still and len(pictures) == 1):
        return pictures
    return pictures[offset : offset + length] if len(pictures) > offset else None


def _blocks(mask: Mask, frames: int, more: int) -> Tensor:
    """A mask for each place of 8 x 8 pixels, Float[1 64 frame height width], with frames of 0 before it."""
    count, height, width = mask.shape
    rows, columns = height // PIXELS, width // PIXELS
    cut = mask[:, : rows * PIXELS, : columns * PIXELS]
    planes = cut.reshape(count, rows, PIXELS, columns, PIXELS).permute(2, 4, 0, 1, 3).flatten(0, 1)
    sized = F.interpolate(planes[None], size=(frames, rows, columns), mode="nearest-exact")
    return torch.cat((sized.new_zeros(1, PIXELS**2, more, rows, columns), sized), 2)


def _windows(heard: Sounds, frames: int) -> Tensor:
    """What each latent frame hears, Float[1 frame step band feature].

    The first one hears five steps, two before it, after three of silence; the others eight, five of them before theirs.
    """
    layers = torch.stack(list(cast("Sequence[Tensor]", heard["encoded_audio_all_layers"])), dim=2)[0].float()
    steps = layers[: int(cast("int", heard["audio_samples"])) // HEARD_SAMPLES * 2]
    bands = torch.stack([steps[:, first:last].mean(1) for first, last in BANDS], dim=1)  # step band feature
    count = max(1, len(bands) // 2)
    halved = F.interpolate(bands.permute(1, 2, 0), size=count, mode="linear", align_corners=True).permute(
        2, 0, 1
    )
    made = halved.new_zeros(frames, WINDOW, *halved.shape[1:])
    for frame in range(frames):
        first = GROUP * frame - 5
        for place in range(WINDOW):
            step = first + place
            if 0 <= step < len(halved) and (frame or place >= 3):
                made[frame, place] = halved[step]
    return made[None]


def _sounding(
    ctx: Context,
    sides: tuple[Conditioning, Conditioning],
    vae: AnyVae,
    samples: Tensor,
    pictures: tuple[Image | None, Image | None],
    heard: Sounds | None,
) -> tuple[Conditioning, ...]:
    """What models of this kind are told of a person and a video to follow."""
    if heard is not None:
        raise NodeError(
            "audio_encoder_output is not heard yet: no model of this kind is loaded.", "Disconnect it."
        )
    height, width = (side * PIXELS for side in samples.shape[-2:])
    person, control = pictures
    followed = neutral(samples)
    if control is not None:
        length = (samples.shape[2] - 1) * GROUP + 1
        followed = begun(followed, encoded_at(ctx, vae, control[:length], width, height))
    told = [with_entries(cond, {"control_video": followed}) for cond in sides]
    if person is not None:
        shown = encoded_at(ctx, vae, person[:1], width, height)
        told = [with_appended(cond, {"reference_latents": [shown]}) for cond in told]
    return tuple(told)


NODES = (
    wan_vace_to_video,
    wan_animate_to_video,
    wan_humo_image_to_video,
    wan_sound_image_to_video,
    wan_sound_image_to_video_extend,
    wan_track_to_video,
)

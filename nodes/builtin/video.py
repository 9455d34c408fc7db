"""Videos as their pictures, sound and rate, and what moves in them; nothing is encoded before it is saved."""

import json
from typing import Annotated, cast

import torch

from nodes.builtin.film_files import components
from nodes.builtin.kinds import ImageIn, ImageOut
from nodes.diffusion.camera import MOTIONS, Lens, grouped, rays
from nodes.diffusion.media import Audio, Film, Tracks, Video
from nodes.diffusion.pictures.trails import Look, drawn
from nodes.diffusion.tracks import EASINGS, along, beside, seen
from nodes.diffusion.values import Image, Mask
from nodes.spec import Boolean, Combo, Context, Float, Int, NodeError, Out, Socket, String, node

PIXELS = Annotated[int, Int(minimum=16, maximum=4096, step=16)]
LARGEST = 16384
Focal = Annotated[float, Float(minimum=0, maximum=1, step=0.000000001, optional=True)]
Middle = Annotated[float, Float(minimum=0, maximum=1, step=0.01, optional=True)]
Share = Annotated[float, Float(minimum=0.0, maximum=1.0, step=0.01)]


@node("CreateVideo", name="Create Video", category="image/video")
def create_video(
    ctx: Context,
    images: ImageIn,
    fps: Annotated[float, Float(minimum=1.0, maximum=120.0, step=1.0)] = 30.0,
    audio: Annotated[Audio | None, Socket("AUDIO", optional=True)] = None,
) -> Annotated[Film, Out("VIDEO")]:
    """A video of pictures, so many a second, with sound or without."""
    return Video(images, fps, audio)


@node("GetVideoComponents", name="Get Video Components", category="image/video")
def get_video_components(
    ctx: Context, video: Annotated[Film, Socket("VIDEO")]
) -> tuple[
    Annotated[Image, Out("IMAGE", "images")],
    Annotated[Audio | None, Out("AUDIO", "audio")],
    Annotated[float, Out("FLOAT", "fps")],
]:
    """A video's pictures, its sound, and how many pictures a second it has."""
    parts = components(video, ctx.progress)
    return parts.images, parts.audio, float(parts.fps)


@node("GenerateTracks", category="conditioning/video_models")
def generate_tracks(
    ctx: Context,
    *,
    width: PIXELS = 832,
    height: PIXELS = 480,
    start_x: Share = 0.0,
    start_y: Share = 0.0,
    end_x: Share = 1.0,
    end_y: Share = 1.0,
    num_frames: Annotated[int, Int(minimum=1, maximum=1024)] = 81,
    num_tracks: Annotated[int, Int(minimum=1, maximum=100)] = 5,
    track_spread: Annotated[float, Float(minimum=0.0, maximum=1.0, step=0.001)] = 0.025,
    bezier: Annotated[bool, Boolean()] = False,
    mid_x: Share = 0.5,
    mid_y: Share = 0.5,
    interpolation: Annotated[str, Combo(tuple(EASINGS), bare=False, extra={"multiselect": False})],
    track_mask: Annotated[Mask | None, Socket("MASK", optional=True)] = None,
) -> tuple[Annotated[Tracks, Out("TRACKS")], Annotated[int, Out("INT", "track_length")]]:
    """Tracks side by side from one place of the picture to another, straight or in a curve."""
    ends = ((start_x * width, start_y * height), (end_x * width, end_y * height))
    points = (ends[0], (mid_x * width, mid_y * height), ends[1]) if bezier else ends
    path, direction = along(points, num_frames, interpolation)
    paths = beside(path, direction, num_tracks, track_spread * (width + height) / 2)
    return Tracks(paths, seen(track_mask, num_frames, num_tracks)), num_frames


@node("WanMoveVisualizeTracks", category="conditioning/video_models")
def wan_move_visualize_tracks(
    ctx: Context,
    images: ImageIn,
    line_resolution: Annotated[int, Int(minimum=1, maximum=1024)] = 24,
    circle_size: Annotated[int, Int(minimum=1, maximum=128)] = 12,
    opacity: Share = 0.75,
    line_width: Annotated[int, Int(minimum=1, maximum=128)] = 16,
    tracks: Annotated[Tracks | None, Socket("TRACKS", optional=True)] = None,
) -> ImageOut:
    """Tracks drawn on the frames: where each point is, and where it was in the last `line_resolution` frames."""
    if tracks is None:
        return images
    frames = images[torch.arange(len(tracks.path)) % len(images)]
    return drawn(frames, tracks, Look(circle_size, line_width, line_resolution, opacity))


@node("WanMoveTracksFromCoords", category="conditioning/video_models")
def wan_move_tracks_from_coords(
    ctx: Context,
    track_coords: Annotated[str, String(optional=True, force_input=True, extra={"multiline": False})] = "[]",
    track_mask: Annotated[Mask | None, Socket("MASK", optional=True)] = None,
) -> tuple[Annotated[Tracks, Out("TRACKS")], Annotated[int, Out("INT", "track_length")]]:
    """Tracks from text, as a node that draws them gives it: a list of tracks, each a list of {"x": 5, "y": 7} in pixels."""
    path = _path(track_coords).movedim(0, 1).contiguous()
    frames, count = path.shape[:2]
    return Tracks(path, seen(track_mask, frames, count)), frames


@node("WanMoveConcatTrack", category="conditioning/video_models")
def wan_move_concat_track(
    ctx: Context,
    tracks_1: Annotated[Tracks, Socket("TRACKS")],
    tracks_2: Annotated[Tracks | None, Socket("TRACKS", optional=True)] = None,
) -> Annotated[Tracks, Out("TRACKS")]:
    """All tracks of both."""
    if tracks_2 is None:
        return tracks_1
    frames = [len(tracks.path) for tracks in (tracks_1, tracks_2)]
    if frames[0] != frames[1]:
        raise NodeError(
            f"tracks_1 goes over {frames[0]} frames and tracks_2 over {frames[1]}.", "Make both equally long."
        )
    both = (tracks_1, tracks_2)
    visibility = torch.cat([tracks.visibility.expand(tracks.path.shape[:2]) for tracks in both], -1)
    return Tracks(torch.cat([tracks.path for tracks in both], 1), visibility)


@node("WanCameraEmbedding", category="camera")
def wan_camera_embedding(
    ctx: Context,
    camera_pose: Annotated[str, Combo(tuple(MOTIONS), bare=False, extra={"multiselect": False})] = "Static",
    width: Annotated[int, Int(minimum=16, maximum=LARGEST, step=16)] = 832,
    height: Annotated[int, Int(minimum=16, maximum=LARGEST, step=16)] = 480,
    length: Annotated[int, Int(minimum=1, maximum=LARGEST, step=4)] = 81,
    speed: Annotated[float, Float(minimum=0, maximum=10.0, step=0.1, optional=True)] = 1.0,
    fx: Focal = 0.5,
    fy: Focal = 0.5,
    cx: Middle = 0.5,
    cy: Middle = 0.5,
) -> tuple[
    Annotated[torch.Tensor, Out("WAN_CAMERA_EMBEDDING", "camera_embedding")],
    Annotated[int, Out("INT", "width")],
    Annotated[int, Out("INT", "height")],
    Annotated[int, Out("INT", "length")],
]:
    """A moving camera for Wan: which way it goes or turns, how fast, and what its lens is like."""
    if length % 4 != 1:
        raise NodeError(f"length is {length}.", "Choose one more than a multiple of 4, such as 81.")
    if not fx or not fy:
        raise NodeError("fx or fy is 0: a lens without focal length.", "Choose more than 0; 0.5 is usual.")
    told = rays(MOTIONS[camera_pose], speed, Lens(fx, fy, cx, cy), width, height, length)
    return grouped(told), width, height, length


def _path(text: str) -> torch.Tensor:
    """Tracks of a text, Float[track frame 2].

    Raises:
        NodeError: it says none, or they are not equally long.
    """
    try:
        said = cast("object", json.loads(text.replace("'", '"')))
        tracks = cast("list[object]", said) if isinstance(said, list) else []
        if tracks and isinstance(tracks[0], dict):  # a single one
            tracks = [cast("object", tracks)]
        points = [
            [(float(point["x"]), float(point["y"])) for point in cast("list[dict[str, float]]", track)]
            for track in tracks
        ]
    except (ValueError, TypeError, KeyError) as error:
        raise NodeError(
            f"track_coords cannot be read ({error}).",
            'It is a list of tracks: [[{"x": 5, "y": 7}, ...], ...].',
        ) from error
    lengths = {len(track) for track in points}
    if len(lengths) != 1 or 0 in lengths:
        raise NodeError(
            f"track_coords holds {len(points)} tracks of {', '.join(map(str, sorted(lengths))) or 'no'} points.",
            "Connect at least one track; all must have as many points.",
        )
    return torch.tensor(points)


NODES = (
    create_video,
    get_video_components,
    generate_tracks,
    wan_move_visualize_tracks,
    wan_move_tracks_from_coords,
    wan_move_concat_track,
    wan_camera_embedding,
)

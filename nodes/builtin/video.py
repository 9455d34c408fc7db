"""Videos as their pictures, sound and rate; nothing is encoded before it is saved."""

from typing import Annotated

import torch

from nodes.builtin.kinds import ImageIn, ImageOut
from nodes.diffusion.media import Audio, Tracks, Video
from nodes.diffusion.pictures.trails import Look, drawn
from nodes.diffusion.tracks import EASINGS, along, beside, seen
from nodes.diffusion.values import Image, Mask
from nodes.spec import Boolean, Combo, Context, Float, Int, Out, Socket, node

PIXELS = Annotated[int, Int(minimum=16, maximum=4096, step=16)]
Share = Annotated[float, Float(minimum=0.0, maximum=1.0, step=0.01)]


@node("CreateVideo", name="Create Video", category="image/video")
def create_video(
    ctx: Context,
    images: ImageIn,
    fps: Annotated[float, Float(minimum=1.0, maximum=120.0, step=1.0)] = 30.0,
    audio: Annotated[Audio | None, Socket("AUDIO", optional=True)] = None,
) -> Annotated[Video, Out("VIDEO")]:
    """A video of pictures, so many a second, with sound or without."""
    return Video(images, fps, audio)


@node("GetVideoComponents", name="Get Video Components", category="image/video")
def get_video_components(
    ctx: Context, video: Annotated[Video, Socket("VIDEO")]
) -> tuple[
    Annotated[Image, Out("IMAGE", "images")],
    Annotated[Audio | None, Out("AUDIO", "audio")],
    Annotated[float, Out("FLOAT", "fps")],
]:
    """A video's pictures, its sound, and how many pictures a second it has."""
    return video.images, video.audio, float(video.fps)


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


NODES = (create_video, get_video_components, generate_tracks, wan_move_visualize_tracks)

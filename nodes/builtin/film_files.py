"""Videos in files, read: what one holds, its frames and its sound one after the other, all of it only where a node asks."""

import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from nodes.builtin.codecs import CHECK, decoded, reading
from nodes.builtin.sound_files import planes, sound_length
from nodes.diffusion.media import Audio, Film, Video, VideoFile
from nodes.spec import NodeError

MICROSECONDS = 1_000_000
EIGHT_BIT = 8
COVER = 0x400  # FFmpeg's mark of a stream that is the cover of a sound
USUAL_RATE = Fraction(24)  # of files that say none
GAP = 0.01  # seconds of silence that are left out before a sound that begins late


@dataclass(frozen=True, slots=True)
class About:
    """What a file holds, by what its beginning says.

    Attributes:
        width, height: in pixels, as it is shown (turned if it says so).
        rate: frames a second, on the average.
        seconds: how long; 0: it does not say.
        frames: how many; 0: it does not say.
        container: FFmpeg's names of it, by comma. codec: of the video.
        sample_rate, channels: of the sound; 0: there is none.
    """

    width: int
    height: int
    rate: Fraction
    seconds: float
    frames: int
    container: str
    codec: str
    sample_rate: int
    channels: int


def about(path: Path) -> About:
    """What a video file holds. Its frames are not read.

    Raises:
        NodeError: it holds no video.
    """
    with reading(path) as container:
        stream = video_stream(container, path)
        sounds = container.streams.audio
        length = stream.duration * stream.time_base if stream.duration else 0
        seconds = float(length) or float((container.duration or 0) / MICROSECONDS)
        sides = (stream.codec_context.width, stream.codec_context.height)
        width, height = sides[::-1] if _turns_of(container, stream, path) % 2 else sides
        return About(
            width=width,
            height=height,
            rate=rate_of(stream),
            seconds=seconds,
            frames=int(stream.frames or 0),
            container=container.format.name,
            codec=stream.codec_context.codec.canonical_name,
            sample_rate=int(sounds[0].codec_context.sample_rate or 0) if sounds else 0,
            channels=len(sounds[0].codec_context.layout.channels) if sounds else 0,
        )


def video_stream(container: Any, path: Path) -> Any:
    """The first video that is no cover of a sound.

    Raises:
        NodeError: there is none.
    """
    for stream in container.streams.video:
        if not int(stream.disposition) & COVER and stream.codec_context is not None:
            return stream
    raise NodeError(f"The file {path.name} holds no video.", CHECK)


def rate_of(stream: Any) -> Fraction:
    """Frames a second, on the average."""
    rate = stream.average_rate or stream.guessed_rate or stream.base_rate
    return Fraction(rate) if rate else USUAL_RATE


def video_frames(film: VideoFile) -> Iterator[Any]:
    """FFmpeg's frames of the part of a file, in order.

    Raises:
        NodeError: it holds no video, is damaged, or has none there.
    """
    path = film.file.path
    with reading(path) as container:
        stream = video_stream(container, path)
        stream.thread_type = "AUTO"
        begin = _begin(stream)
        _seek(container, film, begin)
        count = 0
        for frame in decoded(container, stream, path):
            at = 0.0 if frame.time is None else frame.time - begin
            if _ends(film) <= at + GAP / 10:
                break
            if at >= film.start - GAP / 10:
                count += 1
                yield frame
    if not count:
        raise NodeError(
            f"{path.name} has no frame from {film.start:g} seconds on.", "Choose a start before its end."
        )


def sound_parts(film: VideoFile, rate: int) -> Iterator[Tensor]:
    """The sound of the part of a file, Float[channel sample] one after the other; silence first where it begins late.

    Args:
        rate: its sample rate, from `about`.
    """
    path = film.file.path
    with reading(path) as container:
        if not container.streams.audio:
            return
        stream, begin = container.streams.audio[0], _begin(video_stream(container, path))
        _seek(container, film, begin)
        gone = 0  # samples since `film.start`
        ends = min(_ends(film), sound_length(container, stream) or math.inf)
        last = None if math.isinf(ends) else max(round((ends - film.start) * rate), 0)
        for frame in decoded(container, stream, path):
            part = torch.from_numpy(planes(frame))
            if not gone and frame.time is not None:
                early = round((film.start + begin - frame.time) * rate)
                if early >= part.shape[1]:
                    continue
                part = part[:, max(early, 0) :]
                if -early > GAP * rate:
                    gone = -early
                    yield torch.zeros(len(part), -early)
            if last is not None and gone + part.shape[1] >= last:
                yield part[:, : last - gone]
                return
            gone += part.shape[1]
            yield part


def components(film: Film, step: Callable[[int, int], None]) -> Video:
    """A video's frames and sound in memory.

    Args:
        step: told how many frames are read, of how many.

    Raises:
        NodeError: as `about` and `video_frames`.
    """
    if isinstance(film, Video):
        return film
    told = about(film.file.path)
    pictures: list[Tensor] = []
    for frame in video_frames(film):
        pictures.append(pixels(frame))
        step(len(pictures), max(told.frames, len(pictures)))
    most = torch.iinfo(pictures[0].dtype).max
    images = torch.empty(len(pictures), *pictures[0].shape)
    for index, picture in enumerate(pictures):
        images[index] = picture.float() / most
    return Video(images, float(told.rate), _sound(film, told))


def pixels(frame: Any) -> Tensor:
    """One of FFmpeg's frames as it is shown, UInt8[height width 3]; UInt16 where a colour has more than 8 bits."""
    deep = any(component.bits > EIGHT_BIT for component in frame.format.components)
    values = frame.to_ndarray(format="rgb48le" if deep else "rgb24")
    return torch.from_numpy(np.ascontiguousarray(np.rot90(values, turns(frame))))


def turns(frame: Any) -> int:
    """By how many quarters a frame is turned, against the clock, to be shown."""
    return round(frame.rotation / 90) % 4


def _sound(film: VideoFile, told: About) -> Audio | None:
    parts = list(sound_parts(film, told.sample_rate)) if told.sample_rate else []
    return Audio(torch.cat(parts, dim=1)[None], told.sample_rate) if parts else None


def _turns_of(container: Any, stream: Any, path: Path) -> int:
    return next((turns(frame) for frame in decoded(container, stream, path)), 0)


def _begin(stream: Any) -> float:
    return float(stream.start_time * stream.time_base) if stream.start_time else 0.0


def _seek(container: Any, film: VideoFile, begin: float) -> None:
    """To the last place before its start from which frames can be read."""
    if film.start > 0:
        container.seek(int((film.start + begin) * MICROSECONDS), backward=True)


def _ends(film: VideoFile) -> float:
    return film.start + film.duration if film.duration > 0 else math.inf

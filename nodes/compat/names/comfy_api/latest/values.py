"""`comfy_api.latest`: `Input`, `InputImpl`, `Types`: films as packs hold them, over our own values and files."""

import json
import tempfile
from dataclasses import dataclass
from enum import StrEnum
from fractions import Fraction
from pathlib import Path
from typing import Any

from nodes.builtin.film_files import about, components
from nodes.builtin.film_saving import write
from nodes.builtin.films import MP4
from nodes.diffusion.media import Audio, Video, VideoFile
from nodes.diffusion.models.files import ContentHashes

HASHES = ContentHashes()  # a film that crosses twice is hashed once


class VideoContainer(StrEnum):
    AUTO = "auto"
    MP4 = "mp4"
    MKV = "mkv"
    WEBM = "webm"

    @classmethod
    def as_input(cls):
        return [entry.value for entry in cls]


class VideoCodec(StrEnum):
    AUTO = "auto"
    H264 = "h264"
    AV1 = "av1"

    @classmethod
    def as_input(cls):
        return [entry.value for entry in cls]


@dataclass
class VideoComponents:
    """Pictures [frame, height, width, channel], how many of them a second has, and what goes with them."""

    images: Any
    frame_rate: Fraction
    audio: Any = None
    metadata: Any = None
    alpha: Any = None


class VideoInput:
    """What films answer to; those of packs may derive from it, and bring `get_components`."""

    def get_components(self):
        raise NotImplementedError

    def get_stream_source(self):
        """A file that holds it: its own, or one that is written for the purpose."""
        with tempfile.NamedTemporaryFile(suffix=".mp4", delete=False) as file:
            self.save_to(file.name)
        return file.name

    def get_dimensions(self):
        shape = self.get_components().images.shape
        return shape[2], shape[1]

    def get_duration(self):
        parts = self.get_components()
        return float(len(parts.images) / parts.frame_rate)

    def get_frame_count(self):
        return len(self.get_components().images)

    def get_frame_rate(self):
        return Fraction(self.get_components().frame_rate)

    def get_container_format(self):
        return "mp4"

    def as_trimmed(self, start_time=0.0, duration=0.0, strict_duration=False):
        """A part of it, in seconds; None where it is shorter than it must be."""
        parts = self.get_components()
        first = round(start_time * parts.frame_rate)
        count = round(duration * parts.frame_rate) if duration else len(parts.images)
        images = parts.images[first : first + count]
        if strict_duration and duration and len(images) < count:
            return None
        audio = parts.audio
        if audio is not None:
            rate = audio["sample_rate"]
            last = round((start_time + duration) * rate) if duration else None
            audio = {**audio, "waveform": audio["waveform"][..., round(start_time * rate) : last]}
        return VideoFromComponents(VideoComponents(images, parts.frame_rate, audio, parts.metadata))

    def save_to(self, path, format=VideoContainer.AUTO, codec=VideoCodec.AUTO, metadata=None, **_more):
        if str(getattr(format, "value", format)) not in ("auto", "mp4"):
            raise ValueError(f"Weft writes films of packs as MP4, not as {format}.")
        if str(getattr(codec, "value", codec)) not in ("auto", "h264"):
            raise ValueError(f"Weft writes films of packs in H.264, not in {codec}.")
        texts = {name: json.dumps(value) for name, value in (metadata or {}).items()}
        write(Path(path), inside(self), MP4, texts, lambda _number, _total: None)


class VideoFromFile(VideoInput):
    """A film in a file, whole or a part of it in seconds; read when it is asked for."""

    def __init__(self, file, *, start_time=0.0, duration=0.0):
        if not isinstance(file, str | Path):
            with tempfile.NamedTemporaryFile(suffix=".mp4", delete=False) as kept:
                kept.write(file.getvalue() if hasattr(file, "getvalue") else file.read())
            file = kept.name
        self.file, self.start_time, self.duration = str(file), start_time, duration

    def get_components(self):
        return _parts(components(inside(self), lambda _number, _total: None))

    def get_stream_source(self):
        return self.file

    def get_dimensions(self):
        told = about(Path(self.file))
        return told.width, told.height

    def get_duration(self):
        left = max(about(Path(self.file)).seconds - self.start_time, 0.0)
        return min(left, self.duration) if self.duration else left

    def get_frame_rate(self):
        return about(Path(self.file)).rate

    def get_container_format(self):
        return about(Path(self.file)).container

    def as_trimmed(self, start_time=0.0, duration=0.0, strict_duration=False):
        if strict_duration and duration and self.get_duration() - start_time < duration:
            return None
        return VideoFromFile(self.file, start_time=self.start_time + start_time, duration=duration)


class VideoFromComponents(VideoInput):
    """A film in memory."""

    def __init__(self, components, **_more):
        self.components = components

    def get_components(self):
        return self.components


def inside(film):
    """A film of a pack as our own value."""
    if isinstance(film, VideoFromFile):
        return VideoFile(HASHES.reference(Path(film.file)), film.start_time, film.duration)
    parts = film.get_components()
    sound = parts.audio
    audio = None if sound is None else Audio(sound["waveform"], int(sound["sample_rate"]))
    return Video(parts.images, float(parts.frame_rate), audio)


def outside(film):
    """Our own value as packs expect a film."""
    if isinstance(film, VideoFile):
        return VideoFromFile(film.file.path, start_time=film.start, duration=film.duration)
    return VideoFromComponents(_parts(film))


def _parts(film):
    sound = film.audio
    audio = None if sound is None else {"waveform": sound.waveform, "sample_rate": sound.sample_rate}
    return VideoComponents(film.images, Fraction(film.fps).limit_denominator(1001), audio)


class Types:
    VideoComponents = VideoComponents
    VideoContainer = VideoContainer
    VideoCodec = VideoCodec


class InputImpl:
    VideoFromFile = VideoFromFile
    VideoFromComponents = VideoFromComponents


class Input:
    """Kinds of values, for annotations."""

    Image = Mask = Latent = Audio = Any

    Video = VideoInput

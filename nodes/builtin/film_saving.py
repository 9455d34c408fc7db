"""Videos to files: encoded frame by frame beside their sound, or taken over as they are where nothing of them changes."""

import math
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from nodes.builtin.codecs import codecs, encoder, reading, writing
from nodes.builtin.film_files import about, pixels, sound_parts, video_frames, video_stream
from nodes.builtin.sound_files import LAYOUTS, STEREO, frames
from nodes.diffusion.media import Film, Video, VideoFile
from nodes.spec import NodeError

BT709 = 1  # its number in the standards, of primaries, transfer and matrix alike
MILLE = 1000  # rates are written to a thousandth
RGBA = 4
MOST_CHANNELS = 6  # of a film's sound; more are mixed to two
BITS_PER_PIXEL = 0.15  # for encoders that know no constant quality
BY_BIT_RATE = frozenset({"libopenh264", "h264_videotoolbox", "h264_mf"})
FORMATS = {torch.uint8: {3: "rgb24", 4: "rgba"}, torch.uint16: {3: "rgb48le", 4: "rgb48le"}}
MADE_BY = frozenset({"prompt", "workflow", "encoder"})  # tags that do not go on to another file

Step = Callable[[int, int], None]


@dataclass(frozen=True, slots=True)
class Form:
    """How a video is written.

    Attributes:
        kind: as people call it. container: FFmpeg's name.
        encoders: FFmpeg's names, each with its options; the first that is there counts.
        pixels: FFmpeg's format of a pixel. with_alpha: the same with transparency; empty: it has none.
        deep: pictures are handed over in 16 bits. even: sides are cut to even lengths.
        sound: FFmpeg's encoder of the sound. sound_rates: samples a second that it knows, rising.
        options: of the container.
    """

    kind: str
    container: str
    encoders: Mapping[str, Mapping[str, str]]
    pixels: str
    with_alpha: str = ""
    deep: bool = False
    even: bool = False
    sound: str = "aac"
    sound_rates: tuple[int, ...] = (
        8000, 11025, 12000, 16000, 22050, 24000, 32000, 44100, 48000, 64000, 88200, 96000,
    )  # fmt: skip
    options: Mapping[str, str] | None = None


@dataclass(frozen=True, slots=True)
class _Source:
    """What is encoded.

    Attributes:
        pictures: UInt8 or UInt16[height width channel].
        count: of pictures, or a guess.
        sound: Float[channel sample], one after the other. sample_rate, channels: of it; 0: there is none.
    """

    width: int
    height: int
    rate: Fraction
    count: int
    pictures: Iterator[Tensor]
    sound: Iterable[Tensor] = ()
    sample_rate: int = 0
    channels: int = 0


def write(path: Path, film: Film, form: Form, texts: Mapping[str, str], step: Step) -> str:
    """Encode a video with texts as its tags. What had to be changed is returned, to be told to the person.

    Args:
        step: told how many frames are written, of how many.

    Raises:
        NodeError: it has no frames, the encoder is not there, or the video does not fit it.
    """
    name = encoder(form.kind, tuple(form.encoders), "choose another codec")
    source = _of_tensors(film, form) if isinstance(film, Video) else _of_file(film)
    width, height = source.width, source.height
    if form.even:
        width, height = width // 2 * 2, height // 2 * 2
    if not width or not height:
        raise NodeError("The pictures are too small for a video.", "Use some of 2 pixels a side, at least.")
    with writing(path, form.container, dict(form.options or {})) as container:
        container.metadata.update(texts)
        stream = container.add_stream(name, rate=source.rate, options=dict(form.encoders[name]))
        stream.width, stream.height = width, height
        alpha = form.with_alpha and isinstance(film, Video) and film.images.shape[-1] == RGBA
        stream.pix_fmt = form.with_alpha if alpha else form.pixels
        _coloured(stream.codec_context)
        if name in BY_BIT_RATE:
            stream.bit_rate = int(width * height * source.rate * BITS_PER_PIXEL)
        _encode(container, stream, source, form, step)
    cut = (width, height) != (source.width, source.height)
    return f"{form.kind} has even sides: the pictures were cut to {width} by {height}." if cut else ""


def taken_over(path: Path, film: VideoFile, form: Form, texts: Mapping[str, str]) -> None:
    """The video and the sounds of a file in a new one, as they are, with these texts in place of what made it.

    Raises:
        NodeError: the container does not take them.
    """
    with reading(film.file.path) as old, writing(path, form.container, dict(form.options or {})) as new:
        new.metadata.update({name: text for name, text in old.metadata.items() if name not in MADE_BY})
        new.metadata.update(texts)
        sources = [video_stream(old, film.file.path), *old.streams.audio]
        streams = {source.index: new.add_stream_from_template(source) for source in sources}
        for packet in old.demux(sources):
            if packet.dts is not None:  # the last one only says that it is over
                packet.stream = streams[packet.stream.index]
                new.mux(packet)


def _of_tensors(film: Video, form: Form) -> _Source:
    images, sound = film.images, film.audio
    if not len(images):
        raise NodeError("The video has no frames.", "Connect at least one picture.")
    rate = Fraction(round(film.fps * MILLE), MILLE)
    if rate <= 0:
        raise NodeError(f"A video cannot show {film.fps:g} frames a second.", "Choose a higher rate.")
    height, width = images.shape[1:3]
    pictures = (_whole_numbers(picture, deep=form.deep) for picture in images)
    source = _Source(width, height, rate, len(images), pictures)
    if sound is None or not sound.waveform.numel():
        return source
    heard = sound.waveform[0, :, : math.ceil(sound.sample_rate / rate * len(images))]
    return replace(source, sound=iter((heard,)), sample_rate=sound.sample_rate, channels=len(heard))


def _of_file(film: VideoFile) -> _Source:
    told = about(film.file.path)
    rate = Fraction(round(told.rate * MILLE), MILLE) or Fraction(1, MILLE)
    seconds = max(told.seconds - film.start, 0.0)
    count = round((min(seconds, film.duration) if film.duration else seconds) * float(told.rate))
    pictures = (pixels(frame) for frame in video_frames(film))
    source = _Source(told.width, told.height, rate, max(count, 1), pictures)
    if not told.sample_rate:
        return source
    heard = sound_parts(film, told.sample_rate)
    return replace(source, sound=heard, sample_rate=told.sample_rate, channels=told.channels)


def _encode(container: Any, stream: Any, source: _Source, form: Form, step: Step) -> None:
    """All frames, each followed by the sound up to its end, so that a player finds both side by side."""
    heard = _heard(container, source, form)
    until = next(heard, None)
    number = 0
    for number, picture in enumerate(source.pictures, 1):
        frame = _frame(picture, stream.width, stream.height).reformat(
            format=stream.pix_fmt, dst_colorspace="ITU709"
        )
        frame.pts, frame.time_base = number - 1, 1 / source.rate
        container.mux(stream.encode(frame))
        while until is not None and until <= number / source.rate:
            until = next(heard, None)
        step(number, max(source.count, number))
    container.mux(stream.encode())
    for _ in heard:
        pass


def _heard(container: Any, source: _Source, form: Form) -> Iterator[Fraction]:
    """Encodes the sound a part at a time; says up to which second it is written. The first says 0, before any."""
    rate = source.sample_rate
    if not rate:
        return
    known = next((known for known in form.sound_rates if known >= rate), form.sound_rates[-1])
    stream = container.add_stream(form.sound, rate=known)
    channels = source.channels if source.channels <= MOST_CHANNELS else STEREO
    stream.codec_context.layout = LAYOUTS[channels - 1]
    yield Fraction(0)
    done = 0
    for part in source.sound:
        for frame in frames(part, rate):
            frame.pts, done = done, done + frame.samples
            container.mux(stream.encode(frame))
            yield Fraction(done, rate)
    container.mux(stream.encode())


def _whole_numbers(picture: Tensor, *, deep: bool) -> Tensor:
    """A picture of 0..1 with three or four channels, as whole numbers; gray becomes colours."""
    coloured = picture.expand(-1, -1, 3) if picture.shape[-1] == 1 else picture[..., :RGBA]
    most = 65535.0 if deep else 255.0
    scaled = (coloured.cpu().float().nan_to_num() * most).clamp(0, most)
    return scaled.round().to(torch.uint16) if deep else scaled.to(torch.uint8)


def _frame(picture: Tensor, width: int, height: int) -> Any:
    form = FORMATS[picture.dtype][picture.shape[-1]]
    array = np.ascontiguousarray(picture[:height, :width, : 4 if form == "rgba" else 3].numpy())
    return codecs().VideoFrame.from_ndarray(array, format=form)


def _coloured(context: Any) -> None:
    """What the numbers of colours mean: high definition's BT.709, which players else only guess."""
    context.colorspace = context.color_primaries = context.color_trc = BT709

"""Sound in files: read through FFmpeg as it was recorded, written as FLAC, MP3 or Opus with what made it."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from nodes.builtin.codecs import CHECK, codecs, decoded, encoder, reading, writing
from nodes.diffusion.audio import resampled
from nodes.diffusion.media import Audio
from nodes.spec import NodeError

LAYOUTS = (
    "mono",
    "stereo",
    "3.0",
    "quad",
    "5.0",
    "5.1",
    "6.1",
    "7.1",
)  # by the number of channels, from 1 on
STEREO = 2
CHUNK = 1 << 15  # samples that are handed to an encoder at once
LOUDEST = {"u1": 2**7, "i2": 2**15, "i4": 2**31, "i8": 2**63}  # of numpy's types
MOST_PLANES = 8  # from so many on, av reads past the last plane
MIDDLE = {"u1": 2**7}


@dataclass(frozen=True, slots=True)
class Form:
    """How a sound is written.

    Attributes:
        kind: as people call it.
        container, encoders: FFmpeg's names; the first encoder that is there counts.
        sample: FFmpeg's format of a sample.
        rates: samples a second that it knows; another rate becomes the next higher one. Empty: any.
        channels: how many it knows.
        bit_rate: bits a second; 0: as the encoder likes.
        options: of the encoder.
    """

    kind: str
    container: str
    encoders: Sequence[str]
    sample: str
    rates: Sequence[int] = ()
    channels: int = len(LAYOUTS)
    bit_rate: int = 0
    options: Mapping[str, str] | None = None


def read(path: Path) -> tuple[Audio, str]:
    """The first sound of a file, Float[1 channel sample], and what to say of it to the person, if anything.

    Raises:
        NodeError: it is no sound, or damaged from its beginning on.
    """
    with reading(path) as container:
        if not container.streams.audio:
            raise NodeError(f"The file {path.name} has no sound.", CHECK)
        stream = container.streams.audio[0]
        parts: list[np.ndarray[Any, Any]] = []
        rate = 0
        for frame in decoded(container, stream, path):
            if rate and (frame.sample_rate != rate or _channels(frame) != len(parts[0])):
                raise NodeError(
                    f"The sound of {path.name} changes its sample rate or its channels midway.",
                    "Convert the file with another program first.",
                )
            rate = frame.sample_rate
            parts.append(planes(frame))
        promised = float(stream.duration * stream.time_base) if stream.duration else 0.0
        exact = sound_length(container, stream)
    waveform = torch.from_numpy(np.concatenate(parts, axis=1))[None]
    if exact:
        waveform = waveform[..., : round(exact * rate)]
    found = waveform.shape[-1] / rate
    said = f"{path.name} is damaged: {found:.2f} of {promised:.2f} seconds could be read."
    return Audio(waveform, rate), said if found < promised - 1.0 else ""


def sound_length(container: Any, stream: Any) -> float:
    """How many seconds a sound has, where its container counts samples; 0: it does not.

    What encoders add to fill their last block is no part of it.
    """
    exact = "mp4" in container.format.name.split(",") and stream.duration
    return float(stream.duration * stream.time_base) if exact else 0.0


def write(path: Path, waveform: Tensor, rate: int, form: Form, texts: Mapping[str, str]) -> str:
    """Write a sound with texts as its tags. What had to be changed is returned, to be told to the person.

    Args:
        waveform: Float[channel sample], -1..1.
        rate: samples a second.

    Raises:
        NodeError: it is empty, the encoder is not there, or the sound does not fit it.
    """
    name = encoder(form.kind, form.encoders, "save the sound in another format")
    count = len(waveform)
    if not waveform.numel() or count > len(LAYOUTS):
        what = "is empty" if not waveform.numel() else f"has {count} channels"
        raise NodeError(
            f"The sound {what}.", f"Connect one of some length, with 1 to {len(LAYOUTS)} channels."
        )
    said: list[str] = []
    fitting = next((known for known in form.rates if known >= rate), max(form.rates, default=rate))
    if form.rates and fitting != rate:
        waveform = resampled(waveform[None], rate, fitting)[0]
    if count > form.channels:
        said.append(f"{form.kind} has no more than {form.channels} channels: the {count} were mixed.")
    with writing(path, form.container, {}) as container:
        container.metadata.update(texts)
        stream = container.add_stream(name, rate=fitting, options=dict(form.options or {}))
        stream.codec_context.format = form.sample
        stream.codec_context.layout = LAYOUTS[min(count, form.channels) - 1]
        if form.bit_rate:
            stream.bit_rate = form.bit_rate
        for frame in frames(waveform, fitting):
            container.mux(stream.encode(frame))
        container.mux(stream.encode())
    return " ".join(said)


def frames(waveform: Tensor, rate: int) -> Iterator[Any]:
    """A sound, Float[channel sample], as FFmpeg's frames, a part after the other."""
    library = codecs()
    for start in range(0, waveform.shape[-1], CHUNK):
        part = waveform[:, start : start + CHUNK].cpu().float().T.reshape(1, -1).contiguous().numpy()
        frame = library.AudioFrame.from_ndarray(part, format="flt", layout=LAYOUTS[len(waveform) - 1])
        frame.sample_rate, frame.pts, frame.time_base = rate, start, Fraction(1, rate)
        yield frame


def planes(frame: Any) -> "np.ndarray[Any, Any]":
    """The samples of FFmpeg's frame, Float32[channel sample] in -1..1."""
    if frame.format.is_planar and _channels(frame) >= MOST_PLANES:
        packer = codecs().AudioResampler(format=frame.format.packed.name)
        frame = packer.resample(frame)[0]
    values = frame.to_ndarray()
    if not frame.format.is_planar:
        values = values.reshape(-1, _channels(frame)).T
    kind = values.dtype.str[1:]
    if kind in LOUDEST:
        values = (values.astype(np.float64) - MIDDLE.get(kind, 0)) / LOUDEST[kind]
    return values.astype(np.float32)


def _channels(frame: Any) -> int:
    return len(frame.layout.channels)

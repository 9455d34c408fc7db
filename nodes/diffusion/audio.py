"""Sound as tensors: another sample rate, one after the other, one over the other."""

import math

import torch
import torch.nn.functional as F
from torch import Tensor

from nodes.diffusion.errors import DiffusionError
from nodes.diffusion.media import Audio

ZEROS = 6  # zero crossings of the sinc on each side
ROLLOFF = 0.99  # of the lower of the two band limits that passes
STEREO = 2


def resampled(waveform: Tensor, old: int, new: int) -> Tensor:
    """A waveform at another sample rate, by a sinc under a Hann window.

    Source: J. O. Smith, "Digital Audio Resampling", ccrma.stanford.edu/~jos/resample: eq. for bandlimited interpolation,
    one short filter for each of the phases that repeat.

    Args:
        waveform: Float[batch channel sample].
        old, new: samples a second.
    """
    if old == new:
        return waveform
    common = math.gcd(old, new)
    step, phases = old // common, new // common
    band = min(step, phases) * ROLLOFF
    width = math.ceil(ZEROS * step / band)
    reach = torch.arange(-width, width + step, dtype=torch.float64)[None] / step
    shift = torch.arange(0, -phases, -1, dtype=torch.float64)[:, None] / phases
    time = ((shift + reach) * band).clamp(-ZEROS, ZEROS)
    window = torch.cos(time * math.pi / ZEROS / 2) ** 2
    filters = (torch.sinc(time) * window * band / step).to(waveform.dtype)
    batch, channels, length = waveform.shape
    padded = F.pad(waveform.reshape(-1, 1, length), (width, width + step))
    mixed = F.conv1d(padded, filters[:, None].to(waveform.device), stride=step)
    whole = mixed.transpose(1, 2).reshape(batch, channels, -1)
    return whole[..., : math.ceil(phases * length / step)]


def at_one_rate(one: Audio, other: Audio) -> tuple[Audio, Audio]:
    """Both at the higher of their sample rates."""
    rate = max(one.sample_rate, other.sample_rate)
    return _at(one, rate), _at(other, rate)


def joined(first: Audio, second: Audio) -> Audio:
    """One after the other, in stereo.

    Raises:
        DiffusionError: they have different batches or numbers of channels.
    """
    one, other = at_one_rate(first, second)
    parts = [_stereo(one.waveform), _stereo(other.waveform)]
    if parts[0].shape[:2] != parts[1].shape[:2]:
        shapes = " and ".join(f"{part.shape[0]} of {part.shape[1]} channels" for part in parts)
        raise DiffusionError(
            f"These sounds cannot be joined: {shapes}.",
            "Use sounds with as many channels each, and as many at once.",
        )
    return Audio(torch.cat(parts, -1), one.sample_rate)


def merged(first: Audio, second: Audio, method: str) -> Audio:
    """One over the other, as long as the first; made quieter only where it would be louder than 1.

    Args:
        method: "add", "subtract", "multiply" or "mean".
    """
    one, other = at_one_rate(first, second)
    length = one.waveform.shape[-1]
    if length == 0 or other.waveform.shape[-1] == 0:
        return one
    over = other.waveform[..., :length]
    over = F.pad(over, (0, length - over.shape[-1]))
    match method:
        case "add":
            mixed = one.waveform + over
        case "subtract":
            mixed = one.waveform - over
        case "multiply":
            mixed = one.waveform * over
        case _:
            mixed = (one.waveform + over) / 2
    return Audio(mixed / mixed.abs().max().clamp(min=1.0), one.sample_rate)


def trimmed(audio: Audio, start: float, duration: float) -> Audio:
    """A part of it, in seconds; a negative start counts from the end.

    Raises:
        DiffusionError: nothing is left.
    """
    rate, length = audio.sample_rate, audio.waveform.shape[-1]
    first = round(start * rate)
    first = min(max(first + length if first < 0 else first, 0), length)
    last = min(max(first + round(duration * rate), 0), length)
    if first >= last:
        raise DiffusionError(
            f"Nothing is left of the sound: it is {length / rate:g} seconds long.",
            "Choose a start_index before its end, and a duration above 0.",
        )
    return Audio(audio.waveform[..., first:last], rate)


def _at(audio: Audio, rate: int) -> Audio:
    return Audio(resampled(audio.waveform, audio.sample_rate, rate), rate)


def _stereo(waveform: Tensor) -> Tensor:
    return waveform.repeat(1, STEREO, 1) if waveform.shape[1] == 1 else waveform

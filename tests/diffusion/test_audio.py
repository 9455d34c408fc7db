"""Sound: another sample rate keeps what is heard; joined, merged and cut as one expects."""

import math

import pytest
import torch

from nodes.diffusion.audio import joined, merged, resampled, trimmed
from nodes.diffusion.errors import DiffusionError
from nodes.diffusion.media import Audio


def tone(rate: int, hertz: float = 440.0, seconds: float = 0.5, channels: int = 1) -> torch.Tensor:
    time = torch.arange(round(rate * seconds), dtype=torch.float64) / rate
    return torch.sin(2 * math.pi * hertz * time).float().expand(1, channels, -1)


@pytest.mark.parametrize(
    ("old", "new"), [(16000, 24000), (44100, 48000), (48000, 44100), (8000, 44100), (24000, 16000)]
)
def test_a_tone_stays_the_tone_at_another_rate(old: int, new: int):
    made = resampled(tone(old), old, new)
    wanted = tone(new)
    assert made.shape == wanted.shape
    middle = slice(new // 50, -new // 50)  # its ends lean on the silence around it
    assert (made - wanted)[..., middle].abs().max() < 5e-3


def test_what_a_lower_rate_cannot_hold_is_gone():
    assert resampled(tone(48000, hertz=15000), 48000, 16000)[..., 800:-800].abs().max() < 0.02


def test_joining_takes_the_higher_rate_and_both_channels():
    made = joined(Audio(tone(8000), 8000), Audio(tone(16000, channels=2), 16000))
    assert (made.sample_rate, tuple(made.waveform.shape)) == (16000, (1, 2, 16000))
    assert torch.equal(made.waveform[..., 8000:], tone(16000, channels=2))


def test_merging_is_never_too_loud_and_as_long_as_the_first():
    one, other = Audio(tone(8000), 8000), Audio(tone(8000, seconds=0.1), 8000)
    made = merged(one, other, "add").waveform
    assert made.shape == one.waveform.shape and float(made.abs().max()) == pytest.approx(1.0)
    assert torch.equal(merged(one, other, "multiply").waveform[..., 800:], torch.zeros(1, 1, 3200))


def test_a_cut_that_leaves_nothing_is_told():
    audio = Audio(tone(8000), 8000)
    assert trimmed(audio, -0.25, 9.0).waveform.shape[-1] == 2000
    with pytest.raises(DiffusionError, match="Nothing is left"):
        trimmed(audio, 1.0, 1.0)

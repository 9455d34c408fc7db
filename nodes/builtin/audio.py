"""Sound: silence, louder and quieter, joined, merged, cut, and its channels apart."""

from typing import Annotated

import torch

from nodes.diffusion.audio import joined, merged, trimmed
from nodes.diffusion.media import Audio
from nodes.spec import Combo, Context, Float, Int, NodeError, Out, Socket, node

WIDEST = 2**64 - 1
STEREO = 2
CATEGORY = "audio"
AudioIn = Annotated[Audio | None, Socket("AUDIO")]
Heard = Annotated[Audio, Socket("AUDIO")]
AudioOut = Annotated[Audio | None, Out("AUDIO")]


@node("EmptyAudio", name="Empty Audio", category=CATEGORY)
def empty_audio(
    ctx: Context,
    duration: Annotated[float, Float(minimum=0.0, maximum=WIDEST, step=0.01)] = 60.0,
    sample_rate: Annotated[int, Int(minimum=1, maximum=192000)] = 44100,
    channels: Annotated[int, Int(minimum=1, maximum=2)] = 2,
) -> AudioOut:
    """Silence of so many seconds."""
    return Audio(torch.zeros(1, channels, round(duration * sample_rate)), sample_rate)


@node("AudioAdjustVolume", name="Audio Adjust Volume", category=CATEGORY)
def audio_adjust_volume(
    ctx: Context, audio: AudioIn, volume: Annotated[int, Int(minimum=-100, maximum=100)] = 1
) -> AudioOut:
    """Louder or quieter by so many decibels."""
    if audio is None or volume == 0:
        return audio
    return Audio(audio.waveform * 10 ** (volume / 20), audio.sample_rate)


@node("AudioConcat", name="Audio Concat", category=CATEGORY)
def audio_concat(
    ctx: Context,
    audio1: AudioIn,
    audio2: AudioIn,
    direction: Annotated[str, Combo(("after", "before"), bare=False, extra={"multiselect": False})] = "after",
) -> AudioOut:
    """One sound after or before the other, in stereo, at the higher of their sample rates."""
    if audio1 is None or audio2 is None:
        return audio1 or audio2
    return joined(audio1, audio2) if direction == "after" else joined(audio2, audio1)


@node("AudioMerge", name="Audio Merge", category=CATEGORY)
def audio_merge(
    ctx: Context,
    audio1: AudioIn,
    audio2: AudioIn,
    merge_method: Annotated[
        str, Combo(("add", "mean", "subtract", "multiply"), bare=False, extra={"multiselect": False})
    ],
) -> AudioOut:
    """One sound over the other, as long as the first."""
    if audio1 is None or audio2 is None:
        return audio1 or audio2
    return merged(audio1, audio2, merge_method)


@node("TrimAudioDuration", name="Trim Audio Duration", category=CATEGORY)
def trim_audio_duration(
    ctx: Context,
    audio: Heard,
    start_index: Annotated[float, Float(minimum=-WIDEST, maximum=WIDEST, step=0.01)] = 0.0,
    duration: Annotated[float, Float(minimum=0.0, step=0.01)] = 60.0,
) -> AudioOut:
    """A part of a sound, in seconds. A negative start counts from the end."""
    return trimmed(audio, start_index, duration)


@node("SplitAudioChannels", name="Split Audio Channels", category=CATEGORY)
def split_audio_channels(
    ctx: Context, audio: Heard
) -> tuple[Annotated[Audio, Out("AUDIO", "left")], Annotated[Audio, Out("AUDIO", "right")]]:
    """The two channels of a stereo sound, each as a sound of its own."""
    if audio.waveform.shape[1] != STEREO:
        raise NodeError(
            f"The sound has {audio.waveform.shape[1]} channels, not two.", "Use a stereo sound as audio."
        )
    left, right = audio.waveform.split(1, dim=1)
    return Audio(left, audio.sample_rate), Audio(right, audio.sample_rate)


NODES = (
    empty_audio,
    audio_adjust_volume,
    audio_concat,
    audio_merge,
    trim_audio_duration,
    split_audio_channels,
)

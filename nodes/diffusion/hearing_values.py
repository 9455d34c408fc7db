"""Sounds heard by networks: the recipe of one, and what it makes of a sound."""

from dataclasses import dataclass

from torch import Tensor

from nodes.diffusion.values import CheckpointRef


@dataclass(frozen=True, slots=True)
class AudioEncoder:
    """Recipe of a network that hears (wav2vec 2.0, Whisper's encoder)."""

    checkpoint: CheckpointRef


@dataclass(frozen=True, slots=True, eq=False)
class AudioEncoderOutput:
    """What an audio encoder made of sounds, on the CPU, float32; by attribute or by item, as packs ask.

    Attributes:
        encoded_audio: of the last layer, Float[batch step feature], about 50 steps a second.
        encoded_audio_all_layers: of each layer, before the first too.
        audio_samples: how many samples were heard, at 16,000 a second.
    """

    encoded_audio: Tensor
    encoded_audio_all_layers: tuple[Tensor, ...]
    audio_samples: int

    def __getitem__(self, name: str) -> object:
        return getattr(self, name)

"""Sounds to latents and back, with the autoencoder of Stable Audio (Evans et al. 2024, arXiv:2407.14358)."""

from dataclasses import dataclass
from typing import Any, cast

import torch
from torch import Tensor

from nodes.diffusion.audio import resampled
from nodes.diffusion.errors import DiffusionError
from nodes.diffusion.latent_formats import families
from nodes.diffusion.media import Audio
from nodes.diffusion.vae import PixelCoder, VaeCoder

SOUND_AXES = 1  # of its latents
LOUDEST = 5.0  # times the deviation of a sound: more than 1 makes it quieter


@dataclass(frozen=True, slots=True, eq=False)
class SoundCoder:
    """A loaded autoencoder of sounds. Latents are Float32[batch channel length] on the CPU, as it gives them.

    Attributes:
        coder: its network; `pixels` are the samples that one latent stands for.
    """

    coder: VaeCoder

    @property
    def rate(self) -> int:
        """Of the sounds that it reads and makes, in samples a second."""
        return int(self._config.sampling_rate)

    @property
    def speakers(self) -> int:
        """Channels of the sounds that it reads and makes: 2 for stereo."""
        return int(self._config.audio_channels)

    @torch.no_grad()
    def encode(self, audio: Audio) -> Tensor:
        """The most likely latents of a sound, brought to its rate; nothing is drawn at random.

        One channel stands for all of them, as in diffusers' pipeline. What does not fill a latent at the end is left out.

        Raises:
            DiffusionError: the sound is shorter than one latent, or has other channels.
        """
        waveform = resampled(audio.waveform.float(), audio.sample_rate, self.rate)
        count, channels, length = waveform.shape
        if not count or length < self.coder.pixels:
            raise DiffusionError(
                f"audio holds {count} sounds of {length} samples at {self.rate} Hz; this VAE needs one at least, of "
                f"{self.coder.pixels} samples or more.",
                "Use a longer sound.",
            )
        if channels not in (1, self.speakers):
            raise DiffusionError(
                f"audio has {channels} channels; this VAE encodes {self.speakers}.",
                "Split Audio Channels gives each channel of a stereo sound by itself.",
            )
        heard = waveform.expand(-1, self.speakers, -1)
        return self._each(self.coder.coding.encode, heard)

    @torch.no_grad()
    def decode(self, latents: Tensor) -> Tensor:
        """The waveform of latents, Float32[batch channel sample]; a loud one is made quieter.

        Each is divided by five times the standard deviation of its samples, where that is more than 1.

        Raises:
            DiffusionError: the latents are not of such sounds.
        """
        self._check(latents)
        waveform = self._each(self.coder.coding.decode, latents)
        return waveform / (LOUDEST * waveform.std((1, 2), keepdim=True)).clamp(min=1.0)

    def _each(self, act: Any, given: Tensor) -> Tensor:
        """Each item alone, so that its result does not depend on its batch."""
        coder = self.coder
        asked = (given[place : place + 1].to(coder.device, coder.dtype) for place in range(len(given)))
        return torch.cat([cast("Tensor", act(coder.module, item)).float().cpu() for item in asked])

    def _check(self, latents: Tensor) -> None:
        if not latents.numel():
            raise DiffusionError(f"samples is empty: {list(latents.shape)}.", "Look at what cut them.")
        channels = self.coder.channels
        if latents.ndim == SOUND_AXES + 2 and latents.shape[1] == channels:
            return
        whose = families(latents.shape[1], latents.ndim - 2)
        raise DiffusionError(
            f"samples is {list(latents.shape)}"
            + (f", as of {whose}" if whose else "")
            + f"; this VAE decodes sounds: batch, {channels} channels, length.",
            "Connect the VAE of the model that made the latents.",
        )

    @property
    def _config(self) -> Any:
        return cast("Any", self.coder.module).config


def of_pictures(coder: VaeCoder | PixelCoder) -> VaeCoder | PixelCoder:
    """The same.

    Raises:
        DiffusionError: it is of sounds.
    """
    if isinstance(coder, VaeCoder) and coder.coding.axes == SOUND_AXES:
        raise DiffusionError(
            "This VAE is of sounds; this node needs one of pictures.",
            "Connect the VAE of the model that makes the pictures, or use VAE Decode Audio and VAE Encode Audio for sounds.",
        )
    return coder


def of_sounds(coder: VaeCoder | PixelCoder) -> SoundCoder:
    """The same, for sounds.

    Raises:
        DiffusionError: it is of pictures.
    """
    if isinstance(coder, PixelCoder) or coder.coding.axes != SOUND_AXES:
        raise DiffusionError(
            "This VAE is of pictures; this node needs one of sounds.",
            "Connect a Load VAE node with Stable Audio's autoencoder (a folder of diffusers in models/vae).",
        )
    return SoundCoder(coder)

"""Latent formats: how each family scales, counts and colours its latents. One table, `latent_formats.json`.

Between the VAE's scale, in which latents travel, and the model's, in which they have about unit variance.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

TABLE = Path(__file__).with_name("latent_formats.json")
SAID = {  # how people call the families of formats that are met most often
    "SD15": "Stable Diffusion 1 and 2",
    "SDXL": "SDXL",
    "SD3": "Stable Diffusion 3",
    "Flux": "Flux and other models with its autoencoder",
    "Flux2": "Flux 2",
    "SC_Prior": "Stable Cascade",
    "HunyuanImage21": "HunyuanImage 2.1",
    "HunyuanVideo": "HunyuanVideo",
    "HunyuanVideo15": "HunyuanVideo 1.5",
    "Wan21": "Wan 2.1 and Qwen-Image",
    "Wan22": "Wan 2.2",
    "LTXV": "LTX-Video",
    "Mochi": "Mochi",
    "CogVideoX": "CogVideoX",
    "StableAudio1": "Stable Audio",
    "ACEAudio": "ACE-Step",
}


@dataclass(frozen=True, slots=True, eq=False)
class LatentFormat:
    """How a family scales its latents: the model works on `(latents - mean - shift) * scale / deviation`.

    Attributes:
        axes: of space and time: 2 for pictures, 3 for videos, 1 for sounds.
        mean, deviation: per channel, Float[channel]; None for 0 and 1.
        preview: a linear map to colours, Float[channel 3], for previews; None if there is none. `preview_bias`: Float[3].
        pixels: side of the picture square that one latent stands for.
        small_decoder: name of the file of a small decoder for previews; empty if there is none.
        joined: channels that a network reads beside those of its latents (a mask, a picture to edit).
    """

    channels: int = 4
    scale: float = 0.18215
    shift: float = 0.0
    preview: Tensor | None = None
    preview_bias: Tensor | None = None
    pixels: int = 8
    axes: int = 2
    mean: Tensor | None = None
    deviation: Tensor | None = None
    small_decoder: str = field(default="", kw_only=True)
    joined: int = field(default=0, kw_only=True)

    def to_model(self, latents: Tensor) -> Tensor:
        """From the VAE's scale to the model's."""
        if self.mean is not None and self.deviation is not None:
            mean, deviation = (_over_channels(each, latents) for each in (self.mean, self.deviation))
            return (latents - mean) * self.scale / deviation
        return (latents - self.shift) * self.scale if self.shift else latents * self.scale

    def from_model(self, latents: Tensor) -> Tensor:
        """From the model's scale to the VAE's."""
        if self.mean is not None and self.deviation is not None:
            mean, deviation = (_over_channels(each, latents) for each in (self.mean, self.deviation))
            return latents * deviation / self.scale + mean
        return latents / self.scale + self.shift if self.shift else latents / self.scale


@cache
def latent_formats() -> Mapping[str, LatentFormat]:
    """Every known format by the name that the field gives it ("SD15", "Wan21")."""
    said: Mapping[str, Mapping[str, Any]] = json.loads(TABLE.read_text("utf-8"))
    return {name: _format(entry) for name, entry in said.items()}


def latent_format(name: str) -> LatentFormat:
    """One format.

    Raises:
        KeyError: none of that name is known.
    """
    return latent_formats()[name]


def families(channels: int, axes: int) -> str:
    """Whose latents have so many channels and axes, in words ("Mochi"); empty if nobody's that is known."""
    known = latent_formats()
    names = [
        said for name, said in SAID.items() if (known[name].channels, known[name].axes) == (channels, axes)
    ]
    return " or ".join(names)


def _format(entry: Mapping[str, Any]) -> LatentFormat:
    return LatentFormat(
        channels=entry["channels"],
        scale=entry["scale"],
        shift=entry.get("shift", 0.0),
        preview=_tensor(entry.get("preview")),
        preview_bias=_tensor(entry.get("preview_bias")),
        pixels=entry["pixels"],
        axes=entry["axes"],
        mean=_tensor(entry.get("mean")),
        deviation=_tensor(entry.get("std")),
        small_decoder=entry.get("small_decoder", ""),
    )


def _tensor(numbers: object) -> Tensor | None:
    return None if numbers is None else torch.tensor(numbers, dtype=torch.float32)


def _over_channels(values: Tensor, latents: Tensor) -> Tensor:
    return values.to(latents).reshape(1, -1, *[1] * (latents.ndim - 2))

"""How kinds of autoencoders are asked: pictures in -1..1 to latents and back, in the words of each class of diffusers."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, cast

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from nodes.diffusion.errors import DiffusionError

PATCH = 2  # latents of Flux 2 that become one


@dataclass(frozen=True, slots=True)
class Coding:
    """How one kind is asked.

    Attributes:
        encode: Float[batch 3 height width] to its latents; the most likely ones, nothing is drawn at random. Of videos
            Float[batch 3 frame height width] too.
        decode: latents to Float[picture 3 height width]; a video's frames are pictures.
        axes: of its latents: 2 for pictures, 3 with time, 1 for sounds: Float[batch channel sample] in place of pictures.
    """

    encode: Callable[[nn.Module, Tensor], Tensor]
    decode: Callable[[nn.Module, Tensor], Tensor]
    axes: int = 2


def _encoded(module: nn.Module, planes: Tensor) -> Tensor:
    return cast("Tensor", cast("Any", module).encode(planes, return_dict=False)[0].mean)


def _decoded(module: nn.Module, latents: Tensor) -> Tensor:
    return cast("Tensor", cast("Any", module).decode(latents, return_dict=False)[0])


def _frame(module: nn.Module, planes: Tensor) -> Tensor:
    return _encoded(module, planes[:, :, None] if planes.ndim == 4 else planes)


def _frames(module: nn.Module, latents: Tensor) -> Tensor:
    made = _decoded(module, latents[:, :, None] if latents.ndim == 4 else latents)
    return made.movedim(2, 1).reshape(-1, made.shape[1], *made.shape[-2:])


def _patched(module: nn.Module, planes: Tensor) -> Tensor:
    mean, deviation = _statistics(module)
    return (F.pixel_unshuffle(_encoded(module, planes), PATCH) - mean) / deviation


def _unpatched(module: nn.Module, latents: Tensor) -> Tensor:
    mean, deviation = _statistics(module)
    return _decoded(module, F.pixel_shuffle(latents * deviation + mean, PATCH))


def _normal(module: nn.Module, planes: Tensor) -> Tensor:
    mean, deviation = _means(module)
    return (_frame(module, planes) - mean) / deviation


def _unnormal(module: nn.Module, latents: Tensor) -> Tensor:
    if cast("Any", module).config.timestep_conditioning:
        raise DiffusionError(
            "This VAE of LTX-Video removes noise while it decodes, which is not here yet.",
            "Use that of LTX-Video 0.9, whose config says no timestep_conditioning.",
        )
    mean, deviation = _means(module)
    return _frames(module, (latents[:, :, None] if latents.ndim == 4 else latents) * deviation + mean)


def _means(module: nn.Module) -> tuple[Tensor, Tensor]:
    """Of the latents, each Float[1 channel 1 1 1]: LTX-Video's autoencoder carries them beside its weights."""
    carried = cast("Any", module)
    mean, deviation = (part.reshape(1, -1, 1, 1, 1) for part in (carried.latents_mean, carried.latents_std))
    return mean, deviation / carried.config.scaling_factor


def _statistics(module: nn.Module) -> tuple[Tensor, Tensor]:
    """Of the latents, each Float[1 channel 1 1]: Flux 2's autoencoder carries them as those of a batch norm."""
    norm = cast("Any", module).bn
    variance = cast("Tensor", norm.running_var)
    deviation = torch.sqrt(variance + norm.eps)
    return cast("Tensor", norm.running_mean).reshape(1, -1, 1, 1), deviation.reshape(1, -1, 1, 1)


def _quantised(module: nn.Module, planes: Tensor) -> Tensor:
    return cast("Tensor", cast("Any", module).encode((planes + 1.0) / 2.0, return_dict=False)[0])


def _unquantised(module: nn.Module, latents: Tensor) -> Tensor:
    return _decoded(module, latents) * 2.0 - 1.0


PICTURES = Coding(_encoded, _decoded)
VIDEOS = Coding(_frame, _frames, axes=3)
NORMAL_VIDEOS = Coding(_normal, _unnormal, axes=3)  # of LTX-Video: latents of mean 0 and deviation 1
STAGE_A = Coding(
    _quantised, _unquantised
)  # of Stable Cascade: pictures in 0..1, latents as they are, no code book
PATCHES = Coding(_patched, _unpatched)
SOUNDS = Coding(_encoded, _decoded, axes=1)  # of Stable Audio: waveforms as they are

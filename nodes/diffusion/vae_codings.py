"""How kinds of autoencoders are asked: pictures in -1..1 to latents and back, in the words of each class of diffusers."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, cast

import torch
import torch.nn.functional as F
from torch import Tensor, nn

PATCH = 2  # latents of Flux 2 that become one


@dataclass(frozen=True, slots=True)
class Coding:
    """How one kind is asked.

    Attributes:
        encode: Float[batch 3 height width] to its latents; the most likely ones, nothing is drawn at random. Of videos
            Float[batch 3 frame height width] too.
        decode: latents to Float[picture 3 height width]; a video's frames are pictures.
        axes: of its latents: 2 for pictures, 3 with time.
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
STAGE_A = Coding(
    _quantised, _unquantised
)  # of Stable Cascade: pictures in 0..1, latents as they are, no code book
PATCHES = Coding(_patched, _unpatched)

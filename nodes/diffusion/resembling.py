"""Pictures to resemble: what a vision model saw of them, made noisy, as the one vector that a network reads (unCLIP).

Source: Ramesh et al. 2022 (arXiv:2204.06125), section 2.1; how noise is added to it, Stable Diffusion 2.1 unCLIP
(Stability AI 2023), with the schedule of Nichol and Dhariwal 2021 (arXiv:2102.09672), eq. 17.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol, cast, runtime_checkable

import torch
from torch import Tensor

from nodes.diffusion.errors import DiffusionError
from nodes.diffusion.values import Latents
from nodes.diffusion.vision_values import ClipVisionOutput
from nodes.diffusion.waves import numbers_embedding

SHOWN = "unclip_conditioning"  # what conditioning calls them
LEVELS = 1000
MERGED = 0.05  # how noisy the mix of several pictures is made once more, 0 to 1
SEED_BEFORE = 10  # their noise comes from the run's seed less this
WORDS = 2**64


@dataclass(frozen=True, slots=True, eq=False)
class Seen:
    """How a network was trained to be shown pictures: the mean and the deviation of what its vision model saw in training.

    Attributes:
        mean, deviation: Float[feature].
    """

    mean: Tensor
    deviation: Tensor

    def vector(self, picture: Tensor, level: int, seed: int) -> Tensor:
        """A noisy picture and how noisy it is, as one vector, Float[1 2*feature].

        Args:
            picture: Float[1 feature], as the vision model gives it.
            level: of `LEVELS`, 0 is almost none.
        """
        noise = torch.randn(picture.shape, generator=torch.Generator().manual_seed(seed % WORDS))
        kept = _kept(level)
        plain = (picture.float() - self.mean) / self.deviation
        noisy = plain * kept**0.5 + noise * (1.0 - kept) ** 0.5
        told = numbers_embedding(torch.tensor([[float(level)]]), picture.shape[-1])
        return torch.cat((noisy * self.deviation + self.mean, told), -1)


@runtime_checkable
class ShownPictures(Protocol):
    """A network that may have been trained to be shown pictures."""

    @property
    def seen(self) -> Seen | None:
        """How; None: it was not."""
        ...


def resembled(extra: Mapping[str, object], seen: Seen, seed: int, latents: Latents) -> Tensor | None:
    """What a network reads of the pictures that a condition shows, Float[batch feature]; None if it shows none.

    One picture's vector counts as strongly as is said; several are added up, and their sum is made noisy once more.

    Args:
        seed: of the run.

    Raises:
        DiffusionError: they were seen by another vision model.
    """
    pictures = list(_pictures(extra))
    if not pictures:
        return None
    chance, width = seed - SEED_BEFORE, len(seen.mean)
    total: Tensor | None = None
    for picture, strength, noise in pictures:
        if picture.shape[-1] != width:
            raise DiffusionError(
                f"The picture was seen by a vision model with {picture.shape[-1]} features; the model reads {width}.",
                "Encode it with the CLIP_VISION of the model's own checkpoint.",
            )
        made = seen.vector(picture, round((LEVELS - 1) * noise), chance) * strength
        total = made if total is None else total + made
    assert total is not None
    if len(pictures) > 1:
        total = seen.vector(total[:, :width], round((LEVELS - 1) * MERGED), chance)
    return total.to(latents.device).expand(len(latents), -1)


def _pictures(extra: Mapping[str, object]) -> Sequence[tuple[Tensor, float, float]]:
    """Each picture with its strength and its noise, 0 to 1."""
    found: list[tuple[Tensor, float, float]] = []
    entries = extra.get(SHOWN)
    for entry in cast("Sequence[Mapping[str, object]]", entries if isinstance(entries, list | tuple) else ()):
        output = entry.get("clip_vision_output")
        if not isinstance(output, ClipVisionOutput) or output.image_embeds is None:
            continue
        strength, noise = entry.get("strength", 1.0), entry.get("noise_augmentation", 0.0)
        assert isinstance(strength, int | float) and isinstance(noise, int | float)
        found += [(picture[None], float(strength), float(noise)) for picture in output.image_embeds]
    return found


def _kept(level: int) -> float:
    """How much of the variance is left at a level: the product of what each step keeps."""

    def share(step: int) -> float:
        return math.cos((step / LEVELS + 0.008) / 1.008 * math.pi / 2.0) ** 2

    return math.prod(1.0 - min(1.0 - share(step + 1) / share(step), 0.999) for step in range(level + 1))

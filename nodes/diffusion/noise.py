"""Noise: the start of a run, and what samplers with noise add at each step.

No generator here is global: the same seed gives the same noise whatever ran before.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Protocol, runtime_checkable

import torch
from torch import Tensor

NoiseSource = Callable[[Tensor, float, float], Tensor]
"""Fresh unit noise like the latents, for the step from one sigma to a lower one."""

Seeds = int | tuple[int, ...]
"""One seed for a whole batch, or one for each of its items."""

CPU = torch.device("cpu")
WRAP = 2**64  # the seed after the last one is the first


@runtime_checkable
class StartNoise(Protocol):
    """Where a run's noise comes from: that of its start, and the seeds of what samplers add."""

    @property
    def seed(self) -> int:
        """0 to 2**64 - 1."""
        ...

    def drawn(
        self, shape: Sequence[int], batch_index: Sequence[int] | None, device: torch.device, /
    ) -> Tensor:
        """The start: unit noise, or zeros, of that shape.

        Args:
            batch_index: which items of a larger batch they are.
            device: where the network is.
        """
        ...

    def seeds(self, count: int, batch_index: Sequence[int] | None, /) -> Seeds:
        """Seeds for the noise that is added later to a batch of that many."""
        ...


@dataclass(frozen=True, slots=True)
class NoNoise:
    """The latents are noisy already, or shall stay as they are. `seed` is for what samplers add."""

    seed: int = 0

    def drawn(
        self, shape: Sequence[int], _batch_index: Sequence[int] | None, device: torch.device, /
    ) -> Tensor:
        """Zeros."""
        return torch.zeros(tuple(shape), device=device)

    def seeds(self, _count: int, _batch_index: Sequence[int] | None, /) -> Seeds:
        """The one seed."""
        return self.seed


@dataclass(frozen=True, slots=True)
class SeededNoise:
    """Unit noise from a seed.

    Attributes:
        per_image: item k of a batch is what a run of its own with `seed + k` would give (after the last seed comes 0), and
            its variation that of `variation_seed + k`; otherwise one seed draws the
            whole batch, and its items cannot be had alone.
        variation_seed, variation_strength: another noise, and how far to go to it on the great circle, 0 to 1.
        on_device: drawn where the network is, which is quicker and other on each kind of device.
    """

    seed: int
    per_image: bool = False
    variation_seed: int = 0
    variation_strength: float = 0.0
    on_device: bool = False

    def drawn(
        self, shape: Sequence[int], batch_index: Sequence[int] | None, device: torch.device, /
    ) -> Tensor:
        """The start, Float[batch channel *space], on the CPU if not `on_device`."""
        place = device if self.on_device else CPU
        noise = self._of_seed(self.seed, shape, batch_index, place)
        if self.variation_strength > 0.0:
            other = self._of_seed(self.variation_seed, shape, batch_index, place)
            noise = between(noise, other, self.variation_strength)
        return noise

    def seeds(self, count: int, batch_index: Sequence[int] | None, /) -> Seeds:
        """One for each item if they are apart."""
        places = range(count) if batch_index is None else batch_index
        return tuple((self.seed + place) % WRAP for place in places) if self.per_image else self.seed

    def _of_seed(
        self, seed: int, shape: Sequence[int], batch_index: Sequence[int] | None, device: torch.device
    ) -> Tensor:
        if not self.per_image:
            return start_noise(shape, seed, batch_index, device)
        places = range(shape[0]) if batch_index is None else batch_index
        return torch.cat([start_noise((1, *shape[1:]), seed + place, device=device) for place in places])


def start_noise(
    shape: Sequence[int], seed: int, batch_index: Sequence[int] | None = None, device: torch.device = CPU
) -> Tensor:
    """Unit noise, float32.

    Args:
        shape: [batch channel *space].
        seed: 0 to 2**64 - 1.
        batch_index: items of a larger batch: each gets the noise it would have there.
    """
    generator = seeded(seed, device)
    if batch_index is None:
        return torch.randn(tuple(shape), generator=generator, device=device)
    last = max(batch_index)
    drawn = [torch.randn((1, *shape[1:]), generator=generator, device=device) for _ in range(last + 1)]
    return torch.cat([drawn[index] for index in batch_index])


def between(one: Tensor, other: Tensor, share: float) -> Tensor:
    """Noise on the great circle from one noise to another, each item by itself: still of unit variance.

    Source: Shoemake 1985 (SIGGRAPH), spherical linear interpolation.
    """
    first, second = one.flatten(1), other.flatten(1)
    cosine = (first * second).sum(1) / (first.square().sum(1) * second.square().sum(1)).sqrt()
    angle = cosine.clamp(-1.0, 1.0).acos().clamp(min=1e-6).reshape(-1, *[1] * (one.ndim - 1))
    return (((1.0 - share) * angle).sin() * one + (share * angle).sin() * other) / angle.sin()


def seeded(seed: int, device: torch.device | str = "cpu") -> torch.Generator:
    """A generator of its own. Seeds wrap at 64 bits."""
    generator = torch.Generator(device=device)
    wrapped = seed % WRAP
    generator.manual_seed(wrapped if wrapped < 2**63 else wrapped - 2**64)
    return generator


def step_noise(latents: Tensor, seed: int) -> NoiseSource:
    """Independent noise for each step, drawn where the latents are.

    On the CPU the seed is one higher, so that the first step does not repeat the start noise.
    """
    return drawn_from(seeded(seed + 1 if latents.device.type == "cpu" else seed, latents.device))


def drawn_from(generator: torch.Generator) -> NoiseSource:
    """Noise from a generator as it stands."""

    def draw(like: Tensor, _sigma: float, _following: float) -> Tensor:
        drawn = torch.randn(like.shape, generator=generator, device=generator.device, dtype=like.dtype)
        return drawn.to(like.device)

    return draw


def continued_noise(latents: Tensor, seed: int) -> NoiseSource:
    """What the generator of the start noise draws next; on a device of its own it starts anew there."""
    generator = seeded(seed, latents.device)
    if latents.device.type == "cpu":
        torch.randn(latents.shape, generator=generator, dtype=latents.dtype)
    return drawn_from(generator)


def for_each_item(
    make: Callable[[Tensor, int], NoiseSource], latents: Tensor, seeds: Sequence[int]
) -> NoiseSource:
    """A source that draws for each item what it would get in a run of its own.

    Args:
        make: the source for a batch of one, from latents and a seed.
    """
    sources = [make(item, seed) for item, seed in zip(latents.tensor_split(len(latents)), seeds, strict=True)]

    def draw(like: Tensor, sigma: float, following: float) -> Tensor:
        items = zip(sources, like.tensor_split(len(sources)), strict=True)
        return torch.cat([source(item, sigma, following) for source, item in items])

    return draw

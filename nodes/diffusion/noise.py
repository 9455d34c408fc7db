"""Noise: the start of a run, what ancestral samplers add, and a Brownian path that can be asked at any two times.

No generator here is global: the same seed gives the same noise whatever ran before.
"""

from collections.abc import Callable, Sequence

import numpy as np
import torch
from torch import Tensor

NoiseSource = Callable[[Tensor, float, float], Tensor]
"""Fresh unit noise like the latents, for the step from one sigma to a lower one."""


def start_noise(shape: Sequence[int], seed: int, batch_index: Sequence[int] | None = None) -> Tensor:
    """Unit noise on the CPU, float32.

    Args:
        shape: [batch channel *space].
        seed: 0 to 2**64 - 1.
        batch_index: items of a larger batch: each gets the noise it would have there.
    """
    generator = seeded(seed)
    if batch_index is None:
        return torch.randn(tuple(shape), generator=generator)
    last = max(batch_index)
    drawn = [torch.randn((1, *shape[1:]), generator=generator) for _ in range(last + 1)]
    return torch.cat([drawn[index] for index in batch_index])


def seeded(seed: int, device: torch.device | str = "cpu") -> torch.Generator:
    """A generator of its own. Seeds wrap at 64 bits."""
    generator = torch.Generator(device=device)
    wrapped = seed % 2**64
    generator.manual_seed(wrapped if wrapped < 2**63 else wrapped - 2**64)
    return generator


def step_noise(latents: Tensor, seed: int) -> NoiseSource:
    """Independent noise for each step, drawn where the latents are.

    On the CPU the seed is one higher, so that the first step does not repeat the start noise.
    """
    generator = seeded(seed + 1 if latents.device.type == "cpu" else seed, latents.device)

    def draw(like: Tensor, _sigma: float, _following: float) -> Tensor:
        return torch.randn(like.shape, generator=generator, device=like.device, dtype=like.dtype)

    return draw


class BrownianPath:
    """A Brownian motion over sigma, sampled lazily: any two visits agree, whatever was asked before.

    Between two known ends the middle is drawn from a Brownian bridge, in halves, each with a seed of its own place in
    the tree (Levy's construction; Li et al. 2020, arXiv:2001.01328, section 4), so nothing need be kept; the last
    places are, to save drawing them again.

    Args:
        latents: gives shape, dtype and device of the noise.
        low, high: the range of sigmas, both above 0.
        seed: entropy of the whole path.
    """

    TOLERANCE = 1e-6
    POOL = 24
    REMEMBERED = 32

    def __init__(self, latents: Tensor, low: float, high: float, seed: int) -> None:
        self._like = latents
        self._low, self._high = _rounded(low), _rounded(high)
        self._seed = seed
        self._known: dict[tuple[int, int], Tensor] = {}  # the longest unused first
        first = int(np.random.SeedSequence(seed, pool_size=self.POOL).generate_state(3)[0])
        self._total = self._randn(first) * (self._high - self._low) ** 0.5

    def increment(self, start: float, end: float) -> Tensor:
        """How far the path goes from `start` to a higher `end`."""
        start = min(max(_rounded(start), self._low), self._high)
        end = min(max(_rounded(end), self._low), self._high)
        if end <= start:
            return torch.zeros_like(self._like)
        return self._over(self._low, self._high, self._total, 0, 0, start, end)

    def _over(
        self, low: float, high: float, total: Tensor, key: int, depth: int, start: float, end: float
    ) -> Tensor:
        if start <= low and end >= high:
            return total
        middle = _rounded((low + high) / 2)
        if high - low <= self.TOLERANCE or middle in (low, high):
            return total * ((min(end, high) - max(start, low)) / (high - low))
        left = self._remembered(low, middle, high, total, key, depth)
        parts: list[Tensor] = []
        if start < middle:
            parts.append(self._over(low, middle, left, 2 * key, depth + 1, start, min(end, middle)))
        if end > middle:
            parts.append(
                self._over(middle, high, total - left, 2 * key + 1, depth + 1, max(start, middle), end)
            )
        return parts[0] if len(parts) == 1 else parts[0] + parts[1]

    def _remembered(
        self, low: float, middle: float, high: float, total: Tensor, key: int, depth: int
    ) -> Tensor:
        """The bridge at a place of the tree; neighbouring steps share most of the way down to theirs."""
        known = self._known.pop((key, depth), None)
        left = self._bridge(low, middle, high, total, key, depth) if known is None else known
        self._known[(key, depth)] = left
        if len(self._known) > self.REMEMBERED:
            del self._known[next(iter(self._known))]
        return left

    def _bridge(self, low: float, middle: float, high: float, total: Tensor, key: int, depth: int) -> Tensor:
        sequence = np.random.SeedSequence(self._seed, spawn_key=(key, depth), pool_size=self.POOL)
        seed = int(sequence.generate_state(4)[0])
        left, right, whole = middle - low, high - middle, high - low
        return total * (left / whole) + self._randn(seed) * (left * right / whole) ** 0.5

    def _randn(self, seed: int) -> Tensor:
        generator = seeded(seed, self._like.device)
        return torch.randn(
            self._like.shape, generator=generator, device=self._like.device, dtype=self._like.dtype
        )


def brownian_noise(latents: Tensor, sigmas: Tensor, seed: int) -> NoiseSource:
    """Unit noise that belongs to one Brownian path over all sigmas: finer schedules see the same motion."""
    positive = sigmas[sigmas > 0]
    path = BrownianPath(latents, float(positive.min()), float(sigmas.max()), seed)

    def draw(_like: Tensor, sigma: float, following: float) -> Tensor:
        low, high = min(sigma, following), max(sigma, following)
        moved = path.increment(low, high)
        return (-moved if sigma > following else moved) / (high - low) ** 0.5

    return draw


def _rounded(time: float) -> float:
    return round(time, 6)

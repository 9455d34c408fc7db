"""A Brownian path over sigma that can be asked at any two places: finer schedules see the same motion."""

from collections.abc import Iterator

import numpy as np
import torch
from torch import Tensor

from nodes.diffusion.noise import NoiseSource, seeded


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
        self._total = self._randn(first) * (high - low) ** 0.5

    def increment(self, start: float, end: float) -> Tensor:
        """How far the path goes from `start` to a higher `end`."""
        start = min(max(_rounded(start), self._low), self._high)
        end = min(max(_rounded(end), self._low), self._high)
        if end <= start:
            return torch.zeros_like(self._like)
        first, *others = self._parts(self._low, self._high, self._total, 0, 0, start, end)
        for part in others:
            first = first + part
        return first

    def _parts(
        self, low: float, high: float, total: Tensor, key: int, depth: int, start: float, end: float
    ) -> Iterator[Tensor]:
        if start <= low and end >= high:
            yield total
            return
        middle = _rounded((low + high) / 2)
        if high - low <= self.TOLERANCE or middle in (low, high):
            yield total * ((min(end, high) - max(start, low)) / (high - low))
            return
        left = self._remembered(low, middle, high, total, key, depth)
        if start < middle:
            yield from self._parts(low, middle, left, 2 * key, depth + 1, start, min(end, middle))
        if end > middle:
            later = max(start, middle)
            yield from self._parts(middle, high, total - left, 2 * key + 1, depth + 1, later, end)

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
        left, right, share = middle - low, high - middle, 1 / (high - low)
        return left * total * share + (left * right * share) ** 0.5 * self._randn(seed)

    def _randn(self, seed: int) -> Tensor:
        generator = seeded(seed, self._like.device)
        return torch.randn(
            self._like.shape, generator=generator, device=self._like.device, dtype=self._like.dtype
        )


def brownian_noise(
    latents: Tensor, sigmas: Tensor, seed: int, device: torch.device | None = None
) -> NoiseSource:
    """Unit noise that belongs to one Brownian path over all sigmas: finer schedules see the same motion.

    Args:
        device: where the path is drawn; None: where the latents are. The same seed differs between kinds of device.
    """
    positive = sigmas[sigmas > 0]
    if not len(positive):
        return lambda like, _sigma, _following: torch.zeros_like(like)
    place = latents if device is None else latents.to(device)
    path = BrownianPath(place, float(positive.min()), float(sigmas.max()), seed)

    def draw(like: Tensor, sigma: float, following: float) -> Tensor:
        low, high = min(sigma, following), max(sigma, following)
        moved = path.increment(low, high).to(like.device)
        return (-moved if sigma > following else moved) / (high - low) ** 0.5

    return draw


def _rounded(time: float) -> float:
    return round(time, 6)

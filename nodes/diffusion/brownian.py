"""A Brownian path over sigma that can be asked at any two places: finer schedules see the same motion."""

from typing import Any, cast

import torch
from torch import Tensor

from nodes.diffusion.noise import NoiseSource
from nodes.diffusion.tree_seeds import TreeSeeds

Numbers = Any
"""A tensor, or a numpy array on a processor, where an operation costs half as much and gives the same bits."""


class BrownianPath:
    """A Brownian motion over sigma, sampled lazily: any two visits agree, whatever was asked before.

    Between two known ends the middle is drawn from a Brownian bridge, in halves, each with a seed of its own place in
    the tree (Levy's construction; Li et al. 2020, arXiv:2001.01328, section 4), so nothing need be kept; the places of the
    last visit are, as the next step starts where it ended.

    Args:
        latents: gives shape, dtype and device of the noise.
        low, high: the range of sigmas, both above 0.
        seed: entropy of the whole path.
    """

    TOLERANCE = 1e-6

    def __init__(self, latents: Tensor, low: float, high: float, seed: int) -> None:
        self._like = latents
        self._generator = torch.Generator(latents.device)
        self._drawn = torch.empty_like(latents, memory_format=torch.contiguous_format)
        plain = latents.device.type == "cpu" and latents.dtype is torch.float32
        self._numbers: Numbers = self._drawn.numpy() if plain else self._drawn
        self._low, self._high = _rounded(low), _rounded(high)
        self._seeds = TreeSeeds(seed)
        self._known: dict[tuple[int, int], Numbers] = {}  # what the last visit passed
        self._total = self._randn(self._seeds.of_root(), (high - low) ** 0.5)

    def increment(self, start: float, end: float) -> Tensor:
        """How far the path goes from `start` to a higher `end`."""
        start = min(max(_rounded(start), self._low), self._high)
        end = min(max(_rounded(end), self._low), self._high)
        if end <= start:
            return torch.zeros_like(self._like)
        moved = self._moved(start, end)
        return moved if isinstance(moved, Tensor) else cast("Any", torch).from_numpy(moved)

    def _moved(self, start: float, end: float) -> Numbers:
        """The parts of the way below each place of the tree, added in the order of the way: sums repeat to the bit."""
        known, passed = self._known, dict[tuple[int, int], Numbers]()
        moved: Numbers = None
        root = self._low, self._high, self._total, None, 0, 0  # the fourth is what of the total lies before
        ahead: list[tuple[float, float, Numbers, Numbers, int, int]] = [root]
        while ahead:
            low, high, total, before, key, depth = ahead.pop()
            if before is not None:
                total = total - before
            middle = _rounded((low + high) / 2)
            if start <= low and end >= high:
                moved = total if moved is None else moved + total
            elif high - low <= self.TOLERANCE or middle in (low, high):
                part = total * ((min(end, high) - max(start, low)) / (high - low))
                moved = part if moved is None else moved + part
            else:
                place = key, depth
                left = known.pop(place, None)
                if left is None:
                    left = self._left(low, middle, high, total, place)
                passed[place] = left
                if end > middle:
                    ahead.append((middle, high, total, left, 2 * key + 1, depth + 1))
                if start < middle:
                    ahead.append((low, middle, left, None, 2 * key, depth + 1))
        self._known = passed
        return moved

    def _left(
        self, low: float, middle: float, high: float, total: Numbers, place: tuple[int, int]
    ) -> Numbers:
        """How far it goes in the left half: the bridge at a place of the tree."""
        left, right, share = middle - low, high - middle, 1 / (high - low)
        drawn = self._randn(self._seeds.of(place), (left * right * share) ** 0.5)
        expected = total * left
        expected *= share
        drawn += expected
        return drawn

    def _randn(self, seed: int, deviation: float) -> Numbers:
        self._generator.manual_seed(seed)
        self._drawn.normal_(generator=self._generator)
        return self._numbers * deviation


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

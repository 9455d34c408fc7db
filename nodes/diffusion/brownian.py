"""A Brownian path over sigma that can be asked at any two places: finer schedules see the same motion."""

import torch
from torch import Tensor

from nodes.diffusion.noise import NoiseSource
from nodes.diffusion.tree_seeds import TreeSeeds


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
        self._low, self._high = _rounded(low), _rounded(high)
        self._seeds = TreeSeeds(seed)
        self._known: dict[tuple[int, int], Tensor] = {}  # what the last visit passed
        self._passed: dict[tuple[int, int], Tensor] = {}
        self._total = self._randn(self._seeds.of_root()).mul_((high - low) ** 0.5)

    def increment(self, start: float, end: float) -> Tensor:
        """How far the path goes from `start` to a higher `end`."""
        start = min(max(_rounded(start), self._low), self._high)
        end = min(max(_rounded(end), self._low), self._high)
        if end <= start:
            return torch.zeros_like(self._like)
        moved = _Sum()
        self._add(moved, self._low, self._high, self._total, 0, 0, start, end)
        self._known, self._passed = self._passed, {}
        return moved.value()

    def _add(
        self,
        moved: "_Sum",
        low: float,
        high: float,
        total: Tensor,
        key: int,
        depth: int,
        start: float,
        end: float,
    ) -> None:
        """Add the parts of the way that lie below a place of the tree, in the order of the way: sums repeat to the bit."""
        if start <= low and end >= high:
            moved.add(total)
            return
        middle = _rounded((low + high) / 2)
        if high - low <= self.TOLERANCE or middle in (low, high):
            moved.add(total * ((min(end, high) - max(start, low)) / (high - low)))
            return
        left = self._left(low, middle, high, total, key, depth)
        if start < middle:
            self._add(moved, low, middle, left, 2 * key, depth + 1, start, min(end, middle))
        if end > middle:
            later = max(start, middle)
            self._add(moved, middle, high, total - left, 2 * key + 1, depth + 1, later, end)

    def _left(self, low: float, middle: float, high: float, total: Tensor, key: int, depth: int) -> Tensor:
        """The bridge at a place of the tree; neighbouring steps share most of the way down to theirs."""
        place = key, depth
        known = self._known.pop(place, None)
        self._passed[place] = self._bridge(low, middle, high, total, place) if known is None else known
        return self._passed[place]

    def _bridge(
        self, low: float, middle: float, high: float, total: Tensor, place: tuple[int, int]
    ) -> Tensor:
        left, right, share = middle - low, high - middle, 1 / (high - low)
        drawn = self._randn(self._seeds.of(place)).mul_((left * right * share) ** 0.5)
        return drawn.add_((total * left).mul_(share))

    def _randn(self, seed: int) -> Tensor:
        self._generator.manual_seed(seed)
        return torch.randn(
            self._like.shape, generator=self._generator, device=self._like.device, dtype=self._like.dtype
        )


class _Sum:
    """A sum of tensors from the first on, in memory of its own."""

    def __init__(self) -> None:
        self._first: Tensor | None = None
        self._sum: Tensor | None = None

    def add(self, part: Tensor) -> None:
        if self._sum is not None:
            self._sum.add_(part)
        elif self._first is not None:
            self._sum = self._first + part
        else:
            self._first = part

    def value(self) -> Tensor:
        assert self._first is not None
        return self._first if self._sum is None else self._sum


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

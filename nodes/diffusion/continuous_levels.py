"""Noise levels without a table of betas: networks that are told ln sigma, an angle or the share of noise, and a cosine.

Each is a value of few numbers: equal by content, so that a recipe can hold it.
"""

import math
from dataclasses import dataclass

import torch
from torch import Tensor

from nodes.diffusion.noise_levels import BEFORE_START, TRAIN_STEPS

CASCADE_STEPS = 10_000
COSINE_OFFSET = 0.008
LEAST_ABAR, MOST_ABAR = 1e-4, 0.9999


@dataclass(frozen=True)
class _Range:
    """Levels between two sigmas, even in ln sigma.

    Attributes:
        low, high: above 0.
    """

    low: float
    high: float

    @property
    def sigmas(self) -> Tensor:
        """Float[1000], rising."""
        return torch.linspace(math.log(self.low), math.log(self.high), TRAIN_STEPS).exp()

    @property
    def minimum(self) -> float:
        """The lowest sigma."""
        return self.low

    @property
    def maximum(self) -> float:
        """The highest sigma."""
        return self.high

    def at_percent(self, percent: float) -> float:
        """The sigma where a share of the run is done: above all sigmas at 0, below all at 1."""
        if percent <= 0.0:
            return BEFORE_START
        if percent >= 1.0:
            return 0.0
        bottom, top = math.log(self.low), math.log(self.high)
        return math.exp((top - bottom) * (1.0 - percent) + bottom)


@dataclass(frozen=True)
class EdmLevels(_Range):
    """The network is told ln sigma / 4. Source: Karras et al. 2022 (arXiv:2206.00364), table 1, c_noise."""

    low: float = 0.002
    high: float = 120.0

    def timestep(self, sigma: Tensor) -> Tensor:
        """A quarter of the logarithm; same shape."""
        return 0.25 * sigma.log()

    def sigma(self, timestep: Tensor) -> Tensor:
        """Same shape."""
        return (timestep / 0.25).exp()


@dataclass(frozen=True)
class AngleLevels(_Range):
    """The network is told the angle whose tangent is sigma, in quarter turns.

    Source: Salimans and Ho 2022 (arXiv:2202.00512), appendix D; Crowson 2022 for continuous time.
    """

    low: float = 0.03
    high: float = 500.0

    def timestep(self, sigma: Tensor) -> Tensor:
        """0 to 1; same shape."""
        return sigma.atan() / math.pi * 2

    def sigma(self, timestep: Tensor) -> Tensor:
        """Same shape."""
        return (timestep * math.pi / 2).tan()


@dataclass(frozen=True)
class ShareLevels(_Range):
    """The network is told the share of noise, sigma / (1 + sigma): a rectified flow whose latents were divided by alpha.

    Source: NVIDIA 2025, Cosmos-Predict2, after Liu et al. 2022 (arXiv:2209.03003).
    """

    low: float = 0.002
    high: float = 80.0

    def timestep(self, sigma: Tensor) -> Tensor:
        """0 to 1; same shape."""
        return sigma / (sigma + 1)

    def sigma(self, timestep: Tensor) -> Tensor:
        """Same shape; the highest sigma is not passed."""
        return (timestep / (1 - timestep)).clamp(max=self.high)


@dataclass(frozen=True)
class CosineLevels:
    """The cosine schedule, its signal-to-noise ratio divided by a power of the picture's size.

    Source: Nichol and Dhariwal 2021 (arXiv:2102.09672), eq. 17; shift: Hoogeboom et al. 2023 (arXiv:2301.11093), eq. 4.

    Attributes:
        shift: 1 leaves the schedule as it is; 2 is for pictures of twice the side.
    """

    shift: float = 1.0

    @property
    def sigmas(self) -> Tensor:
        """Float[10000], rising."""
        return self.sigma(torch.arange(1, CASCADE_STEPS + 1) / CASCADE_STEPS)

    @property
    def minimum(self) -> float:
        """The lowest sigma of the table."""
        return float(self.sigmas[0])

    @property
    def maximum(self) -> float:
        """The highest sigma of the table."""
        return float(self.sigmas[-1])

    def timestep(self, sigma: Tensor) -> Tensor:
        """The time of the unshifted schedule at which it has that sigma: what the network is told; same shape."""
        abar = (1 / (sigma**2 + 1)).clamp(0.0, 1.0)
        start = math.cos(COSINE_OFFSET / (1 + COSINE_OFFSET) * math.pi / 2) ** 2
        return (abar * start).sqrt().acos() / (math.pi / 2) * (1 + COSINE_OFFSET) - COSINE_OFFSET

    def sigma(self, timestep: Tensor) -> Tensor:
        """The shifted sigma at a time, 0 to 1; same shape."""
        start = math.cos(COSINE_OFFSET / (1 + COSINE_OFFSET) * math.pi / 2) ** 2
        angle = (timestep + COSINE_OFFSET) / (1 + COSINE_OFFSET) * math.pi / 2
        abar = angle.cos() ** 2 / start
        if self.shift != 1.0:
            abar = ((abar / (1 - abar)).log() + 2 * math.log(1 / self.shift)).sigmoid()
        abar = abar.clamp(LEAST_ABAR, MOST_ABAR)
        return ((1 - abar) / abar).sqrt()

    def at_percent(self, percent: float) -> float:
        """The sigma where a share of the run is done: above all sigmas at 0, below all at 1."""
        if percent <= 0.0:
            return BEFORE_START
        if percent >= 1.0:
            return 0.0
        return float(self.sigma(torch.tensor(1.0 - percent)))

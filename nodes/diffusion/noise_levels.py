"""Noise levels a network was trained on: its table of sigmas, and the way between sigma, timestep and share of a run.

Variance-preserving training writes x_t = sqrt(abar_t) x_0 + sqrt(1 - abar_t) n (Ho et al. 2020, arXiv:2006.11239, eq. 4).
Samplers here work on x_t / sqrt(abar_t) = x_0 + sigma n, with sigma = sqrt((1 - abar) / abar) (Karras et al. 2022,
arXiv:2206.00364, table 1).
"""

import math
from dataclasses import dataclass
from typing import Protocol, runtime_checkable

import torch
from torch import Tensor

TRAIN_STEPS = 1000
SD_BETA_START = 0.00085
SD_BETA_END = 0.012
LAST_ABAR = 4.8973451890853435e-08  # keeps sigma finite where the terminal signal-to-noise ratio is zero
BEFORE_START = 999999999.9
FLUX_MU, FLUX_COUNT = 1.15, 10_000


@runtime_checkable
class NoiseLevels(Protocol):
    """The noise levels of a network, and the way between sigma, timestep and share of a run."""

    @property
    def sigmas(self) -> Tensor:
        """Float[timesteps], rising."""
        ...

    @property
    def minimum(self) -> float:
        """The lowest sigma of the table."""
        ...

    @property
    def maximum(self) -> float:
        """The highest sigma of the table."""
        ...

    def timestep(self, sigma: Tensor) -> Tensor:
        """What the network is told at a sigma; same shape."""
        ...

    def sigma(self, timestep: Tensor) -> Tensor:
        """The sigma at a place of the table (0 is its start); same shape. Schedules step in these."""
        ...

    def at_percent(self, percent: float) -> float:
        """The sigma where a share of the run is done: no sigma is above it at 0, none below at 1."""
        ...


@dataclass(frozen=True, slots=True, eq=False)
class DiscreteLevels:
    """Levels of a network trained on whole timesteps.

    Attributes:
        sigmas: Float[timesteps], rising; index is the timestep.
        log_sigmas: their natural logarithms, taken before they were rounded to float32: results repeat to the bit.
        betas: what they were made from, Float64[timesteps].
    """

    sigmas: Tensor
    log_sigmas: Tensor
    betas: Tensor | None = None

    @property
    def minimum(self) -> float:
        """The lowest sigma of the table."""
        return float(self.sigmas[0])

    @property
    def maximum(self) -> float:
        """The highest sigma of the table."""
        return float(self.sigmas[-1])

    def timestep(self, sigma: Tensor) -> Tensor:
        """The timestep whose sigma is nearest in logarithm; same shape as `sigma`, whole numbers."""
        logs = self.log_sigmas if sigma.is_cpu else self.log_sigmas.to(sigma.device)
        if sigma.numel() == 1:  # as it is at every step of a run: fewer operations
            return (logs - sigma.log()).abs().argmin().reshape(sigma.shape)
        distance = (logs - sigma.log().reshape(-1, 1)).abs()
        return distance.argmin(dim=1).reshape(sigma.shape)

    def sigma(self, timestep: Tensor) -> Tensor:
        """The sigma at a timestep, between two of the table by interpolated logarithm; same shape."""
        steps = timestep.float().clamp(0, len(self.sigmas) - 1)
        low, high, share = steps.floor().long(), steps.ceil().long(), steps.frac()
        logs = self.log_sigmas.to(timestep.device)
        return ((1 - share) * logs[low] + share * logs[high]).exp()

    def at_percent(self, percent: float) -> float:
        """The sigma where a share of the run is done: above all sigmas at 0, below all at 1."""
        if percent <= 0.0:
            return BEFORE_START
        if percent >= 1.0:
            return 0.0
        return float(self.sigma(torch.tensor((1.0 - percent) * (len(self.sigmas) - 1))))


@dataclass(frozen=True, slots=True, eq=False)
class DistilledLevels:
    """Every so many-th of another table's levels: those on which a consistency model was distilled.

    Source: Luo et al. 2023 (arXiv:2310.04378), section 4.3.

    Attributes:
        whole: the table; the last of each `stride` timesteps is in use.
    """

    whole: DiscreteLevels
    stride: int

    @property
    def sigmas(self) -> Tensor:
        """Float[timesteps / stride], rising."""
        return self.whole.sigmas[self.stride - 1 :: self.stride]

    @property
    def minimum(self) -> float:
        """The lowest sigma in use."""
        return float(self.sigmas[0])

    @property
    def maximum(self) -> float:
        """The highest sigma in use."""
        return float(self.sigmas[-1])

    def timestep(self, sigma: Tensor) -> Tensor:
        """The timestep in use whose sigma is nearest in logarithm; same shape, whole numbers."""
        return self._used().timestep(sigma) * self.stride + self.stride - 1

    def sigma(self, timestep: Tensor) -> Tensor:
        """The sigma at a timestep, between two in use by interpolated logarithm; same shape."""
        return self._used().sigma((timestep.float() - (self.stride - 1)) / self.stride)

    def at_percent(self, percent: float) -> float:
        """The sigma where a share of the run is done: above all sigmas at 0, below all at 1."""
        if percent <= 0.0:
            return BEFORE_START
        if percent >= 1.0:
            return 0.0
        return float(self.sigma(torch.tensor((1.0 - percent) * (len(self.whole.sigmas) - 1))))

    def _used(self) -> DiscreteLevels:
        return DiscreteLevels(self.sigmas, self.whole.log_sigmas[self.stride - 1 :: self.stride])


@dataclass(frozen=True)
class FlowLevels:
    """Levels of a rectified flow: sigma from 0 to 1, crowded toward 1 by a shift for larger pictures.

    Source: Esser et al. 2024 (arXiv:2403.03206), eq. 23.

    Attributes:
        shift: 1 leaves sigma equal to time.
        multiplier: what the network calls time 1.
        count: of the table.
    """

    shift: float = 3.0
    multiplier: float = 1000.0
    count: int = TRAIN_STEPS

    @property
    def sigmas(self) -> Tensor:
        """Float[count], rising, without 0."""
        return self.sigma(torch.arange(1, self.count + 1) / self.count * self.multiplier)

    @property
    def minimum(self) -> float:
        """The lowest sigma of the table, above 0."""
        return float(self.sigmas[0])

    @property
    def maximum(self) -> float:
        """1."""
        return float(self.sigmas[-1])

    def timestep(self, sigma: Tensor) -> Tensor:
        """Sigma on the network's scale: it was trained on shifted times."""
        return sigma * self.multiplier

    def sigma(self, timestep: Tensor) -> Tensor:
        """The shifted sigma of an evenly running time."""
        time = timestep / self.multiplier
        return self.shift * time / (1 + (self.shift - 1) * time)

    def at_percent(self, percent: float) -> float:
        """The sigma where a share of the run is done."""
        if percent <= 0.0:
            return 1.0
        if percent >= 1.0:
            return 0.0
        return self.shift * (1.0 - percent) / (1 + (self.shift - 1) * (1.0 - percent))


def flux_levels(mu: float = FLUX_MU) -> FlowLevels:
    """Flux's: the shift is e^mu, the network is told sigma itself (Black Forest Labs 2024, after arXiv:2403.03206)."""
    return FlowLevels(math.exp(mu), multiplier=1.0, count=FLUX_COUNT)


def flux_mu(
    tokens: int | float, base_shift: float, max_shift: float, few: int = 256, many: int = 4096
) -> float:
    """The exponent of the shift for so many tokens, on the line through `few` and `many`."""
    slope = (max_shift - base_shift) / (many - few)
    return tokens * slope + base_shift - slope * few


def scaled_linear_betas(
    start: float = SD_BETA_START, end: float = SD_BETA_END, steps: int = TRAIN_STEPS
) -> Tensor:
    """Betas whose roots rise linearly, Float64[steps]; Stable Diffusion's are the defaults."""
    return torch.linspace(start**0.5, end**0.5, steps, dtype=torch.float64) ** 2


def linear_betas(start: float, end: float, steps: int = TRAIN_STEPS) -> Tensor:
    """Betas that rise linearly, Float64[steps]."""
    return torch.linspace(start, end, steps, dtype=torch.float64)


def from_betas(betas: Tensor, *, zero_terminal_snr: bool = False) -> DiscreteLevels:
    """The table for these betas.

    Args:
        zero_terminal_snr: rescale so that the last step is pure noise (Lin et al. 2023, arXiv:2305.08891, algorithm 1).
    """
    alphas_bar = torch.cumprod(1.0 - betas.double(), dim=0)
    if zero_terminal_snr:
        roots = alphas_bar.sqrt()
        first, last = roots[0].clone(), roots[-1].clone()
        alphas_bar = ((roots - last) * (first / (first - last))) ** 2
        alphas_bar[-1] = LAST_ABAR
    sigmas = ((1 - alphas_bar) / alphas_bar).sqrt()
    return DiscreteLevels(sigmas.float(), sigmas.log().float(), betas)

"""Schedules: which noise levels a sampler visits. Each is one function and a row of `SCHEDULES`.

All give falling sigmas, Float[levels]; the last is 0 unless said.
"""

import math
from collections.abc import Callable, Mapping

import torch
from torch import Tensor

from nodes.diffusion.errors import DiffusionError
from nodes.diffusion.noise_levels import NoiseLevels

Schedule = Callable[[NoiseLevels, int], Tensor]
RHO = 7.0
NEARLY_ALL = 0.9999  # of a schedule counts as all of it
PENULTIMATE_LEFT_OUT = frozenset({"dpm_2", "dpm_2_ancestral", "uni_pc", "uni_pc_bh2"})


def simple(levels: NoiseLevels, steps: int) -> Tensor:
    """Every so many-th of the table, from its end."""
    table = levels.sigmas
    picked = [float(table[-(1 + int(index * len(table) / steps))]) for index in range(steps)]
    return torch.tensor([*picked, 0.0])


def normal(levels: NoiseLevels, steps: int) -> Tensor:
    """Equal steps of time, both ends included."""
    first, last = _ends(levels)
    visited = levels.sigma(torch.linspace(first, last, steps))
    if math.isclose(float(visited[-1]), 0.0, abs_tol=1e-5):
        return levels.sigma(torch.linspace(first, last, steps + 1))
    return ended(visited)


def sgm_uniform(levels: NoiseLevels, steps: int) -> Tensor:
    """Equal steps of time, the last one left out."""
    first, last = _ends(levels)
    return ended(levels.sigma(torch.linspace(first, last, steps + 1)[:-1]))


def ddim_uniform(levels: NoiseLevels, steps: int) -> Tensor:
    """Every k-th of the table from its second; may give more steps than asked for, and starts below the highest.

    Source: Song et al. 2020 (arXiv:2010.02502), section 4.2's linear choice, as its code counts.
    """
    table = levels.sigmas
    stride = max(len(table) // steps, 1)
    picked = [float(table[index]) for index in range(1, len(table), stride)]
    return torch.tensor([*reversed(picked), 0.0])


def karras(levels: NoiseLevels, steps: int) -> Tensor:
    """Equal steps of sigma^(1/7). Source: Karras et al. 2022 (arXiv:2206.00364), eq. 5."""
    return karras_between(levels.minimum, levels.maximum, steps)


def karras_between(low: float, high: float, steps: int, rho: float = RHO) -> Tensor:
    """Equal steps of sigma^(1/rho) between two sigmas, then 0."""
    ramp = torch.linspace(0, 1, steps)
    top, bottom = high ** (1 / rho), low ** (1 / rho)
    return ended((top + ramp * (bottom - top)) ** rho)


def exponential(levels: NoiseLevels, steps: int) -> Tensor:
    """Equal steps of the logarithm of sigma."""
    return ended(torch.linspace(math.log(levels.maximum), math.log(levels.minimum), steps).exp())


def beta(levels: NoiseLevels, steps: int, alpha: float = 0.6, beta: float = 0.6) -> Tensor:
    """Timesteps by quantiles of a beta distribution: more of them at both ends; repeats are dropped.

    Source: Lee et al. 2024 (arXiv:2407.12173).
    """
    table = levels.sigmas
    last = len(table) - 1
    places = [round(beta_quantile(1 - index / steps, alpha, beta) * last) for index in range(steps)]
    kept = [place for index, place in enumerate(places) if index == 0 or place != places[index - 1]]
    return torch.tensor([*(float(table[place]) for place in kept), 0.0])


def linear_quadratic(levels: NoiseLevels, steps: int, threshold: float = 0.025) -> Tensor:
    """The first half falls slowly and linearly, the second quadratically. Source: Meta 2024 (arXiv:2410.13720), 3.4.2."""
    if steps == 1:
        return torch.tensor([1.0, 0.0]) * levels.maximum
    linear = steps // 2
    bent = steps - linear
    slope = threshold / linear
    rise = linear - threshold * steps
    square = rise / (linear * bent**2)
    straight = slope - 2 * rise / bent**2
    shares = [slope * index for index in range(linear)]
    shares += [square * index**2 + straight * index + square * linear**2 for index in range(linear, steps)]
    return torch.tensor([1.0 - share for share in (*shares, 1.0)]) * levels.maximum


def kl_optimal(levels: NoiseLevels, steps: int) -> Tensor:
    """Equal steps of the arc tangent of sigma. Source: Sabour et al. 2024 (arXiv:2404.14507), eq. 16."""
    share = torch.linspace(0, 1, steps)
    low, high = math.atan(levels.minimum), math.atan(levels.maximum)
    return ended((share * low + (1 - share) * high).tan())


SCHEDULES: Mapping[str, Schedule] = {
    "simple": simple,
    "sgm_uniform": sgm_uniform,
    "karras": karras,
    "exponential": exponential,
    "ddim_uniform": ddim_uniform,
    "beta": beta,
    "normal": normal,
    "linear_quadratic": linear_quadratic,
    "kl_optimal": kl_optimal,
}


def for_sampler(schedule: str, sampler: str, levels: NoiseLevels, steps: int, denoise: float = 1.0) -> Tensor:
    """The sigmas for a run: as `for_run`, but some samplers leave the last but one of a longer schedule out.

    Raises:
        KeyError: no schedule of that name.
    """
    if sampler not in PENULTIMATE_LEFT_OUT:
        return for_run(schedule, levels, steps, denoise)

    def shortened(levels: NoiseLevels, steps: int) -> Tensor:
        sigmas = SCHEDULES[schedule](levels, steps + 1)
        return torch.cat((sigmas[:-2], sigmas[-1:]))

    return _share(shortened, levels, steps, denoise)


def for_run(schedule: str, levels: NoiseLevels, steps: int, denoise: float = 1.0) -> Tensor:
    """The sigmas for a run.

    Args:
        steps: 1 or more.
        denoise: share of the schedule that is redone; 0 gives no sigmas, and below 1 the tail of a longer schedule.

    Raises:
        KeyError: no schedule of that name.
        DiffusionError: no step is asked for.
    """
    return _share(SCHEDULES[schedule], levels, steps, denoise)


def beta_quantile(share: float, alpha: float, beta: float) -> float:
    """Where the beta distribution's cumulative function reaches `share`, within 1e-12. By bisection."""
    low, high = 0.0, 1.0
    for _ in range(60):
        middle = (low + high) / 2
        if _beta_cumulative(middle, alpha, beta) < share:
            low = middle
        else:
            high = middle
    return round((low + high) / 2, 12)  # a quantile that is exactly 1/2 must round as one


def _share(schedule: Schedule, levels: NoiseLevels, steps: int, denoise: float) -> Tensor:
    if steps < 1:
        raise DiffusionError(
            f"There is no schedule of {steps} steps.", "Set steps to 1 or more; 20 is usual."
        )
    if denoise <= 0.0:
        return torch.zeros(0)
    if denoise > NEARLY_ALL:
        return schedule(levels, steps)
    return schedule(levels, int(steps / denoise))[-(steps + 1) :]


def _ends(levels: NoiseLevels) -> tuple[float, float]:
    return float(levels.timestep(levels.sigmas[-1])), float(levels.timestep(levels.sigmas[0]))


def ended(sigmas: Tensor) -> Tensor:
    """Sigmas with a 0 at their end."""
    return torch.cat((sigmas, sigmas.new_zeros(1)))


def _beta_cumulative(x: float, a: float, b: float) -> float:
    """The regularised incomplete beta function, by its continued fraction (Abramowitz and Stegun 26.5.8)."""
    if x <= 0.0 or x >= 1.0:
        return min(max(x, 0.0), 1.0)
    if x > (a + 1) / (a + b + 2):
        return 1.0 - _beta_cumulative(1.0 - x, b, a)
    log_front = a * math.log(x) + b * math.log1p(-x) + math.lgamma(a + b) - math.lgamma(a) - math.lgamma(b)
    fraction = 1.0
    for depth in range(200, 0, -1):
        half = depth // 2
        if depth % 2:
            term = -(a + half) * (a + b + half) * x / ((a + 2 * half) * (a + 2 * half + 1))
        else:
            term = half * (b - half) * x / ((a + 2 * half - 1) * (a + 2 * half))
        fraction = 1.0 + term / fraction
    return math.exp(log_front) / (a * fraction)

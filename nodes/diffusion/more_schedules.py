"""Schedules that nodes of their own make: between sigmas that a person sets, from published tables, for flow models.

All give sigmas, Float[levels], that fall; the last is 0 unless said.
"""

import json
import math
from collections.abc import Mapping, Sequence
from functools import cache
from importlib import resources
from typing import Any

import numpy as np
import torch
from torch import Tensor

from nodes.diffusion.errors import DiffusionError
from nodes.diffusion.noise_levels import NoiseLevels, flux_mu
from nodes.diffusion.schedules import ended

TURBO_TIMESTEPS = tuple(range(999, 0, -100))
GITS_LONGEST = 20  # steps of the longest row
FLUX2_PIXELS = 256  # of a token
FLUX2_MANY = 4300  # tokens from which the number of steps no longer counts
LTXV_TOKENS = 1024, 4096  # tokens at which the base and the most shift hold


def exponential_between(low: float, high: float, steps: int) -> Tensor:
    """Equal steps of the logarithm of sigma."""
    return polyexponential(low, high, steps, rho=1.0)


def polyexponential(low: float, high: float, steps: int, rho: float) -> Tensor:
    """The logarithm of sigma falls as r^rho while r runs evenly from 1 to 0.

    Raises:
        DiffusionError: a sigma is 0.
    """
    _above_zero(low, high)
    ramp = torch.linspace(1, 0, steps) ** rho
    return ended((ramp * (math.log(high) - math.log(low)) + math.log(low)).exp())


def variance_preserving(steps: int, beta_d: float, beta_min: float, end: float) -> Tensor:
    """The continuous process whose beta rises by `beta_d` from `beta_min`, at even times from 1 to `end`.

    Source: Song et al. 2021 (arXiv:2011.13456), eq. 32; as sigma: Karras et al. 2022 (arXiv:2206.00364), table 1.
    """
    time = torch.linspace(1, end, steps)
    return ended((beta_d * time**2 / 2 + beta_min * time).expm1().sqrt())


def laplace(low: float, high: float, steps: int, mu: float, beta: float) -> Tensor:
    """Even quantiles of a Laplace distribution of ln sigma, kept between both; there is no 0 at its end.

    Source: Hang and Gu 2024 (arXiv:2407.03297), section 3.2.
    """
    place = torch.linspace(0, 1, steps)
    log_sigma = mu - beta * (0.5 - place).sign() * (1 - 2 * (0.5 - place).abs() + 1e-5).log()
    return log_sigma.exp().clamp(low, high)


def turbo(levels: NoiseLevels, steps: int, denoise: float) -> Tensor:
    """Every hundredth timestep from the end, as distilled. Source: Sauer et al. 2023 (arXiv:2311.17042)."""
    first = len(TURBO_TIMESTEPS) - int(len(TURBO_TIMESTEPS) * denoise)
    timesteps = torch.tensor(TURBO_TIMESTEPS[first : first + steps])
    return ended(levels.sigma(timesteps)) if len(timesteps) else torch.zeros(1)


def align_your_steps(kind: str, steps: int, denoise: float) -> Tensor:
    """Found by search for one kind of model. Source: Sabour et al. 2024 (arXiv:2404.14507), appendix.

    Args:
        kind: "SD1", "SDXL" or "SVD".
        denoise: share of the steps that is kept, from the end; 0 gives no sigmas.
    """
    return _from_row(_tables()["align_your_steps"][kind], steps, denoise)


def align_your_steps_levels() -> dict[str, list[float]]:
    """The 11 sigmas that were found for each kind of model, the last above 0."""
    return {kind: list(row) for kind, row in _tables()["align_your_steps"].items()}


def optimal_steps(kind: str, steps: int, denoise: float) -> Tensor:
    """Found by dynamic programming. Source: Pei et al. 2025 (arXiv:2503.21774).

    Args:
        kind: "FLUX", "Wan" or "Chroma". Others as for `align_your_steps`.
    """
    return _from_row(_tables()["optimal_steps"][kind], steps, denoise)


def gits(coefficient: float, steps: int, denoise: float) -> Tensor:
    """Found by the shape of trajectories. Source: Chen et al. 2024 (arXiv:2405.11326).

    Args:
        coefficient: 0.8 to 1.5 in steps of 0.05: how much late steps count.
        steps: 2 or more. denoise: as for `align_your_steps`.

    Raises:
        DiffusionError: there is no table for that coefficient.
    """
    rows = _tables()["gits"].get(str(round(coefficient, 2)))
    if rows is None:
        known = ", ".join(_tables()["gits"])
        raise DiffusionError(
            f"There is no GITS table for the coefficient {coefficient}.", f"Choose of: {known}."
        )
    return _from_row(rows[min(steps, GITS_LONGEST) - 2], steps, denoise)


def flux2(steps: int, width: int, height: int) -> Tensor:
    """Shifted by the picture's size in pixels and by the number of steps, as Black Forest Labs fitted it."""
    tokens = round(width * height / FLUX2_PIXELS)
    many = 0.00016927 * tokens + 0.45666666
    if tokens <= FLUX2_MANY:
        few = 8.73809524e-5 * tokens + 1.89833333
        slope = (many - few) / 190
        many = slope * steps + many - 200 * slope
    return shifted_by(many, torch.linspace(1, 0, steps + 1))


def ltxv(
    steps: int, tokens: int, base_shift: float, max_shift: float, *, terminal: float | None = None
) -> Tensor:
    """Shifted by the number of tokens.

    Args:
        terminal: stretch the levels so that the last above 0 is this one; a single step has none to stretch.
    Source: HaCohen et al. 2025 (arXiv:2501.00103), after Esser et al. 2024 (arXiv:2403.03206), section 5.3.2.
    """
    sigmas = shifted_by(flux_mu(tokens, base_shift, max_shift, *LTXV_TOKENS), torch.linspace(1, 0, steps + 1))
    if terminal is None or steps == 1:
        return sigmas
    above = sigmas != 0
    left = 1 - sigmas[above]
    sigmas[above] = 1 - left / (left[-1] / (1 - terminal))
    return sigmas


def shifted_by(mu: float, time: Tensor) -> Tensor:
    """Sigma e^mu / (e^mu + 1/t - 1); 0 at time 0. Source: Black Forest Labs 2024, after arXiv:2403.03206, eq. 23."""
    shift = math.exp(mu)
    return torch.where(time == 0, 0.0, shift / (shift + (1 / time - 1)))


def drawn_to(row: Sequence[float], count: int) -> np.ndarray:
    """A falling row of sigmas above 0 with another number of them, evenly in ln sigma; both ends stay."""
    here, there = np.linspace(0, 1, len(row)), np.linspace(0, 1, count)
    return np.exp(np.interp(there, here, np.log(row)))


def _from_row(row: Sequence[float], steps: int, denoise: float) -> Tensor:
    """A table's row, drawn to more or fewer steps evenly in ln sigma; of it the last share."""
    if denoise <= 0.0:
        return torch.zeros(0)
    if len(row) != steps + 1:
        row = drawn_to(row, steps + 1).tolist()
    kept = steps if denoise >= 1.0 else round(steps * denoise)
    sigmas = torch.tensor(row[-(kept + 1) :], dtype=torch.float32)
    sigmas[-1] = 0.0
    return sigmas


def _above_zero(*sigmas: float) -> None:
    if min(sigmas) <= 0.0:
        raise DiffusionError("A sigma of 0 has no logarithm.", "Set sigma_min and sigma_max above 0.")


@cache
def _tables() -> Mapping[str, Any]:
    """Numbers of the papers' authors: by schedule and kind one row, for "gits" by coefficient a row for each length."""
    file = resources.files("nodes.diffusion") / "data" / "schedules.json"
    return json.loads(file.read_text(encoding="utf-8"))

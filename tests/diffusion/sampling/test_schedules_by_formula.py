"""The named schedules, written again in numpy from the field's formulas: for models and numbers of steps not recorded."""

import math
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import pytest

from nodes.diffusion.continuous_levels import AngleLevels, EdmLevels
from nodes.diffusion.noise_levels import (
    FlowLevels,
    NoiseLevels,
    flux_levels,
    from_betas,
    linear_betas,
    scaled_linear_betas,
)
from nodes.diffusion.schedules import SCHEDULES

STEPS = (1, 2, 7, 20, 33, 150, 1000)
ALLOWED = 1e-5  # in shares of sigma
STEEP = (
    1e-7  # times sigma more: a clock in single precision, where sigmas of thousands hang on its last digits
)


@dataclass(frozen=True)
class Table:
    """A model's sigmas, and the way to its clock and back, in double precision."""

    sigmas: np.ndarray
    time: Callable[[float], float]
    sigma: Callable[[float], float]

    @property
    def ends(self) -> tuple[float, float]:
        return float(self.sigmas[-1]), float(self.sigmas[0])


def discrete(betas: np.ndarray, *, zero: bool = False) -> Table:
    kept = np.cumprod(1 - betas)
    if zero:
        roots = np.sqrt(kept)
        kept = ((roots - roots[-1]) * roots[0] / (roots[0] - roots[-1])) ** 2
        kept[-1] = 4.8973451890853435e-08
    sigmas = np.sqrt((1 - kept) / kept)
    logs, places = np.log(sigmas), np.arange(len(sigmas))
    return Table(
        sigmas,
        lambda sigma: float(np.argmin(np.abs(np.log(sigma) - logs))),
        lambda time: float(np.exp(np.interp(time, places, logs))),
    )


def flow(shift: float, whole: float, count: int = 1000) -> Table:
    def sigma(time: float) -> float:
        return shift * (time / whole) / (1 + (shift - 1) * (time / whole))

    sigmas = np.array([sigma(whole * place / count) for place in range(1, count + 1)])
    return Table(sigmas, lambda sigma: sigma * whole, sigma)


ROOTS = np.linspace(0.00085**0.5, 0.012**0.5, 1000) ** 2
EDM = np.exp(np.linspace(math.log(0.002), math.log(700.0), 1000))
ANGLE = np.exp(np.linspace(math.log(0.03), math.log(500.0), 1000))
MODELS: dict[str, tuple[NoiseLevels, Table]] = {
    "zero terminal snr": (
        from_betas(scaled_linear_betas(), zero_terminal_snr=True),
        discrete(ROOTS, zero=True),
    ),
    "pixart": (from_betas(linear_betas(1e-4, 0.02)), discrete(np.linspace(1e-4, 0.02, 1000))),
    "svd": (
        EdmLevels(0.002, 700.0),
        Table(EDM, lambda sigma: 0.25 * math.log(sigma), lambda time: math.exp(time / 0.25)),
    ),
    "stable audio": (
        AngleLevels(),
        Table(
            ANGLE,
            lambda sigma: math.atan(sigma) * 2 / math.pi,
            lambda time: math.tan(time * math.pi / 2),
        ),
    ),
    "aura flow": (FlowLevels(1.73, 1.0), flow(1.73, 1.0)),
    "wan": (FlowLevels(8.0), flow(8.0, 1000.0)),
    "flux.2": (flux_levels(2.02), flow(math.exp(2.02), 1.0, 10_000)),
}


def simple(table: Table, steps: int) -> list[float]:
    count = len(table.sigmas)
    return [table.sigmas[-(1 + int(place * count / steps))] for place in range(steps)]


def sgm_uniform(table: Table, steps: int) -> list[float]:
    first, last = (table.time(sigma) for sigma in table.ends)
    return [table.sigma(time) for time in np.linspace(first, last, steps + 1)[:-1]]


def normal(table: Table, steps: int) -> list[float]:
    first, last = (table.time(sigma) for sigma in table.ends)
    made = [table.sigma(time) for time in np.linspace(first, last, steps)]
    if abs(made[-1]) < 1e-5:  # the last one stands for 0
        return [table.sigma(time) for time in np.linspace(first, last, steps + 1)][:-1]
    return made


def karras(table: Table, steps: int) -> list[float]:
    high, low = (sigma ** (1 / 7) for sigma in table.ends)
    return list((high + np.linspace(0, 1, steps) * (low - high)) ** 7)


def exponential(table: Table, steps: int) -> list[float]:
    return list(np.exp(np.linspace(*np.log(table.ends), steps)))


def ddim_uniform(table: Table, steps: int) -> list[float]:
    return list(table.sigmas[1 :: max(len(table.sigmas) // steps, 1)][::-1])


def linear_quadratic(table: Table, steps: int) -> list[float]:
    half = steps // 2
    if steps == 1:
        return [table.ends[0]]
    rest, rise = steps - half, half - 0.025 * steps
    a = rise / (half * rest**2)
    b, c = 0.025 / half - 2 * rise / rest**2, a * half**2
    shares = [
        place * 0.025 / half if place < half else a * place**2 + b * place + c for place in range(steps)
    ]
    return [(1 - share) * table.ends[0] for share in shares]


def kl_optimal(table: Table, steps: int) -> list[float]:
    high, low = (math.atan(sigma) for sigma in table.ends)
    return list(np.tan(np.linspace(high, low, steps)))


FORMULAS = (
    simple,
    sgm_uniform,
    normal,
    karras,
    exponential,
    ddim_uniform,
    linear_quadratic,
    kl_optimal,
)


@pytest.mark.parametrize("formula", FORMULAS, ids=lambda formula: formula.__name__)
@pytest.mark.parametrize("model", MODELS)
def test_a_schedule_is_its_formula(model: str, formula: Callable[[Table, int], list[float]]):
    levels, table = MODELS[model]
    for steps in STEPS:
        made = SCHEDULES[formula.__name__](levels, steps).double().numpy()
        wanted = np.array(formula(table, steps))
        assert made[-1] == pytest.approx(0.0, abs=1e-5)
        steep = STEEP if formula in (sgm_uniform, normal, kl_optimal) else 0.0
        away = np.abs(made[:-1] - wanted) / np.maximum(1.0, wanted)
        assert np.all(away < ALLOWED + steep * wanted), steps

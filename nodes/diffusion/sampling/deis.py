"""DEIS: Adams-Bashforth weights integrated over the time of a variance-preserving process."""

import math
from collections.abc import Iterator, Sequence

import torch

from nodes.diffusion.denoiser import Denoiser
from nodes.diffusion.sampling.steps import Step, levels, slope_at
from nodes.diffusion.values import Latents, Sigmas

FIRST_TIME = 1e-3  # of the process: sigma is LOW there
LOW, HIGH = 0.002, 80.0  # sigmas of its times FIRST_TIME and 1
INTEGRATION_POINTS = 10_000
MOST = 3
SPAN = (
    2 * (math.log(LOW**2 + 1) / FIRST_TIME - math.log(HIGH**2 + 1)) / (FIRST_TIME - 1)
)  # how much beta rises
START = math.log(HIGH**2 + 1) - SPAN / 2  # beta at time 0


def deis(denoiser: Denoiser, latents: Latents, sigmas: Sigmas) -> Iterator[Step]:
    """The polynomial in time through the last three slopes carries the next step; the first and last are Euler's.

    Args: as for `euler`.
    Source: Zhang and Chen 2022 (arXiv:2204.13902), eq. 15 (tAB-DEIS), between sigmas as Karras et al. 2022
        (arXiv:2206.00364, table 1, VP column) map them to time.
    """
    slopes: list[Latents] = []
    places: list[float] = []
    for index, sigma, following in levels(sigmas):
        denoised = denoiser(latents, sigma)
        slopes.insert(0, slope_at(latents, denoised, sigma))
        places.insert(0, time_of(float(sigma)))
        del slopes[MOST:], places[MOST:]
        if following == 0 or len(slopes) == 1:
            latents = latents + slopes[0] * (following - sigma)
        else:
            for slope, weight in zip(slopes, time_weights(places, time_of(float(following))), strict=True):
                latents = latents + slope * weight
        yield Step(index, latents, denoised)


def time_of(sigma: float) -> float:
    """The time at which the process has a sigma."""
    return (math.sqrt(START**2 + 2 * SPAN * math.log(sigma**2 + 1)) - START) / SPAN


def time_weights(places: Sequence[float], following: float) -> Sequence[float]:
    """Integrals over the step of d sigma / d time times each Lagrange polynomial, newest place first."""
    times = torch.linspace(places[0], following, INTEGRATION_POINTS, dtype=torch.float64)
    log_alpha_slope = -(times * SPAN + START)
    alpha = torch.exp(-0.5 * times**2 * SPAN - times * START)
    speed = -0.5 * log_alpha_slope / (alpha * (1 - alpha)).sqrt()
    stride = (following - places[0]) / INTEGRATION_POINTS
    weights: list[float] = []
    for number, place in enumerate(places):
        polynomial = torch.ones_like(times)
        for other, elsewhere in enumerate(places):
            if other != number:
                polynomial = polynomial * (times - elsewhere) / (place - elsewhere)
        weights.append(float((speed * polynomial).sum() * stride))
    return weights

"""DEIS: Adams-Bashforth weights integrated over the time of a variance-preserving process."""

from collections.abc import Iterator, Sequence

import torch

from nodes.diffusion.denoiser import Denoiser
from nodes.diffusion.sampling.steps import Step, levels, slope_at
from nodes.diffusion.values import Latents, Sigma, Sigmas

FIRST_TIME = 1e-3  # of the process: sigma is 0.002 there, and 80 at time 1
LOG_LOW, LOG_HIGH = 4.0531072e-06, 8.76420975  # ln(1 + sigma^2) of both, as single precision has them
INTEGRATION_POINTS = 10_000
MOST = 3
SPAN = 2 * (LOG_LOW / FIRST_TIME - LOG_HIGH) / (FIRST_TIME - 1)  # how much beta rises
START = LOG_HIGH - SPAN / 2  # beta at time 0


def deis(denoiser: Denoiser, latents: Latents, sigmas: Sigmas) -> Iterator[Step]:
    """The polynomial in time through the last three slopes carries the next step; the first and last are Euler's.

    Args: as for `euler`.
    Source: Zhang and Chen 2022 (arXiv:2204.13902), eq. 15 (tAB-DEIS), between sigmas as Karras et al. 2022
        (arXiv:2206.00364, table 1, VP column) map them to time.
    """
    slopes: list[Latents] = []
    places: list[Sigma] = []
    for index, sigma, following in levels(sigmas):
        denoised = denoiser(latents, sigma)
        slopes.insert(0, slope_at(latents, denoised, sigma))
        places.insert(0, time_of(sigma))
        del slopes[MOST:], places[MOST:]
        if following == 0 or len(slopes) == 1:
            latents = latents + slopes[0] * (following - sigma)
        else:
            for slope, weight in zip(slopes, time_weights(places, time_of(following)), strict=True):
                latents = latents + slope * weight
        yield Step(index, latents, denoised)


def time_of(sigma: Sigma) -> Sigma:
    """The time at which the process has a sigma."""
    span, start = sigma.new_tensor(SPAN), sigma.new_tensor(START)
    return ((start**2 + 2 * span * (sigma**2 + 1).log()).sqrt() - start) / span


def time_weights(places: Sequence[Sigma], following: Sigma) -> Sequence[Sigma]:
    """Integrals over the step of d sigma / d time times each Lagrange polynomial of two places or more, newest first.

    Riemann sums in the schedule's own precision: what they lose is part of known answers.
    """
    start = following.new_tensor(START)
    span = following.new_tensor(SPAN) + start - start
    times = torch.linspace(float(places[0]), float(following), INTEGRATION_POINTS, dtype=following.dtype)
    alpha = torch.exp(-0.5 * times**2 * span - times * start)
    one = 1 / alpha * alpha
    log_alpha_slope = one * span * -0.5 * (2 * times) - one * start
    speed = -0.5 * log_alpha_slope / (alpha * (1 - alpha)).sqrt()
    stride = (following - places[0]) / INTEGRATION_POINTS
    distances = [times - place for place in places]
    weights: list[Sigma] = []
    for number, place in enumerate(places):
        first, *more = (
            distance / (place - elsewhere)
            for other, (distance, elsewhere) in enumerate(zip(distances, places, strict=True))
            if other != number
        )
        for factor in more:
            first *= factor
        weights.append(first.mul_(speed).sum() * stride)
    return weights

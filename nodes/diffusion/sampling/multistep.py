"""Linear multistep methods: the slopes of past steps carry the next one."""

from collections.abc import Callable, Iterator, Sequence
from itertools import pairwise

import numpy as np

from nodes.diffusion.denoiser import Denoiser
from nodes.diffusion.sampling.steps import Step, levels, slope_at
from nodes.diffusion.values import Latents, Sigma, Sigmas

ADAMS_BASHFORTH = (  # weights, and of what
    ((1.0,), 1.0),
    ((3.0, -1.0), 2.0),
    ((23.0, -16.0, 5.0), 12.0),
    ((55.0, -59.0, 37.0, -9.0), 24.0),
)
MOST = 4

Move = Callable[[Sequence[Latents], Sequence[float], Sigma], Latents]
"""How far a step goes: from past slopes and the sigmas where they were, newest first, and the following sigma."""


def lms(denoiser: Denoiser, latents: Latents, sigmas: Sigmas, *, order: int = MOST) -> Iterator[Step]:
    """Integrate the polynomial in sigma through the last slopes.

    Args:
        order: how many slopes, 1 or more; far above 4 errors grow from step to step. Others as for `euler`.
    Source: Adams and Bashforth's method for uneven steps (Hairer, Norsett, Wanner, Solving ODEs I, III.5).
    """

    def move(slopes: Sequence[Latents], places: Sequence[float], following: Sigma) -> Latents:
        end = float(following)
        return weighed(slopes, [weight * (end - places[0]) for weight in lagrange_weights(places, end)])

    return _multistep(denoiser, latents, sigmas, move, order)


def ipndm(denoiser: Denoiser, latents: Latents, sigmas: Sigmas) -> Iterator[Step]:
    """Adams and Bashforth's constant weights, as if steps were even.

    Args: as for `euler`.
    Source: Zhang and Chen 2022 (arXiv:2204.13902), section 3.3 (iPNDM), after Liu et al. 2022 (arXiv:2202.09778).
    """

    def move(slopes: Sequence[Latents], places: Sequence[float], following: Sigma) -> Latents:
        weights, whole = ADAMS_BASHFORTH[len(places) - 1]
        return (following - places[0]) * weighed(slopes, weights) / whole

    return _multistep(denoiser, latents, sigmas, move)


def ipndm_v(denoiser: Denoiser, latents: Latents, sigmas: Sigmas) -> Iterator[Step]:
    """Weights for uneven steps; beyond the second order as their authors' code has them.

    Args: as for `euler`.
    Source: Zhou et al. 2023 (arXiv:2312.00094), appendix; its third-order term differs from Adams and Bashforth's by a
        bracket, which we keep so that results repeat.
    """

    def move(slopes: Sequence[Latents], places: Sequence[float], following: Sigma) -> Latents:
        return (following - places[0]) * weighed(slopes, bracketed_weights(places, float(following)))

    return _multistep(denoiser, latents, sigmas, move)


def lagrange_weights(places: Sequence[float], following: float) -> Sequence[float]:
    """Integrals of the Lagrange polynomials over the step, exact by Gauss and Legendre's points."""
    sigma = places[0]
    middle, half = (following + sigma) / 2, (following - sigma) / 2
    roots, shares = np.polynomial.legendre.leggauss(max(2, (len(places) + 1) // 2))
    points = [
        (middle + half * float(root), float(share) / 2) for root, share in zip(roots, shares, strict=True)
    ]
    return [
        sum(_lagrange(places, number, point) * share for point, share in points)
        for number in range(len(places))
    ]


def bracketed_weights(places: Sequence[float], following: float) -> Sequence[float]:
    """The weights of `ipndm_v`."""
    h = following - places[0]
    gaps = [newer - older for newer, older in pairwise(places)]
    if not gaps:
        return [1.0]
    a = gaps[0]
    weights = [(2 + h / a) / 2, -(h / a) / 2, 0.0, 0.0]
    if len(gaps) > 1:
        b = gaps[1]
        third = (1 - h / (3 * (h + a)) * (h * (h + a)) / (a * (a + b))) / 2
        weights[0] += third
        weights[1] -= (1 + a / b) * third
        weights[2] += third * a / b
        if len(gaps) > 2:
            c = gaps[2]
            share = ((1 - h / (3 * (h + a))) / 2 + (1 - h / (2 * (h + a))) * h / (6 * (h + a + b))) * (
                h * (h + a) * (h + a + b) / (a * (a + b) * (a + b + c))
            )
            ratio = a * (a + b) / (b * (b + c))
            weights[0] += share
            weights[1] -= (1 + a / b + ratio) * share
            weights[2] += (a / b + ratio * (1 + b / c)) * share
            weights[3] -= share * ratio * a / b
    return weights[: len(places)]


def _multistep(
    denoiser: Denoiser, latents: Latents, sigmas: Sigmas, move: Move, most: int = MOST
) -> Iterator[Step]:
    slopes: list[Latents] = []
    places: list[float] = []
    for index, sigma, following in levels(sigmas):
        denoised = denoiser(latents, sigma)
        slopes.insert(0, slope_at(latents, denoised, sigma))
        places.insert(0, float(sigma))
        del slopes[most:], places[most:]
        latents = denoised if following == 0 else latents + move(slopes, places, following)
        yield Step(index, latents, denoised)


def weighed(slopes: Sequence[Latents], weights: Sequence[float]) -> Latents:
    """Their weighed sum, from the first on."""
    first, *others = [slope * weight for slope, weight in zip(slopes, weights, strict=True)]
    return sum(others, first)


def _lagrange(places: Sequence[float], number: int, at: float) -> float:
    product = 1.0
    for other, place in enumerate(places):
        if other != number:
            product *= (at - place) / (places[number] - place)
    return product

"""Linear multistep methods: the slopes of past steps carry the next one."""

from collections.abc import Callable, Iterator, Sequence
from itertools import pairwise

import torch
from torch import Tensor

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
_ROOTS = (
    (0.0, 0.149445554002916905664936468389821),
    (0.14887433898163121088482600112972, 0.147739104901338491374841515972068),
    (0.294392862701460198131126603103866, 0.142775938577060080797094273138717),
    (0.433395394129247190799265943165784, 0.134709217311473325928054001771707),
    (0.562757134668604683339000099272694, 0.123491976262065851077958109585166),
    (0.679409568299024406234327365114874, 0.109387158802297641899210590325805),
    (0.780817726586416897063717578345042, 0.093125454583697605535065465083366),
    (0.865063366688984510732096688423493, 0.07503967481995091276704314091619),
    (0.930157491355708226001207180059508, 0.05475589657435199603138130024458),
    (0.973906528517171720077964012084452, 0.03255816230796472747881897245939),
    (0.995657163025808080735527280689003, 0.011694638867371874278064396062192),
)  # Kronrod 1965, as of QUADPACK (Piessens et al. 1983): of -1 to 1, the upper half
KRONROD = (*((-root, share) for root, share in reversed(_ROOTS[1:])), *_ROOTS)
"""Points of -1 to 1 and their weights."""

Move = Callable[[Sequence[Latents], Sequence[Sigma], Sigma], Latents]
"""How far a step goes: from past slopes and the sigmas where they were, newest first, and the following sigma."""


def lms(denoiser: Denoiser, latents: Latents, sigmas: Sigmas, *, order: int = MOST) -> Iterator[Step]:
    """Integrate the polynomial in sigma through the last slopes.

    Args:
        order: how many slopes, 1 or more; far above 4 errors grow from step to step. Others as for `euler`.
    Source: Adams and Bashforth's method for uneven steps (Hairer, Norsett, Wanner, Solving ODEs I, III.5).
    """

    def move(slopes: Sequence[Latents], places: Sequence[Sigma], following: Sigma) -> Latents:
        return weighed(slopes, lagrange_weights(places, following))

    return _multistep(denoiser, latents, sigmas, move, order)


def ipndm(denoiser: Denoiser, latents: Latents, sigmas: Sigmas) -> Iterator[Step]:
    """Adams and Bashforth's constant weights, as if steps were even.

    Args: as for `euler`.
    Source: Zhang and Chen 2022 (arXiv:2204.13902), section 3.3 (iPNDM), after Liu et al. 2022 (arXiv:2202.09778).
    """

    def move(slopes: Sequence[Latents], places: Sequence[Sigma], following: Sigma) -> Latents:
        weights, whole = ADAMS_BASHFORTH[len(places) - 1]
        return (following - places[0]) * weighed(slopes, weights) / whole

    return _multistep(denoiser, latents, sigmas, move)


def ipndm_v(denoiser: Denoiser, latents: Latents, sigmas: Sigmas) -> Iterator[Step]:
    """Weights for uneven steps; beyond the second order as their authors' code has them.

    Args: as for `euler`.
    Source: Zhou et al. 2023 (arXiv:2312.00094), appendix; its third-order term differs from Adams and Bashforth's by a
        bracket, which we keep so that results repeat.
    """

    def move(slopes: Sequence[Latents], places: Sequence[Sigma], following: Sigma) -> Latents:
        return (following - places[0]) * weighed(slopes, bracketed_weights(places, following))

    return _multistep(denoiser, latents, sigmas, move)


def lagrange_weights(places: Sequence[Sigma], following: Sigma) -> Sequence[float]:
    """Integrals of the Lagrange polynomials over the step, by Kronrod's 21 points: exact up to 32 places.

    The polynomials are taken in the schedule's own precision: what they lose is part of known answers.
    """
    start, end = float(places[0]), float(following)
    middle, half = (start + end) / 2, (end - start) / 2
    points = torch.tensor([middle + half * root for root, _ in KRONROD], dtype=following.dtype)
    shares = torch.tensor([share for _, share in KRONROD], dtype=torch.float64)
    return [
        float((_lagrange(places, number, points).double() * shares).sum() * half)
        for number in range(len(places))
    ]


def bracketed_weights(places: Sequence[Sigma], following: Sigma) -> Sequence[Sigma]:
    """The weights of `ipndm_v`."""
    h = following - places[0]
    gaps = [newer - older for newer, older in pairwise(places)]
    if not gaps:
        return [torch.ones_like(h)]
    a, zero = gaps[0], torch.zeros_like(h)
    weights = [(2 + h / a) / 2, -(h / a) / 2, zero, zero]
    if len(gaps) > 1:
        b = gaps[1]
        third = (1 - h / (3 * (h + a)) * (h * (h + a)) / (a * (a + b))) / 2
        weights[0] = weights[0] + third
        weights[1] = weights[1] - (1 + a / b) * third
        weights[2] = weights[2] + third * a / b
        if len(gaps) > 2:
            c = gaps[2]
            share = (1 - h / (3 * (h + a))) / 2 + (1 - h / (2 * (h + a))) * h / (6 * (h + a + b))
            share = share * (h * (h + a) * (h + a + b)) / (a * (a + b) * (a + b + c))
            ratio = a * (a + b) / (b * (b + c))
            weights[0] = weights[0] + share
            weights[1] = weights[1] - (1 + a / b + ratio) * share
            weights[2] = weights[2] + (a / b + ratio * (1 + b / c)) * share
            weights[3] = weights[3] - share * ratio * a / b
    return weights[: len(places)]


def _multistep(
    denoiser: Denoiser, latents: Latents, sigmas: Sigmas, move: Move, most: int = MOST
) -> Iterator[Step]:
    slopes: list[Latents] = []
    places: list[Sigma] = []
    for index, sigma, following in levels(sigmas):
        denoised = denoiser(latents, sigma)
        slopes.insert(0, slope_at(latents, denoised, sigma))
        places.insert(0, sigma)
        del slopes[most:], places[most:]
        latents = denoised if following == 0 else latents + move(slopes, places, following)
        yield Step(index, latents, denoised)


def weighed(slopes: Sequence[Latents], weights: Sequence[float] | Sequence[Sigma]) -> Latents:
    """Their weighed sum, from the first on."""
    first, *others = [slope * weight for slope, weight in zip(slopes, weights, strict=True)]
    return sum(others, first)


def _lagrange(places: Sequence[Sigma], number: int, points: Tensor) -> Tensor:
    product = torch.ones_like(points)
    for other, place in enumerate(places):
        if other != number:
            product = product * ((points - place) / (places[number] - place))
    return product

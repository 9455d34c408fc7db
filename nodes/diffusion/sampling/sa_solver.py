"""SA-Solver: stochastic Adams methods, predictor and corrector, noise only in the middle of a run.

Source of all: Xue et al. 2023 (arXiv:2309.05019), algorithm 1 for denoised predictions.
"""

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import torch

from nodes.diffusion.denoiser import Denoiser
from nodes.diffusion.mixing import Mixing
from nodes.diffusion.noise import NoiseSource
from nodes.diffusion.sampling.steps import Step, levels
from nodes.diffusion.values import Latents, Sigma, Sigmas

PREDICTOR, CORRECTOR = 3, 4


@dataclass(frozen=True, slots=True)
class Noisy:
    """The range of sigmas in which noise is renewed; elsewhere the solver follows the ODE."""

    high: float
    low: float

    def share(self, sigma: Sigma, eta: float) -> float:
        """How much is renewed at a sigma."""
        return eta if self.low <= float(sigma) <= self.high else 0.0


def sa_solver(
    denoiser: Denoiser,
    latents: Latents,
    sigmas: Sigmas,
    noise: NoiseSource,
    mixing: Mixing,
    noisy: Noisy,
    *,
    eta: float = 1.0,
    s_noise: float = 1.0,
    predictor_order: int = PREDICTOR,
    corrector_order: int = CORRECTOR,
    again: bool = False,
    simple_order_2: bool = False,
) -> Iterator[Step]:
    """Predict, evaluate, correct.

    Args:
        predictor_order: 1 or more. corrector_order: 0 leaves corrections out.
        again: evaluate once more after each correction.
        simple_order_2: rules of two places take the step's damping into account only in their first term.
            Others as for `dpmpp_2m_sde`.
    """
    past: list[tuple[Sigma, Latents]] = []  # newest first: clock, and what was predicted there
    span: _Span | None = None
    fresh: Latents | None = None
    last = len(sigmas) - 2
    ends = bool(sigmas[-1] == 0)  # then orders fall toward the end
    for index, sigma, following in levels(sigmas):
        denoised = denoiser(latents, sigma)
        past = [(mixing.clock(sigma), denoised), *past[: max(predictor_order, corrector_order) - 1]]
        known = past[: min(corrector_order, last - index + 1) if ends else corrector_order]
        if span is not None and known and not (following == 0 and not again):
            latents = span.reached(known, fresh)
            if again:
                denoised = denoiser(latents, sigma)
                past[0] = (past[0][0], denoised)
        if following == 0:
            latents = denoised
        else:
            renewed = noisy.share(following, eta)
            fresh = noise(latents, float(sigma), float(following)) * s_noise if renewed else None
            span = _Span(latents, sigma, following, renewed, mixing, simple_order_2)
            order = min(predictor_order, last - index) if ends else predictor_order
            latents = span.reached(past[: max(1, order)], fresh)
        yield Step(index, latents, denoised)


def sa_solver_pece(
    denoiser: Denoiser,
    latents: Latents,
    sigmas: Sigmas,
    noise: NoiseSource,
    mixing: Mixing,
    noisy: Noisy,
    *,
    eta: float = 1.0,
    s_noise: float = 1.0,
) -> Iterator[Step]:
    """Predict, evaluate, correct, evaluate.

    Args: as for `sa_solver`.
    """
    return sa_solver(denoiser, latents, sigmas, noise, mixing, noisy, eta=eta, s_noise=s_noise, again=True)


@dataclass(frozen=True, slots=True, eq=False)
class _Span:
    """One step, to be gone with what is known before it, and again with what is known after."""

    latents: Latents
    sigma: Sigma
    following: Sigma
    renewed: float
    mixing: Mixing
    simple: bool

    def reached(self, known: Sequence[tuple[Sigma, Latents]], fresh: Latents | None) -> Latents:
        """The end of the step if its predictions lie on the polynomial through the known ones."""
        end = self.mixing.clock(self.following)
        length = end - self.mixing.clock(self.sigma)
        rate = 1 + self.renewed**2
        places = [float(clock - end) for clock, _ in known]
        weigh = simple_weights if self.simple and len(places) == 2 else polynomial_weights
        weights = weigh(places, float(length), rate)
        reached = self.following / self.sigma * (-(self.renewed**2) * length).exp() * self.latents
        for (_, denoised), weight in zip(known, weights, strict=True):
            reached = reached + self.mixing.alpha_at(self.following, end) * weight * denoised
        if fresh is not None:
            spread = (-torch.expm1(-2 * self.renewed**2 * length)).sqrt()
            reached = reached + self.following * spread * fresh
        return reached


def simple_weights(places: Sequence[float], length: float, rate: float) -> Sequence[float]:
    """As `polynomial_weights` for two places, but what a line adds to a constant is not damped.

    Source: the code of Xue et al. 2023 (arXiv:2309.05019), which prefers it where steps are few.
    """
    whole = -math.expm1(-rate * length)
    rise = rate * length**2 / 2  # of a line that starts at 0 and rises by 1 along the clock
    newer, older = places
    at_start = (-length - older) / (newer - older)  # the newer one's share of the value at the step's start
    slope = rise / (newer - older)
    return [whole * at_start + slope, whole * (1 - at_start) - slope]


def polynomial_weights(places: Sequence[float], length: float, rate: float) -> Sequence[float]:
    """Integrals of rate * exp(rate * u) times each Lagrange polynomial, for u from -length to 0.

    Args:
        places: where the polynomials have their nodes, as u; where two are one, the weights are no numbers.
    """
    moments = [-math.expm1(-rate * length)]
    for power in range(1, len(places)):
        moments.append(-math.exp(-rate * length) * (-length) ** power - power / rate * moments[-1])
    powers = [[place**power for place in places] for power in range(len(places))]
    try:
        return [float(weight) for weight in np.linalg.solve(powers, moments)]
    except np.linalg.LinAlgError:  # two places are one
        return [math.nan] * len(places)

"""SA-Solver: stochastic Adams methods, predictor and corrector, noise only in the middle of a run.

Source of all: Xue et al. 2023 (arXiv:2309.05019), algorithm 1 for denoised predictions.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import torch

from nodes.diffusion.denoiser import Denoiser
from nodes.diffusion.mixing import Mixing
from nodes.diffusion.noise import NoiseSource
from nodes.diffusion.sampling.steps import Step, levels, solved
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
    again: bool = False,
) -> Iterator[Step]:
    """Predict, evaluate, correct.

    Args:
        again: evaluate once more after each correction. Others as for `dpmpp_2m_sde`.
    """
    past: list[tuple[Sigma, Latents]] = []  # newest first: clock, and what was predicted there
    origin = latents  # of the last prediction
    fresh: Latents | None = None
    last = len(sigmas) - 2
    renewed = 0.0
    for index, sigma, following in levels(sigmas):
        denoised = denoiser(latents, sigma)
        past = [(mixing.clock(sigma), denoised), *past[: CORRECTOR - 1]]
        if index > 0:
            known = past[: min(CORRECTOR, index + 1, last - index + 1)]
            latents = _adams(origin, sigmas[index - 1], sigma, known, renewed, fresh, mixing)
            if again:
                denoised = denoiser(latents, sigma)
                past[0] = (past[0][0], denoised)
        if following == 0:
            latents = denoised
        else:
            renewed = noisy.share(following, eta)
            fresh = noise(latents, float(sigma), float(following)) * s_noise if renewed else None
            origin = latents
            known = past[: max(1, min(PREDICTOR, index + 1, last - index))]
            latents = _adams(origin, sigma, following, known, renewed, fresh, mixing)
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


def _adams(
    latents: Latents,
    sigma: Sigma,
    following: Sigma,
    known: Sequence[tuple[Sigma, Latents]],
    renewed: float,
    fresh: Latents | None,
    mixing: Mixing,
) -> Latents:
    """The step whose predictions lie on the polynomial through the known ones, integrated exactly."""
    end = mixing.clock(following)
    length = end - mixing.clock(sigma)
    weights = polynomial_weights([float(clock - end) for clock, _ in known], float(length), 1 + renewed**2)
    reached = following / sigma * (-(renewed**2) * length).exp() * latents
    for (_, denoised), weight in zip(known, weights, strict=True):
        reached = reached + mixing.alpha(following) * weight * denoised
    if fresh is not None:
        reached = reached + following * (-torch.expm1(-2 * renewed**2 * length)).sqrt() * fresh
    return reached


def polynomial_weights(places: Sequence[float], length: float, rate: float) -> Sequence[float]:
    """Integrals of rate * exp(rate * u) times each Lagrange polynomial, for u from -length to 0.

    Args:
        places: where the polynomials have their nodes, as u.
    """
    decayed = torch.tensor(-rate * length, dtype=torch.float64)
    moments = [-torch.expm1(decayed)]
    for power in range(1, len(places)):
        moments.append(-decayed.exp() * (-length) ** power - power / rate * moments[-1])
    nodes = torch.tensor(places, dtype=torch.float64)
    vandermonde = torch.stack([nodes**power for power in range(len(places))])
    return [float(weight) for weight in solved(vandermonde, torch.stack(moments))]

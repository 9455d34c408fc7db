"""UniPC: a predictor and a corrector of any order from the same past predictions.

Source of all: Zhao et al. 2023 (arXiv:2302.04867), algorithms 1 and 2, on denoised predictions, in variance-preserving
latents x / sqrt(1 + sigma^2).
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass

import torch
from torch import Tensor

from nodes.diffusion.denoiser import Denoiser
from nodes.diffusion.sampling.steps import Step, slope_at, solved
from nodes.diffusion.values import Latents, Sigma, Sigmas

MOST = 3
LAST_SIGMA = 0.001  # stands for 0, whose clock is infinite; the table puts it in

Scale = Callable[[Tensor], Tensor]
"""The paper's B(h), of -h."""


def uni_pc(denoiser: Denoiser, latents: Latents, sigmas: Sigmas) -> Iterator[Step]:
    """With B(h) = h.

    Args:
        sigmas: strictly falling, the last above 0. Others as for `euler`.
    """
    return _uni_pc(denoiser, latents, sigmas, lambda backward: backward)


def uni_pc_bh2(denoiser: Denoiser, latents: Latents, sigmas: Sigmas) -> Iterator[Step]:
    """With B(h) = exp(h) - 1.

    Args: as for `uni_pc`.
    """
    return _uni_pc(denoiser, latents, sigmas, torch.expm1)


def _uni_pc(denoiser: Denoiser, latents: Latents, sigmas: Sigmas, scale: Scale) -> Iterator[Step]:
    steps = len(sigmas) - 1
    most = min(MOST, len(sigmas) - 2)
    held = latents / _spread(sigmas[0])
    place = _Place.of(sigmas[0])
    past = [(place, _asked(denoiser, held, place))]  # newest first
    for number in range(1, steps + 1):
        following = sigmas[number]
        order = max(1, min(most, number, steps + 1 - number))
        place = _Place.of(following)
        step = _Update(held, past[:order], place, scale)
        held = step.predicted()
        denoised = past[0][1]
        if number < steps:
            denoised = _asked(denoiser, held, place)
            held = step.corrected(denoised)
            past = [(place, denoised), *past[: MOST - 1]]
        yield Step(number - 1, held * place.spread, denoised)


class _Update:
    """One step from the newest of the past predictions to a following sigma."""

    def __init__(
        self, held: Latents, past: list[tuple["_Place", Latents]], following: "_Place", scale: Scale
    ) -> None:
        here, self._newest = past[0]
        length = following.clock - here.clock
        self._backward = -length
        self._scale, self._alpha = scale(self._backward), following.alpha
        ratios = [(older.clock - here.clock) / length for older, _ in past[1:]]
        self._ratios = torch.stack([*ratios, torch.ones_like(length)])
        self._differences = [
            (denoised - self._newest) / ratio for (_, denoised), ratio in zip(past[1:], ratios, strict=True)
        ]
        shrunk = following.deviation / here.deviation
        self._base = shrunk * held - self._alpha * torch.expm1(self._backward) * self._newest

    def predicted(self) -> Latents:
        count = len(self._differences)
        if count == 0:
            return self._base
        weights = [self._ratios.new_tensor(0.5)] if count == 1 else list(self._weights(count))
        return self._moved(weights, self._differences)

    def corrected(self, denoised: Latents) -> Latents:
        differences = [*self._differences, denoised - self._newest]
        first = len(differences) == 1
        weights = [self._ratios.new_tensor(0.5)] if first else list(self._weights(len(differences)))
        return self._moved(weights, differences)

    def _moved(self, weights: list[Tensor], differences: list[Latents]) -> Latents:
        total = torch.stack([weight * part for weight, part in zip(weights, differences, strict=True)]).sum(0)
        return self._base - self._alpha * self._scale * total

    def _weights(self, count: int) -> Tensor:
        """Solve for the weights that make the rule exact for polynomials of its order (the paper's eq. 9)."""
        rows: list[Tensor] = []
        wanted: list[Tensor] = []
        phi, factorial = torch.expm1(self._backward) / self._backward - 1, 1
        for power in range(1, count + 1):
            rows.append(self._ratios[:count] ** (power - 1))
            wanted.append(phi * factorial / self._scale)
            factorial *= power + 1
            phi = phi / self._backward - 1 / factorial
        return solved(torch.stack(rows), torch.stack(wanted))


def _asked(denoiser: Denoiser, held: Latents, place: "_Place") -> Latents:
    """The denoised estimate by way of the noise, as the paper's networks say it: where sigma is high it loses digits."""
    noisy = held * place.spread
    noise = slope_at(noisy, denoiser(noisy, place.sigma), place.sigma)
    return (held - place.deviation * noise) / place.alpha


@dataclass(frozen=True, slots=True, eq=False)
class _Place:
    """A level of noise: its clock, and the shares of clean latents and noise where both make variance 1.

    Attributes:
        spread: from there to latents with noise added.
    """

    sigma: Sigma
    clock: Sigma
    alpha: Sigma
    deviation: Sigma
    spread: Sigma

    @classmethod
    def of(cls, sigma: Sigma) -> "_Place":
        # At LAST_SIGMA this loses digits in single precision. As with the estimates, known answers have that loss in them.
        log_alpha = 0.5 * torch.log(1 / (sigma * sigma + 1))
        noise = 1 - torch.exp(2 * log_alpha)
        clock = log_alpha - 0.5 * torch.log(noise)
        return cls(sigma, clock, log_alpha.exp(), noise.sqrt(), _spread(sigma))


def _spread(sigma: Sigma) -> Sigma:
    return (1 + sigma**2) ** 0.5

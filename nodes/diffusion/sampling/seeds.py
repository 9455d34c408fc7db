"""SEEDS: exponential integrators for the reverse SDE with several stages, whose noises belong to one path.

Source of all: Gonzalez et al. 2023 (arXiv:2305.14267), algorithms 3 and 4, on denoised predictions; without noise the
two-stage one is Hochbruck and Ostermann's exponential Heun (Acta Numerica 2010, section 2.3).
"""

from collections.abc import Iterator
from enum import StrEnum

import torch

from nodes.diffusion.denoiser import Denoiser
from nodes.diffusion.mixing import Mixing
from nodes.diffusion.noise import NoiseSource
from nodes.diffusion.sampling.steps import Step, levels
from nodes.diffusion.values import Latents, Sigma, Sigmas


class Joining(StrEnum):
    """How the two stages' predictions are joined."""

    EXTRAPOLATED = "phi_1"  # a line through both, taken halfway, held for the step
    INTEGRATED = "phi_2"  # a line through both, integrated exactly


def seeds_2(
    denoiser: Denoiser,
    latents: Latents,
    sigmas: Sigmas,
    noise: NoiseSource | None,
    mixing: Mixing,
    *,
    eta: float = 1.0,
    s_noise: float = 1.0,
    r: float = 0.5,
    joining: Joining = Joining.EXTRAPOLATED,
) -> Iterator[Step]:
    """Two stages.

    Args:
        noise: None where eta is 0.
        r: where the second stage lies, in shares of the clock. joining: how both stages count. Others as for `dpmpp_2m_sde`.
    """
    for index, sigma, following in levels(sigmas):
        denoised = denoiser(latents, sigma)
        if following == 0:
            latents = denoised
        else:
            span = _Span(latents, sigma, following, eta, mixing)
            middle = span.sigma(r)
            reached = span.carried(latents, denoised, r)
            reached = reached + span.noise(r, noise) * s_noise
            later = denoiser(reached, middle)
            if joining is Joining.EXTRAPOLATED:
                latents = span.carried(latents, torch.lerp(denoised, later, 1 / (2 * r)), 1.0)
            else:
                latents = span.bent(latents, denoised, later, r, 1.0)
            latents = latents + span.noise(1.0, noise) * s_noise
        yield Step(index, latents, denoised)


def exp_heun_2_x0(denoiser: Denoiser, latents: Latents, sigmas: Sigmas, mixing: Mixing) -> Iterator[Step]:
    """Exponential Heun: the second stage at the end of the step, no noise.

    Args: as for `euler`.
    """
    return seeds_2(denoiser, latents, sigmas, None, mixing, eta=0.0, r=1.0, joining=Joining.INTEGRATED)


def exp_heun_2_x0_sde(
    denoiser: Denoiser,
    latents: Latents,
    sigmas: Sigmas,
    noise: NoiseSource,
    mixing: Mixing,
    *,
    eta: float = 1.0,
) -> Iterator[Step]:
    """Exponential Heun for the SDE.

    Args: as for `dpmpp_2m_sde`.
    """
    return seeds_2(denoiser, latents, sigmas, noise, mixing, eta=eta, r=1.0, joining=Joining.INTEGRATED)


def seeds_3(
    denoiser: Denoiser,
    latents: Latents,
    sigmas: Sigmas,
    noise: NoiseSource,
    mixing: Mixing,
    *,
    eta: float = 1.0,
    s_noise: float = 1.0,
    r_1: float = 1 / 3,
    r_2: float = 2 / 3,
) -> Iterator[Step]:
    """Three stages.

    Args:
        r_1, r_2: where the later stages lie, in shares of the clock. Others as for `dpmpp_2m_sde`.
    """
    for index, sigma, following in levels(sigmas):
        denoised = denoiser(latents, sigma)
        if following == 0:
            latents = denoised
        else:
            span = _Span(latents, sigma, following, eta, mixing)
            reached = span.carried(latents, denoised, r_1) + span.noise(r_1, noise) * s_noise
            second = denoiser(reached, span.sigma(r_1))
            reached = span.bent(latents, denoised, second, r_1, r_2) + span.noise(r_2, noise) * s_noise
            third = denoiser(reached, span.sigma(r_2))
            latents = span.bent(latents, denoised, third, r_2, 1.0) + span.noise(1.0, noise) * s_noise
        yield Step(index, latents, denoised)


class _Span:
    """One step on the clock: places in it are shares of its length."""

    def __init__(self, latents: Latents, sigma: Sigma, following: Sigma, eta: float, mixing: Mixing) -> None:
        self._like = latents
        self._start, self._mixing, self._eta = sigma, mixing, eta
        self._from, self._following = mixing.clock(sigma), following
        self._to = mixing.clock(following)
        self._noise, self._noisy_to = torch.zeros_like(latents), 0.0
        self._length = self._to - self._from

    def sigma(self, place: float) -> Sigma:
        return self._following if place == 1.0 else self._mixing.sigma(self._clock(place))

    def alpha(self, place: float) -> Sigma:
        return self._mixing.alpha_at(self.sigma(place), self._clock(place))

    def _clock(self, place: float) -> Sigma:
        return self._to if place == 1.0 else self._from.lerp(self._to, place)

    def first(self, place: float) -> Sigma:
        """The function z phi_1(-z) for the damped way to a place."""
        return -torch.expm1(-self._damped(place))

    def second(self, place: float) -> Sigma:
        """The function z phi_2(-z) for the damped way to a place."""
        way = self._damped(place)
        return (torch.expm1(-way) + way) / way

    def carried(self, latents: Latents, denoised: Latents, place: float) -> Latents:
        """The latents at a place if the prediction stays as it is, without noise."""
        return self._kept(place) * latents + self.alpha(place) * self.first(place) * denoised

    def bent(
        self, latents: Latents, denoised: Latents, later: Latents, stage: float, place: float
    ) -> Latents:
        """The latents at a place if predictions lie on the line through those of the start and a stage, without noise."""
        share = self.second(place) / (stage / place)
        joined = (self.first(place) - share) * denoised + share * later
        return self._kept(place) * latents + self.alpha(place) * joined

    def _kept(self, place: float) -> Sigma:
        return self.sigma(place) / self._start * (-place * self._length * self._eta).exp()

    def noise(self, place: float, source: NoiseSource | None) -> Latents | float:
        """The noise at a place, which must not lie before the last one: what was there, damped, and a new stretch's."""
        if source is None or self._eta == 0.0:
            return 0.0
        rate, stretch = self._length * self._eta, place - self._noisy_to
        fresh = source(self._like, float(self.sigma(self._noisy_to)), float(self.sigma(place)))
        brought = (-torch.expm1(-2 * rate * stretch)).sqrt() * fresh
        self._noise = (-rate * stretch).exp() * self._noise + brought
        self._noisy_to = place
        return self._noise * self.sigma(place)

    def _damped(self, place: float) -> Sigma:
        return place * self._length * (self._eta + 1)

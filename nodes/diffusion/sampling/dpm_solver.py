"""DPM-Solver of orders 1 to 3: a fixed number of evaluations, or as many as an error bound asks for.

Source of all: Lu et al. 2022 (arXiv:2206.00927), algorithms 1 and 2 and appendix C, for added noise: its time is -ln sigma.
"""

import math
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, cast

import torch

from nodes.diffusion.denoiser import Denoiser
from nodes.diffusion.noise import NoiseSource
from nodes.diffusion.sampling.steps import Step, ancestral_split
from nodes.diffusion.values import Latents, Sigma, Sigmas

SAFETY = 0.81  # a step is taken if the next may be this share of it
NEARLY_DONE = 1e-5


def dpm_fast(denoiser: Denoiser, latents: Latents, sigmas: Sigmas) -> Iterator[Step]:
    """As many evaluations as the schedule has steps, in third-order steps of equal length; ends at the last sigma above 0.

    Args: as for `euler`; of the schedule only its ends and its length count.
    """
    evaluations = len(sigmas) - 1
    count = evaluations // 3 + 1
    rest = evaluations % 3
    orders = [3] * (count - 2) + [2, 1] if rest == 0 else [3] * (count - 1) + [rest]
    start, end = _ends(sigmas)
    times = torch.linspace(float(start), float(end), count + 1, dtype=start.dtype)
    spent = 0
    for number, order in enumerate(orders):
        span = _Span(denoiser, latents, times[number], times[number + 1])
        latents = {1: span.first, 2: span.second, 3: span.third}[order]()
        spent += order
        yield Step(min(spent, evaluations) - 1, latents, span.denoised)


def dpm_adaptive(
    denoiser: Denoiser,
    latents: Latents,
    sigmas: Sigmas,
    noise: NoiseSource | None = None,
    *,
    order: int = 3,
    rtol: float = 0.05,
    atol: float = 0.0078,
    h_init: float = 0.05,
    pcoeff: float = 0.0,
    icoeff: float = 1.0,
    dcoeff: float = 0.0,
    accept_safety: float = SAFETY,
    eta: float = 0.0,
    s_noise: float = 1.0,
) -> Iterator[Step]:
    """Steps as long as those of one order less inside them agree; ends at the last sigma above 0.

    Args:
        sigmas: only the ends count; a step's index says how far along it is.
        order: 2 or 3.
        rtol, atol: the difference that is allowed, in shares of the latents and as it is. h_init: in units of -ln sigma.
        pcoeff, icoeff, dcoeff, accept_safety: of `StepLength`.
        eta: share of the noise that is renewed; needs `noise`. s_noise: its strength.
    """
    now, end = _ends(sigmas)
    start, before = now, latents
    lengths = StepLength(h_init, pcoeff, icoeff, dcoeff, 1.5 if eta else float(order), accept_safety)
    count = len(sigmas) - 1
    if now >= end - NEARLY_DONE:
        yield Step(count - 1, latents, denoiser(latents, sigmas[0]))
    while now < end - NEARLY_DONE:
        following = torch.minimum(end, now + lengths.length)
        split = ancestral_split((-now).exp(), (-following).exp(), eta)
        span = _Span(denoiser, latents, now, torch.minimum(end, -split.down.log()) if eta else following)
        low, high = (span.first(), span.second()) if order == 2 else (span.second(r=1 / 3), span.third())
        allowed = torch.maximum(low.abs(), before.abs()).mul(rtol).clamp(min=atol)
        if lengths.accepts(_norm((low - high) / allowed) / latents.numel() ** 0.5):
            before, latents = low, high
            if eta and noise is not None:
                up = ((-following).exp() ** 2 - span.end_sigma**2).clamp(min=0).sqrt()
                fresh = noise(latents, float((-now).exp()), float((-following).exp()))
                latents = latents + up * s_noise * fresh
            now = following
            passed = int(float((now - start) / (end - start)) * count)
            done = bool(now >= end - NEARLY_DONE)
            yield Step(count - 1 if done else min(max(passed - 1, 0), count - 1), latents, span.denoised)


class StepLength:
    """A controller of the step length: it grows with how far errors stay below what is allowed.

    Source: Soderlind 2003 (ACM Trans. Math. Software 29), PID control of the step.

    Args:
        first: length of the first step.
        proportional, integral, derivative: how much the last error, its sum and its change count.
        order: of the method.
        safety: a step is taken if the next may be this share of it.
    """

    def __init__(
        self,
        first: float,
        proportional: float,
        integral: float,
        derivative: float,
        order: float,
        safety: float,
    ) -> None:
        self.length = first
        self._powers = (
            (proportional + integral + derivative) / order,
            -(proportional + 2 * derivative) / order,
            derivative / order,
        )
        self._safety = safety
        self._past: list[float] = []  # how far below 1 the errors of steps taken were, newest first

    def accepts(self, error: float) -> bool:
        """Whether a step with that error, in units of what is allowed, is taken; sets the next one's length."""
        inverse = 1 / (error + 1e-8)
        self._past = self._past or [inverse, inverse]
        past = (inverse, *self._past)
        growth = math.prod(value**power for value, power in zip(past, self._powers, strict=True))
        growth = 1 + math.atan(growth - 1)
        self.length *= growth
        if growth < self._safety:
            return False
        self._past = [inverse, past[1]]
        return True


@dataclass(slots=True, eq=False)
class _Estimate:
    """What the denoiser leaves of latents, over sigma: the estimated noise."""

    noise: Latents
    denoised: Latents


class _Span:
    """One step in -ln sigma; evaluations are shared between orders."""

    def __init__(self, denoiser: Denoiser, latents: Latents, start: Sigma, end: Sigma) -> None:
        self._denoiser, self._latents = denoiser, latents
        self._start, self._end = start, end
        self._length = end - start
        self._here = self._ask(latents, 0.0)
        self._known: dict[float, _Estimate] = {}

    @property
    def denoised(self) -> Latents:
        return self._here.denoised

    def first(self) -> Latents:
        return self._reached(1.0)

    def second(self, r: float = 0.5) -> Latents:
        return self._reached(1.0) - self._sigma(1.0) / (2 * r) * self._grown(1.0) * self._bend(r)

    def third(self, r_1: float = 1 / 3, r_2: float = 2 / 3) -> Latents:
        middle = self._reached(r_2)
        middle = middle - self._sigma(r_2) * (r_2 / r_1) * self._curve(r_2) * self._bend(r_1)
        bend = self._ask(middle, r_2).noise - self._here.noise
        return self._reached(1.0) - self._sigma(1.0) / r_2 * self._curve(1.0) * bend

    @property
    def end_sigma(self) -> Sigma:
        return self._sigma(1.0)

    def _sigma(self, place: float) -> Sigma:
        at = self._end if place == 1.0 else self._start + place * self._length
        return (-at).exp()

    def _grown(self, place: float) -> Sigma:
        return torch.expm1(place * self._length)

    def _curve(self, place: float) -> Sigma:
        return self._grown(place) / (place * self._length) - 1

    def _reached(self, place: float) -> Latents:
        return self._latents - self._sigma(place) * self._grown(place) * self._here.noise

    def _bend(self, place: float) -> Latents:
        if place not in self._known:
            self._known[place] = self._ask(self._reached(place), place)
        return self._known[place].noise - self._here.noise

    def _ask(self, latents: Latents, place: float) -> _Estimate:
        sigma = self._sigma(place)
        denoised = self._denoiser(latents, sigma)
        return _Estimate((latents - denoised) / sigma, denoised)


def _norm(latents: Latents) -> float:
    return float(cast("Any", torch.linalg).vector_norm(latents))


def _ends(sigmas: Sigmas) -> tuple[Sigma, Sigma]:
    last = sigmas[-1] if sigmas[-1] > 0 else sigmas[-2]
    return -sigmas[0].log(), -last.log()

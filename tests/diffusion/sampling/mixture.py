"""A mixture of two normal distributions, in one dimension each: its score, its marginals and its flow are known exactly.

In one dimension the probability flow keeps the order of points, so that a point stays at the same quantile of the marginal
at every noise level: the exact end of a path is a quantile of the last marginal (Song et al. 2021, arXiv:2011.13456, D.1).
"""

import math
from dataclasses import dataclass

import torch
from torch import Tensor

from nodes.diffusion.mixing import Mixing

WEIGHTS = (0.35, 0.65)
MEANS = (-1.0, 0.8)
DEVIATIONS = (0.4, 0.3)


@dataclass
class Mixture:
    """Data of two clusters in every latent; a denoiser that knows them."""

    mixing: Mixing = Mixing.ADDED

    def __call__(self, latents: Tensor, sigma: Tensor) -> Tensor:
        alpha = self.mixing.alpha(sigma)
        one, other = (alpha * deviation for deviation in DEVIATIONS)
        spread, other_spread = one**2 + sigma**2, other**2 + sigma**2
        away, other_away = (latents - alpha * mean for mean in MEANS)
        # How much likelier the first cluster is, as a logarithm: two clusters need no softmax over a further axis.
        odds = other_away**2 / (2 * other_spread) - away**2 / (2 * spread) + (other_spread / spread).log() / 2
        guess = MEANS[0] + one * DEVIATIONS[0] / spread * away
        other_guess = MEANS[1] + other * DEVIATIONS[1] / other_spread * other_away
        return torch.lerp(other_guess, guess, (odds + math.log(WEIGHTS[0] / WEIGHTS[1])).sigmoid())

    def both(self, latents: Tensor, sigma: Tensor) -> tuple[Tensor, Tensor]:
        denoised = self(latents, sigma)
        return denoised, denoised

    def moments(self, sigma: Tensor) -> tuple[float, float, float]:
        """Mean, variance and fourth central moment of noisy latents."""
        alpha, noise = float(self.mixing.alpha(sigma)), float(sigma) ** 2
        parts = [
            (weight, alpha * mean, (alpha * deviation) ** 2 + noise)
            for weight, mean, deviation in zip(WEIGHTS, MEANS, DEVIATIONS, strict=True)
        ]
        mean = sum(weight * place for weight, place, _ in parts)
        away = [(weight, place - mean, spread) for weight, place, spread in parts]
        variance = sum(weight * (d**2 + spread) for weight, d, spread in away)
        fourth = sum(weight * (d**4 + 6 * d**2 * spread + 3 * spread**2) for weight, d, spread in away)
        return mean, variance, fourth

    def below(self, points: Tensor, sigma: Tensor) -> Tensor:
        """The share of noisy latents below each point."""
        alpha = self.mixing.alpha(sigma)
        shares = torch.zeros_like(points)
        for weight, mean, deviation in zip(WEIGHTS, MEANS, DEVIATIONS, strict=True):
            spread = ((alpha * deviation) ** 2 + sigma**2).sqrt()
            shares += weight * 0.5 * (1 + torch.erf((points - alpha * mean) / spread / 2**0.5))
        return shares

    def quantile(self, shares: Tensor, sigma: Tensor) -> Tensor:
        """The point below which a share of noisy latents lies; by bisection."""
        low = torch.full_like(shares, -100.0)
        high = torch.full_like(shares, 100.0)
        for _ in range(80):
            middle = (low + high) / 2
            under = self.below(middle, sigma) < shares
            low, high = torch.where(under, middle, low), torch.where(under, high, middle)
        return (low + high) / 2

    def noisy(self, noise: Tensor, sigma: Tensor) -> Tensor:
        """Where the flow has the points whose quantiles are those of this unit noise."""
        return self.quantile(0.5 * (1 + torch.erf(noise / 2**0.5)), sigma)

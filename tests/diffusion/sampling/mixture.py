"""A mixture of two normal distributions, in one dimension each: its score, its marginals and its flow are known exactly.

In one dimension the probability flow keeps the order of points, so that a point stays at the same quantile of the marginal
at every noise level: the exact end of a path is a quantile of the last marginal (Song et al. 2021, arXiv:2011.13456, D.1).
"""

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
        means, deviations = self._parts(latents)
        spreads = (alpha * deviations) ** 2 + sigma**2
        away = latents.unsqueeze(-1) - alpha * means
        likely = (-(away**2) / (2 * spreads) - spreads.log() / 2 + self._logs(latents)).softmax(-1)
        guesses = means + alpha * deviations**2 / spreads * away
        return (likely * guesses).sum(-1)

    def both(self, latents: Tensor, sigma: Tensor) -> tuple[Tensor, Tensor]:
        denoised = self(latents, sigma)
        return denoised, denoised

    def below(self, points: Tensor, sigma: Tensor) -> Tensor:
        """The share of noisy latents below each point."""
        alpha = self.mixing.alpha(sigma)
        means, deviations = self._parts(points)
        spreads = ((alpha * deviations) ** 2 + sigma**2).sqrt()
        away = (points.unsqueeze(-1) - alpha * means) / spreads
        return (self._logs(points).exp() * (0.5 * (1 + torch.erf(away / 2**0.5)))).sum(-1)

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

    @staticmethod
    def _parts(like: Tensor) -> tuple[Tensor, Tensor]:
        return like.new_tensor(MEANS), like.new_tensor(DEVIATIONS)

    @staticmethod
    def _logs(like: Tensor) -> Tensor:
        return like.new_tensor(WEIGHTS).log()

"""A Gaussian whose denoiser, whose way through the probability flow and whose marginals are known in closed form."""

from dataclasses import dataclass

import torch
from torch import Tensor

from nodes.diffusion.mixing import Mixing


@dataclass
class Gaussian:
    """Data of one mean and deviation in every latent; noise is added to it, or traded for it."""

    mean: float = 0.7
    deviation: float = 0.5
    mixing: Mixing = Mixing.ADDED

    def __call__(self, latents: Tensor, sigma: Tensor) -> Tensor:
        alpha = self.mixing.alpha(sigma)
        gain = alpha * self.deviation**2 / (alpha**2 * self.deviation**2 + sigma**2)
        return self.mean + gain * (latents - alpha * self.mean)

    def both(self, latents: Tensor, sigma: Tensor) -> tuple[Tensor, Tensor]:
        denoised = self(latents, sigma)
        return denoised, denoised

    def spread(self, sigma: Tensor) -> Tensor:
        """The deviation of noisy latents."""
        return (self.mixing.alpha(sigma) ** 2 * self.deviation**2 + sigma**2) ** 0.5

    def noisy(self, noise: Tensor, sigma: Tensor) -> Tensor:
        """Latents of the right distribution at a level; along the flow the noise stays as it is."""
        return self.mixing.alpha(sigma) * self.mean + noise * self.spread(sigma)


def falling(high: float, low: float, steps: int) -> Tensor:
    """Sigmas in equal steps of the logarithm, float64, not down to 0."""
    return torch.logspace(
        torch.tensor(high).log10(), torch.tensor(low).log10(), steps + 1, dtype=torch.float64
    )

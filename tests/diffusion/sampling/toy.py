"""A network whose answer is known in closed form, in the shape that sampling expects."""

from dataclasses import dataclass, field

import torch
from torch import Tensor

from nodes.diffusion.changes import NO_CHANGES, NetworkChanges
from nodes.diffusion.denoiser import (
    NO_INPUTS,
    LatentFormat,
    NetworkInputs,
    Parametrisation,
    Residuals,
)
from nodes.diffusion.noise_levels import NoiseLevels, from_betas, scaled_linear_betas
from nodes.diffusion.values import Cond

POSITIVE = Cond(torch.full((1, 1, 1), 0.5))
NEGATIVE = Cond(torch.full((1, 1, 1), -0.25))


@dataclass
class Toy:
    """Denoises to a Gaussian of mean m (its context), bent by a sine: D = D0 + 0.1 sin(3 D0)."""

    parametrisation: Parametrisation = Parametrisation.EPS
    levels: NoiseLevels = field(default_factory=lambda: from_betas(scaled_linear_betas()))
    latent_format: LatentFormat = field(default_factory=lambda: LatentFormat(scale=1.0))
    device: torch.device = field(default_factory=lambda: torch.device("cpu"))
    dtype: torch.dtype = torch.float32
    bend: float = 0.1
    sigma: Tensor | None = None  # the true sigma, which a timestep only rounds

    def __call__(
        self,
        latents: Tensor,
        timestep: Tensor,
        context: Tensor,
        *,
        residuals: Residuals | None = None,
        inputs: NetworkInputs = NO_INPUTS,
        changes: NetworkChanges = NO_CHANGES,
    ) -> Tensor:
        assert self.sigma is not None
        mean = context.mean(dim=(1, 2)).view(-1, 1, 1, 1)
        sigma = self.sigma
        flow = self.parametrisation is Parametrisation.FLOW
        noisy = latents if flow else latents * (sigma**2 + 1) ** 0.5
        denoised = self.denoised(noisy, sigma, mean)
        if self.parametrisation is not Parametrisation.V:
            return (noisy - denoised) / sigma
        spread = sigma**2 + 1
        return (noisy / spread - denoised) * spread**0.5 / sigma

    def denoised(self, noisy: Tensor, sigma: Tensor, mean: Tensor) -> Tensor:
        if self.parametrisation is Parametrisation.FLOW:
            alpha = 1 - sigma
            first = mean + alpha / (alpha**2 + sigma**2) * (noisy - alpha * mean)
        else:
            first = (noisy + sigma**2 * mean) / (1 + sigma**2)
        return first + self.bend * torch.sin(3 * first)

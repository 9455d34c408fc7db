"""A network whose answers are given, so that a rule can be held to its formula."""

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
from nodes.diffusion.guidance import Guided
from nodes.diffusion.noise_levels import NoiseLevels, from_betas, scaled_linear_betas
from nodes.diffusion.values import Cond, Rule

SHAPE = (2, 4, 6, 8)
LEVELS = from_betas(scaled_linear_betas())
SIGMA = LEVELS.sigmas[500]


def drawn(seed: int, shape: tuple[int, ...] = SHAPE) -> Tensor:
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed))


NOISY, POSITIVE, NEGATIVE, OTHER = (drawn(seed) for seed in range(4))


@dataclass
class Given:
    """Denoises to the tensor that the context's one number names; notes what it was asked."""

    estimates: tuple[Tensor, ...] = (POSITIVE, NEGATIVE, OTHER)
    levels: NoiseLevels = field(default_factory=lambda: LEVELS)
    parametrisation: Parametrisation = Parametrisation.EPS
    latent_format: LatentFormat = field(default_factory=lambda: LatentFormat(scale=1.0))
    device: torch.device = field(default_factory=lambda: torch.device("cpu"))
    dtype: torch.dtype = torch.float32
    asked: list[int] = field(default_factory=list)
    changes: list[NetworkChanges] = field(default_factory=list)
    sigma: Tensor = field(default_factory=lambda: SIGMA)

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
        names = [int(value) for value in context[:, 0, 0]]
        batch = len(self.estimates[0])
        self.asked.extend(names[::batch])
        self.changes.append(changes)
        wanted = torch.cat([self.estimates[name] for name in names[::batch]])
        flow = self.parametrisation is Parametrisation.FLOW
        noisy = latents if flow else latents * (self.sigma**2 + 1) ** 0.5
        return (noisy - wanted) / self.sigma


def names(number: int) -> tuple[Cond, ...]:
    """The conditioning that the network answers with its estimate of this number."""
    return (Cond(torch.full((1, 1, 1), float(number))),)


def guided(*rules: Rule, scale: float = 3.0, network: Given | None = None) -> Guided:
    return Guided(network or Given(), names(0), names(1), scale, None, rules)


def estimate(*rules: Rule, scale: float = 3.0, network: Given | None = None) -> Tensor:
    return guided(*rules, scale=scale, network=network)(NOISY, SIGMA)

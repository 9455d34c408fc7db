"""Guiders: a network and what steers it, as one denoiser."""

import math
from collections.abc import Sequence
from dataclasses import dataclass, field

from nodes.diffusion.denoiser import Network
from nodes.diffusion.guidance.pieces import Conditioned, FindControl
from nodes.diffusion.guidance.rules import cfg
from nodes.diffusion.values import Conditioning, Latents, Sigma


@dataclass(slots=True, eq=False)
class Guided:
    """A network steered by conditions; a `TwoSidedDenoiser`.

    Attributes:
        scale: guidance scale; 1 leaves the negative side out.
        controls: finds the loaded network of a control recipe; needed where a condition has controls.
    """

    network: Network
    positive: Conditioning
    negative: Conditioning
    scale: float
    controls: FindControl | None = None
    _conditioned: Conditioned = field(init=False)

    def __post_init__(self) -> None:
        self._conditioned = Conditioned(self.network, self.controls)

    def __call__(self, latents: Latents, sigma: Sigma) -> Latents:
        if math.isclose(self.scale, 1.0):
            return self.sides(latents, sigma, [self.positive])[0]
        return self.both(latents, sigma)[0]

    def both(self, latents: Latents, sigma: Sigma) -> tuple[Latents, Latents]:
        """The guided estimate, and the negative side's alone."""
        positive, negative = self.sides(latents, sigma, [self.positive, self.negative])
        return cfg(positive, negative, self.scale), negative

    def sides(self, latents: Latents, sigma: Sigma, sides: Sequence[Conditioning]) -> Sequence[Latents]:
        """The denoised estimate of each side alone; zeros for one that has no active condition."""
        return self._conditioned.sides(latents, sigma, sides)

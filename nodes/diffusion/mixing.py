"""How noise lies in noisy latents: added on top (variance exploding), or traded for the clean ones (rectified flow).

A noise level sigma means noisy = alpha(sigma) * clean + sigma * noise. Half the logarithm of the signal-to-noise ratio,
ln(alpha / sigma), is the clock in which exponential integrators step.
"""

from enum import Enum

import torch

from nodes.diffusion.values import Latents, Sigma


class Mixing(Enum):
    """One of the two ways."""

    ADDED = "added"  # alpha = 1 (Karras et al. 2022, arXiv:2206.00364)
    TRADED = "traded"  # alpha = 1 - sigma (Liu et al. 2022, arXiv:2209.03003)

    def alpha(self, sigma: Sigma) -> Sigma:
        """The share of the clean latents at a noise level."""
        return torch.ones_like(sigma) if self is Mixing.ADDED else 1.0 - sigma

    def clock(self, sigma: Sigma) -> Sigma:
        """ln(alpha / sigma): rises while sigma falls; infinite at 0 and, where noise is traded, at 1."""
        return -sigma.log() if self is Mixing.ADDED else -sigma.logit()

    def alpha_at(self, sigma: Sigma, clock: Sigma) -> Sigma:
        """The share by the definition of the clock. Where noise is added it is 1 but for rounding: results repeat to it."""
        return sigma * clock.exp()

    def sigma(self, clock: Sigma) -> Sigma:
        """The noise level at a time of `clock`."""
        return (-clock).exp() if self is Mixing.ADDED else (-clock).sigmoid()

    def noised(self, clean: Latents, noise: Latents, sigma: Sigma, *, from_the_top: bool = False) -> Latents:
        """Clean latents with noise of one level.

        Args:
            clean: latents at the model's scale.
            noise: of variance 1.
            from_the_top: the level is the network's highest: scale as pure noise was in training.
        """
        if self is Mixing.TRADED:
            return noise * sigma + clean * (1.0 - sigma)
        return clean + noise * ((1.0 + sigma**2) ** 0.5 if from_the_top else sigma)

    def finished(self, latents: Latents, sigma: Sigma) -> Latents:
        """Latents that a run left at `sigma`, at the scale of clean ones, as between nodes."""
        return latents / (1.0 - sigma) if self is Mixing.TRADED else latents

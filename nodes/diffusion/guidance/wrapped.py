"""A network behind a rule: what it says of itself is passed on, what it is asked the rule sees first."""

from dataclasses import dataclass

import torch

from nodes.diffusion.denoiser import AskedApart, Denoising, LatentFormat, Network, Parametrisation
from nodes.diffusion.noise_levels import NoiseLevels


@dataclass(slots=True, eq=False)
class Wrapped:
    """What every network behind a rule has; each rule's own says how it is asked."""

    network: Network

    @property
    def parametrisation(self) -> Parametrisation:
        """As `Network`."""
        return self.network.parametrisation

    @property
    def levels(self) -> NoiseLevels:
        """As `Network`."""
        return self.network.levels

    @property
    def latent_format(self) -> LatentFormat:
        """As `Network`."""
        return self.network.latent_format

    @property
    def device(self) -> torch.device:
        """As `Network`."""
        return self.network.device

    @property
    def dtype(self) -> torch.dtype:
        """As `Network`."""
        return self.network.dtype

    @property
    def apart(self) -> bool:
        """As `AskedApart`."""
        return isinstance(self.network, AskedApart) and self.network.apart

    @property
    def denoises(self) -> bool:
        """As `Denoising`."""
        return isinstance(self.network, Denoising) and self.network.denoises

"""A loaded network as a `Network`: called with scaled latents, a timestep and a context."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace

import torch
from torch import Tensor, nn

from nodes.diffusion.changes import NO_CHANGES, NetworkChanges
from nodes.diffusion.denoiser import (
    NO_INPUTS,
    LatentFormat,
    Network,
    NetworkInputs,
    Parametrisation,
    Residuals,
)
from nodes.diffusion.gligen import FindPlaces
from nodes.diffusion.latent_formats import latent_format
from nodes.diffusion.level_recipes import built
from nodes.diffusion.models.family import Family
from nodes.diffusion.noise_levels import NoiseLevels
from nodes.diffusion.resembling import Seen
from nodes.diffusion.values import LoraPatch, ModelSettings


@dataclass(frozen=True, slots=True, eq=False)
class LoadedNetwork:
    """A network of diffusers with what a sampler needs to know of it.

    Attributes:
        module: of the family's class.
        levels: the noise it was trained on.
        aliases: names of its modules in the original layout, each with its own; both end in a full stop.
        seen: how it was trained to be shown pictures; None: it was not.
        places: finds what tells it of boxes; None: it cannot be told.
        patched: gives it with further patches; None where nobody keeps its files.
    """

    module: nn.Module
    family: Family
    parametrisation: Parametrisation
    levels: NoiseLevels
    latent_format: LatentFormat
    device: torch.device
    dtype: torch.dtype
    aliases: Mapping[str, str] = field(default_factory=dict[str, str])
    patched: Callable[[tuple[LoraPatch, ...]], Network] | None = None
    seen: Seen | None = None
    places: FindPlaces | None = None

    def hooked(self, patches: tuple[LoraPatch, ...]) -> Network:
        """As `HookableNetwork`."""
        if self.patched is None:
            raise ValueError("A condition has hooks, but nothing was given that loads them.")
        return self.patched(patches)

    @torch.no_grad()
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
        """As `Network`. Sides of latents that the network cannot cut evenly are dealt with inside.

        Raises:
            ContextMismatch: the text was read for another family.
        """
        if self.latent_format.joined and inputs.joined is not None:
            latents = torch.cat((latents, inputs.joined.to(latents)), 1)
        return self.family.ask(
            self.module, latents, timestep, context, residuals=residuals, inputs=inputs, changes=changes
        )

    def settled(self, settings: ModelSettings) -> "LoadedNetwork":
        """The same network, sampled as nodes have set it."""
        kind, levels, form = settings.parametrisation, settings.levels, settings.latent_format
        return replace(
            self,
            parametrisation=Parametrisation(kind) if kind else self.parametrisation,
            levels=self.levels if levels is None else built(levels, self.levels),
            latent_format=latent_format(form) if form else self.latent_format,
        )

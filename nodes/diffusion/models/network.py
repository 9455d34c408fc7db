"""A loaded U-Net as a `Network`: called with scaled latents, a timestep and a context."""

from dataclasses import dataclass
from typing import Any, cast

import torch
from torch import Tensor, nn

from nodes.diffusion.changes import NO_CHANGES, NetworkChanges
from nodes.diffusion.denoiser import (
    NO_INPUTS,
    LatentFormat,
    NetworkInputs,
    Parametrisation,
    Residuals,
)
from nodes.diffusion.models.changing import changed
from nodes.diffusion.noise_levels import NoiseLevels


@dataclass(frozen=True, slots=True, eq=False)
class UnetNetwork:
    """A U-Net of diffusers with what a sampler needs to know of it.

    Attributes:
        module: a `UNet2DConditionModel`.
        levels: the noise it was trained on.
    """

    module: nn.Module
    parametrisation: Parametrisation
    levels: NoiseLevels
    latent_format: LatentFormat
    device: torch.device
    dtype: torch.dtype

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
        """As `Network`. Sides of latents that the network cannot halve evenly are dealt with inside."""
        added = None if residuals is None else tuple(residuals.down)
        with changed(self.module, changes, (latents.shape[-2], latents.shape[-1]), inputs.sides):
            answer = cast("Any", self.module)(
                latents,
                timestep,
                encoder_hidden_states=context,
                down_block_additional_residuals=added,
                mid_block_additional_residual=None if residuals is None else residuals.middle,
                return_dict=False,
            )
        return cast("Tensor", answer[0])

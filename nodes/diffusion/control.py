"""Control networks: what a picture of edges, depth or poses adds inside a U-Net (Zhang et al. 2023, arXiv:2302.05543)."""

from dataclasses import dataclass
from typing import Any, cast

import torch
from torch import Tensor, nn

from nodes.diffusion.denoiser import Residuals


@dataclass(frozen=True, slots=True, eq=False)
class LoadedControl:
    """A control network, as `ControlNetwork`. Strength and range are the caller's.

    Attributes:
        module: a `ControlNetModel` of diffusers.
        pools: residuals are averaged over the picture, so that they carry its content and not its places.
    """

    module: nn.Module
    device: torch.device
    dtype: torch.dtype
    pools: bool = False

    @torch.no_grad()
    def __call__(self, latents: Tensor, timestep: Tensor, context: Tensor, hint: Tensor) -> Residuals:
        """Residuals for these latents; `hint` is Float[batch 3 height width] in 0..1, at the picture's size."""
        placed = [part.to(self.device, self.dtype) for part in (latents, context, hint)]
        down, middle = cast("Any", self.module)(
            placed[0],
            timestep.to(self.device),
            encoder_hidden_states=placed[1],
            controlnet_cond=placed[2],
            return_dict=False,
        )
        parts = [cast("Tensor", part).to(latents) for part in (*down, middle)]
        if self.pools:
            parts = [part.mean(dim=(2, 3), keepdim=True) for part in parts]
        return Residuals(parts[:-1], parts[-1])

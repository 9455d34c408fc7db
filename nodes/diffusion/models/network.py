"""A loaded U-Net as a `Network`: called with scaled latents, a timestep and a context."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any, cast

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
from nodes.diffusion.errors import ContextMismatch
from nodes.diffusion.latent_formats import latent_format
from nodes.diffusion.level_recipes import built
from nodes.diffusion.models.changing import added, changed
from nodes.diffusion.noise_levels import NoiseLevels
from nodes.diffusion.values import LoraPatch, ModelSettings

REFINER_NUMBERS = 5  # height, width, what is cut off above and at the left, and beauty


@dataclass(frozen=True, slots=True, eq=False)
class UnetNetwork:
    """A U-Net of diffusers with what a sampler needs to know of it.

    Attributes:
        module: a `UNet2DConditionModel`.
        levels: the noise it was trained on.
        patched: gives it with further patches; None where nobody keeps its files.
    """

    module: nn.Module
    parametrisation: Parametrisation
    levels: NoiseLevels
    latent_format: LatentFormat
    device: torch.device
    dtype: torch.dtype
    patched: Callable[[tuple[LoraPatch, ...]], Network] | None = None

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
        """As `Network`. Sides of latents that the network cannot halve evenly are dealt with inside.

        Raises:
            ContextMismatch: the text was read for another family.
        """
        config = cast("Any", self.module).config
        wanted = config.cross_attention_dim
        if isinstance(wanted, int) and context.shape[-1] != wanted:
            raise ContextMismatch(context.shape[-1], wanted)
        if self.latent_format.joined and inputs.joined is not None:
            latents = torch.cat((latents, inputs.joined.to(latents)), 1)
        if residuals is not None and changes.resizes:
            changes, residuals = added(residuals) + changes, None
        down = None if residuals is None else tuple(residuals.down)
        with changed(self.module, changes, (latents.shape[-2], latents.shape[-1]), inputs.sides):
            answer = cast("Any", self.module)(
                latents,
                timestep,
                encoder_hidden_states=context,
                down_block_additional_residuals=down,
                mid_block_additional_residual=None if residuals is None else residuals.middle,
                added_cond_kwargs=_sizes(config, inputs),
                return_dict=False,
            )
        return cast("Tensor", answer[0])

    def settled(self, settings: ModelSettings) -> "UnetNetwork":
        """The same network, sampled as nodes have set it."""
        kind, levels, form = settings.parametrisation, settings.levels, settings.latent_format
        return replace(
            self,
            parametrisation=Parametrisation(kind) if kind else self.parametrisation,
            levels=self.levels if levels is None else built(levels, self.levels),
            latent_format=latent_format(form) if form else self.latent_format,
        )


def _sizes(config: Any, inputs: NetworkInputs) -> dict[str, Tensor] | None:
    """What Stable Diffusion XL and its refiner are told beside the text: the pooled vector, and six numbers or five."""
    if config.addition_embed_type != "text_time" or inputs.sizes is None or inputs.pooled is None:
        return None
    told = config.projection_class_embeddings_input_dim - inputs.pooled.shape[-1]
    numbers = inputs.sizes
    if told // config.addition_time_embed_dim == REFINER_NUMBERS and inputs.beauty is not None:
        numbers = torch.cat((numbers[:, :4], inputs.beauty[:, None]), 1)
    return {"text_embeds": inputs.pooled, "time_ids": numbers}

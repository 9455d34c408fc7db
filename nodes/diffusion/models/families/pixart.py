"""PixArt-alpha and -sigma (Chen et al. 2023, arXiv:2310.00426; 2024, arXiv:2403.04692), from diffusers' folders alone."""

from collections.abc import Sequence
from typing import Any, cast

from torch import Tensor, nn

from nodes.diffusion.changes import NO_CHANGES, Kind, NetworkChanges
from nodes.diffusion.denoiser import NO_INPUTS, NetworkInputs, Parametrisation, Residuals
from nodes.diffusion.errors import ContextMismatch
from nodes.diffusion.models.families.layout import padded
from nodes.diffusion.models.family import Family, Place, Settings, Shapes, Stack, Stacks
from nodes.diffusion.models.files import WeightFile
from nodes.diffusion.models.scheduling import Training
from nodes.diffusion.noise_levels import from_betas, linear_betas

BETAS = (1e-4, 0.02)
PIXELS = 8  # side of the square that one latent stands for


def original(_shapes: Shapes) -> Sequence[Place] | None:
    """As `Family.original`: diffusers has no loader for that layout."""
    return None


def places(shapes: Shapes) -> Sequence[Place]:
    """As `Family.places`."""
    return [Place(name, name) for name in shapes]


def settings(_shapes: Shapes) -> Settings | None:
    """As `Family.settings`: a file does not tell one kind from the other, a folder does."""
    return None


def ask(
    module: nn.Module,
    latents: Tensor,
    timestep: Tensor,
    context: Tensor,
    *,
    residuals: Residuals | None = None,
    inputs: NetworkInputs = NO_INPUTS,
    changes: NetworkChanges = NO_CHANGES,
) -> Tensor:
    """As `Ask`, for a `PixArtTransformer2DModel`; what it says of its own variance is left out."""
    config = cast("Any", module).config
    if context.shape[-1] != config.caption_channels:
        raise ContextMismatch(context.shape[-1], config.caption_channels)
    height, width = latents.shape[-2:]
    said = inputs.sizes
    sizes = (
        latents.new_tensor([[height * PIXELS, width * PIXELS]]) if said is None else said[:, :2].to(latents)
    )
    sizes = sizes.expand(len(latents), -1)
    answer = cast("Any", module)(
        padded(latents, config.patch_size),
        encoder_hidden_states=context,
        timestep=timestep,
        added_cond_kwargs={"resolution": sizes, "aspect_ratio": sizes[:, :1] / sizes[:, 1:]},
        encoder_attention_mask=inputs.token_mask,
        return_dict=False,
    )
    return cast("Tensor", answer[0])[:, : latents.shape[1], :height, :width]


def trained(_shapes: Shapes, _weights: WeightFile) -> Training:
    """As `Family.trained`."""
    return Training(Parametrisation.EPS, from_betas(linear_betas(*BETAS)))


TAKES = frozenset((Kind.LAYERS, Kind.ALONE, Kind.AWAY))
BLOCKS = Stacks(Stack("transformer_blocks", ("hidden_states",), ("attn1",), ("attn2",)))

FAMILIES = (
    Family(
        name="PixArt",
        made_by="diffusers.models.transformers.pixart_transformer_2d:PixArtTransformer2DModel",
        original=original,
        places=places,
        settings=settings,
        ask=ask,
        trained=trained,
        latents="SD15",
        text="pixart",
        encoders="CLIPLoader (type pixart)",
        of_folder=lambda _said: True,
        takes=TAKES,
        stacks=BLOCKS,
        one_file="none: a folder alone tells its kind",
    ),
)

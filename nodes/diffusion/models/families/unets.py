"""The families of U-Nets: Stable Diffusion 1 and 2, XL and its refiner, the upscaler, and what was made of them.

Smaller ones (SSD-1B, Vega, KOALA, small-sd, tiny-sd) leave out blocks: their shape says it, so they are of the family that
they were made from. So are those for inpainting and for editing by words, which read more channels.

Source: Rombach et al. 2022 (arXiv:2112.10752); Podell et al. 2023 (arXiv:2307.01952) for XL.
"""

from collections.abc import Callable, Sequence
from contextlib import nullcontext
from dataclasses import replace
from typing import Any, cast

import torch
from torch import Tensor, nn

from nodes.diffusion.changes import NO_CHANGES, Kind, NetworkChanges
from nodes.diffusion.denoiser import NO_INPUTS, NetworkInputs, Parametrisation, Residuals
from nodes.diffusion.errors import ContextMismatch
from nodes.diffusion.models import unet_shape
from nodes.diffusion.models.changing import added, changed
from nodes.diffusion.models.family import Family, Place, Settings, Shapes, translated
from nodes.diffusion.models.files import WeightFile
from nodes.diffusion.models.scheduling import Training, of_file
from nodes.diffusion.models.unet_shape import UnetShape, diffusers_shape, original_names, original_shape
from nodes.diffusion.noise_levels import from_betas, scaled_linear_betas
from nodes.diffusion.resembling import Seen
from nodes.diffusion.sizes import NUMBER_WIDTH, XL_LEVELS, sizes_told

MADE_BY = "diffusers.models.unets.unet_2d_condition:UNet2DConditionModel"
ORIGINAL, DIFFUSERS = "output_blocks.0.0.in_layers.0.weight", "up_blocks.0.resnets.0.conv1.weight"
SIZES = "add_embedding.linear_1.weight"
VECTOR = "class_embedding.linear_1.weight"
AUGMENTOR = ("noise_augmentor.data_mean", "noise_augmentor.data_std")
UPSCALER_BETAS = 0.0001, 0.02
# Stable Diffusion 2 looks alike whether it predicts noise or velocity; this bias has another spread.
TELLING, TELLING_SPREAD = "output_blocks.11.1.transformer_blocks.0.norm1.bias", 0.09


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
    """As `Ask`, for a `UNet2DConditionModel`.

    Raises:
        ContextMismatch: the text was read for another family.
    """
    config = cast("Any", module).config
    wanted = config.cross_attention_dim
    if isinstance(wanted, int) and context.shape[-1] != wanted:
        raise ContextMismatch(context.shape[-1], wanted)
    if residuals is not None and changes.resizes:
        changes, residuals = added(residuals, module) + changes, None
    down = tuple(residuals.down) if residuals is not None and residuals.down else None
    levels = list(residuals.levels) if residuals is not None and residuals.levels else None
    size = latents.shape[-2], latents.shape[-1]
    with changed(module, changes, size, inputs.sides) if changes else nullcontext():
        answer = cast("Any", module)(
            latents,
            timestep,
            encoder_hidden_states=context,
            class_labels=_label(config, inputs, latents),
            down_block_additional_residuals=down,
            mid_block_additional_residual=None if residuals is None else residuals.middle,
            down_intrablock_additional_residuals=levels,
            added_cond_kwargs=sizes_told(config, inputs, latents),
            return_dict=False,
        )
    return cast("Tensor", answer[0])


def _label(config: Any, inputs: NetworkInputs, latents: Tensor) -> Tensor | None:
    """Beside the timestep: how noisy an upscaler's picture is, or the vector of one to resemble; zeros without one."""
    if config.num_class_embeds:
        level = inputs.noisiness
        zeros = torch.zeros(len(latents), dtype=torch.long, device=latents.device)
        return zeros if level is None else level.to(zeros)
    if config.class_embed_type != "projection":
        return None
    width = config.projection_class_embeddings_input_dim
    told = inputs.resembled
    return latents.new_zeros(len(latents), width) if told is None else told.to(latents)


def _family(fits: Callable[[UnetShape, bool, bool], bool], template: Family) -> Family:
    """A row whose U-Nets are those that `fits` takes: by shape, by whether it reads sizes, and whether a vector."""

    def of(shape: UnetShape, names: Shapes) -> bool:
        return fits(shape, SIZES in names, VECTOR in names)

    def original(shapes: Shapes) -> Sequence[Place] | None:
        if ORIGINAL not in shapes:
            return None
        try:
            shape = original_shape(shapes)
        except (KeyError, IndexError, ValueError):
            return None
        table = original_names(shape)
        pairs = ((unet_shape.renamed(name, table), name) for name in shapes)
        places = [Place(ours, theirs) for ours, theirs in pairs if ours is not None]
        return places if of(shape, translated(shapes, places)) else None

    def settings(shapes: Shapes) -> Settings | None:
        if DIFFUSERS not in shapes:
            return None
        shape = diffusers_shape(shapes)
        return {**shape.unet_settings(), **told_settings(shapes)} if of(shape, shapes) else None

    return replace(template, original=original, settings=settings)


def places(shapes: Shapes) -> Sequence[Place]:
    """Where the tensors of a U-Net lie in a file of the original layout."""
    back = {ours: theirs for theirs, ours in original_names(diffusers_shape(shapes)).items()}
    pairs = ((name, unet_shape.renamed(name, back)) for name in shapes)
    return [Place(ours, theirs) for ours, theirs in pairs if theirs is not None]


def told_settings(shapes: Shapes) -> Settings:
    """What diffusers' classes need to be told of what a network reads beside the text, from shapes under their names."""
    if SIZES in shapes:
        return {
            "addition_embed_type": "text_time",
            "addition_time_embed_dim": NUMBER_WIDTH,
            "projection_class_embeddings_input_dim": shapes[SIZES][1],
        }
    if VECTOR in shapes:
        return {
            "class_embed_type": "projection",
            "projection_class_embeddings_input_dim": shapes[VECTOR][1],
        }
    return {}


def _trained(_shapes: Shapes, weights: WeightFile) -> Training:
    return of_file(weights.shapes)


def _trained_upscaler(_shapes: Shapes, _weights: WeightFile) -> Training:
    return Training(Parametrisation.V, from_betas(scaled_linear_betas(*UPSCALER_BETAS)))


def _trained_2(shapes: Shapes, weights: WeightFile) -> Training:
    """Stable Diffusion 2: velocity if the flag says so, else by the spread of one bias."""
    found = replace(of_file(weights.shapes), seen=_seen(shapes, weights))
    name = next((name for name in weights.shapes if name.endswith(TELLING)), None)
    if found.parametrisation is not Parametrisation.EPS or name is None:
        return found
    spread = float(weights.tensors([name])[name].float().std())
    return replace(found, parametrisation=Parametrisation.V) if spread > TELLING_SPREAD else found


def _seen(shapes: Shapes, weights: WeightFile) -> Seen | None:
    """What a checkpoint says of the pictures that its network was shown; a network alone: nothing was shifted or scaled."""
    if VECTOR not in shapes:
        return None
    if not all(name in weights.shapes for name in AUGMENTOR):
        width = shapes[VECTOR][1] // 2
        return Seen(torch.zeros(width), torch.ones(width))
    stored = weights.tensors(AUGMENTOR)
    return Seen(*(stored[name].float().flatten() for name in AUGMENTOR))


def _row(
    name: str,
    latents: str,
    trained: Any,
    of_folder: Callable[[Settings], bool],
    encoders: str = "CLIPLoader (type stable_diffusion)",
) -> Family:
    return Family(
        name=name,
        made_by=MADE_BY,
        original=lambda _shapes: None,
        places=places,
        settings=lambda _shapes: None,
        ask=ask,
        trained=trained,
        latents=latents,
        encoders=encoders,
        folder="unet",
        of_folder=of_folder,
        takes=frozenset((Kind.ATTENTION, Kind.SKIPS, Kind.BLOCKS, Kind.BETWEEN)),
        controlled=True,
    )


UPSCALER = _family(
    lambda shape, _sizes, _vector: bool(shape.classes),
    _row(
        "Stable Diffusion x4 upscaler",
        "SD_X4",
        _trained_upscaler,
        lambda said: bool(said.get("num_class_embeds")),
    ),
)
SD1 = _family(
    lambda shape, sizes, vector: not (shape.linear or sizes or vector),
    _row(
        "Stable Diffusion 1",
        "SD15",
        _trained,
        lambda said: not (said.get("use_linear_projection") or said.get("addition_embed_type")),
    ),
)
SD2 = _family(
    lambda shape, sizes, _vector: shape.linear and not (sizes or shape.classes),
    _row(
        "Stable Diffusion 2",
        "SD15",
        _trained_2,
        lambda said: bool(said.get("use_linear_projection")) and not said.get("addition_embed_type"),
    ),
)
SDXL = _family(
    lambda shape, sizes, _vector: sizes and len(shape.widths) == XL_LEVELS,
    _row(
        "Stable Diffusion XL",
        "SDXL",
        _trained,
        lambda said: (
            said.get("addition_embed_type") == "text_time"
            and len(said.get("block_out_channels", ())) == XL_LEVELS
        ),
        "DualCLIPLoader (type sdxl)",
    ),
)
REFINER = _family(
    lambda shape, sizes, _vector: sizes and len(shape.widths) != XL_LEVELS,
    _row(
        "Stable Diffusion XL refiner",
        "SDXL",
        _trained,
        lambda said: said.get("addition_embed_type") == "text_time",
    ),
)
FAMILIES = (UPSCALER, SD1, SD2, SDXL, REFINER)

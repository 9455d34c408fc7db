"""Chroma: FLUX.1 schnell with its modulation replaced by a small network of time alone (Lodestone Rock 2025)."""

from collections.abc import Sequence
from typing import Any, cast

import torch
from torch import Tensor, nn

from nodes.diffusion.changes import NO_CHANGES, Kind, NetworkChanges
from nodes.diffusion.denoiser import NO_INPUTS, NetworkInputs, Parametrisation, Residuals
from nodes.diffusion.errors import ContextMismatch
from nodes.diffusion.models.families import flux
from nodes.diffusion.models.families.layout import (
    count,
    line,
    padded,
    places_in_file,
    places_in_network,
)
from nodes.diffusion.models.family import Family, Place, Settings, Shapes, Stack, Stacks
from nodes.diffusion.models.files import WeightFile
from nodes.diffusion.models.scheduling import Training
from nodes.diffusion.noise_levels import flux_levels

_G = "distilled_guidance_layer."
LEFT_OUT = (
    "time_in",
    "vector_in",
    "guidance_in",
    "_mod.lin",
    "modulation",
)  # Flux's, replaced by the small network
LINES = (
    *(one for one in flux.LINES if not any(word in one.theirs.lower() for word in LEFT_OUT)),
    line(_G + "in_proj", _G + "in_proj"),
    line(_G + "out_proj", _G + "out_proj"),
    line(_G + "layers.{}.in_layer", _G + "layers.{}.linear_1"),
    line(_G + "layers.{}.out_layer", _G + "layers.{}.linear_2"),
    line(_G + "norms.{}.scale", _G + "norms.{}.weight", bare=True),
)


def original(shapes: Shapes) -> Sequence[Place] | None:
    """As `Family.original`."""
    marks = (
        "double_blocks.0.img_attn.qkv.weight",
        "distilled_guidance_layer.in_proj.weight",
        "img_in.weight",
    )
    return places_in_file(LINES, shapes) if all(mark in shapes for mark in marks) else None


def places(shapes: Shapes) -> Sequence[Place]:
    """As `Family.places`."""
    return places_in_network(LINES, shapes)


def settings(shapes: Shapes) -> Settings | None:
    """As `Family.settings`."""
    if _G + "in_proj.weight" not in shapes or "x_embedder.weight" not in shapes:
        return None
    width, channels = shapes["x_embedder.weight"]
    (head,) = shapes["transformer_blocks.0.attn.norm_q.weight"]
    return {
        "in_channels": channels,
        "out_channels": shapes["proj_out.weight"][0],
        "num_layers": count(shapes, "transformer_blocks."),
        "num_single_layers": count(shapes, "single_transformer_blocks."),
        "attention_head_dim": head,
        "num_attention_heads": width // head,
        "joint_attention_dim": shapes["context_embedder.weight"][1],
        "axes_dims_rope": (head // 8, head * 7 // 16, head * 7 // 16),
        "approximator_num_channels": shapes[_G + "in_proj.weight"][1],
        "approximator_hidden_dim": shapes[_G + "in_proj.weight"][0],
        "approximator_layers": count(shapes, _G + "layers."),
    }


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
    """As `Ask`, for a `ChromaTransformer2DModel`; tokens that the mask leaves out are not attended to."""
    config = cast("Any", module).config
    if context.shape[-1] != config.joint_attention_dim:
        raise ContextMismatch(context.shape[-1], config.joint_attention_dim)
    height, width = latents.shape[-2:]
    whole = padded(latents, flux.PATCH)
    tokens, ids = flux.packed(whole), flux.positions(whole, 0, changes.positions)
    mask = inputs.token_mask
    if mask is not None:
        mask = torch.cat((mask.to(latents), latents.new_ones(len(mask), tokens.shape[1])), 1)
    answer = cast("Any", module)(
        tokens,
        encoder_hidden_states=context,
        timestep=timestep.to(latents.dtype),
        img_ids=ids,
        txt_ids=ids.new_zeros(context.shape[1], flux.AXES),
        attention_mask=mask,
        return_dict=False,
    )
    return flux.unpacked(cast("Tensor", answer[0]), whole)[..., :height, :width]


def trained(_shapes: Shapes, _weights: WeightFile) -> Training:
    """As `Family.trained`."""
    return Training(Parametrisation.FLOW, flux_levels())


TAKES = frozenset((Kind.LAYERS, Kind.ALONE, Kind.AWAY, Kind.POSITIONS))
BLOCKS = Stacks(Stack("transformer_blocks"), Stack("single_transformer_blocks", gives=("hidden_states",)))

FAMILIES = (
    Family(
        name="Chroma",
        made_by="diffusers.models.transformers.transformer_chroma:ChromaTransformer2DModel",
        original=original,
        places=places,
        settings=settings,
        ask=ask,
        trained=trained,
        latents="Flux",
        text="chroma",
        encoders="CLIPLoader (type chroma)",
        of_folder=lambda _said: True,
        channels=lambda config: int(config.in_channels) // flux.PATCH**2,
        takes=TAKES,
        stacks=BLOCKS,
    ),
)

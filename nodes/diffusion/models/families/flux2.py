"""FLUX.2 (Black Forest Labs 2025): modulation shared by all blocks, latents that come in patches from the autoencoder."""

from collections.abc import Sequence
from contextlib import ExitStack
from typing import Any, cast

import torch
from torch import Tensor, nn

from nodes.diffusion.changes import NO_CHANGES, Kind, NetworkChanges, Positions
from nodes.diffusion.conditions import REFERENCES
from nodes.diffusion.denoiser import NO_INPUTS, NetworkInputs, Parametrisation, Residuals
from nodes.diffusion.errors import ContextMismatch
from nodes.diffusion.models.families.clean import take_shared_for_clean
from nodes.diffusion.models.families.layout import (
    count,
    line,
    places_in_file,
    places_in_network,
    qkv,
    seen_at,
)
from nodes.diffusion.models.families.placing import CLEAN, INDEX, Spot, spots
from nodes.diffusion.models.family import Family, Place, Settings, Shapes, Stack, Stacks
from nodes.diffusion.models.files import WeightFile
from nodes.diffusion.models.scheduling import Training
from nodes.diffusion.noise_levels import flux_levels

NAME = "FLUX.2"
MU = 2.02
AXES = 4  # of a token's place: which picture, row, column, place in the text
APART = 10  # between pictures on the first axis
_D, _S = "double_blocks.{}.", "single_blocks.{}."
_B, _O = "transformer_blocks.{}.", "single_transformer_blocks.{}."
_T = "time_guidance_embed."
LINES = (
    line("img_in", "x_embedder"),
    line("txt_in", "context_embedder"),
    line("time_in.in_layer", _T + "timestep_embedder.linear_1"),
    line("time_in.out_layer", _T + "timestep_embedder.linear_2"),
    line("guidance_in.in_layer", _T + "guidance_embedder.linear_1"),
    line("guidance_in.out_layer", _T + "guidance_embedder.linear_2"),
    line("double_stream_modulation_img.lin", "double_stream_modulation_img.linear"),
    line("double_stream_modulation_txt.lin", "double_stream_modulation_txt.linear"),
    line("single_stream_modulation.lin", "single_stream_modulation.linear"),
    qkv(_D + "img_attn.qkv", _B + "attn"),
    qkv(_D + "txt_attn.qkv", _B + "attn", "add_q_proj", "add_k_proj", "add_v_proj"),
    line(_D + "img_attn.norm.query_norm", _B + "attn.norm_q"),
    line(_D + "img_attn.norm.key_norm", _B + "attn.norm_k"),
    line(_D + "txt_attn.norm.query_norm", _B + "attn.norm_added_q"),
    line(_D + "txt_attn.norm.key_norm", _B + "attn.norm_added_k"),
    line(_D + "img_attn.proj", _B + "attn.to_out.0"),
    line(_D + "txt_attn.proj", _B + "attn.to_add_out"),
    line(_D + "img_mlp.0", _B + "ff.linear_in"),
    line(_D + "img_mlp.2", _B + "ff.linear_out"),
    line(_D + "txt_mlp.0", _B + "ff_context.linear_in"),
    line(_D + "txt_mlp.2", _B + "ff_context.linear_out"),
    line(_S + "linear1", _O + "attn.to_qkv_mlp_proj"),
    line(_S + "linear2", _O + "attn.to_out"),
    line(_S + "norm.query_norm", _O + "attn.norm_q"),
    line(_S + "norm.key_norm", _O + "attn.norm_k"),
    line("final_layer.linear", "proj_out"),
    line("final_layer.adaLN_modulation.1", "norm_out.linear", swapped=True),
)


def original(shapes: Shapes) -> Sequence[Place] | None:
    """As `Family.original`."""
    marks = ("double_stream_modulation_img.lin.weight", "double_blocks.0.img_attn.qkv.weight")
    return places_in_file(LINES, shapes) if all(mark in shapes for mark in marks) else None


def places(shapes: Shapes) -> Sequence[Place]:
    """As `Family.places`."""
    return places_in_network(LINES, shapes)


def settings(shapes: Shapes) -> Settings | None:
    """As `Family.settings`."""
    if "double_stream_modulation_img.linear.weight" not in shapes:
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
        "timestep_guidance_channels": shapes[_T + "timestep_embedder.linear_1.weight"][1],
        "mlp_ratio": shapes["transformer_blocks.0.ff.linear_out.weight"][1] / width,
        "axes_dims_rope": (head // AXES,) * AXES,
        "guidance_embeds": _T + "guidance_embedder.linear_1.weight" in shapes,
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
    """As `Ask`, for a `Flux2Transformer2DModel`; pictures to refer to follow as further tokens."""
    config = cast("Any", module).config
    if context.shape[-1] != config.joint_attention_dim:
        raise ContextMismatch(context.shape[-1], config.joint_attention_dim)
    pictures = [latents, *(reference.to(latents) for reference in inputs.references)]
    guidance = inputs.guidance.to(latents) if config.guidance_embeds and inputs.guidance is not None else None
    sizes = [(picture.shape[-2], picture.shape[-1]) for picture in pictures]
    method = inputs.reference_method or INDEX
    places = [Spot(0), *spots(method, sizes[0], sizes[1:], NAME)]
    apart = APART if method in {INDEX, CLEAN} else 1
    text = torch.zeros(context.shape[1], AXES, device=latents.device)
    text[:, -1] = torch.arange(context.shape[1], device=latents.device)
    tokens = torch.cat([picture.flatten(2).mT for picture in pictures], 1)
    height, width = latents.shape[-2:]
    with ExitStack() as stack:
        if method == CLEAN and inputs.references:
            words = context.shape[1]
            take_shared_for_clean(module, words + height * width, words + tokens.shape[1], words, stack)
        answer = cast("Any", module)(
            tokens,
            encoder_hidden_states=context,
            timestep=timestep.to(latents.dtype),
            img_ids=torch.cat(
                [
                    _positions(picture, apart * spot.picture, changes.positions, spot)
                    for picture, spot in zip(pictures, places, strict=True)
                ]
            ),
            txt_ids=text,
            guidance=guidance,
            return_dict=False,
        )
    return cast("Tensor", answer[0])[:, : height * width].mT.reshape(len(latents), -1, height, width)


def _positions(latents: Tensor, picture: int, seen: Positions | None, begins: Spot) -> Tensor:
    """The place of each token, Float[token 4]."""
    height, width = latents.shape[-2:]
    ids = torch.zeros(height, width, AXES, device=latents.device)
    ids[..., 0] = picture
    rows, columns = seen_at(seen, height, width)
    ids[..., 1] = begins.row + rows.to(ids)[:, None]
    ids[..., 2] = begins.column + columns.to(ids)[None, :]
    return ids.reshape(-1, AXES)


def trained(_shapes: Shapes, _weights: WeightFile) -> Training:
    """As `Family.trained`."""
    return Training(Parametrisation.FLOW, flux_levels(MU))


TAKES = frozenset((Kind.LAYERS, Kind.ALONE, Kind.AWAY, Kind.POSITIONS))
BLOCKS = Stacks(Stack("transformer_blocks"), Stack("single_transformer_blocks", gives=("hidden_states",)))

FAMILIES = (
    Family(
        name=NAME,
        made_by="diffusers.models.transformers.transformer_flux2:Flux2Transformer2DModel",
        original=original,
        places=places,
        settings=settings,
        ask=ask,
        trained=trained,
        latents="Flux2",
        text="flux2",
        encoders="CLIPLoader (type flux2)",
        of_folder=lambda _said: True,
        reads=frozenset((REFERENCES,)),
        takes=TAKES,
        stacks=BLOCKS,
    ),
)

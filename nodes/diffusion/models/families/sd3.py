"""Stable Diffusion 3 and 3.5 (Esser et al. 2024, arXiv:2403.03206)."""

from collections.abc import Sequence
from math import isqrt
from typing import Any, cast

from torch import Tensor, nn

from nodes.diffusion.changes import NO_CHANGES, Kind, NetworkChanges
from nodes.diffusion.denoiser import NO_INPUTS, NetworkInputs, Parametrisation, Residuals
from nodes.diffusion.errors import ContextMismatch
from nodes.diffusion.models.families.layout import (
    count,
    line,
    padded,
    places_in_file,
    places_in_network,
    qkv,
)
from nodes.diffusion.models.family import Family, Order, Place, Settings, Shapes, Stack, Stacks
from nodes.diffusion.models.files import WeightFile
from nodes.diffusion.models.scheduling import Training
from nodes.diffusion.noise_levels import FlowLevels

HEAD_WIDTH = 64
PATCH = 2
SHIFT = 3.0
SAMPLE_SIDE = 128  # latents of training; places beyond are cut from the table of positions all the same
_X, _C, _B = "joint_blocks.{}.x_block.", "joint_blocks.{}.context_block.", "transformer_blocks.{}."
LINES = (
    line("x_embedder.proj", "pos_embed.proj"),
    line("pos_embed", "pos_embed.pos_embed", bare=True),
    line("t_embedder.mlp.0", "time_text_embed.timestep_embedder.linear_1"),
    line("t_embedder.mlp.2", "time_text_embed.timestep_embedder.linear_2"),
    line("y_embedder.mlp.0", "time_text_embed.text_embedder.linear_1"),
    line("y_embedder.mlp.2", "time_text_embed.text_embedder.linear_2"),
    line("context_embedder", "context_embedder"),
    line(_X + "adaLN_modulation.1", _B + "norm1.linear"),
    line(_C + "adaLN_modulation.1", _B + "norm1_context.linear", swapped="last"),
    qkv(_X + "attn.qkv", _B + "attn"),
    qkv(_X + "attn2.qkv", _B + "attn2"),
    qkv(_C + "attn.qkv", _B + "attn", "add_q_proj", "add_k_proj", "add_v_proj"),
    line(_X + "attn.ln_q", _B + "attn.norm_q"),
    line(_X + "attn.ln_k", _B + "attn.norm_k"),
    line(_X + "attn2.ln_q", _B + "attn2.norm_q"),
    line(_X + "attn2.ln_k", _B + "attn2.norm_k"),
    line(_C + "attn.ln_q", _B + "attn.norm_added_q"),
    line(_C + "attn.ln_k", _B + "attn.norm_added_k"),
    line(_X + "attn.proj", _B + "attn.to_out.0"),
    line(_X + "attn2.proj", _B + "attn2.to_out.0"),
    line(_C + "attn.proj", _B + "attn.to_add_out"),
    line(_X + "mlp.fc1", _B + "ff.net.0.proj"),
    line(_X + "mlp.fc2", _B + "ff.net.2"),
    line(_C + "mlp.fc1", _B + "ff_context.net.0.proj"),
    line(_C + "mlp.fc2", _B + "ff_context.net.2"),
    line("final_layer.adaLN_modulation.1", "norm_out.linear", swapped=True),
    line("final_layer.linear", "proj_out"),
)


def original(shapes: Shapes) -> Sequence[Place] | None:
    """As `Family.original`."""
    return places_in_file(LINES, shapes) if "joint_blocks.0.x_block.attn.qkv.weight" in shapes else None


def places(shapes: Shapes) -> Sequence[Place]:
    """As `Family.places`."""
    return places_in_network(LINES, shapes)


def settings(shapes: Shapes) -> Settings | None:
    """As `Family.settings`."""
    if "pos_embed.pos_embed" not in shapes or "transformer_blocks.0.attn.add_q_proj.weight" not in shapes:
        return None
    layers = count(shapes, "transformer_blocks.")
    width, channels = shapes["pos_embed.proj.weight"][:2]
    norm = shapes.get("transformer_blocks.0.attn.norm_q.weight")
    head = HEAD_WIDTH if norm is None else norm[0]
    return {
        "sample_size": SAMPLE_SIDE,
        "patch_size": PATCH,
        "in_channels": channels,
        "out_channels": shapes["proj_out.weight"][0] // PATCH**2,
        "num_layers": layers,
        "attention_head_dim": head,
        "num_attention_heads": width // head,
        "joint_attention_dim": shapes["context_embedder.weight"][1],
        "caption_projection_dim": shapes["context_embedder.weight"][0],
        "pooled_projection_dim": shapes["time_text_embed.text_embedder.linear_1.weight"][1],
        "pos_embed_max_size": isqrt(shapes["pos_embed.pos_embed"][1]),
        "dual_attention_layers": tuple(
            layer for layer in range(layers) if f"transformer_blocks.{layer}.attn2.to_q.weight" in shapes
        ),
        "qk_norm": None if norm is None else "rms_norm",
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
    """As `Ask`, for an `SD3Transformer2DModel`."""
    config = cast("Any", module).config
    if context.shape[-1] != config.joint_attention_dim:
        raise ContextMismatch(context.shape[-1], config.joint_attention_dim)
    pooled = inputs.pooled
    if pooled is None:
        pooled = latents.new_zeros(len(latents), config.pooled_projection_dim)
    height, width = latents.shape[-2:]
    answer = cast("Any", module)(
        padded(latents, PATCH),
        encoder_hidden_states=context,
        pooled_projections=pooled.to(latents.dtype),
        timestep=timestep,
        block_controlnet_hidden_states=(residuals or Residuals()).for_double(config.num_layers),
        return_dict=False,
    )
    return cast("Tensor", answer[0])[..., :height, :width]


def trained(_shapes: Shapes, _weights: WeightFile) -> Training:
    """As `Family.trained`."""
    return Training(Parametrisation.FLOW, FlowLevels(SHIFT))


TAKES = frozenset((Kind.LAYERS, Kind.ALONE, Kind.AWAY))
BLOCKS = Stacks(Stack("transformer_blocks", attention=("attn", "attn2")), order=Order.PICTURE)

FAMILIES = (
    Family(
        name="Stable Diffusion 3",
        made_by="diffusers.models.transformers.transformer_sd3:SD3Transformer2DModel",
        original=original,
        places=places,
        settings=settings,
        ask=ask,
        trained=trained,
        latents="SD3",
        text="sd3",
        encoders="TripleCLIPLoader",
        of_folder=lambda _said: True,
        takes=TAKES,
        stacks=BLOCKS,
        controlled=True,
        held_to="its pipeline, step by step",
    ),
)

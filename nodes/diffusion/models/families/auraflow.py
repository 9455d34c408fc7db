"""AuraFlow (fal 2024): an open flow model with the text of a T5 trained on the Pile."""

from collections.abc import Sequence
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
)
from nodes.diffusion.models.family import Family, Place, Settings, Shapes, Stack, Stacks
from nodes.diffusion.models.files import WeightFile
from nodes.diffusion.models.scheduling import Training
from nodes.diffusion.noise_levels import FlowLevels

PATCH = 2
HEAD_WIDTH = 256
SHIFT = 1.73
_D, _S = "double_layers.{}.", "single_layers.{}."
_B, _O = "joint_transformer_blocks.{}.", "single_transformer_blocks.{}."
LINES = (
    line("register_tokens", "register_tokens", bare=True),
    line("positional_encoding", "pos_embed.pos_embed", bare=True),
    line("init_x_linear", "pos_embed.proj"),
    line("t_embedder.mlp.0", "time_step_proj.linear_1"),
    line("t_embedder.mlp.2", "time_step_proj.linear_2"),
    line("cond_seq_linear", "context_embedder"),
    line(_D + "mlpX.c_fc1", _B + "ff.linear_1"),
    line(_D + "mlpX.c_fc2", _B + "ff.linear_2"),
    line(_D + "mlpX.c_proj", _B + "ff.out_projection"),
    line(_D + "mlpC.c_fc1", _B + "ff_context.linear_1"),
    line(_D + "mlpC.c_fc2", _B + "ff_context.linear_2"),
    line(_D + "mlpC.c_proj", _B + "ff_context.out_projection"),
    line(_D + "modX.1", _B + "norm1.linear"),
    line(_D + "modC.1", _B + "norm1_context.linear"),
    line(_D + "attn.w2q", _B + "attn.to_q"),
    line(_D + "attn.w2k", _B + "attn.to_k"),
    line(_D + "attn.w2v", _B + "attn.to_v"),
    line(_D + "attn.w2o", _B + "attn.to_out.0"),
    line(_D + "attn.w1q", _B + "attn.add_q_proj"),
    line(_D + "attn.w1k", _B + "attn.add_k_proj"),
    line(_D + "attn.w1v", _B + "attn.add_v_proj"),
    line(_D + "attn.w1o", _B + "attn.to_add_out"),
    line(_S + "mlp.c_fc1", _O + "ff.linear_1"),
    line(_S + "mlp.c_fc2", _O + "ff.linear_2"),
    line(_S + "mlp.c_proj", _O + "ff.out_projection"),
    line(_S + "modCX.1", _O + "norm1.linear"),
    line(_S + "attn.w1q", _O + "attn.to_q"),
    line(_S + "attn.w1k", _O + "attn.to_k"),
    line(_S + "attn.w1v", _O + "attn.to_v"),
    line(_S + "attn.w1o", _O + "attn.to_out.0"),
    line("final_linear", "proj_out"),
    line("modF.1", "norm_out.linear", swapped=True),
)


def original(shapes: Shapes) -> Sequence[Place] | None:
    """As `Family.original`."""
    marks = ("register_tokens", "positional_encoding", "init_x_linear.weight")
    return places_in_file(LINES, shapes) if all(mark in shapes for mark in marks) else None


def places(shapes: Shapes) -> Sequence[Place]:
    """As `Family.places`."""
    return places_in_network(LINES, shapes)


def settings(shapes: Shapes) -> Settings | None:
    """As `Family.settings`."""
    if "register_tokens" not in shapes or "pos_embed.pos_embed" not in shapes:
        return None
    width, patch = shapes["pos_embed.proj.weight"]
    head = min(HEAD_WIDTH, width)
    return {
        "patch_size": PATCH,
        "in_channels": patch // PATCH**2,
        "out_channels": shapes["proj_out.weight"][0] // PATCH**2,
        "num_mmdit_layers": count(shapes, "joint_transformer_blocks."),
        "num_single_dit_layers": count(shapes, "single_transformer_blocks."),
        "attention_head_dim": head,
        "num_attention_heads": width // head,
        "joint_attention_dim": shapes["context_embedder.weight"][1],
        "caption_projection_dim": shapes["context_embedder.weight"][0],
        "pos_embed_max_size": shapes["pos_embed.pos_embed"][1],
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
    """As `Ask`, for an `AuraFlowTransformer2DModel`; tokens of filling are zeros in its text, as in training."""
    config = cast("Any", module).config
    if context.shape[-1] != config.joint_attention_dim:
        raise ContextMismatch(context.shape[-1], config.joint_attention_dim)
    height, width = latents.shape[-2:]
    if inputs.token_mask is not None:
        context = context * inputs.token_mask.to(context)[..., None]
    answer = cast("Any", module)(
        padded(latents, PATCH),
        encoder_hidden_states=context,
        timestep=timestep.to(latents.dtype),
        return_dict=False,
    )
    return cast("Tensor", answer[0])[..., :height, :width]


def trained(_shapes: Shapes, _weights: WeightFile) -> Training:
    """As `Family.trained`."""
    return Training(Parametrisation.FLOW, FlowLevels(SHIFT, 1.0))


TAKES = frozenset((Kind.LAYERS, Kind.ALONE, Kind.AWAY))
BLOCKS = Stacks(
    Stack("joint_transformer_blocks"), Stack("single_transformer_blocks", gives=("hidden_states",))
)

FAMILIES = (
    Family(
        name="AuraFlow",
        made_by="diffusers.models.transformers.auraflow_transformer_2d:AuraFlowTransformer2DModel",
        original=original,
        places=places,
        settings=settings,
        ask=ask,
        trained=trained,
        latents="SDXL",
        of_folder=lambda _said: True,
        takes=TAKES,
        stacks=BLOCKS,
    ),
)

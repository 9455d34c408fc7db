"""FLUX.1: dev, schnell, Krea, Fill, Canny and Depth, Kontext (Black Forest Labs 2024; 2025, arXiv:2506.15742)."""

from collections.abc import Generator, Sequence
from contextlib import ExitStack, contextmanager
from math import prod
from typing import Any, cast

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from nodes.diffusion.changes import NO_CHANGES, Kind, NetworkChanges, Positions
from nodes.diffusion.conditions import BIAS, REFERENCES
from nodes.diffusion.denoiser import NO_INPUTS, NetworkInputs, Parametrisation, Residuals
from nodes.diffusion.errors import ContextMismatch, DiffusionError
from nodes.diffusion.models.families.clean import take_for_clean
from nodes.diffusion.models.families.layout import (
    count,
    line,
    padded,
    places_in_file,
    places_in_network,
    qkv,
    seen_at,
    split,
)
from nodes.diffusion.models.families.placing import CLEAN, OFFSET, Spot, spots
from nodes.diffusion.models.family import Family, Place, Settings, Shapes, Stack, Stacks
from nodes.diffusion.models.files import WeightFile
from nodes.diffusion.models.scheduling import Training
from nodes.diffusion.noise_levels import FlowLevels, flux_levels

NAME = "FLUX.1"
PATCH = 2
CHANNELS = 16  # of its latents
AXES = 3  # of a token's place: which picture, row, column
_D, _S = "double_blocks.{}.", "single_blocks.{}."
_B, _O = "transformer_blocks.{}.", "single_transformer_blocks.{}."
LINES = (
    line("time_in.in_layer", "time_text_embed.timestep_embedder.linear_1"),
    line("time_in.out_layer", "time_text_embed.timestep_embedder.linear_2"),
    line("vector_in.in_layer", "time_text_embed.text_embedder.linear_1"),
    line("vector_in.out_layer", "time_text_embed.text_embedder.linear_2"),
    line("guidance_in.in_layer", "time_text_embed.guidance_embedder.linear_1"),
    line("guidance_in.out_layer", "time_text_embed.guidance_embedder.linear_2"),
    line("txt_in", "context_embedder"),
    line("img_in", "x_embedder"),
    line(_D + "img_mod.lin", _B + "norm1.linear"),
    line(_D + "txt_mod.lin", _B + "norm1_context.linear"),
    qkv(_D + "img_attn.qkv", _B + "attn"),
    qkv(_D + "txt_attn.qkv", _B + "attn", "add_q_proj", "add_k_proj", "add_v_proj"),
    line(_D + "img_attn.norm.query_norm", _B + "attn.norm_q"),
    line(_D + "img_attn.norm.key_norm", _B + "attn.norm_k"),
    line(_D + "txt_attn.norm.query_norm", _B + "attn.norm_added_q"),
    line(_D + "txt_attn.norm.key_norm", _B + "attn.norm_added_k"),
    line(_D + "img_attn.proj", _B + "attn.to_out.0"),
    line(_D + "txt_attn.proj", _B + "attn.to_add_out"),
    line(_D + "img_mlp.0", _B + "ff.net.0.proj"),
    line(_D + "img_mlp.2", _B + "ff.net.2"),
    line(_D + "txt_mlp.0", _B + "ff_context.net.0.proj"),
    line(_D + "txt_mlp.2", _B + "ff_context.net.2"),
    line(_S + "modulation.lin", _O + "norm.linear"),
    split(
        _S + "linear1",
        (_O + "attn.to_q", 1),
        (_O + "attn.to_k", 1),
        (_O + "attn.to_v", 1),
        (_O + "proj_mlp", 4),
    ),
    line(_S + "norm.query_norm", _O + "attn.norm_q"),
    line(_S + "norm.key_norm", _O + "attn.norm_k"),
    line(_S + "linear2", _O + "proj_out"),
    line("final_layer.linear", "proj_out"),
    line("final_layer.adaLN_modulation.1", "norm_out.linear", swapped=True),
)


def original(shapes: Shapes) -> Sequence[Place] | None:
    """As `Family.original`."""
    marks = (
        "double_blocks.0.img_attn.qkv.weight",
        "vector_in.in_layer.weight",
        "double_blocks.0.img_mod.lin.weight",
    )
    return places_in_file(LINES, shapes) if all(mark in shapes for mark in marks) else None


def places(shapes: Shapes) -> Sequence[Place]:
    """As `Family.places`."""
    return places_in_network(LINES, shapes)


def settings(shapes: Shapes) -> Settings | None:
    """As `Family.settings`."""
    text = "time_text_embed.text_embedder.linear_1.weight"
    if text not in shapes or "single_transformer_blocks.0.proj_mlp.weight" not in shapes:
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
        "pooled_projection_dim": shapes[text][1],
        "guidance_embeds": "time_text_embed.guidance_embedder.linear_1.weight" in shapes,
        "axes_dims_rope": (head // 8, head * 7 // 16, head * 7 // 16),
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
    """As `Ask`, for a `FluxTransformer2DModel`; pictures to refer to follow as further tokens (Kontext)."""
    config = cast("Any", module).config
    if context.shape[-1] != config.joint_attention_dim:
        raise ContextMismatch(context.shape[-1], config.joint_attention_dim)
    batch, (height, width) = len(latents), latents.shape[-2:]
    whole = padded(latents, PATCH)
    tokens, ids = packed(whole), positions(whole, 0, changes.positions)
    count = tokens.shape[1]
    shown = [padded(reference.to(latents), PATCH) for reference in inputs.references]
    method = inputs.reference_method or OFFSET
    places = spots(method, _size(whole), [_size(each) for each in shown], NAME)
    for each, spot in zip(shown, places, strict=True):
        tokens = torch.cat((tokens, packed(each)), 1)
        ids = torch.cat((ids, positions(each, spot.picture, changes.positions, spot)))
    pooled = inputs.pooled
    if pooled is None:
        pooled = latents.new_zeros(batch, config.pooled_projection_dim)
    attending = None
    if inputs.bias is not None and changes.words:
        raise DiffusionError(
            "A style reference (USO) and a style whose attention is biased cannot work together.",
            "Apply the style model with strength_type multiply.",
        )
    if inputs.bias is not None:
        bias = joint_bias(
            inputs.bias.to(latents), inputs.bias_grid, context.shape[1], _size(whole), tokens.shape[1]
        )
        attending = {"attention_mask": bias}
    added, net = residuals or Residuals(), cast("Any", module)
    with ExitStack() as stack:
        stack.enter_context(_unguided(module, config, inputs))
        text = _before(module, changes.words, context, stack)
        if method == CLEAN and shown:
            take_for_clean(module, text + count, text, stack)
        answer = net(
            tokens,
            encoder_hidden_states=context,
            pooled_projections=pooled.to(latents.dtype),
            timestep=timestep.to(latents.dtype),
            img_ids=ids,
            txt_ids=ids.new_zeros(text, AXES),
            guidance=_guidance(config, inputs, latents),
            joint_attention_kwargs=attending,
            controlnet_block_samples=added.for_double(len(net.transformer_blocks), tokens.shape[1]),
            controlnet_single_block_samples=added.for_single(
                len(net.single_transformer_blocks), tokens.shape[1]
            ),
            return_dict=False,
        )
    return unpacked(cast("Tensor", answer[0])[:, :count], whole)[..., :height, :width]


def _guidance(config: Any, inputs: NetworkInputs, latents: Tensor) -> Tensor | None:
    """How closely to follow the text; any number where a condition says none at all, as it is not told then."""
    if not config.guidance_embeds:
        return None
    return latents.new_zeros(len(latents)) if inputs.guidance is None else inputs.guidance.to(latents)


def _before(module: nn.Module, words: Sequence[Tensor], context: Tensor, stack: ExitStack) -> int:
    """Let a network read further tokens before its text, at the width of its own; how many tokens it reads then."""
    if words:

        def joined(_module: nn.Module, _inputs: tuple[Any, ...], output: Tensor) -> Tensor:
            parts = [part.to(output).expand(len(output), -1, -1) for part in words]
            return torch.cat((*parts, output), 1)

        stack.callback(cast("Any", module).context_embedder.register_forward_hook(joined).remove)
    return context.shape[1] + sum(part.shape[1] for part in words)


@contextmanager
def _unguided(module: nn.Module, config: Any, inputs: NetworkInputs) -> Generator[None]:
    """A network that was trained with guidance, asked without any where a condition says so: nothing is added for it."""
    if not config.guidance_embeds or inputs.guidance is not None:
        yield
        return

    def nothing(_module: nn.Module, _inputs: tuple[Any, ...], output: Tensor) -> Tensor:
        return torch.zeros_like(output)

    hook = cast("Any", module).time_text_embed.guidance_embedder.register_forward_hook(nothing)
    try:
        yield
    finally:
        hook.remove()


def joint_bias(bias: Tensor, grid: tuple[int, int], text: int, made: tuple[int, int], tokens: int) -> Tensor:
    """What is added to the scores of attention over text and pictures, Float[batch 1 token token].

    Args:
        bias: Float[batch token token], of the text's tokens and then of a grid over the picture that is made.
        text: tokens of text. made: rows and columns of tokens of that picture. tokens: of all pictures; to those that are
            referred to nothing is added.

    Raises:
        DiffusionError: it is of another number of tokens.
    """
    if bias.shape[1] != text + prod(grid):
        raise DiffusionError(
            f"The prompt has {text} tokens, and an attention mask for {bias.shape[1] - prod(grid)}.",
            "Apply the style model (attn_bias) after everything that makes the prompt longer.",
        )
    rows, columns = (torch.arange(count) * cells // count for count, cells in zip(made, grid, strict=True))
    cells = (text + rows[:, None] * grid[1] + columns[None]).flatten()
    places = torch.cat((torch.arange(text), cells)).to(bias.device)
    further = tokens - prod(made)
    return F.pad(bias[:, places][:, :, places], (0, further, 0, further))[:, None]


def _size(latents: Tensor) -> tuple[int, int]:
    return latents.shape[-2] // PATCH, latents.shape[-1] // PATCH


def packed(latents: Tensor) -> Tensor:
    """Latents [batch channel height width] as tokens of 2x2 patches, [batch token channel*4]."""
    batch, channels, height, width = latents.shape
    cut = latents.reshape(batch, channels, height // PATCH, PATCH, width // PATCH, PATCH)
    return cut.permute(0, 2, 4, 1, 3, 5).reshape(batch, -1, channels * PATCH**2)


def unpacked(tokens: Tensor, like: Tensor) -> Tensor:
    """Tokens as latents of the height and width of others."""
    height, width = like.shape[-2:]
    cut = tokens.reshape(len(tokens), height // PATCH, width // PATCH, -1, PATCH, PATCH)
    return cut.permute(0, 3, 1, 4, 2, 5).reshape(len(tokens), -1, height, width)


def positions(
    latents: Tensor, picture: int, seen: Positions | None = None, begins: Spot | None = None
) -> Tensor:
    """The place of each token: which picture it is of, its row and column, Float[token 3].

    Args:
        seen: where rows and columns are seen instead.
        begins: where its first row and column are.
    """
    height, width = latents.shape[-2] // PATCH, latents.shape[-1] // PATCH
    ids = latents.new_zeros(height, width, AXES, dtype=torch.float32)
    ids[..., 0] = picture
    rows, columns = seen_at(seen, height, width)
    ids[..., 1] += rows.to(ids)[:, None]
    ids[..., 2] += columns.to(ids)[None, :]
    if begins is not None:
        ids[..., 1:] += ids.new_tensor((begins.row, begins.column))
    return ids.reshape(-1, AXES)


def trained(shapes: Shapes, _weights: WeightFile) -> Training:
    """As `Family.trained`: without guidance among its inputs it is schnell, whose levels are not shifted."""
    guided = "time_text_embed.guidance_embedder.linear_1.weight" in shapes
    return Training(Parametrisation.FLOW, flux_levels() if guided else FlowLevels(1.0, 1.0))


TAKES = frozenset((Kind.LAYERS, Kind.ALONE, Kind.AWAY, Kind.POSITIONS, Kind.WORDS))
BLOCKS = Stacks(Stack("transformer_blocks"), Stack("single_transformer_blocks"))

FAMILIES = (
    Family(
        name=NAME,
        made_by="diffusers.models.transformers.transformer_flux:FluxTransformer2DModel",
        original=original,
        places=places,
        settings=settings,
        ask=ask,
        trained=trained,
        latents="Flux",
        text="flux",
        encoders="DualCLIPLoader (type flux)",
        of_folder=lambda _said: True,
        channels=lambda config: int(config.in_channels) // PATCH**2,
        reads=frozenset((REFERENCES, BIAS)),
        takes=TAKES,
        stacks=BLOCKS,
        controlled=True,
        held_to="its pipeline, step by step",
    ),
)

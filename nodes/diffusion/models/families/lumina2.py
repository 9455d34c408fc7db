"""Lumina-Image 2.0 (Qin et al. 2025, arXiv:2503.21758)."""

from collections.abc import Generator, Sequence
from contextlib import contextmanager
from typing import Any, cast

import torch
from torch import Tensor, nn

from nodes.diffusion.changes import NO_CHANGES, Kind, NetworkChanges, Positions
from nodes.diffusion.denoiser import NO_INPUTS, NetworkInputs, Parametrisation, Residuals
from nodes.diffusion.errors import ContextMismatch
from nodes.diffusion.models.families.layout import (
    Line,
    count,
    line,
    moved,
    padded,
    places_in_file,
    places_in_network,
    split,
    turned,
)
from nodes.diffusion.models.family import Family, Place, Settings, Shapes, Stack, Stacks
from nodes.diffusion.models.files import WeightFile
from nodes.diffusion.models.scheduling import Training
from nodes.diffusion.noise_levels import FlowLevels

PATCH = 2
SHIFT = 6.0
AXES = 3  # of a token's place: in the text, row, column
PLACES = 1024  # that tokens can have on each axis
STACKS = ("layers.{}.", "noise_refiner.{}.", "context_refiner.{}.")
_T = "time_caption_embed."


def _lines(width: int, keys: int) -> list[Line]:
    """Every tensor's place, for queries of so many rows and keys of so many."""
    lines = [
        line("x_embedder", "x_embedder"),
        line("cap_embedder.0", _T + "caption_embedder.0"),
        line("cap_embedder.1", _T + "caption_embedder.1"),
        line("t_embedder.mlp.0", _T + "timestep_embedder.linear_1"),
        line("t_embedder.mlp.2", _T + "timestep_embedder.linear_2"),
        line("final_layer.adaLN_modulation.1", "norm_out.linear_1"),
        line("final_layer.linear", "norm_out.linear_2"),
    ]
    for stack in STACKS:
        modulated = not stack.startswith("context")
        lines += [
            split(
                stack + "attention.qkv",
                (stack + "attn.to_q", width),
                (stack + "attn.to_k", keys),
                (stack + "attn.to_v", keys),
            ),
            line(stack + "attention.out", stack + "attn.to_out.0"),
            line(stack + "attention.q_norm.weight", stack + "attn.norm_q.weight", bare=True),
            line(stack + "attention.k_norm.weight", stack + "attn.norm_k.weight", bare=True),
            *(line(f"{stack}feed_forward.w{n}", f"{stack}feed_forward.linear_{n}") for n in (1, 2, 3)),
            line(stack + "attention_norm1", stack + ("norm1.norm" if modulated else "norm1")),
            line(stack + "attention_norm2", stack + "norm2"),
            line(stack + "ffn_norm1", stack + "ffn_norm1"),
            line(stack + "ffn_norm2", stack + "ffn_norm2"),
            line(stack + "adaLN_modulation.1", stack + "norm1.linear"),
        ]
    return lines


def original(shapes: Shapes) -> Sequence[Place] | None:
    """As `Family.original`; Z-Image's names are much the same, its middle layers have a norm of another name."""
    marks = ("cap_embedder.0.weight", "layers.0.attention.qkv.weight", "noise_refiner.0.attention.qkv.weight")
    if not all(mark in shapes for mark in marks) or "cap_pad_token" in shapes:
        return None
    rows, width = shapes["layers.0.attention.qkv.weight"]
    return places_in_file(_lines(width, (rows - width) // 2), shapes)


def places(shapes: Shapes) -> Sequence[Place]:
    """As `Family.places`."""
    return places_in_network(_lines(1, 1), shapes)


def settings(shapes: Shapes) -> Settings | None:
    """As `Family.settings`."""
    text = _T + "caption_embedder.1.weight"
    if text not in shapes or "context_refiner.0.attn.norm_q.weight" not in shapes:
        return None
    width, patch = shapes["x_embedder.weight"]
    (head,) = shapes["layers.0.attn.norm_q.weight"]
    inner = shapes["layers.0.feed_forward.linear_1.weight"][0]
    return {
        "patch_size": PATCH,
        "in_channels": patch // PATCH**2,
        "hidden_size": width,
        "num_layers": count(shapes, "layers."),
        "num_refiner_layers": count(shapes, "noise_refiner."),
        "num_attention_heads": width // head,
        "num_kv_heads": shapes["layers.0.attn.to_k.weight"][0] // head,
        "multiple_of": 1,
        "ffn_dim_multiplier": (inner + 0.5) / (4 * width),  # the class rounds it down
        "axes_dim_rope": (head // AXES,) * AXES,
        "axes_lens": (PLACES,) * AXES,
        "cap_feat_dim": shapes[text][1],
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
    """As `Ask`, for a `Lumina2Transformer2DModel`: its time runs from noise to picture, and so does what it predicts."""
    config = cast("Any", module).config
    if context.shape[-1] != config.cap_feat_dim:
        raise ContextMismatch(context.shape[-1], config.cap_feat_dim)
    height, width = latents.shape[-2:]
    mask = inputs.token_mask
    counted = torch.ones_like(context[..., 0], dtype=torch.int32) if mask is None else mask.to(torch.int32)
    with _moved(module, changes.positions):
        answer = cast("Any", module)(
            padded(latents, PATCH),
            (1.0 - timestep).to(latents.dtype),
            context,
            counted,
            return_dict=False,
        )
    return -cast("Tensor", answer[0])[..., :height, :width]


@contextmanager
def _moved(module: nn.Module, seen: Positions | None) -> Generator[None]:
    """A network that sees the picture's rows and columns elsewhere; its tokens are those behind the text's."""
    if seen is None:
        yield
        return
    rope = cast("Any", module).rope_embedder

    def turns(ids: Tensor) -> Tensor:
        behind = ids[..., 0] == ids[..., 0].amax(1, keepdim=True)
        return turned(moved(ids, behind, seen), rope.axes_dim, float(rope.theta))

    vars(rope)["_get_freqs_cis"] = turns
    try:
        yield
    finally:
        del vars(rope)["_get_freqs_cis"]


def trained(_shapes: Shapes, _weights: WeightFile) -> Training:
    """As `Family.trained`."""
    return Training(Parametrisation.FLOW, FlowLevels(SHIFT, 1.0))


TAKES = frozenset((Kind.LAYERS, Kind.POSITIONS))
BLOCKS = Stacks(Stack("layers", gives=("hidden_states",)))

FAMILIES = (
    Family(
        name="Lumina-Image 2",
        made_by="diffusers.models.transformers.transformer_lumina2:Lumina2Transformer2DModel",
        original=original,
        places=places,
        settings=settings,
        ask=ask,
        trained=trained,
        encoders="CLIPLoader (type lumina2)",
        latents="Flux",
        of_folder=lambda _said: True,
        takes=TAKES,
        stacks=BLOCKS,
    ),
)

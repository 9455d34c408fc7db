"""Z-Image (Tongyi 2025, arXiv:2511.22699): text and picture in one row of tokens."""

from collections.abc import Generator, Sequence
from contextlib import contextmanager
from itertools import count as count_from
from typing import Any, cast

import torch
from torch import Tensor, nn

from nodes.diffusion.changes import NO_CHANGES, Kind, NetworkChanges, Positions
from nodes.diffusion.denoiser import NO_INPUTS, NetworkInputs, Parametrisation, Residuals
from nodes.diffusion.errors import ContextMismatch
from nodes.diffusion.models.families.layout import (
    count,
    line,
    moved,
    padded,
    places_in_file,
    places_in_network,
    qkv,
    turned,
)
from nodes.diffusion.models.family import Family, Place, Settings, Shapes, Stack, Stacks
from nodes.diffusion.models.files import WeightFile
from nodes.diffusion.models.scheduling import Training
from nodes.diffusion.noise_levels import FlowLevels

PATCH = 2
SHIFT = 3.0
STACKS = ("layers.{}.", "noise_refiner.{}.", "context_refiner.{}.")
KEPT = (  # modules with the same names in both layouts
    "feed_forward.w1", "feed_forward.w2", "feed_forward.w3", "attention_norm1", "attention_norm2", "ffn_norm1",
    "ffn_norm2", "adaLN_modulation.0",
)  # fmt: skip
LINES = (
    *(line(name, name, bare=True) for name in ("x_pad_token", "cap_pad_token")),
    *(
        line(name, name)
        for name in ("cap_embedder.0", "cap_embedder.1", "t_embedder.mlp.0", "t_embedder.mlp.2")
    ),
    line("x_embedder", "all_x_embedder.2-1"),
    line("final_layer.linear", "all_final_layer.2-1.linear"),
    line("final_layer.adaLN_modulation.1", "all_final_layer.2-1.adaLN_modulation.1"),
    *(line(stack + name, stack + name) for stack in STACKS for name in KEPT),
    *(qkv(stack + "attention.qkv", stack + "attention") for stack in STACKS),
    *(line(stack + "attention.out", stack + "attention.to_out.0") for stack in STACKS),
    *(
        line(f"{stack}attention.{n}_norm.weight", f"{stack}attention.norm_{n}.weight", bare=True)
        for stack in STACKS
        for n in "qk"
    ),
)


def original(shapes: Shapes) -> Sequence[Place] | None:
    """As `Family.original`."""
    marks = ("cap_pad_token", "x_embedder.weight", "layers.0.attention.qkv.weight")
    return places_in_file(LINES, shapes) if all(mark in shapes for mark in marks) else None


def places(shapes: Shapes) -> Sequence[Place]:
    """As `Family.places`."""
    return places_in_network(LINES, shapes)


def settings(shapes: Shapes) -> Settings | None:
    """As `Family.settings`."""
    if "all_x_embedder.2-1.weight" not in shapes or "layers.0.attention.to_q.weight" not in shapes:
        return None
    width, patch = shapes["all_x_embedder.2-1.weight"]
    (head,) = shapes["layers.0.attention.norm_q.weight"]
    return {
        "in_channels": patch // PATCH**2,
        "dim": width,
        "n_layers": count(shapes, "layers."),
        "n_refiner_layers": count(shapes, "noise_refiner."),
        "n_heads": width // head,
        "n_kv_heads": shapes["layers.0.attention.to_k.weight"][0] // head,
        "cap_feat_dim": shapes["cap_embedder.1.weight"][1],
        "axes_dims": (head // 4, head * 3 // 8, head * 3 // 8),
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
    """As `Ask`, for a `ZImageTransformer2DModel`: its time runs from noise to picture, and so does what it predicts."""
    config = cast("Any", module).config
    if context.shape[-1] != config.cap_feat_dim:
        raise ContextMismatch(context.shape[-1], config.cap_feat_dim)
    height, width = latents.shape[-2:]
    pictures = list(padded(latents, PATCH)[:, :, None].unbind(0))
    texts = counted_texts(context, inputs)
    with _moved(module, changes.positions):
        answer = cast("Any", module)(pictures, (1.0 - timestep).to(latents.dtype), texts, return_dict=False)
    return -torch.stack(cast("list[Tensor]", answer[0]))[:, :, 0, :height, :width]


def counted_texts(context: Tensor, inputs: NetworkInputs) -> list[Tensor]:
    """Each item's text, without tokens that do not count, Float[token feature]."""
    texts = list(context.unbind(0))
    if inputs.token_mask is None:
        return texts
    return [text[counted.bool()] for text, counted in zip(texts, inputs.token_mask, strict=True)]


@contextmanager
def _moved(module: nn.Module, seen: Positions | None) -> Generator[None]:
    """A network that sees the picture's rows and columns elsewhere; it turns the picture's tokens before the text's."""
    if seen is None:
        yield
        return
    asked = cast("Any", module)
    rope, calls = asked.rope_embedder, count_from(0)

    def turns(ids: Tensor) -> Tensor:
        of_picture = (ids[:, 0] > 0) & (next(calls) == 0)  # what fills a row up lies at 0
        return turned(moved(ids, of_picture, seen), rope.axes_dims, float(rope.theta))

    asked.rope_embedder = turns
    try:
        yield
    finally:
        asked.rope_embedder = rope


def trained(_shapes: Shapes, _weights: WeightFile) -> Training:
    """As `Family.trained`."""
    return Training(Parametrisation.FLOW, FlowLevels(SHIFT, 1.0))


TAKES = frozenset((Kind.LAYERS, Kind.POSITIONS))
BLOCKS = Stacks(Stack("layers", gives=("x",)))

FAMILIES = (
    Family(
        name="Z-Image",
        made_by="diffusers.models.transformers.transformer_z_image:ZImageTransformer2DModel",
        original=original,
        places=places,
        settings=settings,
        ask=ask,
        trained=trained,
        latents="Flux",
        of_folder=lambda _said: True,
        takes=TAKES,
        stacks=BLOCKS,
        controlled=True,
    ),
)

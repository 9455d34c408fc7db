"""Qwen-Image and Qwen-Image-Edit (Wu et al. 2025, arXiv:2508.02324)."""

from collections.abc import Generator, Sequence
from contextlib import contextmanager
from typing import Any, cast

import torch
from torch import Tensor, nn

from nodes.diffusion.changes import NO_CHANGES, Kind, NetworkChanges, Positions
from nodes.diffusion.conditions import REFERENCES
from nodes.diffusion.denoiser import NO_INPUTS, NetworkInputs, Parametrisation, Residuals
from nodes.diffusion.errors import ContextMismatch
from nodes.diffusion.models.families import flux
from nodes.diffusion.models.families.layout import count, padded, turned
from nodes.diffusion.models.families.placing import CLEAN, INDEX, unknown
from nodes.diffusion.models.family import Family, Place, Settings, Shapes, Stack, Stacks
from nodes.diffusion.models.files import WeightFile
from nodes.diffusion.models.scheduling import Training
from nodes.diffusion.noise_levels import flux_levels

NAME = "Qwen-Image"
LAYERED = "time_text_embed.addition_t_embedding.weight"  # of a variant that makes pictures of several layers


def original(_shapes: Shapes) -> Sequence[Place] | None:
    """As `Family.original`: it was published under the names that it has in diffusers."""
    return None


def places(shapes: Shapes) -> Sequence[Place]:
    """As `Family.places`."""
    return [Place(name, name) for name in shapes]


def settings(shapes: Shapes) -> Settings | None:
    """As `Family.settings`."""
    if "txt_norm.weight" not in shapes or "transformer_blocks.0.img_mod.1.weight" not in shapes:
        return None
    if LAYERED in shapes:
        return None
    width, channels = shapes["img_in.weight"]
    (head,) = shapes["transformer_blocks.0.attn.norm_q.weight"]
    return {
        "in_channels": channels,
        "out_channels": shapes["proj_out.weight"][0] // flux.PATCH**2,
        "num_layers": count(shapes, "transformer_blocks."),
        "attention_head_dim": head,
        "num_attention_heads": width // head,
        "joint_attention_dim": shapes["txt_norm.weight"][0],
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
    """As `Ask`, for a `QwenImageTransformer2DModel`; its latents have an axis of time, pictures to edit follow as tokens."""
    config = cast("Any", module).config
    if context.shape[-1] != config.joint_attention_dim:
        raise ContextMismatch(context.shape[-1], config.joint_attention_dim)
    height, width = latents.shape[-2:]
    whole = padded(latents, flux.PATCH) if latents.ndim == 4 else _padded_frames(latents)
    tokens, shapes = _tokens(whole)
    shown = [_tokens(_padded_frames(reference.to(latents))) for reference in inputs.references]
    every = torch.cat((tokens, *(each for each, _ in shown)), 1)
    added, net = residuals or Residuals(), cast("Any", module)
    with _placed(module, inputs), _moved(module, changes.positions):
        answer = net(
            every,
            encoder_hidden_states=context,
            encoder_hidden_states_mask=inputs.token_mask,
            timestep=timestep.to(latents.dtype),
            img_shapes=[[shapes, *(each for _, each in shown)]] * len(latents),
            controlnet_block_samples=added.for_double(len(net.transformer_blocks), every.shape[1]),
            return_dict=False,
        )
    made = cast("Tensor", answer[0])[:, : tokens.shape[1]]
    return _picture(made, whole)[..., :height, :width]


@contextmanager
def _placed(module: nn.Module, inputs: NetworkInputs) -> Generator[None]:
    """Pictures to edit are picture 1, 2 and so on; as clean ones, if a condition says so, or the network was trained so.

    Raises:
        DiffusionError: a condition says another method.
    """
    method = inputs.reference_method or INDEX
    if inputs.references and method not in {INDEX, CLEAN}:
        raise unknown(method, NAME, (INDEX, CLEAN))
    asked = cast("Any", module)
    parts = (asked, *asked.transformer_blocks)
    trained: bool = asked.zero_cond_t
    clean = trained or (bool(inputs.references) and method == CLEAN)
    for part in parts:
        part.zero_cond_t = clean
    try:
        yield
    finally:
        for part in parts:
            part.zero_cond_t = trained


@contextmanager
def _moved(module: nn.Module, seen: Positions | None) -> Generator[None]:
    """A network that sees frames, rows and columns elsewhere; rows and columns count from the picture's middle."""
    if seen is None:
        yield
        return
    rope = cast("Any", module).pos_embed

    def turns(frames: int, rows: int, columns: int, picture: int = 0, device: Any = None) -> Tensor:
        axes = [torch.arange(size, device=device).double() for size in (frames, rows, columns)]
        middles = [-picture, *((size - size // 2 if rope.scale_rope else 0) for size in (rows, columns))]
        scales, shifts = (
            (seen.scale_t, seen.scale_y, seen.scale_x),
            (seen.shift_t, seen.shift_y, seen.shift_x),
        )
        places = [
            shift + (axis - middle) * scale
            for axis, middle, scale, shift in zip(axes, middles, scales, shifts, strict=True)
        ]
        grid = torch.stack(torch.meshgrid(*places, indexing="ij"), -1)
        return turned(grid.flatten(0, 2), rope.axes_dim, float(rope.theta))

    vars(rope)["_compute_video_freqs"] = turns
    try:
        yield
    finally:
        del vars(rope)["_compute_video_freqs"]


def _padded_frames(latents: Tensor) -> Tensor:
    """`padded` for latents with an axis of time or without."""
    if latents.ndim == 4:
        return padded(latents, flux.PATCH)
    frames = latents.movedim(2, 1)
    flat = padded(frames.flatten(0, 1), flux.PATCH)
    return flat.reshape(*frames.shape[:3], *flat.shape[-2:]).movedim(1, 2)


def _tokens(latents: Tensor) -> tuple[Tensor, tuple[int, int, int]]:
    """Tokens of whole patches, frame after frame, and how many frames, rows and columns there are."""
    height, width = (side // flux.PATCH for side in latents.shape[-2:])
    if latents.ndim == 4:
        return flux.packed(latents), (1, height, width)
    frames = latents.movedim(2, 1)
    tokens = flux.packed(frames.flatten(0, 1))
    return tokens.reshape(len(latents), -1, tokens.shape[-1]), (frames.shape[1], height, width)


def _picture(tokens: Tensor, like: Tensor) -> Tensor:
    """Tokens as latents with the axes of others."""
    if like.ndim == 4:
        return flux.unpacked(tokens, like)
    batch, frames = len(like), like.shape[2]
    flat = flux.unpacked(tokens.reshape(batch * frames, -1, tokens.shape[-1]), like)
    return flat.reshape(batch, frames, *flat.shape[1:]).movedim(1, 2)


def trained(_shapes: Shapes, _weights: WeightFile) -> Training:
    """As `Family.trained`."""
    return Training(Parametrisation.FLOW, flux_levels())


TAKES = frozenset((Kind.LAYERS, Kind.ALONE, Kind.AWAY, Kind.POSITIONS))
BLOCKS = Stacks(Stack("transformer_blocks"))

FAMILIES = (
    Family(
        name=NAME,
        made_by="diffusers.models.transformers.transformer_qwenimage:QwenImageTransformer2DModel",
        original=original,
        places=places,
        settings=settings,
        ask=ask,
        trained=trained,
        latents="Wan21",
        text="qwen_image",
        encoders="CLIPLoader (type qwen_image)",
        of_folder=lambda said: not said.get("use_layer3d_rope"),
        channels=lambda config: int(config.in_channels) // flux.PATCH**2,
        reads=frozenset((REFERENCES,)),
        takes=TAKES,
        stacks=BLOCKS,
        controlled=True,
    ),
)

"""HiDream-I1 (Cai et al. 2025, arXiv:2505.22705): a mixture of experts that reads four text encoders."""

from collections.abc import Sequence
from typing import Any, cast

import torch
from torch import Tensor, nn

from nodes.diffusion.changes import NO_CHANGES, Kind, NetworkChanges
from nodes.diffusion.denoiser import NO_INPUTS, NetworkInputs, Parametrisation, Residuals
from nodes.diffusion.errors import ContextMismatch, DiffusionError
from nodes.diffusion.models.families.layout import count, padded
from nodes.diffusion.models.family import Family, Order, Place, Settings, Shapes, Stack, Stacks
from nodes.diffusion.models.files import WeightFile
from nodes.diffusion.models.scheduling import Training
from nodes.diffusion.noise_levels import FlowLevels

PATCH = 2
HEAD_WIDTH = 128
ROPE = (64, 32, 32)
SHIFT = 3.0
STATES = 32  # of Llama; blocks beyond read the last
ACTIVE = 2  # experts that each token goes to
_TEXT, _GATE = "p_embedder.pooled_embedder.linear_1.weight", "double_stream_blocks.0.block.ff_i.gate.weight"


def original(_shapes: Shapes) -> Sequence[Place] | None:
    """As `Family.original`: it was published under the names that it has in diffusers."""
    return None


def places(shapes: Shapes) -> Sequence[Place]:
    """As `Family.places`."""
    return [Place(name, name) for name in shapes]


def settings(shapes: Shapes) -> Settings | None:
    """As `Family.settings`."""
    if _TEXT not in shapes or "caption_projection.0.linear.weight" not in shapes:
        return None
    width, patch = shapes["x_embedder.proj.weight"]
    double, single = count(shapes, "double_stream_blocks."), count(shapes, "single_stream_blocks.")
    last = count(shapes, "caption_projection.") - 1
    return {
        "patch_size": PATCH,
        "in_channels": patch // PATCH**2,
        "num_layers": double,
        "num_single_layers": single,
        "attention_head_dim": HEAD_WIDTH,
        "num_attention_heads": width // HEAD_WIDTH,
        "caption_channels": [
            shapes[f"caption_projection.{last}.linear.weight"][1],
            shapes["caption_projection.0.linear.weight"][1],
        ],
        "text_emb_dim": shapes[_TEXT][1],
        "num_routed_experts": shapes[_GATE][0] if _GATE in shapes else 0,
        "num_activated_experts": ACTIVE,
        "axes_dims_rope": ROPE,
        "llama_layers": [min(block, STATES - 1) for block in range(double + single)],
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
    """As `Ask`, for a `HiDreamImageTransformer2DModel`, which predicts from noise to picture.

    It fills oblong pictures up to its largest size and attends to the filling, as it did in training; larger ones it is
    handed as they are.

    Raises:
        DiffusionError: the text comes without the states of Llama's layers.
    """
    config = cast("Any", module).config
    if context.shape[-1] != config.caption_channels[0]:
        raise ContextMismatch(context.shape[-1], config.caption_channels[0])
    if inputs.layers is None or inputs.layers.shape[1] <= max(config.llama_layers):
        raise DiffusionError(
            "HiDream reads the states of Llama's layers, and the conditioning has none.",
            "Read the prompt with HiDream's four text encoders: QuadrupleCLIPLoader and CLIPTextEncode.",
        )
    pooled = inputs.pooled
    if pooled is None:
        pooled = latents.new_zeros(len(latents), config.text_emb_dim)
    height, width = latents.shape[-2:]
    whole = padded(latents, PATCH)
    states = inputs.layers.to(latents).transpose(0, 1)
    tall, wide = whole.shape[-2] // PATCH, whole.shape[-1] // PATCH
    told: dict[str, object] = {}
    asked = whole
    if tall != wide and tall * wide > cast("Any", module).max_seq:
        asked = _tokens(whole)
        told = {
            "img_ids": _positions(whole).expand(len(latents), -1, -1),
            "img_sizes": [(tall, wide)] * len(latents),
            "hidden_states_masks": latents.new_ones(asked.shape[:2]),
        }
    answer = cast("Any", module)(
        asked, timestep, context, states, pooled.to(latents.dtype), **told, return_dict=False
    )
    return -cast("Tensor", answer[0])[..., :height, :width]


def _tokens(latents: Tensor) -> Tensor:
    """Patches with channels last, [batch token 4*channel]."""
    batch, channels, height, width = latents.shape
    cut = latents.reshape(batch, channels, height // PATCH, PATCH, width // PATCH, PATCH)
    return cut.permute(0, 2, 4, 3, 5, 1).reshape(batch, -1, channels * PATCH**2)


def _positions(latents: Tensor) -> Tensor:
    """The row and column of each token, Float[1 token 3]."""
    height, width = latents.shape[-2] // PATCH, latents.shape[-1] // PATCH
    ids = torch.zeros(height, width, len(ROPE), device=latents.device)
    ids[..., 1] = torch.arange(height, device=ids.device)[:, None]
    ids[..., 2] = torch.arange(width, device=ids.device)[None, :]
    return ids.reshape(1, -1, len(ROPE))


def trained(_shapes: Shapes, _weights: WeightFile) -> Training:
    """As `Family.trained`."""
    return Training(Parametrisation.FLOW, FlowLevels(SHIFT))


TAKES = frozenset((Kind.LAYERS, Kind.ALONE, Kind.AWAY))
BLOCKS = Stacks(
    Stack("double_stream_blocks", ("hidden_states", "encoder_hidden_states"), ("block.attn1",)),
    Stack("single_stream_blocks", ("hidden_states",), ("block.attn1",)),
    Order.PICTURE,
)

FAMILIES = (
    Family(
        name="HiDream",
        made_by="diffusers.models.transformers.transformer_hidream_image:HiDreamImageTransformer2DModel",
        original=original,
        places=places,
        settings=settings,
        ask=ask,
        trained=trained,
        latents="Flux",
        text="hidream",
        encoders="QuadrupleCLIPLoader",
        of_folder=lambda _said: True,
        takes=TAKES,
        stacks=BLOCKS,
    ),
)

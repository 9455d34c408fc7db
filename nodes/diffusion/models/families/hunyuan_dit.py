"""Hunyuan-DiT (Li et al. 2024, arXiv:2405.08748), versions 1.0 to 1.2: a folder or a file under diffusers' names."""

from collections.abc import Sequence
from typing import Any, cast

import torch
from torch import Tensor, nn

from nodes.diffusion.changes import NO_CHANGES, Kind, NetworkChanges
from nodes.diffusion.denoiser import NO_INPUTS, NetworkInputs, Parametrisation, Residuals
from nodes.diffusion.errors import ContextMismatch, DiffusionError
from nodes.diffusion.models.families.layout import count, padded
from nodes.diffusion.models.family import Family, Place, Settings, Shapes, Stack, Stacks
from nodes.diffusion.models.files import WeightFile
from nodes.diffusion.models.scheduling import Training
from nodes.diffusion.noise_levels import from_betas, scaled_linear_betas

POOLED = "time_extra_emb.pooler.positional_embedding"
PADDING = "text_embedding_padding"
STYLE = "time_extra_emb.style_embedder.weight"  # of versions up to 1.1, which are told sizes too
FIRST_BETA, LAST_BETA, LAST_BETA_WITH_STYLE = 0.00085, 0.018, 0.03
BASE = 64  # latents on a side of the square that places are counted in, whatever the picture's size
PIXELS = 8  # side of the square that one latent stands for
ORIGINAL = 1024.0  # pixels on each side of the pictures that it imagines to have been cut from


def original(_shapes: Shapes) -> Sequence[Place] | None:
    """As `Family.original`: diffusers has no loader for that layout."""
    return None


def places(shapes: Shapes) -> Sequence[Place]:
    """As `Family.places`: a file has diffusers' names."""
    return [Place(name, name) for name in shapes]


def settings(shapes: Shapes) -> Settings | None:
    """As `Family.settings`."""
    if PADDING not in shapes or POOLED not in shapes:
        return None
    width, channels, patch, _ = shapes["pos_embed.proj.weight"]
    head = shapes["blocks.0.attn1.norm_q.weight"][0]
    tokens, pooled = shapes[PADDING][0], shapes[POOLED]
    words = pooled[0] - 1
    return {
        "num_attention_heads": width // head,
        "attention_head_dim": head,
        "in_channels": channels,
        "patch_size": patch,
        "hidden_size": width,
        "num_layers": count(shapes, "blocks."),
        "mlp_ratio": shapes["blocks.0.ff.net.0.proj.weight"][0] / width,
        "learn_sigma": shapes["proj_out.weight"][0] == 2 * channels * patch * patch,
        "cross_attention_dim": shapes[PADDING][1],
        "cross_attention_dim_t5": pooled[1],
        "pooled_projection_dim": shapes["time_extra_emb.pooler.c_proj.weight"][0],
        "text_len": tokens - words,
        "text_len_t5": words,
        "use_style_cond_and_image_meta_size": STYLE in shapes,
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
    """As `Ask`, for a `HunyuanDiT2DModel`; what it says of its own variance is left out."""
    config = cast("Any", module).config
    batch, (height, width) = len(latents), latents.shape[-2:]
    _readable(context, config.cross_attention_dim, config.text_len)
    more = inputs.more_text
    if more is None:
        more = context.new_zeros(batch, config.text_len_t5, config.cross_attention_dim_t5)
    more = more.to(context)
    _readable(more, config.cross_attention_dim_t5, config.text_len_t5)
    filled = padded(latents, config.patch_size)
    target = filled.new_tensor([[height * PIXELS, width * PIXELS]]).expand(batch, -1)
    target = target if inputs.sizes is None else inputs.sizes[:, 4:].to(filled)
    sizes = torch.cat((torch.full_like(target, ORIGINAL), target, torch.zeros_like(target)), 1)
    answer = cast("Any", module)(
        filled,
        timestep.to(filled),
        encoder_hidden_states=context,
        text_embedding_mask=_counted(inputs.token_mask, context),
        encoder_hidden_states_t5=more,
        text_embedding_mask_t5=_counted(inputs.more_mask, more, said=inputs.more_text is not None),
        image_meta_size=sizes,
        style=torch.zeros(batch, dtype=torch.int64, device=latents.device),
        image_rotary_emb=_places(module, filled),
        return_dict=False,
    )
    return cast("Tensor", answer[0])[:, : latents.shape[1], :height, :width]


def _readable(text: Tensor, width: int, tokens: int) -> None:
    if text.shape[-1] != width:
        raise ContextMismatch(text.shape[-1], width)
    if text.shape[1] != tokens:
        raise DiffusionError(
            f"Hunyuan-DiT reads texts of exactly {tokens} tokens, and this one has {text.shape[1]}.",
            "Encode the prompt with its own text encoders, and do not join it with another (ConditioningConcat).",
        )


def _counted(mask: Tensor | None, text: Tensor, *, said: bool = True) -> Tensor:
    return text.new_full(text.shape[:2], float(said)) if mask is None else mask.to(text)


def _places(module: nn.Module, latents: Tensor) -> tuple[Tensor, Tensor]:
    """Rotary embeddings for the picture's size: its longer side spans a square of constant size (section 2.1)."""
    from diffusers.models import embeddings

    network = cast("Any", module)
    patch = network.config.patch_size
    height, width = latents.shape[-2] // patch, latents.shape[-1] // patch
    side = BASE // patch
    rows = side if height > width else round(side / width * height)
    columns = round(side / height * width) if height > width else side
    top, left = round((side - rows) / 2.0), round((side - columns) / 2.0)
    made = cast("Any", embeddings).get_2d_rotary_pos_embed(
        network.inner_dim // network.num_heads,
        ((top, left), (top + rows, left + columns)),
        (height, width),
        device=latents.device,
        output_type="pt",
    )
    return cast("tuple[Tensor, Tensor]", made)


def trained(shapes: Shapes, _weights: WeightFile) -> Training:
    """As `Family.trained`; versions up to 1.1 had more noise."""
    last = LAST_BETA_WITH_STYLE if STYLE in shapes else LAST_BETA
    return Training(Parametrisation.V, from_betas(scaled_linear_betas(FIRST_BETA, last)))


FAMILIES = (
    Family(
        name="Hunyuan-DiT",
        made_by="diffusers.models.transformers.hunyuan_transformer_2d:HunyuanDiT2DModel",
        original=original,
        places=places,
        settings=settings,
        ask=ask,
        trained=trained,
        latents="SDXL",
        text="hunyuan_dit",
        encoders="DualCLIPLoader",
        of_folder=lambda _said: True,
        one_file="diffusers' names (diffusers has no loader for the original's)",
        takes=frozenset((Kind.LAYERS, Kind.ALONE)),
        stacks=Stacks(Stack("blocks", ("hidden_states",), ("attn1",), ("attn2",))),
        held_to="its pipeline, step by step",
    ),
)

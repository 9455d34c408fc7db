"""Settings of diffusers' classes for control networks of transformers, from shapes under diffusers' names.

Each is None where the tensors are of another family, and raises KeyError where some are missing that every one has.
"""

from math import isqrt
from typing import Any

from nodes.diffusion.models.families.layout import count
from nodes.diffusion.models.family import Shapes

PATCH, CHANNELS = 2, 16  # of all three families: latents of a token's side, channels of latents
HEAD_WIDTH = 64


def sd3(shapes: Shapes) -> dict[str, Any] | None:
    """Of an `SD3ControlNetModel`."""
    if "pos_embed_input.proj.weight" not in shapes:
        return None
    width, read = shapes["pos_embed_input.proj.weight"][:2]
    own, text = "pos_embed.proj.weight" in shapes, shapes.get("context_embedder.weight")
    layers = count(shapes, "transformer_blocks.")
    norm = shapes.get("transformer_blocks.0.attn.norm_q.weight")
    head = HEAD_WIDTH if norm is None else norm[0]
    channels = shapes["pos_embed.proj.weight"][1] if own else CHANNELS
    return {
        "num_layers": layers,
        "in_channels": channels,
        "extra_conditioning_channels": read - channels,
        "attention_head_dim": head,
        "num_attention_heads": width // head,
        "joint_attention_dim": None if text is None else text[1],
        "caption_projection_dim": width if text is None else text[0],
        "pooled_projection_dim": shapes["time_text_embed.text_embedder.linear_1.weight"][1],
        "pos_embed_max_size": isqrt(shapes["pos_embed.pos_embed"][1]) if own else None,
        "dual_attention_layers": tuple(
            layer for layer in range(layers) if f"transformer_blocks.{layer}.attn2.to_q.weight" in shapes
        ),
        "qk_norm": None if norm is None else "rms_norm",
        "use_pos_embed": own,
        "force_zeros_for_pooled_projection": own,
    }


def flux(shapes: Shapes) -> dict[str, Any] | None:
    """Of a `FluxControlNetModel`."""
    text = "time_text_embed.text_embedder.linear_1.weight"
    if "controlnet_x_embedder.weight" not in shapes or text not in shapes:
        return None
    width, channels = shapes["x_embedder.weight"]
    (head,) = shapes["transformer_blocks.0.attn.norm_q.weight"]
    modes = shapes.get("controlnet_mode_embedder.weight")
    shown = shapes.get("input_hint_block.conv_out.weight")
    return {
        "patch_size": 1 if shown is None else PATCH,
        "in_channels": channels,
        "num_layers": count(shapes, "transformer_blocks."),
        "num_single_layers": count(shapes, "single_transformer_blocks."),
        "attention_head_dim": head,
        "num_attention_heads": width // head,
        "joint_attention_dim": shapes["context_embedder.weight"][1],
        "pooled_projection_dim": shapes[text][1],
        "guidance_embeds": "time_text_embed.guidance_embedder.linear_1.weight" in shapes,
        "axes_dims_rope": (head // 8, head * 7 // 16, head * 7 // 16),
        "num_mode": None if modes is None else modes[0],
        "conditioning_embedding_channels": None if shown is None else shown[0],
    }


def qwen(shapes: Shapes) -> dict[str, Any] | None:
    """Of a `QwenImageControlNetModel`."""
    if "controlnet_x_embedder.weight" not in shapes or "txt_norm.weight" not in shapes:
        return None
    width, channels = shapes["img_in.weight"]
    (head,) = shapes["transformer_blocks.0.attn.norm_q.weight"]
    return {
        "in_channels": channels,
        "num_layers": count(shapes, "transformer_blocks."),
        "attention_head_dim": head,
        "num_attention_heads": width // head,
        "joint_attention_dim": shapes["txt_norm.weight"][0],
        "axes_dims_rope": (head // 8, head * 7 // 16, head * 7 // 16),
        "extra_condition_channels": shapes["controlnet_x_embedder.weight"][1] - channels,
    }

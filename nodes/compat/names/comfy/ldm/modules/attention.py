"""`comfy.ldm.modules.attention`: attention by PyTorch's own kernels, under the names of all of the field's ways.

The layers of transformers inside U-Nets are in `nodes/compat/unets`; they mix by what stands here as `optimized_attention`.
"""

import functools

import torch
import torch.nn.functional as F

from nodes.compat.names.comfy.ldm.util import default, exists
from nodes.compat.unets.transformers import (
    GEGLU,
    BasicTransformerBlock,
    CrossAttention,
    FeedForward,
    SpatialTransformer,
)
from nodes.compat.unets.video import SpatialVideoTransformer

__all__ = [
    "GEGLU",
    "BasicTransformerBlock",
    "CrossAttention",
    "FeedForward",
    "SpatialTransformer",
    "SpatialVideoTransformer",
    "default",
    "exists",
]
_BY_NAME = {}


def wrap_attn(func):
    """Let a model's options replace a way of attention."""

    @functools.wraps(func)
    def wrapped(*args, **kwargs):
        instead = (kwargs.get("transformer_options") or {}).get("optimized_attention_override")
        return func(*args, **kwargs) if instead is None else instead(func, *args, **kwargs)

    return wrapped


def _attention(
    q, k, v, heads, mask=None, attn_precision=None, skip_reshape=False, skip_output_reshape=False, **kwargs
):
    """Attention of q [batch length heads*width] over k, v; `skip_reshape`: inputs are [batch heads length width]."""
    if not skip_reshape:
        batch, _, inner = q.shape
        shape = (batch, -1, heads, inner // heads)
        q = q.reshape(shape).transpose(1, 2)
        k, v = (
            each.reshape(batch, -1, each.shape[-1] // (inner // heads), inner // heads).transpose(1, 2)
            for each in (k, v)
        )
    if mask is not None and mask.ndim < 4:
        mask = mask[None, None] if mask.ndim == 2 else mask[:, None]
    if mask is not None and mask.dtype != torch.bool:
        mask = mask.to(q.dtype)
    made = F.scaled_dot_product_attention(
        q, k, v, attn_mask=mask, scale=kwargs.get("scale"), enable_gqa=bool(kwargs.get("enable_gqa"))
    )
    return made if skip_output_reshape else made.transpose(1, 2).flatten(2)


def _way(name):
    def way(
        q,
        k,
        v,
        heads,
        mask=None,
        attn_precision=None,
        skip_reshape=False,
        skip_output_reshape=False,
        **kwargs,
    ):
        return _attention(q, k, v, heads, mask, attn_precision, skip_reshape, skip_output_reshape, **kwargs)

    way.__name__ = way.__qualname__ = name
    return wrap_attn(way)


attention_basic = _way("attention_basic")
attention_sub_quad = _way("attention_sub_quad")
attention_split = _way("attention_split")
attention_pytorch = _way("attention_pytorch")
attention_xformers = _way("attention_xformers")
attention_sage = _way("attention_sage")
attention_flash = _way("attention_flash")
attention3_sage = _way("attention3_sage")
optimized_attention = attention_pytorch
optimized_attention_masked = attention_pytorch
SAGE_ATTENTION_IS_AVAILABLE = False
FLASH_ATTENTION_IS_AVAILABLE = False


def optimized_attention_for_device(device, mask=False, small_input=False):
    return attention_pytorch


def register_attention_function(name, func):
    _BY_NAME[name] = func


def get_attention_function(name, default=...):
    if name in _BY_NAME:
        return _BY_NAME[name]
    if default is ...:
        raise KeyError(f"Attention function {name} not found.")
    return default


for _one in ("basic", "sub_quad", "split", "pytorch"):
    register_attention_function(_one, globals()[f"attention_{_one}"])

"""Transformers inside U-Nets, with the field's names of parts and weights; packs' patches are called as HOST_API.md says.

Source: Rombach et al. 2022 (latent diffusion, arXiv:2112.10752), appendix E; Shazeer 2020 (GEGLU, arXiv:2002.05202).
"""

import sys
from typing import Any

import torch.nn.functional as F
from torch import nn


def default(value: Any, other: Any) -> Any:
    """A value, or another one where it is None."""
    return other if value is None else value


def layers(operations: Any) -> Any:
    """The kinds of layers that are given, or those of `comfy.ops` without initial values."""
    return sys.modules["comfy.ops"].disable_weight_init if operations is None else operations


HIDDEN = frozenset({"patches", "patches_replace"})


def ways() -> Any:
    """The module where packs find attention, and put other functions into."""
    return sys.modules["comfy.ldm.modules.attention"]


class GEGLU(nn.Module):
    """One half of a projection, gated by the other."""

    def __init__(self, dim_in, dim_out, dtype=None, device=None, operations=None):
        super().__init__()
        operations = layers(operations)
        self.proj = operations.Linear(dim_in, dim_out * 2, dtype=dtype, device=device)

    def forward(self, x):
        kept, gate = self.proj(x).chunk(2, dim=-1)
        return kept * F.gelu(gate)


class FeedForward(nn.Module):
    """Two layers for each token by itself."""

    def __init__(
        self,
        dim,
        dim_out=None,
        mult=4,
        glu=False,
        dropout=0.0,
        inner_dim=None,
        dtype=None,
        device=None,
        operations=None,
    ):
        super().__init__()
        operations = layers(operations)
        inner = default(inner_dim, int(dim * mult))
        placed = {"dtype": dtype, "device": device}
        first = (
            GEGLU(dim, inner, **placed, operations=operations)
            if glu
            else nn.Sequential(operations.Linear(dim, inner, **placed), nn.GELU())
        )
        last = operations.Linear(inner, default(dim_out, dim), **placed)
        self.net = nn.Sequential(first, nn.Dropout(dropout), last)

    def forward(self, x):
        return self.net(x)


class CrossAttention(nn.Module):
    """Attention [batch token query_dim] over a context, or over the tokens themselves."""

    def __init__(
        self,
        query_dim,
        context_dim=None,
        heads=8,
        dim_head=64,
        dropout=0.0,
        attn_precision=None,
        dtype=None,
        device=None,
        operations=None,
    ):
        super().__init__()
        operations = layers(operations)
        inner, context_dim = heads * dim_head, default(context_dim, query_dim)
        self.heads, self.dim_head, self.attn_precision = heads, dim_head, attn_precision
        placed = {"dtype": dtype, "device": device}
        self.to_q = operations.Linear(query_dim, inner, bias=False, **placed)
        self.to_k = operations.Linear(context_dim, inner, bias=False, **placed)
        self.to_v = operations.Linear(context_dim, inner, bias=False, **placed)
        self.to_out = nn.Sequential(operations.Linear(inner, query_dim, **placed), nn.Dropout(dropout))

    def forward(self, x, context=None, value=None, mask=None, transformer_options=None):
        context = default(context, x)
        mixed = self.to_q(x), self.to_k(context), self.to_v(default(value, context))
        mix = ways().optimized_attention if mask is None else ways().optimized_attention_masked
        more = {"attn_precision": self.attn_precision, "transformer_options": transformer_options or {}}
        return self.to_out(mix(*mixed, self.heads, mask=mask, **more))


class BasicTransformerBlock(nn.Module):
    """Attention to itself, attention to the text, and a layer for each token; each added to what came in."""

    def __init__(
        self,
        dim,
        n_heads,
        d_head,
        dropout=0.0,
        context_dim=None,
        gated_ff=True,
        checkpoint=True,
        ff_in=False,
        inner_dim=None,
        disable_self_attn=False,
        disable_temporal_crossattention=False,
        switch_temporal_ca_to_sa=False,
        attn_precision=None,
        dtype=None,
        device=None,
        operations=None,
    ):
        super().__init__()
        operations = layers(operations)
        inner = default(inner_dim, dim)
        placed = {"dtype": dtype, "device": device, "operations": operations}
        shape = {"heads": n_heads, "dim_head": d_head, "dropout": dropout, "attn_precision": attn_precision}
        norm = {"dtype": dtype, "device": device}
        self.is_res, self.checkpoint = inner == dim, checkpoint
        self.disable_self_attn, self.switch_temporal_ca_to_sa = disable_self_attn, switch_temporal_ca_to_sa
        self.n_heads, self.d_head, self.attn_precision = n_heads, d_head, attn_precision
        self.ff_in = None
        if ff_in or inner_dim is not None:
            self.norm_in = operations.LayerNorm(dim, **norm)
            self.ff_in = FeedForward(dim, dim_out=inner, dropout=dropout, glu=gated_ff, **placed)
        own = context_dim if disable_self_attn else None
        self.attn1 = CrossAttention(inner, own, **shape, **placed)
        self.attn2 = None
        if not (disable_temporal_crossattention and switch_temporal_ca_to_sa):
            other = None if switch_temporal_ca_to_sa else context_dim
            if not disable_temporal_crossattention:
                self.norm2 = operations.LayerNorm(inner, **norm)
                self.attn2 = CrossAttention(inner, other, **shape, **placed)
        self.ff = FeedForward(inner, dim_out=dim, dropout=dropout, glu=gated_ff, **placed)
        self.norm1 = operations.LayerNorm(inner, **norm)
        self.norm3 = operations.LayerNorm(inner, **norm)

    def forward(self, x, context=None, transformer_options=None):
        options = transformer_options or {}
        extra = {name: value for name, value in options.items() if name not in HIDDEN}
        extra |= {"n_heads": self.n_heads, "dim_head": self.d_head, "attn_precision": self.attn_precision}
        if self.ff_in is not None:
            entered = self.ff_in(self.norm_in(x))
            x = entered + x if self.is_res else entered
        told = context if self.disable_self_attn else None
        x = x + self._attended("attn1", self.norm1(x), told, options, extra)
        for patch in patches(options, "middle_patch"):
            x = patch(x, extra)
        if self.attn2 is not None:
            told = None if self.switch_temporal_ca_to_sa else context
            x = x + self._attended("attn2", self.norm2(x), told, options, extra)
        made = self.ff(self.norm3(x))
        return made + x if self.is_res else made

    def _attended(self, name, n, context, options, extra):
        """What an attention gives, between what packs do before it and after it, or in its place."""
        attention, value = getattr(self, name), None
        before = patches(options, f"{name}_patch")
        if before:
            context = default(context, n)
            value = context
        for patch in before:
            n, context, value = patch(n, context, value, extra)
        instead = replacement(options, name)
        if instead is None:
            n = attention(n, context=context, value=value, transformer_options=options)
        else:
            context = default(context, n)
            projected = attention.to_q(n), attention.to_k(context), attention.to_v(default(value, context))
            n = attention.to_out(instead(*projected, extra))
        for patch in patches(options, f"{name}_output_patch"):
            n = patch(n, extra)
        return n


def patches(options: Any, name: str) -> Any:
    """Patches of a kind, in order."""
    return (options.get("patches") or {}).get(name) or ()


def replacement(options: Any, name: str) -> Any:
    """What takes an attention's place: named with its number among those of the block, or for all of them."""
    table = (options.get("patches_replace") or {}).get(name) or {}
    block = options.get("block")
    if block is None or not table:
        return None
    return table.get((*block, options.get("block_index"))) or table.get(tuple(block))


class SpatialTransformer(nn.Module):
    """Transformer blocks over a picture [batch channel height width], added to it."""

    def __init__(
        self,
        in_channels,
        n_heads,
        d_head,
        depth=1,
        dropout=0.0,
        context_dim=None,
        disable_self_attn=False,
        use_linear=False,
        use_checkpoint=True,
        attn_precision=None,
        dtype=None,
        device=None,
        operations=None,
    ):
        super().__init__()
        operations = layers(operations)
        widths = context_dim if isinstance(context_dim, list) else [context_dim] * depth
        inner = n_heads * d_head
        placed: Any = {"dtype": dtype, "device": device}
        self.in_channels, self.use_linear = in_channels, use_linear
        self.norm = operations.GroupNorm(32, in_channels, eps=1e-6, affine=True, **placed)
        project = operations.Linear if use_linear else operations.Conv2d
        shape = () if use_linear else (1,)
        self.proj_in = project(in_channels, inner, *shape, **placed)
        self.transformer_blocks = nn.ModuleList(
            BasicTransformerBlock(
                inner,
                n_heads,
                d_head,
                dropout=dropout,
                context_dim=width,
                disable_self_attn=disable_self_attn,
                checkpoint=use_checkpoint,
                attn_precision=attn_precision,
                operations=operations,
                **placed,
            )
            for width in widths
        )
        self.proj_out = project(inner, in_channels, *shape, **placed)

    def forward(self, x, context=None, transformer_options=None):
        options = {} if transformer_options is None else transformer_options
        contexts = context if isinstance(context, list) else [context] * len(self.transformer_blocks)
        tokens = self.tokens(x)
        for index, block in enumerate(self.transformer_blocks):
            options["block_index"] = index
            tokens = block(tokens, context=contexts[index], transformer_options=options)
        return self.picture(tokens, x) + x

    def tokens(self, x):
        """A picture as tokens [batch token inner]."""
        made = self.norm(x)
        if self.use_linear:
            return self.proj_in(made.flatten(2).transpose(1, 2))
        return self.proj_in(made).flatten(2).transpose(1, 2)

    def picture(self, tokens, like):
        """Tokens as a picture of the size of another."""
        if self.use_linear:
            tokens = self.proj_out(tokens)
        made = tokens.transpose(1, 2).reshape(len(like), -1, *like.shape[-2:])
        return made if self.use_linear else self.proj_out(made)

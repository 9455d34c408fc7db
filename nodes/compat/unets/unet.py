"""The U-Net of Stable Diffusion, 1 to XL, with the field's names of parts and weights.

Source: Rombach et al. 2022 (arXiv:2112.10752); Podell et al. 2023 (SDXL, arXiv:2307.01952), table 1.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import nn

from nodes.compat.unets.blocks import (
    Downsample,
    ResBlock,
    TimestepEmbedSequential,
    Upsample,
)
from nodes.compat.unets.through import forward_timestep_embed
from nodes.compat.unets.times import timestep_embedding
from nodes.compat.unets.transformers import SpatialTransformer, layers, patches
from nodes.compat.unets.video import SpatialVideoTransformer, VideoResBlock


def apply_control(h, control, name):
    """What control networks add to a block: the last one of its kind that is left, taken out of the list."""
    if control is not None and control.get(name):
        part = control[name].pop()
        if part is not None:
            h = h + part.to(h)
    return h


@dataclass(frozen=True)
class Shape:
    """What the layers of a U-Net share."""

    emb: int
    dropout: float
    heads: int
    head_width: int
    context: Any
    linear: bool
    scale_shift: bool
    placed: dict[str, Any]
    film: dict[str, Any] | None
    upcast: Any

    def block(self, into, out, **more):
        """A residual block."""
        told = {"out_channels": out, "use_scale_shift_norm": self.scale_shift, **self.placed, **more}
        if self.film is None:
            return ResBlock(into, self.emb, self.dropout, **told)
        mixed = {name: self.film[name] for name in ("merge_strategy", "merge_factor", "video_kernel_size")}
        return VideoResBlock(into, self.emb, self.dropout, **mixed, **told)

    def transformer(self, width, depth, apart=False):
        """Transformer blocks."""
        heads = width // self.head_width if self.head_width > 0 else self.heads
        told = {"depth": depth, "context_dim": self.context, "use_linear": self.linear, **self.placed}
        told |= {"disable_self_attn": apart, "attn_precision": self.upcast}
        if self.film is None:
            return SpatialTransformer(width, heads, width // heads, **told)
        names = ("merge_strategy", "merge_factor", "time_context_dim", "ff_in", "use_spatial_context")
        names += ("disable_temporal_crossattention",)
        return SpatialVideoTransformer(
            width, heads, width // heads, **told, **{name: self.film[name] for name in names}
        )


class UNetModel(nn.Module):
    """A U-Net.

    Args:
        transformer_depth: how many transformer blocks, for each level, or a list with one for each residual block.
        transformer_depth_middle: the same of the middle; -1: it is one residual block alone, -2: there is none.
        transformer_depth_output: for each output block, the last one first.
    """

    def __init__(
        self,
        image_size,
        in_channels,
        model_channels,
        out_channels,
        num_res_blocks,
        dropout=0,
        channel_mult=(1, 2, 4, 8),
        conv_resample=True,
        dims=2,
        num_classes=None,
        use_checkpoint=False,
        dtype=torch.float32,
        num_heads=-1,
        num_head_channels=-1,
        num_heads_upsample=-1,
        use_scale_shift_norm=False,
        resblock_updown=False,
        use_new_attention_order=False,
        use_spatial_transformer=False,
        transformer_depth=1,
        context_dim=None,
        n_embed=None,
        legacy=True,
        disable_self_attentions=None,
        num_attention_blocks=None,
        disable_middle_self_attn=False,
        use_linear_in_transformer=False,
        adm_in_channels=None,
        transformer_depth_middle=None,
        transformer_depth_output=None,
        use_temporal_resblock=False,
        use_temporal_attention=False,
        time_context_dim=None,
        extra_ff_mix_layer=False,
        use_spatial_context=False,
        merge_strategy=None,
        merge_factor=0.0,
        video_kernel_size=None,
        disable_temporal_crossattention=False,
        max_ddpm_temb_period=10000,
        attn_precision=None,
        device=None,
        operations=None,
    ):
        super().__init__()
        operations = layers(operations)
        if num_heads == -1 and num_head_channels == -1:
            raise ValueError("Either num_heads or num_head_channels has to be set.")
        self.in_channels, self.out_channels, self.model_channels = in_channels, out_channels, model_channels
        self.channel_mult, self.dtype, self.num_classes = tuple(channel_mult), dtype, num_classes
        self.image_size, self.max_ddpm_temb_period = image_size, max_ddpm_temb_period
        self.num_heads, self.num_head_channels = num_heads, num_head_channels
        self.predict_codebook_ids, self.default_num_video_frames = n_embed is not None, None
        self.apart = disable_self_attentions or [False] * len(self.channel_mult)
        self.num_res_blocks = _each(num_res_blocks, len(self.channel_mult))
        film = {
            "merge_strategy": merge_strategy or "fixed",
            "merge_factor": merge_factor,
            "video_kernel_size": video_kernel_size or 3,
            "time_context_dim": time_context_dim,
            "ff_in": extra_ff_mix_layer,
            "use_spatial_context": use_spatial_context,
            "disable_temporal_crossattention": disable_temporal_crossattention,
        }
        placed = {"dtype": dtype, "device": device, "operations": operations}
        self._shape = Shape(
            model_channels * 4, dropout, num_heads, num_head_channels, context_dim, use_linear_in_transformer,
            use_scale_shift_norm, placed, film if use_temporal_resblock or use_temporal_attention else None,
            attn_precision,
        )  # fmt: skip
        depths = _depths(transformer_depth, self.num_res_blocks, used=use_spatial_transformer)
        outward = transformer_depth_output
        if outward is None:
            outward = [depth for down in depths for depth in (*down, down[-1] if down else 0)]
        self._first(num_classes, adm_in_channels)
        widths = self._way_down(depths, conv_resample)
        middle = transformer_depth_middle
        if middle is None:
            middle = depths[-1][-1] if depths[-1] else 0
        self._middle(middle, apart=disable_middle_self_attn)
        self._way_up(widths, list(outward), conv_resample)

    def _first(self, num_classes, adm):
        """What is read of the time, and of what is told beside the text."""
        shape, width, emb = self._shape, self.model_channels, self._shape.emb
        layer, placed = shape.placed["operations"].Linear, _where(shape.placed)
        self.time_embed = nn.Sequential(layer(width, emb, **placed), nn.SiLU(), layer(emb, emb, **placed))
        if isinstance(num_classes, int):
            self.label_emb = nn.Embedding(num_classes, emb, **placed)
        elif num_classes == "continuous":
            self.label_emb = nn.Linear(1, emb)
        elif num_classes == "sequential":
            inner = nn.Sequential(layer(adm, emb, **placed), nn.SiLU(), layer(emb, emb, **placed))
            self.label_emb = nn.Sequential(inner)

    def _way_down(self, depths, conv_resample):
        """The input blocks; how wide what each of them gives is."""
        shape, width = self._shape, self.model_channels
        first = shape.placed["operations"].conv_nd(
            2, self.in_channels, width, 3, padding=1, **_where(shape.placed)
        )
        blocks, widths = [TimestepEmbedSequential(first)], [width]
        for level, times in enumerate(self.channel_mult):
            for number in range(self.num_res_blocks[level]):
                out = times * self.model_channels
                layers: list[Any] = [shape.block(width, out)]
                width = out
                if depths[level][number] > 0:
                    layers.append(shape.transformer(width, depths[level][number], self.apart[level]))
                blocks.append(TimestepEmbedSequential(*layers))
                widths.append(width)
            if level < len(self.channel_mult) - 1:
                blocks.append(TimestepEmbedSequential(Downsample(width, conv_resample, **shape.placed)))
                widths.append(width)
        self.input_blocks = nn.ModuleList(blocks)
        return widths

    def _middle(self, depth, apart):
        shape, width = self._shape, self.channel_mult[-1] * self.model_channels
        layers = [shape.block(width, width)] if depth >= -1 else []
        if depth > 0:
            layers += [shape.transformer(width, depth, apart), shape.block(width, width)]
        elif depth == 0:
            layers.append(shape.block(width, width))
        self.middle_block = TimestepEmbedSequential(*layers) if layers else None

    def _way_up(self, widths, depths, conv_resample):
        shape, width = self._shape, self.channel_mult[-1] * self.model_channels
        blocks = []
        for level in reversed(range(len(self.channel_mult))):
            for number in range(self.num_res_blocks[level] + 1):
                out = self.channel_mult[level] * self.model_channels
                layers: list[Any] = [shape.block(width + widths.pop(), out)]
                width, depth = out, depths.pop()
                if depth > 0:
                    layers.append(shape.transformer(width, depth, self.apart[level]))
                if level and number == self.num_res_blocks[level]:
                    layers.append(Upsample(width, conv_resample, **shape.placed))
                blocks.append(TimestepEmbedSequential(*layers))
        self.output_blocks = nn.ModuleList(blocks)
        placed, operations = _where(shape.placed), shape.placed["operations"]
        self.out = nn.Sequential(
            operations.GroupNorm(32, width, **placed),
            nn.SiLU(),
            operations.conv_nd(2, self.model_channels, self.out_channels, 3, padding=1, **placed),
        )

    def forward(
        self, x, timesteps=None, context=None, y=None, control=None, transformer_options=None, **kwargs
    ):
        """What the network predicts; `control` lists are emptied from their ends."""
        options = {} if transformer_options is None else transformer_options
        options["original_shape"], options["transformer_index"] = list(x.shape), 0
        emb = self._time(x, timesteps, y, options)
        told = {name: kwargs.get(name) for name in ("time_context", "image_only_indicator")}
        told["num_video_frames"] = kwargs.get("num_video_frames", self.default_num_video_frames)
        h, skips = x, []
        for number, module in enumerate(self.input_blocks):
            options["block"] = ("input", number)
            h = _through(module, h, emb, context, options, **told)
            h = apply_control(h, control, "input")
            for patch in patches(options, "input_block_patch"):
                h = patch(h, options)
            skips.append(h)
            for patch in patches(options, "input_block_patch_after_skip"):
                h = patch(h, options)
        options["block"] = ("middle", 0)
        if self.middle_block is not None:
            h = _through(self.middle_block, h, emb, context, options, **told)
        h = apply_control(h, control, "middle")
        for patch in patches(options, "middle_block_after_patch"):
            said = {"h": h, "x": x, "emb": emb, "context": context, "y": y, "timesteps": timesteps}
            h = patch({**said, "transformer_options": options})["h"]
        for number, module in enumerate(self.output_blocks):
            options["block"] = ("output", number)
            skip = apply_control(skips.pop(), control, "output")
            for patch in patches(options, "output_block_patch"):
                h, skip = patch(h, skip, options)
            after = skips[-1].shape if skips else None
            h = _through(
                module, torch.cat([h, skip], dim=1), emb, context, options, output_shape=after, **told
            )
        return self.out(h.type(x.dtype))

    def _time(self, x, timesteps, y, options):
        angles = timestep_embedding(timesteps, self.model_channels, max_period=self.max_ddpm_temb_period)
        emb = self.time_embed(angles.to(x.dtype))
        for patch in patches(options, "emb_patch"):
            emb = patch(emb, self.model_channels, options)
        if self.num_classes is not None and y is not None:
            emb = emb + self.label_emb(y)
        return emb


def _through(module, h, emb, context, options, **told):
    """A block as packs may have replaced its function in their module of the host."""
    if type(module) is not TimestepEmbedSequential:
        return forward_timestep_embed(module, h, emb, context, options, **told)
    return module(h, emb, context, options, **told)


def _each(value: Any, count: int) -> list[int]:
    return list(value) if isinstance(value, list | tuple) else [value] * count


def _depths(value: Any, blocks: Sequence[int], *, used: bool) -> list[list[int]]:
    """How many transformer blocks stand after each residual block of each level."""
    if not used:
        return [[0] * count for count in blocks]
    given = _each(value, len(blocks))
    if len(given) == sum(blocks) and len(given) != len(blocks):
        left = list(given)
        return [[left.pop(0) for _ in range(count)] for count in blocks]
    return [[depth] * count for depth, count in zip(given, blocks, strict=True)]


def _where(placed: dict[str, Any]) -> dict[str, Any]:
    return {name: placed[name] for name in ("dtype", "device")}

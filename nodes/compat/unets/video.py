"""Layers of U-Nets for films: frames lie in the batch, and layers in time are blended with those of single frames.

Source: Blattmann et al. 2023 (Stable Video Diffusion, arXiv:2311.15127), appendix D.
"""

from typing import Any

import torch
from torch import nn

from nodes.compat.unets.blocks import ResBlock
from nodes.compat.unets.times import AlphaBlender, timestep_embedding
from nodes.compat.unets.transformers import BasicTransformerBlock, SpatialTransformer, layers


class VideoResBlock(ResBlock):
    """A block of frames, then one across them [batch*frame channel height width]."""

    def __init__(
        self,
        channels,
        emb_channels,
        dropout,
        video_kernel_size=3,
        merge_strategy="fixed",
        merge_factor=0.5,
        out_channels=None,
        use_conv=False,
        use_scale_shift_norm=False,
        dims=2,
        use_checkpoint=False,
        up=False,
        down=False,
        dtype=None,
        device=None,
        operations=None,
    ):
        operations = layers(operations)
        placed = {"dtype": dtype, "device": device, "operations": operations}
        super().__init__(
            channels, emb_channels, dropout, out_channels, use_conv, use_scale_shift_norm, dims,
            use_checkpoint, up, down, **placed,
        )  # fmt: skip
        width = self.out_channels
        self.time_stack = ResBlock(
            width, emb_channels, dropout=dropout, dims=3, out_channels=width, kernel_size=video_kernel_size,
            use_checkpoint=use_checkpoint, exchange_temb_dims=True, **placed,
        )  # fmt: skip
        self.time_mixer = AlphaBlender(merge_factor, merge_strategy, "b t -> b 1 t 1 1")

    def forward(self, x, emb, num_video_frames=None, image_only_indicator=None):
        x = super().forward(x, emb)
        frames = num_video_frames or len(x)
        film = x.unflatten(0, (-1, frames)).transpose(1, 2)  # batch channel frame height width
        across = self.time_stack(film, emb.unflatten(0, (-1, frames)))
        made = self.time_mixer(film, across, image_only_indicator)
        return made.transpose(1, 2).flatten(0, 1)


class SpatialVideoTransformer(SpatialTransformer):
    """Each block over a frame's places is followed by one over a place's frames."""

    def __init__(
        self,
        in_channels,
        n_heads,
        d_head,
        depth=1,
        dropout=0.0,
        use_linear=False,
        context_dim=None,
        use_spatial_context=False,
        timesteps=None,
        merge_strategy="fixed",
        merge_factor=0.5,
        time_context_dim=None,
        ff_in=False,
        checkpoint=False,
        time_depth=1,
        disable_self_attn=False,
        disable_temporal_crossattention=False,
        max_time_embed_period=10000,
        attn_precision=None,
        dtype=None,
        device=None,
        operations=None,
    ):
        del timesteps
        operations = layers(operations)
        placed = {"dtype": dtype, "device": device, "operations": operations}
        super().__init__(
            in_channels, n_heads, d_head, depth, dropout, context_dim, disable_self_attn, use_linear, checkpoint,
            attn_precision, **placed,
        )  # fmt: skip
        inner = n_heads * d_head
        self.time_depth, self.depth = time_depth, depth
        self.use_spatial_context, self.max_time_embed_period = use_spatial_context, max_time_embed_period
        self.time_stack = nn.ModuleList(
            BasicTransformerBlock(
                inner, n_heads, d_head, dropout=dropout,
                context_dim=context_dim if use_spatial_context else time_context_dim,
                checkpoint=checkpoint, ff_in=ff_in, inner_dim=inner, disable_self_attn=disable_self_attn,
                disable_temporal_crossattention=disable_temporal_crossattention, attn_precision=attn_precision,
                **placed,
            )
            for _ in range(depth)
        )  # fmt: skip
        known = {"dtype": dtype, "device": device}
        self.time_pos_embed = nn.Sequential(
            operations.Linear(inner, inner * 4, **known),
            nn.SiLU(),
            operations.Linear(inner * 4, inner, **known),
        )
        self.time_mixer = AlphaBlender(merge_factor, merge_strategy)

    def forward(
        self,
        x,
        context=None,
        time_context=None,
        timesteps=None,
        image_only_indicator=None,
        transformer_options=None,
    ):
        options = {} if transformer_options is None else transformer_options
        frames, width = timesteps or len(x), x.shape[1]
        told = context if self.use_spatial_context else time_context
        places = x.shape[-2] * x.shape[-1]
        if told is not None:  # the first frame's text, for each place
            told = told[::frames].repeat_interleave(places, dim=0)
        numbers = torch.arange(frames, device=x.device).repeat(len(x) // frames)
        angles = timestep_embedding(numbers, self.proj_in.out_features if self.use_linear else width,
                                    max_period=self.max_time_embed_period)  # fmt: skip
        at = self.time_pos_embed(angles.to(x.dtype))[:, None]
        tokens = self.tokens(x)
        for index, (block, across) in enumerate(zip(self.transformer_blocks, self.time_stack, strict=True)):
            options["block_index"] = index
            tokens = block(tokens, context=context, transformer_options=options)
            mixed = _in_time(across, tokens + at, told, frames, options)
            tokens = self.time_mixer(tokens, mixed, image_only_indicator)
        return self.picture(tokens, x) + x


def _in_time(block: Any, tokens: torch.Tensor, context: Any, frames: int, options: Any) -> torch.Tensor:
    """A block over the frames of each place, [batch*frame place feature]."""
    places = tokens.shape[1]
    rows = tokens.unflatten(0, (-1, frames)).transpose(1, 2).flatten(0, 1)
    made = block(rows, context=context, transformer_options=options)
    return made.unflatten(0, (-1, places)).transpose(1, 2).flatten(0, 1)

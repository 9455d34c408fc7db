"""Blocks of U-Nets with the field's names of parts and weights: residual blocks, and those that change the size.

Source: Dhariwal and Nichol 2021 (arXiv:2105.05233), appendix A; Rombach et al. 2022 (arXiv:2112.10752).
"""

import sys
from typing import Any

import torch.nn.functional as F
from torch import nn

from nodes.compat.unets.transformers import layers


class TimestepBlock(nn.Module):
    """A layer that is told of the time: `forward(x, emb)`."""

    def forward(self, x, emb):
        raise NotImplementedError(f"{type(self).__name__} has no forward(x, emb).")


class TimestepEmbedSequential(nn.Sequential, TimestepBlock):
    """Layers in turn, each called with what its kind wants."""

    def forward(self, x, emb, context=None, transformer_options=None, *more, **named):
        openai = sys.modules["comfy.ldm.modules.diffusionmodules.openaimodel"]
        options = {} if transformer_options is None else transformer_options
        return openai.forward_timestep_embed(self, x, emb, context, options, *more, **named)


class Upsample(nn.Module):
    """Twice as wide and high, or of another size."""

    def __init__(
        self,
        channels,
        use_conv,
        dims=2,
        out_channels=None,
        padding=1,
        dtype=None,
        device=None,
        operations=None,
    ):
        super().__init__()
        operations = layers(operations)
        self.channels, self.out_channels = channels, out_channels or channels
        self.use_conv, self.dims = use_conv, dims
        if use_conv:
            self.conv = operations.conv_nd(
                dims, channels, self.out_channels, 3, padding=padding, dtype=dtype, device=device
            )

    def forward(self, x, output_shape=None):
        kept = 1 if self.dims == 3 else 0  # frames stay as they are
        size = [side if place < kept else side * 2 for place, side in enumerate(x.shape[2:])]
        if output_shape is not None:
            size = [*size[:kept], *output_shape[2 + kept :]]
        x = F.interpolate(x, size=size, mode="nearest")
        return self.conv(x) if self.use_conv else x


class Downsample(nn.Module):
    """Half as wide and high."""

    def __init__(
        self,
        channels,
        use_conv,
        dims=2,
        out_channels=None,
        padding=1,
        dtype=None,
        device=None,
        operations=None,
    ):
        super().__init__()
        operations = layers(operations)
        self.channels, self.out_channels = channels, out_channels or channels
        self.use_conv, self.dims = use_conv, dims
        stride = (1, 2, 2) if dims == 3 else 2
        if use_conv:
            self.op = operations.conv_nd(
                dims,
                channels,
                self.out_channels,
                3,
                stride=stride,
                padding=padding,
                dtype=dtype,
                device=device,
            )
        else:
            pools = {1: nn.AvgPool1d, 2: nn.AvgPool2d, 3: nn.AvgPool3d}
            self.op = pools[dims](kernel_size=stride, stride=stride)

    def forward(self, x):
        return self.op(x)


class ResBlock(TimestepBlock):
    """Two convolutions with the time between them, added to what came in."""

    def __init__(
        self,
        channels,
        emb_channels,
        dropout,
        out_channels=None,
        use_conv=False,
        use_scale_shift_norm=False,
        dims=2,
        use_checkpoint=False,
        up=False,
        down=False,
        kernel_size=3,
        exchange_temb_dims=False,
        skip_t_emb=False,
        dtype=None,
        device=None,
        operations=None,
    ):
        super().__init__()
        operations = layers(operations)
        placed: Any = {"dtype": dtype, "device": device}
        width = out_channels or channels
        sides = list(kernel_size) if isinstance(kernel_size, list | tuple) else kernel_size
        padding = [side // 2 for side in sides] if isinstance(sides, list) else sides // 2
        self.channels, self.emb_channels, self.out_channels = channels, emb_channels, width
        self.use_conv, self.use_checkpoint, self.use_scale_shift_norm = (
            use_conv,
            use_checkpoint,
            use_scale_shift_norm,
        )
        self.exchange_temb_dims, self.skip_t_emb, self.updown = exchange_temb_dims, skip_t_emb, up or down

        def conv(into, out, size=sides, around=padding):
            return operations.conv_nd(dims, into, out, size, padding=around, **placed)

        norm = operations.GroupNorm
        self.in_layers = nn.Sequential(norm(32, channels, **placed), nn.SiLU(), conv(channels, width))
        resized = Upsample if up else Downsample if down else None
        self.h_upd, self.x_upd = (
            nn.Identity() if resized is None else resized(channels, use_conv=False, dims=dims, **placed)
            for _ in range(2)
        )
        told = 2 * width if use_scale_shift_norm else width
        self.emb_layers = (
            None if skip_t_emb else nn.Sequential(nn.SiLU(), operations.Linear(emb_channels, told, **placed))
        )
        self.out_layers = nn.Sequential(
            norm(32, width, **placed), nn.SiLU(), nn.Dropout(p=dropout), conv(width, width)
        )
        if width == channels:
            self.skip_connection = nn.Identity()
        else:
            self.skip_connection = conv(channels, width) if use_conv else conv(channels, width, 1, 0)

    def forward(self, x, emb):
        if self.updown:
            before, last = self.in_layers[:-1], self.in_layers[-1]
            h = last(self.h_upd(before(x)))
            x = self.x_upd(x)
        else:
            h = self.in_layers(x)
        h = self._told(h, emb)
        return self.skip_connection(x) + h

    def _told(self, h, emb):
        """The second half, with the time in it."""
        if self.emb_layers is None:
            return self.out_layers(h)
        time = self.emb_layers(emb).type(h.dtype)
        if self.exchange_temb_dims:  # [batch frame channel] where h is [batch channel frame ...]
            time = time.transpose(1, 2)
        time = time.reshape(*time.shape, *[1] * (h.ndim - time.ndim))
        if not self.use_scale_shift_norm:
            return self.out_layers(h + time)
        scale, shift = time.chunk(2, dim=1)
        return self.out_layers[1:](self.out_layers[0](h) * (1 + scale) + shift)

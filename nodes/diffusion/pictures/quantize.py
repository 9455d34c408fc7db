"""Pictures in few colours: a palette by median cut (Heckbert 1982), with or without dithering."""

import numpy as np
import torch
from PIL import Image as Pillow
from torch import Tensor

from nodes.diffusion.eight_bit import from_pillow, to_pillow

NONE = "none"
FLOYD_STEINBERG = "floyd-steinberg"
BAYER = "bayer-"
DITHERS = (NONE, FLOYD_STEINBERG, *(f"{BAYER}{size}" for size in (2, 4, 8, 16)))


def quantized(picture: Tensor, colours: int, dither: str) -> Tensor:
    """One picture [height width 3] of 0..1 in at most so many colours of its own.

    Args:
        dither: "none", "floyd-steinberg", or an ordered pattern "bayer-2" to "bayer-16".
    """
    opened = to_pillow(picture)
    palette = opened.quantize(colors=colours)
    if dither.startswith(BAYER):
        opened = _ordered(opened, palette, int(dither.removeprefix(BAYER)))
    spreads = Pillow.Dither.FLOYDSTEINBERG if dither == FLOYD_STEINBERG else Pillow.Dither.NONE
    return from_pillow(opened.quantize(colors=colours, palette=palette, dither=spreads).convert("RGB"))


def bayer(order: int) -> Tensor:
    """A threshold pattern of 2^order squared places about 0, all different (Bayer 1973)."""
    if order == 0:
        return torch.zeros(1, 1)
    whole = 4**order
    inner = whole * bayer(order - 1)
    above = torch.cat((inner - 1.5, inner + 0.5), dim=1)
    below = torch.cat((inner + 1.5, inner - 0.5), dim=1)
    return torch.cat((above, below)) / whole


def _ordered(opened: Pillow.Image, palette: Pillow.Image, size: int) -> Pillow.Image:
    pattern = bayer(size.bit_length() - 1)
    colours = len(palette.getpalette() or ()) // 3
    tiled = pattern.repeat(-(-opened.height // size), -(-opened.width // size))
    shift = tiled[: opened.height, : opened.width, None].numpy() * (512 / colours)
    moved = np.asarray(opened).astype(np.float32) + shift + 0.5
    return Pillow.fromarray(moved.clip(0, 255).astype(np.uint8))


def all_quantized(image: Tensor, colours: int, dither: str) -> Tensor:
    """Each picture of a batch [batch height width 3] in its own colours."""
    return torch.stack([quantized(picture, colours, dither) for picture in image])

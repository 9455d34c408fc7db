"""Pictures in 8 bits a channel, as picture libraries work on them; values are cut, not rounded."""

import numpy as np
import torch
from PIL import Image as Pillow
from torch import Tensor


def to_pillow(picture: Tensor) -> Pillow.Image:
    """One picture [height width 1, 3 or 4] of 0..1 as gray, RGB or RGBA."""
    pixels = (picture.detach().float().cpu().numpy() * 255.0).clip(0, 255).astype(np.uint8)
    return Pillow.fromarray(pixels[..., 0] if pixels.shape[-1] == 1 else pixels)


def from_pillow(opened: Pillow.Image) -> Tensor:
    """A picture as Float32[height width channel] in 0..1."""
    values = torch.tensor(np.asarray(opened).astype(np.float32) / 255.0)
    return values[..., None] if values.ndim == 2 else values


def lanczos(picture: Tensor, width: int, height: int) -> Tensor:
    """One picture [height width channel] at another size, by a filter of 3 lobes."""
    return from_pillow(to_pillow(picture).resize((width, height), Pillow.Resampling.LANCZOS))


def average_hash(picture: Tensor) -> Tensor:
    """64 bits that similar pictures share: which places of an 8 x 8 gray copy are lighter than its mean."""
    small = to_pillow(picture).resize((8, 8), Pillow.Resampling.LANCZOS).convert("L")
    values = torch.tensor(np.asarray(small).astype(np.float64)).flatten()
    return values > values.mean()


def similarity(one: Tensor, other: Tensor) -> float:
    """Share of bits in which two hashes agree, 0 to 1."""
    return float((one == other).double().mean())

"""Colours: packed numbers, luma and chroma, alpha, palettes."""

import torch
from torch import Tensor

from nodes.diffusion.pictures.shapes import AnyImage, AnyMask

LUMA = (0.299, 0.587, 0.114)  # ITU-R BT.601
BLUE_SCALE, RED_SCALE = 0.564, 0.713  # how chroma is scaled to fit 0..1


def from_packed(colour: int) -> tuple[float, float, float]:
    """Red, green and blue in 0..1 of a number 0xRRGGBB."""
    return (colour >> 16 & 255) / 255, (colour >> 8 & 255) / 255, (colour & 255) / 255


def packed(image: AnyImage) -> Tensor:
    """Each pixel's first three channels, rounded to 8 bits, as a number 0xRRGGBB: Int[batch height width]."""
    red, green, blue = (image[..., :3].clamp(0, 1) * 255).round().long().unbind(-1)
    return (red << 16) + (green << 8) + blue


def to_yuv(image: AnyImage) -> tuple[Tensor, Tensor, Tensor]:
    """Luma and the two chromas of a picture, each [batch height width], chroma about 0.5."""
    red, green, blue = image[..., 0], image[..., 1], image[..., 2]
    luma = LUMA[0] * red + LUMA[1] * green + LUMA[2] * blue
    return luma, (blue - luma) * BLUE_SCALE + 0.5, (red - luma) * RED_SCALE + 0.5


def from_yuv(luma: Tensor, blue_chroma: Tensor, red_chroma: Tensor) -> AnyImage:
    """The picture behind luma and chroma [batch height width], cut to 0..1."""
    blue_shift, red_shift = (blue_chroma - 0.5) / BLUE_SCALE, (red_chroma - 0.5) / RED_SCALE
    green = luma - (LUMA[0] * red_shift + LUMA[2] * blue_shift) / LUMA[1]
    return torch.stack((luma + red_shift, green, luma + blue_shift), dim=-1).clamp(0, 1)


def with_colours_of(image: AnyImage, reference: AnyImage, amount: float) -> AnyImage:
    """A picture whose luma and chromas get the means and spreads of another's, cut to 0..1; a fourth channel stays.

    Source: Reinhard et al. 2001, "Color transfer between images", with this module's axes for theirs.

    Args:
        reference: a single picture, or one for each.
        amount: 0 changes nothing, 1 all.
    """
    moved: list[Tensor] = []
    for plane, wanted in zip(to_yuv(image), to_yuv(reference), strict=True):
        own_mean, mean = plane.mean((1, 2), keepdim=True), wanted.mean((1, 2), keepdim=True)
        own_spread, spread = plane.std((1, 2), keepdim=True), wanted.std((1, 2), keepdim=True)
        moved.append((plane - own_mean) / own_spread.clamp(min=1e-6) * spread + mean)
    mixed = image[..., :3] * (1 - amount) + from_yuv(*moved) * amount
    return torch.cat((mixed, image[..., 3:]), dim=-1)


def without_alpha(image: AnyImage) -> tuple[AnyImage, AnyMask]:
    """The three colours, and a mask that is 1 where the picture is transparent."""
    if image.shape[-1] > 3:
        return image[..., :3], 1.0 - image[..., 3]
    return image, torch.zeros(image.shape[:3], dtype=image.dtype, device=image.device)


def with_channels(image: AnyImage, channels: int) -> AnyImage:
    """The picture with one opaque channel more, if it has fewer than `channels`."""
    if image.shape[-1] >= channels:
        return image
    return torch.cat((image, image.new_ones((*image.shape[:-1], 1))), dim=-1)


def matched_channels(to: AnyImage, image: AnyImage) -> AnyImage:
    """The picture with as many channels as `to`: cut, or with an opaque one more."""
    return (
        image[..., : to.shape[-1]] if image.shape[-1] > to.shape[-1] else with_channels(image, to.shape[-1])
    )

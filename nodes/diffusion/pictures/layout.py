"""Layout: pictures pasted, padded, stitched and put side by side; [batch height width channel] unless said otherwise."""

import math
from collections.abc import Sequence

import torch
from torch import Tensor

from nodes.diffusion.batches import held, repeated
from nodes.diffusion.eight_bit import lanczos
from nodes.diffusion.pictures.shapes import AnyImage, AnyMask
from nodes.diffusion.resize import resize

STRIP_COLOURS = {
    "white": (1.0, 1.0, 1.0),
    "black": (0.0, 0.0, 0.0),
    "red": (1.0, 0.0, 0.0),
    "green": (0.0, 1.0, 0.0),
    "blue": (0.0, 0.0, 1.0),
}


def resized(image: AnyImage, width: int, height: int, method: str, crop: str = "disabled") -> AnyImage:
    """A picture at another size; `method` and `crop` as in `resize`."""
    return resize(image.movedim(-1, 1), width, height, method, crop).movedim(1, -1)


def resized_mask(
    mask: AnyMask, width: int, height: int, method: str = "bilinear", crop: str = "disabled"
) -> AnyMask:
    """A mask at another size."""
    return resize(mask[:, None], width, height, method, crop)[:, 0]


def overlaid(
    onto: Tensor,
    source: Tensor,
    x: int,
    y: int,
    mask: AnyMask | None = None,
    *,
    fill: bool = False,
    unit: int = 1,
) -> Tensor:
    """Planes [batch channel *depth height width] with others laid over them, cut where `onto` ends.

    Args:
        x, y: of the upper left corner, in pixels; at least 0.
        mask: how much of the source shows, [batch height width] in 0..1; None: all of it.
        fill: the source is first stretched to the size of `onto`.
        unit: pixels to one place of the planes: 8 for latents.
    """
    if fill:
        source = resize(source, onto.shape[-1], onto.shape[-2], "bilinear")
    source = repeated(source, len(onto))
    left, top = min(x, onto.shape[-1] * unit) // unit, min(y, onto.shape[-2] * unit) // unit
    height, width = min(source.shape[-2], onto.shape[-2] - top), min(source.shape[-1], onto.shape[-1] - left)
    result = onto.clone()
    if not height or not width:
        return result
    region = (..., slice(top, top + height), slice(left, left + width))
    shown = source[..., :height, :width]
    if mask is not None:
        share = repeated(resized_mask(mask, source.shape[-1], source.shape[-2]), len(onto))
        share = share.reshape(len(onto), *[1] * (onto.ndim - 3), *share.shape[-2:])[..., :height, :width]
        shown = share * shown + (1.0 - share) * result[region]
    result[region] = shown
    return result


def outpainting(
    image: AnyImage, left: int, top: int, right: int, bottom: int, feather: int
) -> tuple[AnyImage, AnyMask]:
    """A picture with gray around it, and the mask [1 height width] of what is to be painted.

    Args:
        feather: how far the mask reaches into the picture, in pixels, falling with the square of the distance; none
            where it would reach the middle.
    """
    batch, height, width, channels = image.shape
    canvas = image.new_full((batch, height + top + bottom, width + left + right, channels), 0.5)
    canvas[:, top : top + height, left : left + width] = image
    mask = torch.ones(1, *canvas.shape[1:3])
    inside = torch.zeros(height, width)
    if feather > 0 and feather * 2 < min(height, width):
        rows, columns = torch.arange(height)[:, None], torch.arange(width)
        far = torch.full((height, width), math.inf)
        for padded, distance in (
            (top, rows),
            (bottom, height - rows),
            (left, columns),
            (right, width - columns),
        ):
            if padded:
                far = torch.minimum(far, distance.float().expand(height, width))
        inside = ((feather - far) / feather).clamp(min=0) ** 2
    mask[:, top : top + height, left : left + width] = inside
    return canvas, mask


def letterboxed(image: AnyImage, width: int, height: int, method: str, value: float) -> AnyImage:
    """A picture scaled to fit into a size without distortion, in the middle of a canvas of one value."""
    old_height, old_width = image.shape[1:3]
    scale = min(width / old_width, height / old_height)
    wide, tall = int(old_width * scale), int(old_height * scale)
    inner = resized(image, wide, tall, method)
    canvas = image.new_full((len(image), height, width, image.shape[-1]), value)
    top, left = (height - tall) // 2, (width - wide) // 2
    canvas[:, top : top + tall, left : left + wide] = inner
    return canvas


def stitched(
    one: AnyImage, other: AnyImage, direction: str, *, matched: bool, spacing: int, colour: str
) -> AnyImage:
    """Two pictures side by side; the shorter batch goes on with its last picture.

    Args:
        direction: where `other` goes: "right", "down", "left" or "up".
        matched: `other` is scaled to the common side; otherwise the smaller one is padded to it.
        spacing: pixels between them, made even.
        colour: of the strip between them: one of `STRIP_COLOURS`.
    """
    beside = direction in ("left", "right")
    count = max(len(one), len(other))
    one, other = held(one, count), held(other, count)
    if matched:
        height, width = one.shape[1:3]
        aspect = other.shape[2] / other.shape[1]
        size = (int(height * aspect), height) if beside else (width, int(width / aspect))
        other = resized(other, *size, "lanczos")
    else:
        side = 1 if beside else 2
        longest, edge = max(one.shape[side], other.shape[side]), 1.0 if colour == "white" else 0.0
        one, other = (_centred(image, side, longest, edge) for image in (one, other))
    channels = max(one.shape[-1], other.shape[-1])
    parts = [_filled(image, channels) for image in (one, other)]
    if spacing:
        across = spacing + spacing % 2
        size = (one.shape[1], across) if beside else (across, one.shape[2])
        strip = one.new_tensor(STRIP_COLOURS[colour]).expand(count, *size, 3)
        parts.insert(1, _filled(strip, channels))
    if direction in ("left", "up"):
        parts.reverse()
    return torch.cat(parts, dim=2 if beside else 1)


def grid(pictures: Sequence[Tensor], columns: int, width: int, height: int, padding: int) -> AnyImage:
    """Single pictures [height width channel] as one sheet [1 height width 3]: cells of one size on black, row by row."""
    rows = math.ceil(len(pictures) / columns)
    sheet = torch.zeros(rows * height + (rows - 1) * padding, columns * width + (columns - 1) * padding, 3)
    for place, picture in enumerate(pictures):
        top, left = place // columns * (height + padding), place % columns * (width + padding)
        sheet[top : top + height, left : left + width] = lanczos(picture, width, height)[..., :3]
    return sheet[None]


def feathered(mask: AnyMask, left: int, top: int, right: int, bottom: int) -> AnyMask:
    """A mask that fades out towards its sides, over so many pixels from each."""
    result = mask.clone()
    height, width = mask.shape[-2:]
    for axis, size, amount, turned in (
        (-1, width, left, False),
        (-1, width, right, True),
        (-2, height, top, False),
        (-2, height, bottom, True),
    ):
        reach = min(amount, size)
        if not reach:
            continue
        ramp = torch.ones(size, dtype=mask.dtype, device=mask.device)
        ramp[:reach] = torch.arange(1, reach + 1).to(ramp) / reach
        ramp = ramp.flip(0) if turned else ramp
        result = result * (ramp if axis == -1 else ramp[:, None])
    return result


def _centred(image: AnyImage, side: int, size: int, value: float) -> AnyImage:
    """A picture in the middle of one whose side (1 or 2) is longer; an odd pixel goes after it."""
    missing = size - image.shape[side]
    if not missing:
        return image
    shape = list(image.shape)
    parts: list[Tensor] = []
    for amount in (missing // 2, missing - missing // 2):
        shape[side] = amount
        parts.append(image.new_full(shape, value))
    return torch.cat((parts[0], image, parts[1]), dim=side)


def _filled(image: Tensor, channels: int) -> Tensor:
    """With opaque channels up to a number."""
    missing = channels - image.shape[-1]
    return image if missing <= 0 else torch.cat((image, image.new_ones((*image.shape[:-1], missing))), dim=-1)

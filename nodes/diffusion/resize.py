"""Sizes changed: latents, pictures and masks as planes [batch channel height width], by the field's named methods."""

import math
from collections.abc import Sequence
from enum import Enum

import torch
import torch.nn.functional as F
from torch import Tensor

from nodes.diffusion.eight_bit import lanczos
from nodes.diffusion.errors import DiffusionError

PICTURES = (1, 3, 4)  # channels that are gray, RGB or RGBA
ALIGNED = 1 - 1e-5  # the cosine beyond which two vectors count as parallel


class Method(Enum):
    """How places between known ones are filled. Lanczos goes through 8 bits a channel, as picture libraries do."""

    NEAREST = "nearest-exact"
    BILINEAR = "bilinear"
    AREA = "area"
    BICUBIC = "bicubic"
    BISLERP = "bislerp"
    LANCZOS = "lanczos"


class Crop(Enum):
    """What becomes of another aspect: stretched, or cut evenly on both sides first."""

    DISABLED = "disabled"
    CENTER = "center"


def resize(planes: Tensor, width: int, height: int, method: str, crop: str = "disabled") -> Tensor:
    """Planes [batch channel *depth height width] at another size; type and device stay.

    Args:
        method, crop: values of `Method` and `Crop`.

    Raises:
        ValueError: of names that are neither.
        DiffusionError: a side is 0, or nothing is left of one that is cut to another aspect.
    """
    how = Method(method)
    flat = planes.movedim(1, 2).flatten(0, 1) if planes.ndim == 5 else planes
    if Crop(crop) is Crop.CENTER and width > 0 and height > 0 and flat.numel():
        flat = _cut(flat, width, height)
    if min(width, height, *flat.shape[-2:]) < 1:
        raise DiffusionError(
            f"What is {planes.shape[-1]} x {planes.shape[-2]} cannot be scaled to {width} x {height}: a side has no length.",
            "Choose a size of at least 1 x 1, nearer to the shape of what is scaled.",
        )
    if how is Method.BISLERP:
        sized = _bislerp(flat, width, height)
    elif how is Method.LANCZOS:
        sized = _lanczos(flat, width, height)
    else:
        sized = F.interpolate(flat, size=(height, width), mode=how.value)
    if planes.ndim == 5:
        return sized.reshape(planes.shape[0], planes.shape[2], *sized.shape[1:]).movedim(2, 1)
    return sized


def mask_for(mask: Tensor, shape: torch.Size | tuple[int, ...]) -> Tensor:
    """A mask over latents of a shape [batch channel *space]: their size by linear interpolation, channels and batch.

    Args:
        mask: for pictures [batch height width], with or without an axis of one channel. For videos that or
            [batch channel frame height width]; a batch of pictures' masks is one for each frame, or, where the
            latents have one frame, for each of them. For sounds [batch time] or [batch channel time]; of a picture's
            mask columns are times, of the mean over their rows. What is too few is repeated.
    """
    batch, channels, *space = shape
    planes = _laid_out(mask.float(), space)
    sized = F.interpolate(planes, size=tuple(space), mode=("linear", "bilinear", "trilinear")[len(space) - 1])
    repeats = (math.ceil(batch / sized.shape[0]), math.ceil(channels / sized.shape[1]), *[1] * len(space))
    return sized.repeat(repeats)[:batch, :channels]


def _laid_out(mask: Tensor, space: Sequence[int]) -> Tensor:
    """A mask as [batch channel *space], of its own size."""
    planes = mask.reshape(-1, 1, *mask.shape[-2:])
    match len(space):
        case 1 if mask.ndim == 4:
            return mask.mean(dim=2)
        case 1:
            return mask if mask.ndim == 3 else mask.reshape(-1, 1, mask.shape[-1])
        case 3 if mask.ndim == 5:
            return mask
        case 3:
            return planes.unsqueeze(2) if space[0] == 1 else planes.movedim(1, 0).unsqueeze(0)
        case _:
            return planes


def _cut(planes: Tensor, width: int, height: int) -> Tensor:
    """The middle of planes, in the aspect of a size; half of what is too much, rounded, goes from each side."""
    old_height, old_width = planes.shape[-2:]
    had, wanted = old_width / old_height, width / height
    left = round((old_width - old_width * (wanted / had)) / 2) if had > wanted else 0
    top = round((old_height - old_height * (had / wanted)) / 2) if had < wanted else 0
    return planes[..., top : old_height - top, left : old_width - left]


def _bislerp(planes: Tensor, width: int, height: int) -> Tensor:
    """Along each axis in turn, the vectors of channels turned from one known place to the next.

    Directions by spherical interpolation (Shoemake 1985), lengths by linear interpolation.
    """
    wide = _slerped(planes.float(), width)
    return _slerped(wide.movedim(-1, -2), height).movedim(-1, -2).to(planes.dtype)


def _slerped(planes: Tensor, size: int) -> Tensor:
    old = planes.shape[-1]
    places = torch.arange(old, dtype=torch.float32, device=planes.device).reshape(1, 1, 1, -1)
    first = F.interpolate(places, size=(1, size), mode="bilinear").flatten()
    shares = first.frac()
    low = first.floor().long()
    high = (low + 1).clamp(max=old - 1)
    return _slerp(planes[..., low], planes[..., high], shares)


def _slerp(one: Tensor, other: Tensor, shares: Tensor) -> Tensor:
    """Between vectors along axis 1; parallel ones are mixed linearly, opposite ones joined through the nearer."""
    one_length, other_length = _length(one), _length(other)
    one_way = torch.where(one_length > 0, one / one_length, 0.0)
    other_way = torch.where(other_length > 0, other / other_length, 0.0)
    cosine = (one_way * other_way).sum(dim=1, keepdim=True)
    angle = cosine.clamp(-1.0, 1.0).acos()
    sine = angle.sin()
    way = (((1.0 - shares) * angle).sin() * one_way + (shares * angle).sin() * other_way) / sine
    turned = way * (one_length * (1.0 - shares) + other_length * shares)
    turned = torch.where(cosine > ALIGNED, one, turned)
    return torch.where(cosine < 1e-5 - 1, one * (1.0 - shares) + other * shares, turned)


def _length(vectors: Tensor) -> Tensor:
    return vectors.pow(2).sum(dim=1, keepdim=True).sqrt()


def _lanczos(planes: Tensor, width: int, height: int) -> Tensor:
    """Each picture in 8 bits through a Lanczos filter of 3 lobes; colours count by their alpha where there is one."""
    made: list[Tensor] = []
    for item in planes:
        parts = [item] if len(item) in PICTURES else [plane[None] for plane in item]
        made.append(torch.cat([lanczos(part.movedim(0, -1), width, height).movedim(-1, 0) for part in parts]))
    return torch.stack(made).to(planes)

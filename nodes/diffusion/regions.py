"""Where a condition counts: rectangles with soft sides, masks, and how much it weighs against its neighbours."""

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace

import torch
import torch.nn.functional as F
from torch import Tensor

from nodes.diffusion.errors import DiffusionError
from nodes.diffusion.values import Area, Cond, Conditioning, Latents

FEATHER = 8  # latents
SMALLEST = 8  # latents of a side of a mask's bounds


@dataclass(frozen=True, slots=True)
class Rectangle:
    """Rows and columns of the latents, from the first to before the last."""

    top: int
    left: int
    bottom: int
    right: int

    @property
    def size(self) -> int:
        """Latents inside."""
        return (self.bottom - self.top) * (self.right - self.left)

    def holds(self, other: "Rectangle") -> bool:
        """Whether the other lies inside this one."""
        upper = self.top <= other.top and self.left <= other.left
        return upper and self.bottom >= other.bottom and self.right >= other.right

    def cut(self, latents: Tensor) -> Tensor:
        """This part of the last two axes, as a view; the latents themselves where it is all of them."""
        height, width = latents.shape[-2:]
        if (self.top, self.left) == (0, 0) and self.bottom >= height and self.right >= width:
            return latents
        return latents[..., self.top : self.bottom, self.left : self.right]


def rectangle(area: Area | None, height: int, width: int) -> Rectangle:
    """An area on latents of a size; what sticks out is cut off. None is all of them.

    Raises:
        DiffusionError: all of it lies outside.
    """
    if area is None:
        return Rectangle(0, 0, height, width)
    down, across = (height, width) if area.relative else (1, 1)
    tall, wide = max(1, round(area.height * down)), max(1, round(area.width * across))
    top, left = round(area.y * down), round(area.x * across)
    if not (0 <= top < height and 0 <= left < width):
        raise DiffusionError(
            f"The area of a prompt begins {left} latents from the left and {top} from the top; the picture has "
            f"{width} x {height}.",
            "Move the area into the picture (x and y of the node that sets it; a latent is 8 pixels mostly).",
        )
    return Rectangle(top, left, min(top + tall, height), min(left + wide, width))


def bounded(cond: Cond, height: int, width: int) -> Cond:
    """The condition with its mask's bounds as its area, where it is so set: at least 8 latents a side."""
    if cond.mask is None or not cond.to_bounds:
        return cond
    drawn = scaled_mask(cond.mask, height, width).abs().amax(dim=0)
    rows, columns = drawn.amax(dim=1).nonzero(), drawn.amax(dim=0).nonzero()
    if not len(rows):
        return replace(cond, area=Area(SMALLEST, SMALLEST, 0, 0))
    top, left = int(rows[0]), int(columns[0])
    tall, wide = int(rows[-1]) - top + 1, int(columns[-1]) - left + 1
    return replace(cond, area=Area(max(SMALLEST, tall), max(SMALLEST, wide), top, left))


def matched(conditioning: Conditioning, others: Conditioning, height: int, width: int) -> Conditioning:
    """One side's conditions, with one more for each rectangle that only the other side names.

    Each rectangle is thus guided from and to something: what the smallest of our conditions around it says, as strongly
    and as long as the other side's.
    """
    places = [rectangle(cond.area, height, width) for cond in conditioning]
    added: list[Cond] = []
    for other in others:
        place = rectangle(other.area, height, width)
        around = [index for index, ours in enumerate(places) if ours.holds(place)]
        if other.area is None or place in places or not around:
            continue
        ours = (*conditioning, *added)[min(around, key=lambda index: places[index].size)]
        added.append(replace(other, context=ours.context, pooled=ours.pooled, extra=ours.extra))
        places.append(place)
    return (*conditioning, *added)


def all_matched(sides: Sequence[Conditioning], height: int, width: int) -> Sequence[Conditioning]:
    """Each side with one more condition for each rectangle that any of the others names."""
    made: list[Conditioning] = []
    for number, side in enumerate(sides):
        for other in (*sides[:number], *sides[number + 1 :]):
            side = matched(side, other, height, width)
        made.append(side)
    return made


def weight(cond: Cond, latents: Latents) -> Tensor:
    """How much a condition counts at each place of its rectangle, Float[batch 1 height width], or with frames as latents."""
    height, width = latents.shape[-2:]
    place = rectangle(cond.area, height, width)
    strength = 1.0 if cond.strength is None else cond.strength
    inside = place.cut(torch.full_like(latents[:, :1], strength))
    if cond.mask is not None:
        mask = for_batch(scaled_mask(cond.mask, height, width).to(latents)[:, None], len(latents))
        mask = mask.view(len(mask), *[1] * (latents.ndim - 3), height, width)  # alike in all frames
        return inside * place.cut(mask) * cond.mask_strength
    return inside if cond.area is None else inside * _feathered(place, inside, height, width)


def scaled_mask(mask: Tensor, height: int, width: int) -> Tensor:
    """A mask [batch height width] at the latents' size.

    Raises:
        DiffusionError: nothing is left of it.
    """
    if not mask.numel():
        raise DiffusionError(
            f"The mask of a prompt is empty: {list(mask.shape)}.", "Look at the node that cut the mask."
        )
    planes = mask.reshape(-1, 1, *mask.shape[-2:]).float()
    if planes.shape[-2:] != (height, width):
        planes = F.interpolate(planes, (height, width), mode="bilinear")
    return planes[:, 0]


def for_batch(tensor: Tensor, batch: int) -> Tensor:
    """The first `batch` items, from the start again where there are fewer."""
    if len(tensor) >= batch:
        return tensor[:batch]
    return tensor.repeat(math.ceil(batch / len(tensor)), *[1] * (tensor.ndim - 1))[:batch]


def common_length(contexts: Sequence[Tensor]) -> list[Tensor]:
    """Contexts repeated along tokens to their least common multiple; attention gives the same answer."""
    length = math.lcm(*(context.shape[1] for context in contexts))
    return [context.repeat(1, length // context.shape[1], 1) for context in contexts]


def _feathered(place: Rectangle, like: Tensor, height: int, width: int) -> Tensor:
    """A linear rise over the first latents of each side that is not the picture's border."""
    ramp = torch.ones_like(like)
    sides = ((-2, place.top, place.bottom, height), (-1, place.left, place.right, width))
    for axis, first, last, size in sides:
        rise = min(FEATHER, (last - first) // 4)
        for step in range(rise):
            if first > 0:
                ramp.select(axis, step).mul_((step + 1) / rise)
            if last < size:
                ramp.select(axis, last - first - 1 - step).mul_((step + 1) / rise)
    return ramp

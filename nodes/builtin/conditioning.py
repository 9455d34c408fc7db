"""Conditionings: joined, mixed, and told where, when and how strongly they count."""

from dataclasses import replace
from typing import Annotated

import torch
import torch.nn.functional as F
from torch import Tensor

from nodes.builtin.kinds import BOUNDS, ConditioningIn, ConditioningOut, MaskBounds, MaskIn, Strength
from nodes.builtin.shares import told_if_empty
from nodes.diffusion.values import Area, Cond, Conditioning, Mask, Span
from nodes.spec import Context, Float, Int, Json, node

PIXELS = 8  # areas in pixels are meant for latents of this ratio, whatever the model
Side = Annotated[int, Int(minimum=64, maximum=16384, step=8)]
Place = Annotated[int, Int(minimum=0, maximum=16384, step=8)]
Share = Annotated[float, Float(minimum=0, maximum=1.0, step=0.01)]
Percent = Annotated[float, Float(minimum=0.0, maximum=1.0, step=0.001)]
TOKENS = "attention_mask"  # which tokens of a text count
LYRICS = "conditioning_lyrics"  # a second text of music models


@node("ConditioningCombine", name="Conditioning (Combine)", category="conditioning")
def conditioning_combine(
    ctx: Context, conditioning_1: ConditioningIn, conditioning_2: ConditioningIn
) -> ConditioningOut:
    """Both at once: their predictions are averaged."""
    return (*conditioning_1, *conditioning_2)


@node("ConditioningConcat", name="Conditioning (Concat)", category="conditioning")
def conditioning_concat(
    ctx: Context, conditioning_to: ConditioningIn, conditioning_from: ConditioningIn
) -> ConditioningOut:
    """One after the other, as a longer prompt."""
    first = _first(ctx, conditioning_from, "conditioning_from")
    if first is None:
        return conditioning_to
    return tuple(_longer(cond, first) for cond in conditioning_to)


@node("ConditioningAverage", category="conditioning")
def conditioning_average(
    ctx: Context,
    conditioning_to: ConditioningIn,
    conditioning_from: ConditioningIn,
    conditioning_to_strength: Annotated[float, Float(minimum=0.0, maximum=1.0, step=0.01)] = 1.0,
) -> ConditioningOut:
    """A mix of two prompts: at 1 the first alone, at 0 the other."""
    first = _first(ctx, conditioning_from, "conditioning_from")
    if first is None:
        return conditioning_to
    return tuple(_mixed(cond, first, conditioning_to_strength) for cond in conditioning_to)


@node("ConditioningSetArea", name="Conditioning (Set Area)", category="conditioning")
def conditioning_set_area(
    ctx: Context,
    conditioning: ConditioningIn,
    width: Side = 64,
    height: Side = 64,
    x: Place = 0,
    y: Place = 0,
    strength: Strength = 1.0,
) -> ConditioningOut:
    """Let a prompt count in a rectangle of the picture, in pixels from its upper left."""
    area = Area(height // PIXELS, width // PIXELS, y // PIXELS, x // PIXELS)
    return _placed(conditioning, area, strength)


@node(
    "ConditioningSetAreaPercentage",
    name="Conditioning (Set Area with Percentage)",
    category="conditioning",
)
def conditioning_set_area_percentage(
    ctx: Context,
    conditioning: ConditioningIn,
    width: Share = 1.0,
    height: Share = 1.0,
    x: Share = 0,
    y: Share = 0,
    strength: Strength = 1.0,
) -> ConditioningOut:
    """Let a prompt count in a rectangle of the picture, in shares of its sides (0.5 is half)."""
    return _placed(conditioning, Area(height, width, y, x, relative=True), strength)


@node("ConditioningSetAreaPercentageVideo", category="conditioning")
def conditioning_set_area_percentage_video(
    ctx: Context,
    conditioning: ConditioningIn,
    width: Share = 1.0,
    height: Share = 1.0,
    temporal: Share = 1.0,
    x: Share = 0,
    y: Share = 0,
    z: Share = 0,
    strength: Strength = 1.0,
) -> ConditioningOut:
    """Let a prompt count in a part of a video: `temporal` and `z` are its length and start, in shares of all frames."""
    area = Area(height, width, y, x, relative=True, frames=temporal, first=z)
    return _placed(conditioning, area, strength)


@node("ConditioningSetAreaStrength", category="conditioning")
def conditioning_set_area_strength(
    ctx: Context, conditioning: ConditioningIn, strength: Strength = 1.0
) -> ConditioningOut:
    """How much a prompt counts against the others of its side."""
    return tuple(replace(cond, strength=strength) for cond in conditioning)


@node("ConditioningSetMask", name="Conditioning (Set Mask)", category="conditioning")
def conditioning_set_mask(
    ctx: Context,
    conditioning: ConditioningIn,
    mask: MaskIn,
    strength: Strength = 1.0,
    *,
    set_cond_area: MaskBounds,
) -> ConditioningOut:
    """Let a prompt count where a mask is white. "mask bounds" computes only the part of the picture around the mask."""
    return masked(conditioning, mask, strength, set_cond_area)


@node("ConditioningSetTimestepRange", category="advanced/conditioning")
def conditioning_set_timestep_range(
    ctx: Context, conditioning: ConditioningIn, start: Percent = 0.0, end: Percent = 1.0
) -> ConditioningOut:
    """Let a prompt count during a share of the run: 0 is its start, 1 its end."""
    told_if_empty(ctx, start, end, ("start", "end"))
    return tuple(replace(cond, span=Span(start, end)) for cond in conditioning)


@node("ConditioningZeroOut", category="advanced/conditioning")
def conditioning_zero_out(ctx: Context, conditioning: ConditioningIn) -> ConditioningOut:
    """Nothing said, in the shape of a prompt: what models that were trained so take for no text."""
    return tuple(_zeroed(cond) for cond in conditioning)


def masked(conditioning: Conditioning, mask: Mask, strength: float, bounds: Json) -> Conditioning:
    """Conditions that count where a mask is white, within its bounds if `bounds` says so."""
    planes = mask[None] if mask.ndim < 3 else mask
    return tuple(
        replace(cond, mask=planes, mask_strength=strength, to_bounds=bounds == BOUNDS)
        for cond in conditioning
    )


def _placed(conditioning: Conditioning, area: Area, strength: float) -> Conditioning:
    return tuple(replace(cond, area=area, strength=strength, to_bounds=False) for cond in conditioning)


def _first(ctx: Context, conditioning: Conditioning, name: str) -> Cond | None:
    if len(conditioning) != 1:
        what = "is empty: nothing of it is used" if not conditioning else "holds several: the first is used"
        ctx.say(f"The input {name} {what}.")
    return conditioning[0] if conditioning else None


def _longer(cond: Cond, other: Cond) -> Cond:
    """The condition with another's tokens behind its own; which tokens count is said of both, where it is said of one."""
    longer = replace(cond, context=torch.cat((cond.context, other.context), 1))
    masks = [each.extra.get(TOKENS) for each in (cond, other)]
    told = [
        mask if isinstance(mask, Tensor) and mask.ndim == 2 else None for mask in masks
    ]  # not of attention
    if told == [None, None]:
        return longer
    whole = [
        torch.ones_like(each.context[..., 0]) if mask is None else mask.to(each.context)
        for each, mask in zip((cond, other), told, strict=True)
    ]
    batch = max(map(len, whole))
    return longer.with_extra({TOKENS: torch.cat([mask.expand(batch, -1) for mask in whole], 1)})


def _mixed(cond: Cond, other: Cond, strength: float) -> Cond:
    """Tokens that `other` has fewer of count as zeros; without a pooled vector of its own a condition takes the other's."""
    length = cond.context.shape[1]
    context = F.pad(other.context[:, :length], (0, 0, 0, max(0, length - other.context.shape[1])))
    pooled = other.pooled if cond.pooled is None else cond.pooled
    if cond.pooled is not None and other.pooled is not None:
        pooled = _blend(cond.pooled, other.pooled, strength)
    return replace(cond, context=_blend(cond.context, context, strength), pooled=pooled)


def _blend(one: Tensor, other: Tensor, strength: float) -> Tensor:
    return one * strength + other * (1.0 - strength)


def _zeroed(cond: Cond) -> Cond:
    lyrics = cond.extra.get(LYRICS)
    pooled = None if cond.pooled is None else torch.zeros_like(cond.pooled)
    empty = replace(cond, context=torch.zeros_like(cond.context), pooled=pooled)
    return empty.with_extra({LYRICS: torch.zeros_like(lyrics)}) if isinstance(lyrics, Tensor) else empty


NODES = (
    conditioning_combine,
    conditioning_concat,
    conditioning_average,
    conditioning_set_area,
    conditioning_set_area_percentage,
    conditioning_set_area_percentage_video,
    conditioning_set_area_strength,
    conditioning_set_mask,
    conditioning_set_timestep_range,
    conditioning_zero_out,
)

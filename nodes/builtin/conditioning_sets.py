"""Several properties of a conditioning at once, for one side or both, and conditions that fill what others leave."""

from dataclasses import replace
from typing import Annotated

from nodes.builtin.conditioning import Percent, masked
from nodes.builtin.kinds import (
    ConditioningIn,
    ConditioningOut,
    HooksIn,
    MaskBounds,
    NegativeOut,
    PositiveOut,
    Strength,
)
from nodes.diffusion.values import Conditioning, HookGroup, Mask, Span
from nodes.spec import Context, Out, Socket, node

SINGLE, PAIR = "advanced/hooks/cond single", "advanced/hooks/cond pair"
MaskMaybe = Annotated[Mask | None, Socket("MASK", optional=True)]
SpanMaybe = Annotated[Span | None, Socket("TIMESTEPS_RANGE", optional=True)]


@node("ConditioningTimestepsRange", name="Timesteps Range", category="advanced/hooks", experimental=True)
def conditioning_timesteps_range(
    ctx: Context, start_percent: Percent = 0.0, end_percent: Percent = 1.0
) -> tuple[
    Annotated[Span, Out("TIMESTEPS_RANGE")],
    Annotated[Span, Out("TIMESTEPS_RANGE", "BEFORE_RANGE")],
    Annotated[Span, Out("TIMESTEPS_RANGE", "AFTER_RANGE")],
]:
    """A share of the run, and what lies before and after it."""
    return Span(start_percent, end_percent), Span(0.0, start_percent), Span(end_percent, 1.0)


@node("ConditioningSetProperties", name="Cond Set Props", category=SINGLE, experimental=True)
def conditioning_set_properties(
    ctx: Context,
    cond_NEW: ConditioningIn,
    strength: Strength = 1.0,
    *,
    set_cond_area: MaskBounds,
    mask: MaskMaybe = None,
    hooks: HooksIn = None,
    timesteps: SpanMaybe = None,
) -> ConditioningOut:
    """Where, when and with which hooks a prompt counts. Without a mask, `strength` changes nothing."""
    return _set(cond_NEW, strength, set_cond_area, mask, hooks, timesteps)


@node(
    "ConditioningSetPropertiesAndCombine", name="Cond Set Props Combine", category=SINGLE, experimental=True
)
def conditioning_set_properties_and_combine(
    ctx: Context,
    cond: ConditioningIn,
    cond_NEW: ConditioningIn,
    strength: Strength = 1.0,
    *,
    set_cond_area: MaskBounds,
    mask: MaskMaybe = None,
    hooks: HooksIn = None,
    timesteps: SpanMaybe = None,
) -> ConditioningOut:
    """Set the properties of a prompt and put it beside another."""
    return (*cond, *_set(cond_NEW, strength, set_cond_area, mask, hooks, timesteps))


@node("ConditioningSetDefaultCombine", name="Cond Set Default Combine", category=SINGLE, experimental=True)
def conditioning_set_default_combine(
    ctx: Context, cond: ConditioningIn, cond_DEFAULT: ConditioningIn, hooks: HooksIn = None
) -> ConditioningOut:
    """Put a prompt beside others that counts only where they leave room."""
    return (*cond, *_filling(cond_DEFAULT, hooks))


@node("PairConditioningCombine", name="Cond Pair Combine", category=PAIR, experimental=True)
def pair_conditioning_combine(
    ctx: Context,
    positive_A: ConditioningIn,
    negative_A: ConditioningIn,
    positive_B: ConditioningIn,
    negative_B: ConditioningIn,
) -> tuple[PositiveOut, NegativeOut]:
    """Both pairs at once."""
    return (*positive_A, *positive_B), (*negative_A, *negative_B)


@node(
    "PairConditioningSetDefaultCombine",
    name="Cond Pair Set Default Combine",
    category=PAIR,
    experimental=True,
)
def pair_conditioning_set_default_combine(
    ctx: Context,
    positive: ConditioningIn,
    negative: ConditioningIn,
    positive_DEFAULT: ConditioningIn,
    negative_DEFAULT: ConditioningIn,
    hooks: HooksIn = None,
) -> tuple[PositiveOut, NegativeOut]:
    """Put a pair beside another that counts only where the others of its side leave room."""
    return (*positive, *_filling(positive_DEFAULT, hooks)), (*negative, *_filling(negative_DEFAULT, hooks))


@node("PairConditioningSetProperties", name="Cond Pair Set Props", category=PAIR, experimental=True)
def pair_conditioning_set_properties(
    ctx: Context,
    positive_NEW: ConditioningIn,
    negative_NEW: ConditioningIn,
    strength: Strength = 1.0,
    *,
    set_cond_area: MaskBounds,
    mask: MaskMaybe = None,
    hooks: HooksIn = None,
    timesteps: SpanMaybe = None,
) -> tuple[PositiveOut, NegativeOut]:
    """The properties of both sides at once."""
    return (
        _set(positive_NEW, strength, set_cond_area, mask, hooks, timesteps),
        _set(negative_NEW, strength, set_cond_area, mask, hooks, timesteps),
    )


@node(
    "PairConditioningSetPropertiesAndCombine",
    name="Cond Pair Set Props Combine",
    category=PAIR,
    experimental=True,
)
def pair_conditioning_set_properties_and_combine(
    ctx: Context,
    positive: ConditioningIn,
    negative: ConditioningIn,
    positive_NEW: ConditioningIn,
    negative_NEW: ConditioningIn,
    strength: Strength = 1.0,
    *,
    set_cond_area: MaskBounds,
    mask: MaskMaybe = None,
    hooks: HooksIn = None,
    timesteps: SpanMaybe = None,
) -> tuple[PositiveOut, NegativeOut]:
    """Set the properties of a pair and put it beside another."""
    return (
        (*positive, *_set(positive_NEW, strength, set_cond_area, mask, hooks, timesteps)),
        (*negative, *_set(negative_NEW, strength, set_cond_area, mask, hooks, timesteps)),
    )


def _set(
    conditioning: Conditioning,
    strength: float,
    bounds: str,
    mask: Mask | None,
    hooks: HookGroup | None,
    span: Span | None,
) -> Conditioning:
    made = _hooked(conditioning, hooks)
    if mask is not None:
        made = masked(made, mask, strength, bounds)
    return made if span is None else tuple(replace(cond, span=span) for cond in made)


def _filling(conditioning: Conditioning, hooks: HookGroup | None) -> Conditioning:
    return tuple(replace(cond, fills=True) for cond in _hooked(conditioning, hooks))


def _hooked(conditioning: Conditioning, hooks: HookGroup | None) -> Conditioning:
    if hooks is None:
        return conditioning
    return tuple(
        replace(cond, hooks=hooks if cond.hooks is None else cond.hooks.with_hooks(hooks))
        for cond in conditioning
    )


NODES = (
    conditioning_timesteps_range,
    conditioning_set_properties,
    conditioning_set_properties_and_combine,
    conditioning_set_default_combine,
    pair_conditioning_combine,
    pair_conditioning_set_default_combine,
    pair_conditioning_set_properties,
    pair_conditioning_set_properties_and_combine,
)

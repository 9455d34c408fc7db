"""Prompts: encoding, joining, and how deep into the text encoder to read."""

from dataclasses import replace
from typing import Annotated

import torch

from nodes.builtin.kinds import ClipIn, ClipOut, ConditioningIn, ConditioningOut
from nodes.builtin.models import models
from nodes.diffusion.values import Clip, Cond
from nodes.spec import Context, Int, NodeError, String, node


@node("CLIPTextEncode", name="CLIP Text Encode (Prompt)", category="conditioning")
def clip_text_encode(
    ctx: Context, text: Annotated[str, String(multiline=True, dynamic=True)], clip: ClipIn
) -> ConditioningOut:
    """What the picture should show, or, as negative, should not. `(word:1.2)` weighs a word; long prompts are fine."""
    with models(ctx) as loaded:
        encoded = loaded.encode(_there(clip), text)
        for warning in loaded.warnings:
            ctx.say(warning)
    return (Cond(encoded.context, encoded.pooled),)


@node("CLIPSetLastLayer", name="CLIP Set Last Layer", category="conditioning")
def clip_set_last_layer(
    ctx: Context, clip: ClipIn, stop_at_clip_layer: Annotated[int, Int(minimum=-24, maximum=-1, step=1)] = -1
) -> ClipOut:
    """Read the text encoder at an earlier layer: -1 is the last, -2 the one before ("clip skip 2")."""
    return replace(_there(clip), last_layer=stop_at_clip_layer)


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
    if not conditioning_from:
        return conditioning_to
    added = conditioning_from[0].context
    return tuple(replace(cond, context=torch.cat((cond.context, added), 1)) for cond in conditioning_to)


def _there(clip: Clip | None) -> Clip:
    if clip is None:
        raise NodeError(
            "The checkpoint brought no text encoder.",
            "Load one that has it, or connect CLIP from another loader.",
        )
    return clip


NODES = (clip_text_encode, clip_set_last_layer, conditioning_combine, conditioning_concat)

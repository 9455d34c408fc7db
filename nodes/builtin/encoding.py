"""Prompts to conditioning: with a clip's hooks, embeddings from the workspace, and warnings told on the node."""

from collections.abc import Mapping
from dataclasses import replace
from itertools import pairwise

from nodes.builtin.embeddings import embeddings
from nodes.builtin.kinds import AnyClip
from nodes.builtin.models import models, there
from nodes.diffusion.pool import Session
from nodes.diffusion.text import Prompts
from nodes.diffusion.values import Clip, Cond, Conditioning, Span
from nodes.spec import Context

NOTHING: Mapping[str, object] = {}


def encoded(
    ctx: Context, clip: AnyClip, prompt: str | Prompts, extra: Mapping[str, object] = NOTHING
) -> Conditioning:
    """What a prompt says, and `extra` beside it: one condition, or one for each strength of scheduled hooks.

    Raises:
        NodeError: there is no text encoder, or its file is wrong.
    """
    recipe = there(clip)
    hooks = recipe.hooks
    with models(ctx) as loaded:
        if hooks is None:
            made = (_read(ctx, loaded, recipe, prompt),)
        elif recipe.scheduled:
            ends = (*hooks.starts(), 1.0)
            made = tuple(
                replace(_read(ctx, loaded, recipe, prompt, share), read_for=Span(share, following))
                for share, following in pairwise(ends)
            )
        else:
            made = (_read(ctx, loaded, replace(recipe, hooks=hooks.without_keyframes()), prompt, 0.0),)
        for warning in loaded.warnings:
            ctx.say(warning)
    carried = hooks if recipe.hands_hooks_on else None
    return tuple(replace(cond, hooks=carried).with_extra(extra) for cond in made)


def _read(ctx: Context, loaded: Session, clip: Clip, prompt: str | Prompts, share: float = 0.0) -> Cond:
    if clip.hooks is not None:
        clip = replace(clip, patches=(*clip.patches, *clip.hooks.at(share)))
    read = loaded.encode(clip, prompt, embeddings(ctx))
    for warning in read.warnings:
        ctx.say(warning)
    return Cond(read.context, read.pooled, extra=read.extra)

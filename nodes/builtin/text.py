"""Prompts: read by the text encoder, and how deep into it to look."""

from collections.abc import Sequence
from dataclasses import replace
from typing import Annotated

import torch

from nodes.builtin.encoding import encoded
from nodes.builtin.kinds import ClipIn, ClipOut, ConditioningIn, ConditioningOut, Prompt
from nodes.builtin.models import there, told
from nodes.diffusion.text import Part, scheduled
from nodes.diffusion.values import Conditioning, Span
from nodes.spec import Combo, Context, Int, node

# As published with Lumina-Image 2.0 (Qin et al. 2025, arXiv:2503.21758).
SYSTEM_PROMPTS = {
    "superior": "You are an assistant designed to generate superior images with the superior degree of "
    "image-text alignment based on textual prompts or user prompts.",
    "alignment": "You are an assistant designed to generate high-quality images with the highest degree of "
    "image-text alignment based on textual prompts.",
}
Pixels = Annotated[int, Int(minimum=0, maximum=16384)]


@node("CLIPTextEncode", name="CLIP Text Encode (Prompt)", category="conditioning")
def clip_text_encode(ctx: Context, text: Prompt, clip: ClipIn) -> ConditioningOut:
    """What the picture should show, or, as negative, should not. `(word:1.2)` weighs a word; long prompts are fine."""
    return encoded(ctx, clip, text)


@node("CLIPSetLastLayer", name="CLIP Set Last Layer", category="conditioning")
def clip_set_last_layer(
    ctx: Context, clip: ClipIn, stop_at_clip_layer: Annotated[int, Int(minimum=-24, maximum=-1, step=1)] = -1
) -> ClipOut:
    """Read the text encoder at an earlier layer: -1 is the last, -2 the one before ("clip skip 2")."""
    return replace(there(clip), last_layer=stop_at_clip_layer)


@node("CLIPTextEncodeControlnet", category="_for_testing/conditioning", experimental=True)
def clip_text_encode_controlnet(
    ctx: Context, clip: ClipIn, conditioning: ConditioningIn, text: Prompt
) -> ConditioningOut:
    """Give control networks a prompt of their own."""
    read = encoded(ctx, clip, text)[0]
    said = {"cross_attn_controlnet": read.context, "pooled_output_controlnet": read.pooled}
    return tuple(cond.with_extra(said) for cond in conditioning)


@node("CLIPTextEncodePixArtAlpha", category="advanced/conditioning")
def clip_text_encode_pixart_alpha(
    ctx: Context, width: Pixels = 1024, height: Pixels = 1024, *, text: Prompt, clip: ClipIn
) -> ConditioningOut:
    """A prompt for PixArt alpha, which is told the picture's size with it."""
    return encoded(ctx, clip, text, {"width": width, "height": height})


@node("CLIPTextEncodeLumina2", name="CLIP Text Encode for Lumina2", category="conditioning")
def clip_text_encode_lumina2(
    ctx: Context,
    system_prompt: Annotated[str, Combo(tuple(SYSTEM_PROMPTS), bare=False)],
    user_prompt: Prompt,
    clip: ClipIn,
) -> ConditioningOut:
    """A prompt for Lumina 2, after a sentence that says what is wanted of it: beauty, or to follow the words."""
    return encoded(ctx, clip, f"{SYSTEM_PROMPTS[system_prompt]} <Prompt Start> {user_prompt}")


@node("WeftScheduledPrompt", name="Prompt with Schedule", category="conditioning")
def scheduled_prompt(
    ctx: Context,
    text: Prompt,
    clip: ClipIn,
    steps: Annotated[int, Int(minimum=1, maximum=10000)] = 20,
) -> ConditioningOut:
    """A prompt that changes over the run: `[cat:dog:0.5]`, `[cat|dog]` by turns, `AND`, `BREAK`.

    Shares of the run are those of Set Timestep Range; `steps`, as on the sampler, is for what is said in steps.
    """
    with told():
        parts = scheduled(text, steps)
    read = {chunk: encoded(ctx, clip, chunk) for part in parts for chunk in part.chunks}
    return tuple(cond for part in parts for cond in _during(part, [read[chunk] for chunk in part.chunks]))


def _during(part: Part, chunks: Sequence[Conditioning]) -> Conditioning:
    """A part's chunks as one, for its share of the run."""
    joined = chunks[0]
    for later in chunks[1:]:
        joined = tuple(
            replace(cond, context=torch.cat((cond.context, more.context), 1))
            for cond, more in zip(joined, later, strict=True)
        )
    span = None if part.span == Span() else part.span
    strength = None if part.weight == 1.0 else part.weight
    return tuple(replace(cond, span=span, strength=strength) for cond in joined)


NODES = (
    clip_text_encode,
    scheduled_prompt,
    clip_set_last_layer,
    clip_text_encode_controlnet,
    clip_text_encode_pixart_alpha,
    clip_text_encode_lumina2,
)

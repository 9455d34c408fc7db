"""Prompts for families that read several text encoders, or more than a prompt."""

from typing import Annotated

from nodes.builtin.encoding import encoded
from nodes.builtin.kinds import ClipIn, ConditioningOut, Prompt
from nodes.builtin.text import Pixels
from nodes.diffusion.text import Prompts
from nodes.spec import Combo, Context, Float, node

CATEGORY = "advanced/conditioning"


@node("CLIPTextEncodeSDXL", category=CATEGORY)
def clip_text_encode_sdxl(
    ctx: Context,
    clip: ClipIn,
    width: Pixels = 1024,
    height: Pixels = 1024,
    crop_w: Pixels = 0,
    crop_h: Pixels = 0,
    target_width: Pixels = 1024,
    target_height: Pixels = 1024,
    *,
    text_g: Prompt,
    text_l: Prompt,
) -> ConditioningOut:
    """A prompt for each text encoder of Stable Diffusion XL, and the sizes that it is told."""
    sizes = {
        "width": width,
        "height": height,
        "crop_w": crop_w,
        "crop_h": crop_h,
        "target_width": target_width,
        "target_height": target_height,
    }
    return encoded(ctx, clip, Prompts(text_g, {"g": text_g, "l": text_l}), sizes)


@node("CLIPTextEncodeSDXLRefiner", category=CATEGORY)
def clip_text_encode_sdxl_refiner(
    ctx: Context,
    ascore: Annotated[float, Float(minimum=0.0, maximum=1000.0, step=0.01)] = 6.0,
    width: Pixels = 1024,
    height: Pixels = 1024,
    *,
    text: Prompt,
    clip: ClipIn,
) -> ConditioningOut:
    """A prompt for the refiner of Stable Diffusion XL, and how beautiful the picture shall be."""
    return encoded(ctx, clip, text, {"aesthetic_score": ascore, "width": width, "height": height})


@node("CLIPTextEncodeFlux", category="advanced/conditioning/flux")
def clip_text_encode_flux(
    ctx: Context,
    clip: ClipIn,
    clip_l: Prompt,
    t5xxl: Prompt,
    guidance: Annotated[float, Float(minimum=0.0, maximum=100.0, step=0.1)] = 3.5,
) -> ConditioningOut:
    """A prompt for each text encoder of Flux, and how closely to follow it."""
    return encoded(ctx, clip, Prompts(clip_l, {"t5xxl": t5xxl}), {"guidance": guidance})


@node("CLIPTextEncodeSD3", category=CATEGORY)
def clip_text_encode_sd3(
    ctx: Context,
    clip: ClipIn,
    clip_l: Prompt,
    clip_g: Prompt,
    t5xxl: Prompt,
    empty_padding: Annotated[str, Combo(("none", "empty_prompt"), bare=False)],
) -> ConditioningOut:
    """A prompt for each text encoder of Stable Diffusion 3; with "none", one without a prompt reads nothing."""
    own = {"l": clip_l, "g": clip_g, "t5xxl": t5xxl}
    return encoded(ctx, clip, Prompts(clip_g, own, skips_empty=empty_padding == "none"))


@node("CLIPTextEncodeHunyuanDiT", category=CATEGORY)
def clip_text_encode_hunyuan_dit(ctx: Context, clip: ClipIn, bert: Prompt, mt5xl: Prompt) -> ConditioningOut:
    """A prompt for each text encoder of Hunyuan DiT."""
    return encoded(ctx, clip, Prompts(bert, {"mt5xl": mt5xl}))


@node("CLIPTextEncodeHiDream", category=CATEGORY)
def clip_text_encode_hidream(
    ctx: Context, clip: ClipIn, clip_l: Prompt, clip_g: Prompt, t5xxl: Prompt, llama: Prompt
) -> ConditioningOut:
    """A prompt for each text encoder of HiDream."""
    return encoded(ctx, clip, Prompts(clip_g, {"l": clip_l, "t5xxl": t5xxl, "llama": llama}))


@node("CLIPTextEncodeKandinsky5", category="advanced/conditioning/kandinsky5")
def clip_text_encode_kandinsky5(
    ctx: Context, clip: ClipIn, clip_l: Prompt, qwen25_7b: Prompt
) -> ConditioningOut:
    """A prompt for each text encoder of Kandinsky 5."""
    return encoded(ctx, clip, Prompts(clip_l, {"qwen25_7b": qwen25_7b}))


NODES = (
    clip_text_encode_sdxl,
    clip_text_encode_sdxl_refiner,
    clip_text_encode_flux,
    clip_text_encode_sd3,
    clip_text_encode_hunyuan_dit,
    clip_text_encode_hidream,
    clip_text_encode_kandinsky5,
)

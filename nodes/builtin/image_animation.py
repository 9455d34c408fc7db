"""Pictures as one moving picture: animated PNG and WebP."""

from collections.abc import Mapping
from typing import Annotated

from nodes.builtin import picture_files, record
from nodes.builtin.kinds import ImageIn
from nodes.spec import (
    Boolean,
    Combo,
    Context,
    Float,
    Hidden,
    Int,
    Json,
    Place,
    Result,
    SaveSlot,
    String,
    node,
)

EFFORTS = {"default": 4, "fastest": 0, "slowest": 6}  # of WebP's encoder
Prefix = Annotated[str, String(extra={"multiline": False})]
Fps = Annotated[float, Float(minimum=0.01, maximum=1000.0, step=0.01)]
Prompt = Annotated[Mapping[str, Json] | None, Hidden("PROMPT")]
Extra = Annotated[Mapping[str, Json] | None, Hidden("EXTRA_PNGINFO")]


@node("SaveAnimatedPNG", category="image/animation", output=True)
def save_animated_png(
    ctx: Context,
    images: ImageIn,
    filename_prefix: Prefix = "ComfyUI",
    fps: Fps = 6.0,
    compress_level: Annotated[int, Int(minimum=0, maximum=9)] = 4,
    prompt: Prompt = None,
    extra_pnginfo: Extra = None,
) -> Result:
    """Write all pictures as one animated PNG, with the prompt and the workflow that made them."""
    texts = record.texts(ctx, prompt, extra_pnginfo)
    slot = _slot(ctx, images, filename_prefix, ".png")
    with slot.writing() as path:
        picture_files.write_animated_png(path, images, fps, compress_level, texts)
    return _shown(slot, images)


@node("SaveAnimatedWEBP", category="image/animation", output=True)
def save_animated_webp(
    ctx: Context,
    images: ImageIn,
    filename_prefix: Prefix = "ComfyUI",
    fps: Fps = 6.0,
    lossless: Annotated[bool, Boolean()] = True,
    quality: Annotated[int, Int(minimum=0, maximum=100)] = 80,
    *,
    method: Annotated[str, Combo(tuple(EFFORTS), bare=False)],
    prompt: Prompt = None,
    extra_pnginfo: Extra = None,
) -> Result:
    """Write all pictures as one animated WebP, with the prompt and the workflow that made them."""
    texts = record.texts(ctx, prompt, extra_pnginfo)
    slot = _slot(ctx, images, filename_prefix, ".webp")
    how = picture_files.WebP(lossless, quality, EFFORTS[method])
    with slot.writing() as path:
        picture_files.write_animated_webp(path, images, fps, how, texts)
    return _shown(slot, images)


def _slot(ctx: Context, images: ImageIn, prefix: str, suffix: str) -> SaveSlot:
    height, width = images.shape[1:3]
    return ctx.files.reserve(Place.OUTPUT, prefix, suffix, width=width, height=height)


def _shown(slot: SaveSlot, images: ImageIn) -> Result:
    return Result(ui={"images": [slot.reference()], "animated": [len(images) > 1]})


NODES = (save_animated_png, save_animated_webp)

"""Pictures: load, save, preview, scale, batch, invert, blend."""

import hashlib
from collections.abc import Mapping
from typing import Annotated

import torch

from nodes.builtin import picture_files, record
from nodes.builtin.kinds import ImageIn, ImageOut, MaskOut
from nodes.diffusion.resize import resize
from nodes.diffusion.values import Image
from nodes.spec import (
    Combo,
    Context,
    Float,
    Hidden,
    Int,
    Json,
    NodeError,
    Place,
    Result,
    String,
    node,
)

METHODS = ("nearest-exact", "bilinear", "area", "bicubic", "lanczos")
CROPS = ("disabled", "center")
Side = Annotated[int, Int(minimum=0, maximum=16384, step=1)]
Upload = Annotated[str, Combo(folder="input", extra={"image_upload": True})]
Prompt = Annotated[Mapping[str, Json] | None, Hidden("PROMPT")]
Extra = Annotated[Mapping[str, Json] | None, Hidden("EXTRA_PNGINFO")]
SAVE_EFFORT = 4
PREVIEW_EFFORT = 1


def file_token(ctx: Context, image: str | None = None, **_others: Json) -> str:
    """Changes when the file does."""
    return hashlib.sha256(ctx.files.picture(image or "").read_bytes()).hexdigest()


def file_exists(ctx: Context, image: str | None = None) -> bool | str:
    """The file may have gone since the list was read."""
    if image is None:
        return True
    try:
        ctx.files.picture(image)
    except NodeError:
        return f"Invalid image file: {image}"
    return True


@node("LoadImage", name="Load Image", category="image", change_token=file_token, validate=file_exists)
def load_image(ctx: Context, image: Upload) -> tuple[ImageOut, MaskOut]:
    """A picture from the input folder, and its transparency as a mask. Drop a file on the node to upload it."""
    return picture_files.read(ctx.files.picture(image))


@node(
    "LoadImageMask",
    name="Load Image (as Mask)",
    category="mask",
    change_token=file_token,
    validate=file_exists,
)
def load_image_mask(
    ctx: Context, image: Upload, channel: Annotated[str, Combo(("alpha", "red", "green", "blue"))]
) -> MaskOut:
    """One channel of a picture from the input folder as a mask."""
    return picture_files.read_channel(ctx.files.picture(image), channel)


@node("SaveImage", name="Save Image", category="image", output=True)
def save_image(
    ctx: Context,
    images: ImageIn,
    filename_prefix: Annotated[str, String()] = "ComfyUI",
    prompt: Prompt = None,
    extra_pnginfo: Extra = None,
) -> Result:
    """Write the pictures to the output folder as PNG; each carries the prompt and the workflow that made it."""
    return _written(ctx, images, filename_prefix, prompt, extra_pnginfo, Place.OUTPUT, SAVE_EFFORT)


@node("PreviewImage", name="Preview Image", category="image", output=True)
def preview_image(
    ctx: Context, images: ImageIn, prompt: Prompt = None, extra_pnginfo: Extra = None
) -> Result:
    """Show the pictures on the node; they go to the temporary folder."""
    tag = hashlib.sha256(ctx.node_id.encode()).hexdigest()[:5]
    return _written(ctx, images, f"ComfyUI_temp_{tag}", prompt, extra_pnginfo, Place.TEMP, PREVIEW_EFFORT)


@node("ImageScale", name="Upscale Image", category="image/upscaling")
def image_scale(
    ctx: Context,
    image: ImageIn,
    upscale_method: Annotated[str, Combo(METHODS)],
    width: Side = 512,
    height: Side = 512,
    crop: Annotated[str, Combo(CROPS)] = "disabled",
) -> ImageOut:
    """Scale to a size in pixels. A side of 0 follows from the other; both 0 leaves the picture as it is."""
    if width == 0 and height == 0:
        return image
    old_height, old_width = image.shape[1:3]
    width = width or max(1, round(old_width * height / old_height))
    height = height or max(1, round(old_height * width / old_width))
    return scaled(image, width, height, upscale_method, crop)


@node("ImageScaleBy", name="Upscale Image By", category="image/upscaling")
def image_scale_by(
    ctx: Context,
    image: ImageIn,
    upscale_method: Annotated[str, Combo(METHODS)],
    scale_by: Annotated[float, Float(minimum=0.01, maximum=8.0, step=0.01)] = 1.0,
) -> ImageOut:
    """Scale both sides by a factor."""
    return scaled(image, round(image.shape[2] * scale_by), round(image.shape[1] * scale_by), upscale_method)


@node("ImageInvert", name="Invert Image", category="image")
def image_invert(ctx: Context, image: ImageIn) -> ImageOut:
    """The negative."""
    return 1.0 - image


@node("ImageBatch", name="Batch Images", category="image", deprecated=True)
def image_batch(ctx: Context, image1: ImageIn, image2: ImageIn) -> ImageOut:
    """Both in one batch; the second is scaled to the size of the first."""
    channels = max(image1.shape[-1], image2.shape[-1])
    first, second = (with_channels(image, channels) for image in (image1, image2))
    if first.shape[1:3] != second.shape[1:3]:
        second = scaled(second, first.shape[2], first.shape[1], "bilinear", "center")
    return torch.cat((first, second))


@node("ImageBlend", category="image/postprocessing")
def image_blend(
    ctx: Context,
    image1: ImageIn,
    image2: ImageIn,
    blend_factor: Annotated[float, Float(minimum=0.0, maximum=1.0, step=0.01)] = 0.5,
    blend_mode: Annotated[
        str, Combo(("normal", "multiply", "screen", "overlay", "soft_light", "difference"), bare=False)
    ] = "normal",
) -> ImageOut:
    """Lay the second picture over the first."""
    below, above = image1, matched_channels(image1, image2)
    if below.shape != above.shape:
        above = scaled(above, below.shape[2], below.shape[1], "bicubic", "center")
    return (below * (1 - blend_factor) + _blended(below, above, blend_mode) * blend_factor).clamp(0, 1)


def scaled(image: Image, width: int, height: int, method: str, crop: str = "disabled") -> Image:
    """A picture [B, H, W, C] in another size.

    Raises:
        NodeError: a side would be 0.
    """
    if width < 1 or height < 1:
        raise NodeError(
            f"The picture would be {width} x {height} pixels.", "Choose a size of at least 1 x 1."
        )
    return resize(image.movedim(-1, 1), width, height, method, crop).movedim(1, -1)


def with_channels(image: Image, channels: int) -> Image:
    """The picture with one opaque channel more, if it has fewer than `channels`."""
    if image.shape[-1] >= channels:
        return image
    return torch.cat((image, image.new_ones((*image.shape[:-1], 1))), dim=-1)


def matched_channels(to: Image, image: Image) -> Image:
    """The picture with as many channels as `to`: cut, or with an opaque one more."""
    return (
        image[..., : to.shape[-1]] if image.shape[-1] > to.shape[-1] else with_channels(image, to.shape[-1])
    )


def _written(
    ctx: Context,
    images: Image,
    prefix: str,
    prompt: Mapping[str, Json] | None,
    extra: Mapping[str, Json] | None,
    place: Place,
    effort: int,
) -> Result:
    shown: list[Json] = []
    height, width = images.shape[1:3]
    recorder = record.of(ctx)
    made_by: Mapping[str, Json] | None = None
    if recorder is not None and recorder.wanted:
        made_by = recorder.record(ctx.lineage) | {"count": len(images)}
    elif recorder is not None:
        prompt = extra = None
    for index, picture in enumerate(images):
        numbered = prefix.replace("%batch_num%", str(index))
        slot = ctx.files.reserve(place, numbered, ".png", width=width, height=height)
        told = None if made_by is None else {**made_by, "index": index}
        with slot.writing() as path:
            picture_files.write_png(path, picture, prompt, extra, told, effort=effort)
        shown.append(slot.reference())
        ctx.check_stop()
    return Result(ui={"images": shown})


def _blended(a: Image, b: Image, mode: str) -> Image:
    """Source: the separable blend modes of the W3C's Compositing and Blending, section 9."""
    match mode:
        case "multiply":
            return a * b
        case "screen":
            return 1 - (1 - a) * (1 - b)
        case "overlay":
            return torch.where(a <= 0.5, 2 * a * b, 1 - 2 * (1 - a) * (1 - b))
        case "soft_light":
            lifted = torch.where(a <= 0.25, ((16 * a - 12) * a + 4) * a, a.sqrt())
            return torch.where(b <= 0.5, a - (1 - 2 * b) * a * (1 - a), a + (2 * b - 1) * (lifted - a))
        case "difference":
            return a - b
        case _:
            return b


NODES = (
    load_image,
    load_image_mask,
    save_image,
    preview_image,
    image_scale,
    image_scale_by,
    image_invert,
    image_batch,
    image_blend,
)

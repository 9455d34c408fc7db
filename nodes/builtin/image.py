"""Pictures: load, save, preview."""

import hashlib
from collections.abc import Mapping
from typing import Annotated

from nodes.builtin import picture_files, record
from nodes.builtin.kinds import ImageIn, ImageOut, MaskIn, MaskOut
from nodes.diffusion.values import Image
from nodes.spec import Combo, Context, Hidden, Json, NodeError, Place, Result, String, node

Upload = Annotated[str, Combo(folder="input", extra={"image_upload": True})]
OutputUpload = Annotated[
    str,
    Combo(
        bare=False,
        extra={
            "image_upload": True,
            "remote": {
                "route": "/internal/files/output",
                "refresh_button": True,
                "control_after_refresh": "first",
            },
        },
    ),
]
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


def output_token(ctx: Context, image: str | None = None) -> str:
    """As `file_token`, for a name of the output folder."""
    return file_token(ctx, in_output(image or ""))


def output_exists(ctx: Context, image: str | None = None) -> bool | str:
    """As `file_exists`, for a name of the output folder."""
    return file_exists(ctx, None if image is None else in_output(image))


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
    return preview(ctx, images, prompt, extra_pnginfo)


@node(
    "LoadImageOutput",
    name="Load Image (from Outputs)",
    category="image",
    experimental=True,
    change_token=output_token,
    validate=output_exists,
)
def load_image_output(ctx: Context, image: OutputUpload) -> tuple[ImageOut, MaskOut]:
    """A picture from the output folder, and its transparency as a mask. The list shows the newest first."""
    return picture_files.read(ctx.files.picture(in_output(image)))


@node("MaskPreview", name="Preview Mask", category="mask", output=True)
def mask_preview(ctx: Context, mask: MaskIn, prompt: Prompt = None, extra_pnginfo: Extra = None) -> Result:
    """Show a mask on the node, in gray; it goes to the temporary folder."""
    picture = mask.reshape(-1, *mask.shape[-2:], 1).expand(-1, -1, -1, 3)
    return preview(ctx, picture, prompt, extra_pnginfo)


def in_output(name: str) -> str:
    """A picture's name; one that says no folder lies in that of outputs, whose list names its files so."""
    return name if name.endswith("]") else f"{name} [{Place.OUTPUT}]"


def preview(
    ctx: Context, images: Image, prompt: Mapping[str, Json] | None, extra: Mapping[str, Json] | None
) -> Result:
    """Pictures in the temporary folder, under a name that each node has for itself."""
    tag = hashlib.sha256(ctx.node_id.encode()).hexdigest()[:5]
    return _written(ctx, images, f"ComfyUI_temp_{tag}", prompt, extra, Place.TEMP, PREVIEW_EFFORT)


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


NODES = (load_image, load_image_mask, load_image_output, save_image, preview_image, mask_preview)

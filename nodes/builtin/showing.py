"""What is shown or sent and makes no picture file: pictures to a client, drawings as SVG, things of three dimensions."""

import json
import re
from collections.abc import Mapping, Sequence
from io import BytesIO
from time import time
from typing import Annotated, cast

from nodes.builtin import image as pictures
from nodes.builtin import picture_files, record
from nodes.builtin.kinds import ImageIn, ImageOut
from nodes.diffusion.media import Svg
from nodes.diffusion.values import Image
from nodes.spec import (
    Boolean,
    Combo,
    Context,
    Hidden,
    Int,
    Json,
    NodeError,
    Out,
    Place,
    Preview,
    Result,
    Socket,
    String,
    node,
)

Prompt = Annotated[Mapping[str, Json] | None, Hidden("PROMPT")]
Extra = Annotated[Mapping[str, Json] | None, Hidden("EXTRA_PNGINFO")]
Side = Annotated[int, Int(minimum=0, maximum=16384, step=1)]
SVG_TAG = re.compile(rb"<svg\b[^>]*>")


def _now(ctx: Context, **_inputs: Json) -> str:
    """Never the same: whoever listens gets the pictures each time."""
    return repr(time())


def _choice_is_free(ctx: Context, choice: str | None = None) -> bool:
    """The canvas holds the list; here every text is one of it."""
    return True


@node("SaveImageWebsocket", name="SaveImageWebsocket", category="api/image", output=True, change_token=_now)
def save_image_websocket(ctx: Context, images: ImageIn) -> Result:
    """Send the pictures to the client as PNGs, in full size, and write none to the disk."""
    for index, picture in enumerate(images):
        ctx.progress(index, len(images), Preview(picture_files.png(picture), "png"))
    return Result(ui={"images": []})


@node("SaveSVGNode", name="SaveSVGNode", category="image/save", output=True)
def save_svg(
    ctx: Context,
    svg: Annotated[Svg, Socket("SVG")],
    filename_prefix: Annotated[str, String(extra={"multiline": False})] = "svg/ComfyUI",
    prompt: Prompt = None,
    extra_pnginfo: Extra = None,
) -> Result:
    """Write drawings to the output folder as SVG; each carries the prompt and the workflow that made it."""
    told = record.texts(ctx, prompt, extra_pnginfo)
    shown: list[Json] = []
    for index, file in enumerate(_files(svg)):
        numbered = filename_prefix.replace("%batch_num%", str(index))
        slot = ctx.files.reserve(Place.OUTPUT, numbered, ".svg")
        with slot.writing() as path:
            path.write_bytes(_with_metadata(file, told))
        shown.append(slot.reference())
    return Result(ui={"images": shown})


@node("CustomCombo", name="Custom Combo", category="utils", validate=_choice_is_free, experimental=True)
def custom_combo(
    ctx: Context, choice: Annotated[str, Combo((), bare=False)]
) -> Annotated[str, Out("STRING")]:
    """One of several texts; which there are is typed on the node."""
    return choice


@node(
    "WebcamCapture",
    name="Webcam Capture",
    category="image",
    change_token=pictures.file_token,
    validate=pictures.file_exists,
)
def webcam_capture(
    ctx: Context,
    image: Annotated[str, Socket("WEBCAM")],
    width: Side = 0,
    height: Side = 0,
    capture_on_queue: Annotated[bool, Boolean()] = True,
) -> ImageOut:
    """A picture from the camera, which the canvas has taken and uploaded."""
    del width, height, capture_on_queue  # the canvas reads them
    return picture_files.read(ctx.files.picture(image))[0]


@node("Preview3D", name="Preview 3D & Animation", category="3d", output=True, experimental=True)
def preview_3d(
    ctx: Context,
    model_file: Annotated[str, String(extra={"multiline": False})] = "",
    camera_info: Annotated[Json, Socket("LOAD3D_CAMERA", optional=True)] = None,
    bg_image: Annotated[Image | None, Socket("IMAGE", optional=True)] = None,
    prompt: Prompt = None,
    extra_pnginfo: Extra = None,
) -> Result:
    """Tell the canvas which file of three dimensions to show, from where, and before which picture."""
    background: Json = None
    if bg_image is not None:
        slot = ctx.files.reserve(Place.TEMP, "bg", ".png")
        with slot.writing() as path:
            path.write_bytes(picture_files.png(bg_image[0]))
        background = f"temp/{slot.filename}"
    return Result(ui={"result": [model_file, camera_info, background]})


def _files(svg: object) -> Sequence[bytes]:
    """Ours, or those of a pack, which keeps them as open files under `data`.

    Raises:
        NodeError: it is neither.
    """
    if isinstance(svg, Svg):
        return svg.files
    held: object = getattr(svg, "data", None)
    if isinstance(held, list) and all(isinstance(file, BytesIO) for file in cast("list[object]", held)):
        return [file.getvalue() for file in cast("list[BytesIO]", held)]
    raise NodeError("svg holds no drawings.", "Connect an output of type SVG.")


def _with_metadata(file: bytes, told: Mapping[str, Json]) -> bytes:
    """With what made it behind each opening tag; the end of the enclosing section cannot stand within."""
    if not told:
        return file
    text = json.dumps(told, indent=2).replace("]]>", "]]]]><![CDATA[>").encode()
    metadata = b"\n<metadata>\n<![CDATA[\n" + text + b"\n]]>\n</metadata>\n"
    return SVG_TAG.sub(lambda found: found[0] + metadata, file)


NODES = (save_image_websocket, save_svg, custom_combo, webcam_capture, preview_3d)

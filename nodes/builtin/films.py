"""Videos in files: load one by its name alone, save as MP4 or WebM with what made it."""

import json
from collections.abc import Mapping
from typing import Annotated

from nodes.builtin import film_saving, record
from nodes.builtin.film_files import About, about
from nodes.builtin.film_saving import Form
from nodes.builtin.kinds import ImageIn
from nodes.builtin.models import told
from nodes.diffusion.media import Film, Video, VideoFile
from nodes.diffusion.models.files import ContentHashes
from nodes.spec import (
    Combo,
    Context,
    Float,
    Hidden,
    Json,
    NodeError,
    Out,
    Place,
    Result,
    SaveSlot,
    Socket,
    String,
    node,
)

CATEGORY = "image/video"
AUTO, H264 = "auto", "h264"
# Encoders of free licences come first. Of those behind, x264 is under the GPL: PyPI's packages of av bring it, we do not.
ENCODERS: Mapping[str, Mapping[str, str]] = {
    "libopenh264": {},
    "h264_videotoolbox": {},
    "h264_mf": {},
    "libx264": {},
}
MP4 = Form(
    "H.264", "mp4", ENCODERS, "yuv420p", even=True, options={"movflags": "use_metadata_tags+faststart"}
)
VP9, AV1 = "vp9", "av1"
Prefix = Annotated[str, String(extra={"multiline": False})]
Prompt = Annotated[Mapping[str, Json] | None, Hidden("PROMPT")]
Extra = Annotated[Mapping[str, Json] | None, Hidden("EXTRA_PNGINFO")]
Upload = Annotated[str, Combo(folder="input_video", bare=False, extra={"video_upload": True})]


def file_token(ctx: Context, file: str | None = None) -> str:
    """Changes when the file does. Its content is hashed once, however often it is asked for."""
    return _hashes(ctx).reference(ctx.files.picture(file or "")).content


def file_exists(ctx: Context, file: str | None = None) -> bool | str:
    """The file may have gone since the list was read."""
    if file is None:
        return True
    try:
        ctx.files.picture(file)
    except NodeError:
        return f"Invalid video file: {file}"
    return True


@node("LoadVideo", name="Load Video", category=CATEGORY, change_token=file_token, validate=file_exists)
def load_video(ctx: Context, file: Upload) -> Annotated[Film, Out("VIDEO")]:
    """A video of the input folder. Its frames are read where a node needs them. Drop a file on the node to upload it."""
    path = ctx.files.picture(file)
    about(path)  # so that a file that is none is refused here
    with told():
        return VideoFile(_hashes(ctx).reference(path))


@node("SaveVideo", name="Save Video", category=CATEGORY, output=True)
def save_video(
    ctx: Context,
    video: Annotated[Film, Socket("VIDEO")],
    filename_prefix: Prefix = "video/ComfyUI",
    format: Annotated[str, Combo((AUTO, "mp4"), bare=False, extra={"default": AUTO})] = AUTO,
    codec: Annotated[str, Combo((AUTO, H264), bare=False, extra={"default": AUTO})] = AUTO,
    prompt: Prompt = None,
    extra_pnginfo: Extra = None,
) -> Result:
    """Write a video to the output folder as MP4, with what made it. A file that fits is taken over without a loss."""
    del format  # both are MP4
    tags = _tags(ctx, prompt, extra_pnginfo)
    if isinstance(video, Video):
        height, width = video.images.shape[1:3]
    else:
        known = about(video.file.path)
        width, height = known.width, known.height
    slot = ctx.files.reserve(Place.OUTPUT, filename_prefix, ".mp4", width=width, height=height)
    with slot.writing() as path:
        if isinstance(video, VideoFile) and _fits(video, known, codec):
            film_saving.taken_over(path, video, MP4, tags)
        else:
            said = film_saving.write(path, video, MP4, tags, ctx.progress)
            if said:
                ctx.say(said)
    return _shown(slot)


@node("SaveWEBM", category=CATEGORY, output=True, experimental=True)
def save_webm(
    ctx: Context,
    images: ImageIn,
    filename_prefix: Prefix = "ComfyUI",
    *,
    codec: Annotated[str, Combo((VP9, AV1), bare=False)],
    fps: Annotated[float, Float(minimum=0.01, maximum=1000.0, step=0.01)] = 24.0,
    crf: Annotated[float, Float(minimum=0, maximum=63.0, step=1)] = 32.0,
    prompt: Prompt = None,
    extra_pnginfo: Extra = None,
) -> Result:
    """Write pictures to the output folder as a WebM video, with what made it. A lower crf is better and larger."""
    height, width = images.shape[1:3]
    slot = ctx.files.reserve(Place.OUTPUT, filename_prefix, ".webm", width=width, height=height)
    form = _webm(codec, crf)
    with slot.writing() as path:
        said = film_saving.write(
            path, Video(images, fps), form, _tags(ctx, prompt, extra_pnginfo), ctx.progress
        )
    if said:
        ctx.say(said)
    return _shown(slot)


def _webm(codec: str, crf: float) -> Form:
    quality = {"crf": str(crf), "b": "0"}
    if codec == VP9:
        return Form("VP9", "webm", {"libvpx-vp9": quality}, "yuv420p", with_alpha="yuva420p")
    return Form("AV1", "webm", {"libsvtav1": {**quality, "preset": "6"}}, "yuv420p10le", deep=True, even=True)


def _fits(video: VideoFile, known: About, codec: str) -> bool:
    """Whether all of a file can go over as it is."""
    whole = not video.start and not video.duration
    return whole and "mp4" in known.container.split(",") and codec in (AUTO, known.codec)


def _tags(ctx: Context, prompt: Prompt, extra: Extra) -> dict[str, str]:
    return {name: json.dumps(value) for name, value in record.texts(ctx, prompt, extra).items()}


def _hashes(ctx: Context) -> ContentHashes:
    try:
        return ctx.resource(ContentHashes)
    except LookupError:  # a worker without one
        return ContentHashes()


def _shown(slot: SaveSlot) -> Result:
    return Result(ui={"images": [slot.reference()], "animated": [True]})


NODES = (load_video, save_video, save_webm)

"""Sound in files and on the node: load, record, save as FLAC, MP3 or Opus, listen."""

import hashlib
import json
from collections.abc import Mapping
from dataclasses import replace
from typing import Annotated

from nodes.builtin import record, sound_files
from nodes.builtin.audio import CATEGORY, AudioIn
from nodes.builtin.sound_files import Form
from nodes.diffusion.media import Audio
from nodes.spec import Combo, Context, Hidden, Json, NodeError, Out, Place, Result, Socket, String, node

FLAC = Form("FLAC", "flac", ("flac",), "s16")
MP3 = Form(
    "MP3", "mp3", ("libmp3lame", "libshine", "mp3_mf"), "fltp",
    rates=(8000, 11025, 12000, 16000, 22050, 24000, 32000, 44100, 48000), channels=2,
)  # fmt: skip
OPUS = Form("Opus", "opus", ("libopus",), "flt", rates=(8000, 12000, 16000, 24000, 48000))
BEST = "V0"
BEST_OPTIONS = {
    "flags": "+qscale",
    "global_quality": "1",
}  # a bit rate that varies, at lame's highest quality
Prefix = Annotated[str, String(extra={"multiline": False})]
Prompt = Annotated[Mapping[str, Json] | None, Hidden("PROMPT")]
Extra = Annotated[Mapping[str, Json] | None, Hidden("EXTRA_PNGINFO")]
Upload = Annotated[str, Combo(folder="input_audio", bare=False, extra={"audio_upload": True})]
Heard = Annotated[Audio, Out("AUDIO")]


def file_token(ctx: Context, audio: str | None = None) -> str:
    """Changes when the file does."""
    with ctx.files.picture(audio or "").open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def file_exists(ctx: Context, audio: str | None = None) -> bool | str:
    """The file may have gone since the list was read."""
    if audio is None:
        return True
    try:
        ctx.files.picture(audio)
    except NodeError:
        return f"Invalid audio file: {audio}"
    return True


@node("LoadAudio", name="Load Audio", category=CATEGORY, change_token=file_token, validate=file_exists)
def load_audio(ctx: Context, audio: Upload) -> Heard:
    """The sound of a file in the input folder, also that of a film. Drop a file on the node to upload it."""
    return _read(ctx, audio)


@node("RecordAudio", name="Record Audio", category=CATEGORY)
def record_audio(ctx: Context, audio: Annotated[str, Socket("AUDIO_RECORD")]) -> Heard:
    """What the microphone heard, which the canvas has uploaded."""
    return _read(ctx, audio)


@node("SaveAudio", name="Save Audio (FLAC)", category=CATEGORY, output=True)
def save_audio(
    ctx: Context,
    audio: AudioIn,
    filename_prefix: Prefix = "audio/ComfyUI",
    prompt: Prompt = None,
    extra_pnginfo: Extra = None,
) -> Result:
    """Write sounds to the output folder as FLAC, without loss at 16 bits; each carries what made it."""
    return _saved(ctx, audio, Place.OUTPUT, filename_prefix, FLAC, record.texts(ctx, prompt, extra_pnginfo))


@node("SaveAudioMP3", name="Save Audio (MP3)", category=CATEGORY, output=True)
def save_audio_mp3(
    ctx: Context,
    audio: AudioIn,
    filename_prefix: Prefix = "audio/ComfyUI",
    quality: Annotated[str, Combo((BEST, "128k", "320k"), bare=False, extra={"default": BEST})] = BEST,
    prompt: Prompt = None,
    extra_pnginfo: Extra = None,
) -> Result:
    """Write sounds to the output folder as MP3; each carries what made it."""
    form = replace(MP3, options=BEST_OPTIONS) if quality == BEST else _at(MP3, quality)
    return _saved(ctx, audio, Place.OUTPUT, filename_prefix, form, record.texts(ctx, prompt, extra_pnginfo))


@node("SaveAudioOpus", name="Save Audio (Opus)", category=CATEGORY, output=True)
def save_audio_opus(
    ctx: Context,
    audio: AudioIn,
    filename_prefix: Prefix = "audio/ComfyUI",
    quality: Annotated[
        str, Combo(("64k", "96k", "128k", "192k", "320k"), bare=False, extra={"default": "128k"})
    ] = "128k",
    prompt: Prompt = None,
    extra_pnginfo: Extra = None,
) -> Result:
    """Write sounds to the output folder as Opus; each carries what made it."""
    texts = record.texts(ctx, prompt, extra_pnginfo)
    return _saved(ctx, audio, Place.OUTPUT, filename_prefix, _at(OPUS, quality), texts)


@node("PreviewAudio", name="Preview Audio", category=CATEGORY, output=True)
def preview_audio(ctx: Context, audio: AudioIn, prompt: Prompt = None, extra_pnginfo: Extra = None) -> Result:
    """Listen to sounds on the node; they go to the temporary folder."""
    tag = hashlib.sha256(ctx.node_id.encode()).hexdigest()[:5]
    texts = record.texts(ctx, prompt, extra_pnginfo)
    return _saved(ctx, audio, Place.TEMP, f"ComfyUI_temp_{tag}", FLAC, texts)


def _read(ctx: Context, name: str) -> Audio:
    audio, said = sound_files.read(ctx.files.picture(name))
    if said:
        ctx.say(said)
    return audio


def _saved(
    ctx: Context, audio: Audio | None, place: Place, prefix: str, form: Form, texts: Mapping[str, Json]
) -> Result:
    """One file for each sound of the batch.

    Raises:
        NodeError: there is no sound, or it cannot be written so.
    """
    if audio is None:
        raise NodeError("There is no sound to save.", "Connect one: the video before may have none.")
    tags = {name: json.dumps(value) for name, value in texts.items()}
    shown: list[Json] = []
    for index, waveform in enumerate(audio.waveform):
        numbered = prefix.replace("%batch_num%", str(index))
        slot = ctx.files.reserve(place, numbered, f".{form.container}", end="")
        with slot.writing() as path:
            said = sound_files.write(path, waveform, audio.sample_rate, form, tags)
        if said:
            ctx.say(said)
        shown.append(slot.reference())
        ctx.check_stop()
    return Result(ui={"audio": shown})


def _at(form: Form, quality: str) -> Form:
    return replace(form, bit_rate=int(quality.removesuffix("k")) * 1000)


NODES = (load_audio, record_audio, save_audio, save_audio_mp3, save_audio_opus, preview_audio)

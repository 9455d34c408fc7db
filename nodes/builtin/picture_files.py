"""Pictures in files: reading what people bring, writing PNGs that carry what made them."""

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from io import BytesIO
from pathlib import Path

import numpy as np
import torch
from PIL import Image as Pillow
from PIL import ImageOps, ImageSequence, UnidentifiedImageError
from PIL.PngImagePlugin import PngInfo

from nodes.diffusion.values import Image, Mask
from nodes.spec import PARTIAL, RECORD, Json, NodeError, pixel_hash

EXIF_MODEL, EXIF_MAKE = 0x0110, 0x010F
NO_MASK = 64  # side of the mask that stands for "none"


def read(path: Path) -> tuple[Image, Mask]:
    """All frames of a file as [B, H, W, 3] in 0..1, and their masks [B, H, W] (1 where transparent).

    Frames of another size than the first are left out. Without transparency the mask is 64x64 zeros.

    Raises:
        NodeError: it is no picture, or a damaged one.
    """
    try:
        with Pillow.open(path) as opened:
            frames = [_frame(frame) for frame in _frames(opened)]
    except (UnidentifiedImageError, Pillow.DecompressionBombError) as error:
        raise _unreadable(path, "is not a picture that can be read") from error
    except Exception as error:  # what is wrong with a file shows itself in every kind of error
        raise _unreadable(path, f"is damaged ({error})") from error
    pictures, masks = zip(*(frame for frame in frames if frame[0].shape == frames[0][0].shape), strict=True)
    return torch.stack(pictures), torch.stack([mask for mask in masks if mask.shape == masks[0].shape])


def read_channel(path: Path, channel: str) -> Mask:
    """One channel of the first frame as a mask [1, H, W]; "alpha" gives 1 where transparent.

    Raises:
        NodeError: as for `read`.
    """
    try:
        with Pillow.open(path) as opened:
            picture = ImageOps.exif_transpose(opened)
            if picture.mode == "I":
                picture = picture.point(lambda value: value * (1 / 255))
            if picture.getbands() != ("R", "G", "B", "A"):
                picture = picture.convert("RGBA")
            plane = picture.getchannel(channel[0].upper())
    except (UnidentifiedImageError, Pillow.DecompressionBombError) as error:
        raise _unreadable(path, "is not a picture that can be read") from error
    except Exception as error:  # what is wrong with a file shows itself in every kind of error
        raise _unreadable(path, f"is damaged ({error})") from error
    values = torch.from_numpy(np.asarray(plane).astype(np.float32) / 255.0)[None]
    return 1.0 - values if channel == "alpha" else values


def write_png(
    path: Path,
    picture: Image,
    prompt: Mapping[str, Json] | None,
    extra: Mapping[str, Json] | None,
    record: Mapping[str, Json] | None = None,
    *,
    effort: int,
) -> None:
    """Write one picture [H, W, C] of 0..1, with the prompt, each extra entry and the record as text chunks.

    Values are cut, not rounded, to 8 bits, as the field does it.

    Args:
        record: what made it; a hash of the prompt's text and one of the pixels are added, which tell later changes.
        effort: PNG compression, 0 to 9.

    Raises:
        NodeError: the disk refuses; the message says why.
    """
    opened = _eight_bit(picture)
    texts = PngInfo()
    said = None if prompt is None else json.dumps(prompt)
    if said is not None:
        texts.add_text("prompt", said)
    for name, value in (extra or {}).items():
        if record is None or name != RECORD:  # one that a client sends along tells of another picture
            texts.add_text(name, json.dumps(value))
    if record is not None:
        texts.add_text(RECORD, json.dumps({**record, **_seals(opened, said)}))
    try:
        opened.save(path, "PNG", pnginfo=texts, compress_level=effort)
    except OSError as error:
        path.unlink(missing_ok=True)
        raise NodeError(
            f"The picture could not be written to {path.name.removesuffix(PARTIAL)}: {error.strerror or error}.",
            "Free some space or choose another output folder, then run again: only the save is repeated.",
        ) from error


@dataclass(frozen=True, slots=True)
class WebP:
    """How a WebP is written: without loss or at a quality of 0 to 100, with an effort of 0 to 6."""

    lossless: bool
    quality: int
    effort: int


def write_animated_png(
    path: Path, pictures: Image, fps: float, effort: int, texts: Mapping[str, Json]
) -> None:
    """Write pictures [B, H, W, C] as one animated PNG; texts go into chunks `comf` behind the pixels, as in the field."""
    chunks = PngInfo()
    for name, value in texts.items():
        chunk = name.encode("latin-1", "replace") + b"\0" + json.dumps(value).encode("latin-1")
        chunks.add(b"comf", chunk, after_idat=True)
    first, *more = [_eight_bit(picture) for picture in pictures]
    first.save(
        path,
        "PNG",
        pnginfo=chunks,
        compress_level=effort,
        save_all=True,
        duration=int(1000 / fps),
        append_images=more,
    )


def write_animated_webp(
    path: Path, pictures: Image, fps: float, how: WebP, texts: Mapping[str, Json]
) -> None:
    """Write pictures [B, H, W, C] as one animated WebP; texts go into EXIF: `prompt:` in its model, others before it."""
    first, *more = [_eight_bit(picture) for picture in pictures]
    exif = first.getexif()
    others = iter(range(EXIF_MAKE, 0, -1))
    for name, value in texts.items():
        exif[EXIF_MODEL if name == "prompt" else next(others)] = f"{name}:{json.dumps(value)}"
    first.save(
        path,
        "WEBP",
        save_all=True,
        duration=int(1000 / fps),
        append_images=more,
        exif=exif,
        lossless=how.lossless,
        quality=how.quality,
        method=how.effort,
    )


def png(picture: Image) -> bytes:
    """A picture [H, W, C] of 0..1 as PNG, in full size."""
    packed = BytesIO()
    _eight_bit(picture).save(packed, "PNG", compress_level=1)
    return packed.getvalue()


def jpeg(picture: Image, side: int) -> bytes:
    """A picture [H, W, 3] of 0..1 as JPEG, enlarged or shrunk so that its longer side is about `side` pixels."""
    pixels = (picture.numpy() * 255.0).clip(0, 255).astype(np.uint8)
    opened = Pillow.fromarray(pixels)
    factor = max(1, side // max(opened.size)) if max(opened.size) <= side else side / max(opened.size)
    wide, tall = (max(1, round(length * factor)) for length in opened.size)
    packed = BytesIO()
    opened.resize((wide, tall), Pillow.Resampling.BILINEAR).save(packed, "JPEG", quality=95)
    return packed.getvalue()


def _eight_bit(picture: Image) -> Pillow.Image:
    pixels = (picture.cpu().float().numpy() * 255.0).clip(0, 255).astype(np.uint8)
    return Pillow.fromarray(pixels.squeeze(-1) if pixels.shape[-1] == 1 else pixels)


def _seals(opened: Pillow.Image, prompt: str | None) -> dict[str, Json]:
    pixels = pixel_hash(opened.width, opened.height, opened.convert("RGBA").tobytes())
    return (
        {"pixels": pixels}
        if prompt is None
        else {
            "pixels": pixels,
            "prompt": hashlib.sha256(prompt.encode()).hexdigest(),
        }
    )


def _frames(opened: Pillow.Image) -> list[Pillow.Image]:
    if opened.format == "MPO":  # a stereo pair or a camera's thumbnails: the first one is the picture
        return [opened.copy()]
    return [frame.copy() for frame in ImageSequence.Iterator(opened)]


def _frame(frame: Pillow.Image) -> tuple[Image, Mask]:
    turned = ImageOps.exif_transpose(frame)
    if turned.mode == "I":
        turned = turned.point(lambda value: value * (1 / 255))
    colours = torch.from_numpy(np.asarray(turned.convert("RGB")).astype(np.float32) / 255.0)
    if "A" in turned.getbands() or (turned.mode == "P" and "transparency" in turned.info):
        alpha = np.asarray(turned.convert("RGBA").getchannel("A")).astype(np.float32) / 255.0
        return colours, 1.0 - torch.from_numpy(alpha)
    return colours, torch.zeros(NO_MASK, NO_MASK)


def _unreadable(path: Path, why: str) -> NodeError:
    return NodeError(
        f"The file {path.name} {why}.", "Open it in a picture viewer to check it, or choose another file."
    )

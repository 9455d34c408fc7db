"""Pictures redrawn for the browser: smaller, one channel, or with another's alpha. No torch here."""

import hashlib
import io
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from PIL import Image
from PIL.PngImagePlugin import PngInfo

DEFAULT_QUALITY = 90
THUMBNAIL = 512  # pixels


class PictureUnreadable(ValueError):
    """A file is no picture, or one that is damaged or far too large."""


@contextmanager
def opened(path: Path) -> Iterator[Image.Image]:
    """A picture, read whole.

    Raises:
        PictureUnreadable: it cannot be.
    """
    try:
        image = Image.open(path)
    except Exception as error:  # what is wrong with a file shows itself in every kind of error
        raise PictureUnreadable(str(error)) from error
    with image:
        try:
            image.load()
        except Exception as error:
            raise PictureUnreadable(str(error)) from error
        yield image


def redrawn(path: Path, preview: str | None, channel: str | None) -> tuple[bytes, str]:
    """A picture as `preview` ("webp;90", "jpeg;80") or as PNG, with only the asked channels.

    Args:
        channel: "rgb" drops the alpha, "a" keeps nothing but the alpha, None or "rgba" keep all.

    Returns:
        The bytes and their MIME type.

    Raises:
        PictureUnreadable: it is no picture.
    """
    with opened(path) as image:
        picture = _channels(image, channel or "rgba")
    kind, quality = _preview(preview)
    if kind == "jpeg":
        picture = picture.convert("RGB")
    elif picture.mode not in ("RGB", "RGBA"):
        picture = picture.convert("RGBA" if "A" in picture.getbands() else "RGB")
    out = io.BytesIO()
    picture.save(out, format=kind.upper(), quality=quality)
    return out.getvalue(), f"image/{kind}"


def _preview(preview: str | None) -> tuple[str, int]:
    if preview is None:
        return "png", DEFAULT_QUALITY
    name, _, quality = preview.partition(";")
    kind = name if name in ("webp", "jpeg") else "webp"
    return kind, min(
        100, max(1, int(quality))
    ) if quality.isascii() and quality.isdigit() else DEFAULT_QUALITY


def _channels(image: Image.Image, channel: str) -> Image.Image:
    if channel == "rgb":
        return image.convert("RGB")
    if channel != "a":
        return image
    alpha = image.convert("RGBA").getchannel("A")
    only = Image.new("RGBA", image.size)
    only.putalpha(alpha)
    return only


def thumbnail(picture: Path | io.BytesIO) -> bytes:
    """A picture as WebP, at most `THUMBNAIL` pixels wide and high."""
    with Image.open(picture) as image:
        small = image.convert("RGBA" if "A" in image.getbands() else "RGB")
    small.thumbnail((THUMBNAIL, THUMBNAIL))
    return _webp(small)


def _webp(picture: Image.Image) -> bytes:
    out = io.BytesIO()
    picture.save(out, format="WEBP", quality=DEFAULT_QUALITY)
    return out.getvalue()


def put_alpha(original: Path, mask: Path, goal: Path) -> None:
    """Write `original` with the alpha of `mask` (brought to its size) as PNG to `goal`, its texts kept.

    Raises:
        PictureUnreadable: one of them is no picture.
    """
    with opened(original) as picture, opened(mask) as drawn:
        alpha = drawn.convert("RGBA").getchannel("A").resize(picture.size, Image.Resampling.BILINEAR)
        texts = PngInfo()
        for key, value in picture.info.items():
            if isinstance(key, str) and isinstance(value, str):
                texts.add_text(key, value)
        whole = picture.convert("RGBA")
        whole.putalpha(alpha)
        whole.save(goal, format="PNG", pnginfo=texts, compress_level=4)


def digest(path: Path) -> str:
    """SHA-256 of a file."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()

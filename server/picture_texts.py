"""The texts in a picture that say what made it: prompt, workflow, record. They may come from anybody."""

from collections.abc import Iterator

from PIL import Image

from nodes.spec import RECORD

SAYS = ("prompt", "workflow", RECORD)
EXIF_IFD = 0x8769


def picture_texts(opened: Image.Image) -> Iterator[tuple[str, str]]:
    """By name: a PNG's chunks; of other kinds EXIF tags that begin with a name of ours and a colon, as the field writes."""
    for name in SAYS:
        if isinstance(opened.info.get(name), str):
            yield name, str(opened.info[name])
    if opened.format == "PNG":
        return
    exif = opened.getexif()
    for value in (*exif.values(), *exif.get_ifd(EXIF_IFD).values()):
        text = value.decode("utf-8", "replace") if isinstance(value, bytes) else value
        if isinstance(text, str):
            name, colon, rest = text.partition(":")
            if colon and name.lower() in SAYS:
                yield name.lower(), rest.rstrip("\0")

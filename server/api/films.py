"""What a film says of itself in its header: MP4 and QuickTime (ISO/IEC 14496-12), WebM and Matroska (RFC 9559)."""

import struct
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

MOST = 64 * 1024 * 1024  # bytes of a header
INSIDE = frozenset({b"moov", b"trak", b"mdia", b"minf", b"stbl"})  # boxes that hold boxes
EBML, SEGMENT, INFO, TRACKS, CLUSTER = 0x1A45DFA3, 0x18538067, 0x1549A966, 0x1654AE6B, 0x1F43B675
SCALE, DURATION, TRACK, KIND, PICTURE = 0x2AD7B1, 0x4489, 0xAE, 0x83, 0xE0
WIDTH, HEIGHT, FRAME = 0xB0, 0xBA, 0x23E383
VIDEO, AUDIO = 1, 2


class FilmUnreadable(ValueError):
    """A file is no film, or one that is damaged or of a kind that is not known."""


@dataclass(slots=True)
class Film:
    """What is known of a film; None for what it does not say.

    Attributes:
        width, height: in pixels.
        duration: in seconds.
        fps: frames a second, on average.
        frames: how many there are.
        sound: whether it has any.
    """

    width: int | None = None
    height: int | None = None
    duration: float | None = None
    fps: float | None = None
    frames: int | None = None
    sound: bool = False


def read_film(path: Path) -> Film:
    """Read a film's header.

    Raises:
        FilmUnreadable: it is none that is known.
        OSError: the file cannot be read.
    """
    with path.open("rb") as file:
        start = file.read(12)
        file.seek(0)
        try:
            if start[4:8] in (b"ftyp", b"moov", b"mdat", b"wide", b"free"):
                return _from_boxes(_moov(file))
            if start[:4] == EBML.to_bytes(4, "big"):
                return _from_elements(file)
        except (struct.error, IndexError, OverflowError) as error:
            raise FilmUnreadable(f"The film's header is damaged: {error}") from error
    raise FilmUnreadable("It is neither MP4 nor WebM.")


# --- MP4 ------------------------------------------------------------------------------------------------------------


def _moov(file: BinaryIO) -> bytes:
    """The box that describes the film; it may stand before or after its pictures."""
    while len(head := file.read(8)) == 8:
        size, kind = struct.unpack(">I4s", head)
        length = 8
        if size == 1:
            size, length = struct.unpack(">Q", file.read(8))[0], 16
        if kind == b"moov" and length <= size <= MOST:
            return file.read(size - length)
        if size < length:  # 0: to the end of the file
            break
        file.seek(size - length, 1)
    raise FilmUnreadable("The film has no header.")


def _boxes(data: bytes) -> Iterator[tuple[bytes, bytes]]:
    """Boxes that stand one after the other; those that hold others come before what they hold."""
    at = 0
    while at + 8 <= len(data):
        size, kind = struct.unpack_from(">I4s", data, at)
        if size < 8 or at + size > len(data):
            return
        yield kind, data[at + 8 : at + size]
        at += size


def _walk(data: bytes) -> Iterator[tuple[bytes, bytes]]:
    for kind, content in _boxes(data):
        yield kind, content
        if kind in INSIDE and kind != b"trak":
            yield from _walk(content)


def _from_boxes(moov: bytes) -> Film:
    film = Film()
    for kind, content in _boxes(moov):
        if kind == b"mvhd":
            film.duration = _seconds(content)
        elif kind == b"trak":
            _take_track(film, dict(reversed(list(_walk(content)))))  # of two of a kind, the first
    return film


def _take_track(film: Film, boxes: dict[bytes, bytes]) -> None:
    handler = boxes.get(b"hdlr", b"")[8:12]
    film.sound = film.sound or handler == b"soun"
    if handler != b"vide" or film.width is not None:
        return
    width, height = struct.unpack(">II", boxes[b"tkhd"][-8:]) if len(boxes.get(b"tkhd", b"")) >= 8 else (0, 0)
    film.width, film.height = width >> 16 or None, height >> 16 or None  # 16.16 fixed point
    counted = boxes.get(b"stts", b"")
    runs = struct.unpack_from(">I", counted, 4)[0] if len(counted) >= 8 else 0
    frames = sum(
        struct.unpack_from(">I", counted, 8 + 8 * run)[0] for run in range(min(runs, len(counted) // 8))
    )
    seconds = _seconds(boxes.get(b"mdhd", b""))
    film.frames = frames or None
    film.fps = round(frames / seconds, 4) if frames and seconds else None


def _seconds(header: bytes) -> float | None:
    """The duration in `mvhd` or `mdhd`: ticks by ticks a second."""
    if len(header) < 20:
        return None
    scale, ticks = (
        struct.unpack_from(">IQ", header, 20) if header[0] == 1 else struct.unpack_from(">II", header, 12)
    )
    return ticks / scale if scale else None


# --- WebM -----------------------------------------------------------------------------------------------------------


def _number(data: bytes, at: int, *, marked: bool) -> tuple[int, int]:
    """A number of variable length (RFC 8794), with its mark or without, and where the next byte is."""
    first = data[at]
    length = 9 - first.bit_length()
    if not 0 < length <= 8 or at + length > len(data):
        raise FilmUnreadable("The film's header is damaged.")
    value = int.from_bytes(data[at : at + length], "big")
    return value if marked else value & ((1 << 7 * length) - 1), at + length


def _elements(data: bytes) -> Iterator[tuple[int, bytes]]:
    at = 0
    while at < len(data):
        id, at = _number(data, at, marked=True)
        size, at = _number(data, at, marked=False)
        if id == CLUSTER:  # pictures begin: all that describes them came before
            return
        if id == SEGMENT:
            yield from _elements(data[at:])  # its size may be unknown while a film is recorded
            return
        yield id, data[at : at + size]
        at += size


def _from_elements(file: BinaryIO) -> Film:
    film, scale, ticks = Film(), 1_000_000, None
    for id, content in _elements(file.read(MOST)):
        if id == INFO:
            said = dict(_elements(content))
            scale = int.from_bytes(said[SCALE], "big") if SCALE in said else scale
            ticks = _real(said[DURATION]) if DURATION in said else None
        elif id == TRACKS:
            for kind, track in _elements(content):
                if kind == TRACK:
                    _take_entry(film, dict(_elements(track)))
    film.duration = ticks * scale / 1e9 if ticks is not None else None
    return film


def _take_entry(film: Film, said: dict[int, bytes]) -> None:
    kind = int.from_bytes(said.get(KIND, b""), "big")
    film.sound = film.sound or kind == AUDIO
    if kind != VIDEO or film.width is not None:
        return
    picture = dict(_elements(said.get(PICTURE, b"")))
    film.width = int.from_bytes(picture.get(WIDTH, b""), "big") or None
    film.height = int.from_bytes(picture.get(HEIGHT, b""), "big") or None
    if nanoseconds := int.from_bytes(said.get(FRAME, b""), "big"):
        film.fps = round(1e9 / nanoseconds, 4)


def _real(data: bytes) -> float:
    return float(struct.unpack(">d" if len(data) == 8 else ">f", data)[0])

"""One kept result as a file: safetensors, whose last array is the hash of every byte before it. No pickle, no code.

Any program that reads safetensors can open it. The structure of the values and what the canvas shows are JSON in the
header's metadata, the arrays are named by their numbers in that structure.
"""

import hashlib
import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, BinaryIO, TypeVar, cast

from nodes.spec import Json, Packed, Part
from nodes.spec.packing import Bytes

T = TypeVar("T")

VERSION = 2  # of the format; part of the folder's name
FORMAT = f"weft result {VERSION}"
HASH = "hash"
HASH_SIZE = 32  # bytes
HEADER_MOST = 100_000_000  # bytes, as safetensors has it
CHUNK = 1 << 20
WIDTHS = {
    "F64": 8, "I64": 8, "U64": 8, "F32": 4, "I32": 4, "U32": 4, "F16": 2, "BF16": 2, "I16": 2, "U16": 2,
    "I8": 1, "U8": 1, "BOOL": 1, "F8_E4M3": 1, "F8_E5M2": 1,
}  # fmt: skip


class Damaged(Exception):
    """The file is not what was written. The message says how that shows."""


@dataclass(frozen=True, slots=True)
class About:
    """What a kept result is.

    Attributes:
        type: class of the node that made it.
        seconds: what it took.
        ui: what the canvas shows.
        slots: number of its outputs.
    """

    key: str
    type: str
    seconds: float
    ui: Mapping[str, Sequence[Json]] | None
    slots: int


@dataclass(frozen=True, slots=True)
class Head:
    """What a file says of itself: what it holds, and the structure of its values."""

    about: About
    structure: Json


@dataclass(frozen=True, slots=True)
class Encoded:
    """A file to be: its head, and the data of the arrays that follow it; after them comes the hash."""

    head: bytes
    data: tuple[Bytes, ...]

    @property
    def size(self) -> int:
        """Bytes of the file."""
        return len(self.head) + sum(len(data) for data in self.data) + HASH_SIZE


def encode(about: About, packed: Packed) -> Encoded:
    """A result as bytes.

    Wide elements come first, so that each array lies where its elements may.
    """
    metadata = {
        "format": FORMAT,
        "key": about.key,
        "type": about.type,
        "seconds": repr(about.seconds),
        "ui": json.dumps(about.ui),
        "slots": str(about.slots),
        "structure": json.dumps(packed.structure, separators=(",", ":")),
    }
    order = sorted(range(len(packed.parts)), key=lambda number: -WIDTHS[packed.parts[number].kind])
    header: dict[str, object] = {"__metadata__": metadata}
    end = 0
    for number in order:
        part = packed.parts[number]
        header[str(number)] = _array(part.kind, part.shape, end, len(part.data))
        end += len(part.data)
    header[HASH] = _array("U8", (HASH_SIZE,), end, HASH_SIZE)
    words = json.dumps(header, separators=(",", ":")).encode()
    words += b" " * (-len(words) % 8)
    head = len(words).to_bytes(8, "little") + words
    return Encoded(head, tuple(packed.parts[number].data for number in order))


def write(file: BinaryIO, encoded: Encoded) -> None:
    """Write all of it, and its hash."""
    digest = hashlib.sha256()
    for data in (encoded.head, *encoded.data):
        digest.update(data)
        file.write(data)
    file.write(digest.digest())


def check(file: BinaryIO, key: str, go_on: Callable[[], None]) -> Head:
    """What the file holds; all of its bytes are read and compared with their hash, little of it is held.

    Args:
        go_on: called before each piece of `CHUNK` bytes; what it raises passes.

    Raises:
        Damaged: it is not what was written.
        OSError: it cannot be read.
    """
    size = file.seek(0, 2)
    file.seek(0)
    if size < 8 + HASH_SIZE:
        raise Damaged(f"it holds {size} bytes")
    digest = hashlib.sha256()
    head = bytearray()
    left = size - HASH_SIZE
    while left:
        go_on()
        data = file.read(min(CHUNK, left))
        if not data:
            raise Damaged("it ends early")
        if len(head) < 8 or len(head) < 8 + _length(head):
            head += data
        digest.update(data)
        left -= len(data)
    if file.read(HASH_SIZE) != digest.digest():
        raise Damaged("its bytes are not those that were written")
    header = _header(head)
    return Head(_about(header, key), _structure(header))


def read(file: BinaryIO, key: str, *, checked: bool = False) -> Packed:
    """The values in the file.

    Args:
        checked: its bytes were compared with their hash before, and it has not changed since.

    Raises:
        Damaged, OSError: as `check`.
    """
    size = file.seek(0, 2)
    file.seek(0)
    data = bytearray(size)
    if file.readinto(data) != size or size < 8 + HASH_SIZE:  # type: ignore[attr-defined]
        raise Damaged(f"it holds {size} bytes")
    view = memoryview(data)
    if not checked and hashlib.sha256(view[:-HASH_SIZE]).digest() != view[-HASH_SIZE:]:
        raise Damaged("its bytes are not those that were written")
    header = _header(data)
    _about(header, key)
    return _checked(lambda: _packed(header, view[8 + _length(data) :]))


def peek(file: BinaryIO) -> About:
    """What the file says it holds, unchecked: its head alone is read.

    Raises:
        Damaged, OSError: it is no kept result.
    """
    head = file.read(8)
    length = _length(head) if len(head) == 8 else HEADER_MOST + 1
    if length > HEADER_MOST:
        raise Damaged("it has no head")
    header = _header(head + file.read(length))
    return _about(header, None)


def _array(kind: str, shape: Sequence[int], start: int, length: int) -> dict[str, object]:
    return {"dtype": kind, "shape": list(shape), "data_offsets": [start, start + length]}


def _length(head: bytes | bytearray) -> int:
    return int.from_bytes(head[:8], "little")


def _header(head: bytes | bytearray) -> dict[str, Any]:
    found = _checked(lambda: json.loads(bytes(head[8 : 8 + _length(head)])))
    if not isinstance(found, dict):
        raise Damaged("its head is none")
    return cast("dict[str, Any]", found)


def _about(header: Mapping[str, Any], key: str | None) -> About:
    def found() -> About:
        metadata = header["__metadata__"]
        if metadata["format"] != FORMAT:
            raise Damaged("it is of another format")
        about = About(
            metadata["key"],
            metadata["type"],
            float(metadata["seconds"]),
            json.loads(metadata["ui"]),
            int(metadata["slots"]),
        )
        if key is not None and about.key != key:
            raise Damaged("it belongs to another result")
        return about

    return _checked(found)


def _packed(header: Mapping[str, Any], data: memoryview) -> Packed:
    parts: list[Part] = []
    for number in range(len(header) - 2):  # beside the metadata and the hash
        entry = header[str(number)]
        start, end = entry["data_offsets"]
        parts.append(Part(entry["dtype"], tuple(entry["shape"]), data[start:end]))
    return Packed(_structure(header), tuple(parts))


def _structure(header: Mapping[str, Any]) -> Json:
    return _checked(lambda: cast("Json", json.loads(header["__metadata__"]["structure"])))


def _checked(find: Callable[[], T]) -> T:
    """Whatever is missing or misshapen in a head means that it is not one."""
    try:
        return find()
    except (ValueError, KeyError, TypeError, IndexError, RecursionError) as error:
        raise Damaged(f"its head cannot be read ({error})") from error

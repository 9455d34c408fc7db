"""Names, shapes and texts in the header of a GGUF file, read without the libraries that unpack it.

Source: the format's description in ggml (docs/gguf.md, MIT).
"""

import struct
from collections.abc import Container, Mapping
from io import BufferedReader
from pathlib import Path

MAGIC, VERSIONS = b"GGUF", (2, 3)
SIZES: Mapping[int, int] = {
    0: 1,
    1: 1,
    2: 2,
    3: 2,
    4: 4,
    5: 4,
    6: 4,
    7: 1,
    10: 8,
    11: 8,
    12: 8,
}  # of numbers, by kind
STRING, LIST = 8, 9
ARCHITECTURE = "general.architecture"
MOST, LONGEST, DEEPEST = 1 << 20, 1 << 24, 4


def read(path: Path, enough: Container[str] = ()) -> tuple[dict[str, list[int]], dict[str, str]]:
    """The shapes of its tensors, as networks have them, and what it says in words.

    Args:
        enough: architectures of which nothing more is wanted; long vocabularies come after that entry.

    Raises:
        OSError: it cannot be read. ValueError: it is no such file, or ends within its header.
    """
    with path.open("rb") as file:
        if file.read(4) != MAGIC or _number(file, "I") not in VERSIONS:
            raise ValueError("it is no GGUF file")
        tensors, facts = _number(file, "Q"), _number(file, "Q")
        if max(tensors, facts) > MOST:
            raise ValueError("it claims too much")
        said: dict[str, str] = {}
        for _ in range(facts):
            name = _text(file)
            value = _value(file, _number(file, "I"))
            if value is not None:
                said[name] = value
            if name == ARCHITECTURE and value is not None and value in enough:
                return {}, said
        return dict(_tensor(file) for _ in range(tensors)), said


def _tensor(file: BufferedReader) -> tuple[str, list[int]]:
    name, axes = _text(file), _number(file, "I")
    if axes > 8:
        raise ValueError("a tensor has too many axes")
    shape = [_number(file, "Q") for _ in range(axes)]
    _exactly(file, 12)  # its kind, and where it lies
    return name, shape[::-1]


def _value(file: BufferedReader, kind: int, depth: int = 0) -> str | None:
    """A text; anything else is passed over."""
    if kind == STRING:
        return _text(file)
    if kind == LIST and depth < DEEPEST:
        inner, count = _number(file, "I"), _number(file, "Q")
        if inner in SIZES:
            _exactly(file, SIZES[inner] * count)
        elif count <= LONGEST:
            for _ in range(count):
                _value(file, inner, depth + 1)
        return None
    if kind not in SIZES:
        raise ValueError("a fact is of an unknown kind")
    _exactly(file, SIZES[kind])
    return None


def _text(file: BufferedReader) -> str:
    return _exactly(file, _number(file, "Q")).decode()


def _number(file: BufferedReader, form: str) -> int:
    return struct.unpack("<" + form, _exactly(file, struct.calcsize("<" + form)))[0]


def _exactly(file: BufferedReader, count: int) -> bytes:
    if count > LONGEST:
        raise ValueError("it claims too much")
    read = file.read(count)
    if len(read) < count:
        raise ValueError("it ends within its header")
    return read

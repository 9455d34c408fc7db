"""About how many bytes a value holds."""

from collections.abc import Collection, Mapping
from dataclasses import fields, is_dataclass
from typing import cast

SMALL = 64  # bytes that a value without contents of its own is taken to hold
DEEPEST = 8  # containers within containers that are still looked into


def size(value: object) -> int:
    """About how many bytes a value holds: arrays and tensors by their elements, each counted once."""
    return _size(value, set(), DEEPEST)


def _size(value: object, seen: set[int], depth: int) -> int:
    if id(value) in seen or depth == 0:
        return 0
    seen.add(id(value))
    held = getattr(value, "nbytes", None)
    if isinstance(held, int):  # numpy arrays and torch tensors
        return held
    if isinstance(value, str | bytes | bytearray):
        return len(value)
    if isinstance(value, Mapping):
        inner: Collection[object] = cast("Mapping[object, object]", value).values()
    elif isinstance(value, list | tuple | set | frozenset):
        inner = cast("Collection[object]", value)
    elif is_dataclass(value) and not isinstance(value, type):
        inner = [getattr(value, entry.name) for entry in fields(value)]
    else:
        return SMALL
    return SMALL + sum(_size(entry, seen, depth - 1) for entry in inner)

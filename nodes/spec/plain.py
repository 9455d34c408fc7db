"""Anything as plain JSON: what leaves a worker must not need the code that made it."""

import math
from collections.abc import Mapping
from typing import Any, cast

from nodes.spec.sockets import Json


def plain(value: object) -> Json:
    """The value in exactly JSON's own types; what has no such form becomes its text.

    Subclasses of str (packs have some that equal everything) become str, numpy's numbers become numbers, tuples and
    sets lists, bytes and all else text.
    """
    if value is None or isinstance(value, bool):
        return value
    if isinstance(value, str):
        return str.__str__(value)
    if isinstance(value, int):
        return int(value)
    if isinstance(value, float):
        return float(value)
    if isinstance(value, Mapping):
        entries = cast("Mapping[object, object]", value)
        return {str(plain(name)): plain(entry) for name, entry in entries.items()}
    if isinstance(value, list | tuple | set | frozenset):
        return [plain(entry) for entry in cast("list[object]", value)]
    return _number(value)


def is_plain(value: object) -> bool:
    """Whether the value is JSON already, numbers that are not finite left out."""
    if value is None or type(value) in (bool, int, str):
        return True
    if type(value) is float:
        return math.isfinite(value)
    if type(value) is list:
        return all(is_plain(entry) for entry in cast("list[object]", value))
    if type(value) is dict:
        entries = cast("dict[object, object]", value)
        return all(type(name) is str and is_plain(entry) for name, entry in entries.items())
    return False


def _number(value: Any) -> Json:
    """Numpy's and torch's single numbers have `item`; everything else is shown."""
    try:
        found = value.item()
    except (AttributeError, TypeError, ValueError, RuntimeError):
        return str(value)
    return found if isinstance(found, bool | int | float | str) else str(value)

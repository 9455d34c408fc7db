"""A pack's files are edited: see it, and take its modules out so that they can be imported anew, or put back."""

import gc
import importlib
import importlib.util
import linecache
import os
import sys
from collections.abc import Iterator, Mapping
from contextlib import suppress
from pathlib import Path
from types import ModuleType

from nodes.compat.importing import NOT_CODE, module_name

Stamp = tuple[tuple[str, int, int], ...]


def stamp(path: Path) -> Stamp:
    """Its Python files by name, size and time; another one means that it was edited. Some microseconds a file."""
    return tuple(sorted(_files(str(path)))) if path.is_dir() else tuple(_told(str(path)))


def taken_out(path: Path) -> dict[str, ModuleType]:
    """The modules of a pack, which nobody finds any more; what Python had compiled of its files is forgotten."""
    own = module_name(path)
    inside = str(path) + os.sep
    found: dict[str, ModuleType] = {}
    for name, module in list(sys.modules.items()):
        file = getattr(module, "__file__", None)
        if f"{name}.".startswith(f"{own}.") or (isinstance(file, str) and file.startswith(inside)):
            found[name] = sys.modules.pop(name)
    for file, _size, _time in stamp(path):
        with suppress(OSError, NotImplementedError):
            # Python knows a file by its time in seconds and its size: two edits within a second would look like one.
            Path(importlib.util.cache_from_source(file)).unlink()
    importlib.invalidate_caches()
    linecache.checkcache()
    return found


def put_back(path: Path, modules: Mapping[str, ModuleType]) -> None:
    """Undo `taken_out`, and forget what was imported since."""
    taken_out(path)
    sys.modules.update(modules)


def let_go() -> None:
    """Modules and their functions hold each other: without this, edits would pile up until Python looks by itself."""
    gc.collect()


def _files(folder: str) -> Iterator[tuple[str, int, int]]:
    with suppress(OSError), os.scandir(folder) as entries:
        for entry in entries:
            if entry.name.startswith(".") or entry.name in NOT_CODE:
                continue
            if entry.is_dir(follow_symlinks=False):
                yield from _files(entry.path)
            elif entry.name.endswith(".py"):
                yield from _told(entry.path)


def _told(file: str) -> Iterator[tuple[str, int, int]]:
    with suppress(OSError):
        found = os.stat(file)  # noqa: PTH116 - the path is a text
        yield file, found.st_size, found.st_mtime_ns

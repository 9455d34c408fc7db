"""What compiled code writes for packs, named before it does: libraries that open files past Python tell the fence too.

Python's audit hooks do not hear a file that compiled code opens. The libraries with which packs save are few: torch,
safetensors and PyAV. What they are about to write is told here as Python tells of its own files; so is what SQLite attaches.
"""

import os
import sqlite3
import sys
from collections.abc import Callable, Sequence
from functools import wraps
from importlib.abc import MetaPathFinder
from importlib.machinery import ModuleSpec, PathFinder
from os import PathLike
from pathlib import Path
from sqlite3 import dbapi2
from types import ModuleType
from typing import Any
from urllib.parse import parse_qs, unquote, urlsplit

WRITERS = {  # by module: functions whose named argument, or the one in that place, is a file that they write
    "torch": (("save", 1, "f"),),
    "torch.serialization": (("save", 1, "f"),),
    "safetensors": (("serialize_file", 1, "filename"),),
    "safetensors.torch": (("serialize_file", 1, "filename"), ("save_file", 1, "filename")),
    "safetensors.numpy": (("serialize_file", 1, "filename"), ("save_file", 1, "filename")),
    "cv2": (("imwrite", 0, "filename"),),
    "soundfile": (("write", 0, "file"),),
}
OPENERS = {"av": "open", "av.container": "open", "av.container.core": "open"}  # a mode beside the file
ATTACH = 24  # of SQLite's actions
CONNECTED = "weft.connected"  # an event of ours: a connection to a database is there
TOLD = "__weft_told__"


class _Late(MetaPathFinder):
    """Finds these libraries as ever, and lets them tell once they are imported."""

    def find_spec(
        self, fullname: str, path: Sequence[str] | None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        if fullname not in WRITERS and fullname not in OPENERS:
            return None
        spec = PathFinder.find_spec(fullname, path, target)
        loader: Any = spec.loader if spec is not None else None
        if loader is not None:
            execute = loader.exec_module

            def executed(module: ModuleType) -> None:
                execute(module)
                tell()

            loader.exec_module = executed
        return spec


def tell() -> None:
    """Let these libraries tell, those that are imported by now and those that come later; cheap where they do already."""
    if not any(isinstance(finder, _Late) for finder in sys.meta_path):
        sys.meta_path.insert(0, _Late())
    for module in (sqlite3, dbapi2):
        _wrap(module, "connect", after=_connected)
    for name, functions in WRITERS.items():
        module = sys.modules.get(name)
        for function, place, named in functions if module is not None else ():
            _wrap(module, function, _writing(place, named))
    for name, function in OPENERS.items():
        module = sys.modules.get(name)
        if module is not None:
            _wrap(module, function, _opening)


def hold(connection: sqlite3.Connection, may_write: Callable[[str], bool]) -> None:
    """Let a connection attach no other file than may be written."""

    def judge(action: int, file: str | None, *_rest: str | None) -> int:
        if action == ATTACH and file and not may_write(file):
            return sqlite3.SQLITE_DENY
        return sqlite3.SQLITE_OK

    connection.set_authorizer(judge)


def database(name: str) -> str:
    """The whole path of a database, given by its name or as an address; empty where it is in memory, or only read."""
    parts = urlsplit(name) if name.startswith("file:") else None
    if parts is not None:
        wishes = parse_qs(parts.query)
        name = unquote(parts.path)
        if wishes.get("mode") in (["memory"], ["ro"]):
            return ""
    return "" if name in ("", ":memory:") else os.path.realpath(name)


def descends(process: int, ancestor: int) -> bool:
    """Whether a process was started by another, or by one of those that it started; Linux: elsewhere True."""
    if sys.platform != "linux":
        return True
    while process > 1:
        try:
            told = Path(f"/proc/{process}/stat").read_text("utf-8", errors="replace")
        except OSError:
            return True  # there is no such process
        process = int(told.rpartition(")")[2].split()[1])
        if process == ancestor:
            return True
    return False


def _connected(connection: object) -> None:
    sys.audit(CONNECTED, connection)


def _nothing(*_given: Any, **_named: Any) -> None:
    """Nothing is to be told."""


def _wrap(
    module: Any, name: str, before: Callable[..., None] = _nothing, after: Callable[[Any], None] = _nothing
) -> None:
    function = getattr(module, name, None)
    if function is None or hasattr(function, TOLD) or isinstance(function, type):
        return

    @wraps(function)
    def told(*given: Any, **named: Any) -> Any:
        before(*given, **named)
        made = function(*given, **named)
        after(made)
        return made

    setattr(told, TOLD, True)
    setattr(module, name, told)


def _writing(place: int, name: str) -> Callable[..., None]:
    def before(*given: Any, **named: Any) -> None:
        _write(given[place] if len(given) > place else named.get(name))

    return before


def _opening(*given: Any, **named: Any) -> None:
    mode = given[1] if len(given) > 1 else named.get("mode")
    if isinstance(mode, str) and mode != "r":
        _write(given[0] if given else named.get("file"))


def _write(file: Any) -> None:
    if isinstance(file, str | bytes | PathLike):
        sys.audit("open", file, "wb", 0)

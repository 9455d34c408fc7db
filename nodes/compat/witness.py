"""What a pack does while it is imported: files it writes, programs it starts, where it connects, what of Python it replaces.

Python tells a hook of each such deed (PEP 578); a hook cannot be taken off again, so there is one, which hears nothing
between imports. Code that is no Python, and programs that a pack starts, do what they do unheard.
"""

import builtins
import io
import json
import os
import pickle
import shutil
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import cache
from typing import Any

WRITING = os.O_WRONLY | os.O_RDWR | os.O_CREAT | os.O_TRUNC | os.O_APPEND
PROGRAMS = frozenset(
    {"subprocess.Popen", "os.system", "os.exec", "os.fork", "os.forkpty", "os.posix_spawn", "os.spawn"}
)
NETWORK = frozenset({"socket.connect", "socket.bind", "socket.getaddrinfo"})
FILES = frozenset(
    {
        "os.remove",
        "os.rename",
        "os.rmdir",
        "os.mkdir",
        "os.link",
        "os.symlink",
        "os.truncate",
        "shutil.rmtree",
    }
)
NOT_TOLD = ("__pycache__", os.devnull)
MOST = 50  # deeds of a kind that are kept
# Functions that all programs count on; whoever puts others in their place changes Weft too.
WATCHED: Mapping[str, tuple[Any, str]] = {
    "builtins.open": (builtins, "open"),
    "builtins.print": (builtins, "print"),
    "builtins.__import__": (builtins, "__import__"),
    "json.dumps": (json, "dumps"),
    "json.loads": (json, "loads"),
    "os.remove": (os, "remove"),
    "os.rename": (os, "rename"),
    "os.replace": (os, "replace"),
    "os.unlink": (os, "unlink"),
    "os.listdir": (os, "listdir"),
    "os._exit": (os, "_exit"),
    "os.system": (os, "system"),
    "io.open": (io, "open"),
    "pickle.load": (pickle, "load"),
    "pickle.loads": (pickle, "loads"),
    "shutil.rmtree": (shutil, "rmtree"),
    "socket.socket": (socket, "socket"),
    "subprocess.Popen": (subprocess, "Popen"),
    "subprocess.run": (subprocess, "run"),
    "time.sleep": (time, "sleep"),
    "sys.exit": (sys, "exit"),
}
TORCH = ("load", "save", "compile")


@dataclass(slots=True)
class Deeds:
    """What was heard, by kind: "files", "programs", "network", "replaced"; each once, in order."""

    told: dict[str, list[str]] = field(default_factory=dict[str, list[str]])

    def add(self, kind: str, what: str) -> None:
        """Keep a deed."""
        known = self.told.setdefault(kind, [])
        if what not in known and len(known) < MOST:
            known.append(what)


@contextmanager
def witnessed() -> Iterator[Deeds]:
    """Hear what happens while the block runs, in any thread."""
    ear = _ear()
    deeds = Deeds()
    watched = _watched()
    before = {name: getattr(owner, attribute, None) for name, (owner, attribute) in watched.items()}
    ear.deeds = deeds
    try:
        yield deeds
    finally:
        ear.deeds = None
        for name, (owner, attribute) in watched.items():
            if getattr(owner, attribute, None) is not before[name]:
                deeds.add("replaced", name)


def replacements() -> Iterator[tuple[str, str]]:
    """Functions that all programs count on and that are Python's code now: their names, and the files that they are in."""
    for name, (owner, attribute) in _watched().items():
        code = getattr(getattr(owner, attribute, None), "__code__", None)
        if code is not None:
            yield name, code.co_filename


def _watched() -> dict[str, tuple[Any, str]]:
    torch = sys.modules.get("torch")
    more = {f"torch.{name}": (torch, name) for name in TORCH} if torch is not None else {}
    return {**WATCHED, **more}


@dataclass(slots=True)
class _Ear:
    deeds: Deeds | None = None

    def hear(self, event: str, given: tuple[Any, ...]) -> None:
        """As `sys.addaudithook` wants it; called for each deed of the process, so it is short."""
        deeds = self.deeds
        if deeds is None:
            return
        if event == "open":
            _opened(deeds, *given)
        elif event in FILES:
            deeds.add("files", f"{event.partition('.')[2]} {_text(given[0])}")
        elif event in PROGRAMS:
            deeds.add("programs", " ".join(_text(part) for part in given[:2] if part) or event)
        elif event in NETWORK:
            deeds.add(
                "network",
                f"{event.partition('.')[2]} {_text(given[1 if event != 'socket.getaddrinfo' else 0])}",
            )


@cache
def _ear() -> _Ear:
    ear = _Ear()
    hear: Callable[[str, tuple[Any, ...]], None] = ear.hear
    sys.addaudithook(hear)
    return ear


def _opened(deeds: Deeds, path: Any, mode: Any, flags: Any) -> None:
    writes = set(str(mode or "")) & set("wax+") if mode else int(flags or 0) & WRITING
    if writes and not isinstance(path, int):
        name = _text(path)
        if not any(part in name for part in NOT_TOLD):
            deeds.add("files", f"write {name}")


def _text(value: Any) -> str:
    if isinstance(value, bytes):
        return os.fsdecode(value)
    if isinstance(value, list | tuple):
        return " ".join(_text(part) for part in value)
    return str(value)

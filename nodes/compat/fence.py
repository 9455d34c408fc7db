"""What packs may do while they run: where they write, which of them reach the network, start programs, read elsewhere.

Python tells a hook of each such deed before it is done (PEP 578). Whose deed it is, the stack says: the innermost frame
that lies in a pack's folder or in a room of ours. What is not allowed raises `NotAllowed`, and is told in the pack's
report. Compiled code is not heard, nor is Python that hides: for that, `kernel` holds what it can, and a pack in a process
of its own is held by it alone.
"""

import errno
import os
import socket
import sqlite3
import sys
import threading
import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from types import FrameType
from typing import Any

import nodes as own_nodes
from nodes.compat import native
from nodes.compat.grounds import Grounds, Limits
from nodes.compat.importing import find
from nodes.compat.native import descends
from nodes.compat.places import Places
from nodes.compat.witness import NETWORK, NOT_TOLD, PROGRAMS, WRITING, Deeds

OWN = "Weft"
NOBODY = "(a thread)"
SLACK = 0.02  # seconds by which a file system's clock may lag behind ours
CHANGES: Mapping[
    str, tuple[tuple[int, int | None], ...]
] = {  # where an event has paths, and their folders' handles
    "os.remove": ((0, 1),),
    "os.rmdir": ((0, 1),),
    "os.mkdir": ((0, 2),),
    "os.rename": ((0, 2), (1, 3)),
    "os.link": ((0, 2), (1, 3)),  # what has two names is written under both
    "os.symlink": ((1, 2),),
    "os.truncate": ((0, None),),
    "os.chmod": ((0, 2),),
    "os.chown": ((0, 3),),
    "os.utime": ((0, 3),),
    "os.setxattr": ((0, None),),
    "os.removexattr": ((0, None),),
    "shutil.rmtree": ((0, None),),
    "shutil.move": ((0, None), (1, None)),
}
WHOLE = frozenset({"os.rename", "shutil.move", "shutil.rmtree", "os.rmdir"})  # take a folder with all in it
DATABASES = frozenset({"sqlite3.connect", native.CONNECTED})
KILLS = frozenset({"os.kill", "os.killpg"})
LISTS = frozenset({"os.listdir", "os.scandir"})
SENDS = NETWORK | {"socket.sendto", "socket.sendmsg", "socket.gethostbyname", "socket.gethostbyaddr"}
INTERNET = frozenset({socket.AF_INET, getattr(socket, "AF_INET6", socket.AF_INET)})
LANES = str(Path("worker", "lanes.py"))  # runs what it is given: whose that is, other frames say
OPEN, KEPT, FINISHED = "open", "kept", "finished"  # grounds


class NotAllowed(PermissionError):
    """A pack may not do that. The message says which, what, and how a person allows it."""

    def __init__(self, text: str) -> None:
        super().__init__(errno.EACCES, text)


@dataclass(slots=True)
class Fence:
    """The rules for all packs of a process, and what each did. `raised` sets it up.

    Attributes:
        limits: by pack. The rest are as `Limits` has it.
        told: what was done, and what was refused, by pack.
        since: when the job began that runs; files of its own are not finished.
        packs: their names, by folder.
        alone: the pack that has this process to itself; empty where packs share it.
        unenforced: what this system cannot enforce, in lines.
    """

    places: Places
    grounds: Grounds
    limits: Mapping[str, Limits] = field(default_factory=dict[str, Limits])
    hear: Callable[[str, str], None] = lambda _pack, _what: None
    told: dict[str, Deeds] = field(default_factory=dict[str, Deeds])
    since: float = float("inf")
    packs: dict[str, str] = field(default_factory=dict[str, str])
    alone: str = ""
    unenforced: tuple[str, ...] = ()
    _by_folder: dict[str, str] = field(default_factory=dict[str, str])
    _owners: dict[str, str | None] = field(default_factory=dict[str, str | None])
    _process: int = field(default_factory=os.getpid)
    _busy: threading.local = field(default_factory=threading.local)

    def __post_init__(self) -> None:
        given = self.grounds
        for kind, folders in ((OPEN, given.open), (KEPT, given.kept), (FINISHED, given.finished)):
            self._by_folder |= {_real(folder): kind for folder in folders}
        self.find_packs()

    def find_packs(self) -> None:
        """Look again which packs there are."""
        for path in find(self.places.packs):
            name = path.stem if path.is_file() else path.name
            self.packs |= {str(path): name, _real(path): name}
        self._owners.clear()

    def begin(self) -> None:
        """A job begins: what is in the folder of finished files is finished."""
        self.since = time.time() - SLACK

    def of(self, pack: str) -> Limits:
        """What a person said of it."""
        return self.limits.get(pack, Limits())

    def apart(self) -> tuple[str, ...]:
        """Names of packs that run in processes of their own, elsewhere."""
        return () if self.alone else tuple(name for name, each in self.limits.items() if each.apart)

    def deeds(self, pack: str) -> Mapping[str, tuple[str, ...]]:
        """What it did, and what it was refused."""
        return {kind: tuple(each) for kind, each in self.told.get(pack, Deeds()).told.items()}

    def whose(self, frame: FrameType | None) -> str | None:
        """The pack whose code is at work, `OWN`, or None if neither is on the stack."""
        while frame is not None:
            owner = self.owner_of(frame.f_code.co_filename)
            if owner is not None:
                return owner
            frame = frame.f_back
        return None

    def may_write(self, pack: str, path: str, *, whole: bool = False) -> str:
        """Empty, or why not. `whole`: a folder goes with all that is in it."""
        kind, at = self._ground(path)
        if any(_within(path, _real(folder)) for folder in self.of(pack).writes) or self.packs.get(at) == pack:
            return ""
        if kind is None:
            return "it lies outside the workspace"
        if whole and any(_within(folder, path) for folder, its in self._by_folder.items() if its != OPEN):
            return "it holds what packs may not change"
        if kind == KEPT:
            return f"{at} is not theirs to write"
        if kind == FINISHED and self._is_finished(path, whole=whole):
            return "it is a finished file"
        return ""

    def audit(self, event: str, given: tuple[Any, ...]) -> None:
        """As `sys.addaudithook` wants it; called for each deed of the process, so the rest is seen at a glance."""
        if event == "open":
            if isinstance(given[0], str | bytes | os.PathLike):
                self._guarded(self._opened, *given)
        elif event in CHANGES or event in PROGRAMS or event in SENDS or event in LISTS:
            self._guarded(self._done, event, given)
        elif event in DATABASES:
            self._guarded(self._database, given[0])
        elif event in KILLS:
            self._guarded(self._kill, event, *given)
        elif event == "socket.__new__" and given[1] in INTERNET:
            self._guarded(self._done, event, (socket.AddressFamily(given[1]).name,))

    # --- inside -----------------------------------------------------------------------------------------------------

    def _guarded(self, judge: Callable[..., None], *given: Any) -> None:
        """What is asked of the system while judging is not judged itself."""
        if getattr(self._busy, "now", False):
            return
        self._busy.now = True
        try:
            judge(*given)
        finally:
            self._busy.now = False

    def _opened(self, path: Any, mode: Any, flags: Any) -> None:
        writes = set(str(mode)) & set("wax+") if mode else int(flags or 0) & WRITING
        if writes:
            self._change("write", [_real(path)])
        else:
            self._read(path)

    def _done(self, event: str, given: tuple[Any, ...]) -> None:
        short = event.partition(".")[2]
        if event in CHANGES:
            paths = [_at(given, place, handle) for place, handle in CHANGES[event]]
            self._change(short, paths, whole=event in WHOLE, makes=event == "os.mkdir")
        elif event in LISTS:
            self._read(given[0])
        elif event in PROGRAMS:
            if event == "os.exec" and os.getpid() == self._process:
                self._end(
                    "exec " + _text(given[0]),
                    "it would end the process of all packs; start a program instead",
                )
            what = (
                " ".join(_text(part) for part in given if part and isinstance(part, str | bytes | list))
                or short
            )
            self._deed("programs", what, lambda limits: limits.apart, "it runs in a process of its own")
        else:
            told = given[0 if event in _NAMES else min(1, len(given) - 1)]
            what = f"open a socket ({told!s})" if event == "socket.__new__" else f"{short} {_text(told)}"
            self._deed("network", what, lambda limits: not limits.network, "it may not use the network")

    def _database(self, given: Any) -> None:
        """SQLite opens files by itself: the first, as a name or an address, and those that are attached."""
        pack = self.whose(sys._getframe(1)) or NOBODY  # noqa: SLF001 - as below
        if pack == OWN:
            return
        if isinstance(given, sqlite3.Connection):
            native.hold(given, lambda file: not file or not self.may_write(pack, native.database(file)))
            return
        file = native.database(_text(given))
        if file and (why := self.may_write(pack, file)):
            self._refuse(pack, f"open the database {file}", why, f"--write {Path(file).parent}")

    def _kill(self, event: str, target: int, number: int) -> None:
        group = os.getpgrp() if hasattr(os, "getpgrp") else 0
        own = target in (0, os.getpid()) or (event == "os.killpg" and target == group)
        if number and not own and not descends(abs(target), os.getpid()):
            self._end(f"signal {number} to process {target}", "it has not started that process")

    def _end(self, what: str, why: str) -> None:
        """Refuse what no limit allows."""
        pack = self.whose(sys._getframe(2))  # noqa: SLF001 - as below
        if pack is not None and pack != OWN:
            self._tell(pack, "refused", what)
            raise NotAllowed(f"The pack {pack} may not do this ({what}): {why}.")

    def _change(self, what: str, paths: Iterable[str], *, whole: bool = False, makes: bool = False) -> None:
        pack = self.whose(sys._getframe(1))  # noqa: SLF001 - the stack is what tells whose deed it is
        if pack == OWN:
            return
        for path in paths:
            if any(part in path for part in NOT_TOLD):
                continue
            why = self.may_write(pack or NOBODY, path, whole=whole)
            harmless = (makes and (self._ground(path)[0] is not None or Path(path).is_dir())) or (
                pack is None and self._ground(path)[0] is None  # a library's thread, in a place of its own
            )
            if why and not harmless:
                self._refuse(pack or NOBODY, f"{what} {path}", why, f"--write {Path(path).parent}")

    def _read(self, path: Any) -> None:
        if not isinstance(path, str | bytes | os.PathLike):
            return
        real = _real(path)
        closed = self._ground(real)[1] in _reals(self.grounds.closed)
        if (self._ground(real)[0] is not None and not closed) or any(
            _within(real, root) for root in self._readable()
        ):
            return
        if any(_within(real, folder) for folder in self.packs):
            return
        self._deed("reads", real, lambda limits: limits.apart, "it may read the workspace alone")

    def _readable(self) -> tuple[str, ...]:
        return _reals(self.grounds.read)

    def _deed(self, kind: str, what: str, refused: Callable[[Limits], bool], why: str) -> None:
        pack = self.whose(sys._getframe(1))  # noqa: SLF001 - as above
        if pack is None or pack == OWN:
            return
        if refused(self.of(pack)):
            self._refuse(pack, f"{kind}: {what}", why, "--shared" if kind != "network" else "--network")
        self._tell(pack, kind, what)

    def _refuse(self, pack: str, what: str, why: str, option: str) -> None:
        self._tell(pack, "refused", what)
        who = "A pack's thread" if pack == NOBODY else f"The pack {pack}"
        how = f"weft packs limit {'NAME' if pack == NOBODY else pack} {option}"
        raise NotAllowed(f"{who} may not do this ({what}): {why}. Whoever trusts it allows that by `{how}`.")

    def note(self, pack: str, kind: str, what: str) -> None:
        """Keep a deed that somebody else has seen."""
        self._tell(pack, kind, what)

    def owner_of(self, file: str) -> str | None:
        """The pack that a file of code belongs to, `OWN`, or None."""
        return self._owners[file] if file in self._owners else self._owner(file)

    def _tell(self, pack: str, kind: str, what: str) -> None:
        deeds = self.told.setdefault(pack, Deeds())
        if what not in deeds.told.get(kind, ()):
            deeds.add(kind, what)
            if kind == "refused":
                self.hear(pack, what)

    def _owner(self, file: str) -> str | None:
        found: str | None = None
        for folder in (file, *_parents(file)):
            if folder in self.packs:
                found = self.packs[folder]
                break
        else:
            inside = file.startswith(_own_rooms()) and not file.startswith(_edge())
            found = OWN if inside and not file.endswith(LANES) else None
        self._owners[file] = found
        return found

    def _ground(self, path: str) -> tuple[str | None, str]:
        for folder in (path, *_parents(path)):
            if folder in self.packs:
                return KEPT, folder
            if folder in self._by_folder:
                return self._by_folder[folder], folder
        return None, ""

    def _is_finished(self, path: str, *, whole: bool) -> bool:
        try:
            found = os.stat(path)  # noqa: PTH116 - the path is a text
        except OSError:
            return False
        if Path(path).is_dir():
            return whole
        return found.st_ctime < self.since


_NAMES = frozenset({"socket.getaddrinfo", "socket.gethostbyname", "socket.gethostbyaddr", "socket.__new__"})
_standing: dict[str, Fence] = {}


def raised(fence: Fence | None) -> None:
    """From now on these rules hold in this process; None: none do."""
    _hook()
    _standing.pop("now", None)
    if fence is not None:
        _standing["now"] = fence


def standing() -> Fence | None:
    """The rules that hold now."""
    return _standing.get("now")


@cache
def _hook() -> None:
    """A hook cannot be taken off again, so there is one."""

    def audit(event: str, given: tuple[Any, ...]) -> None:
        fence = _standing.get("now")
        if fence is not None:
            fence.audit(event, given)

    sys.addaudithook(audit)


def _at(given: tuple[Any, ...], place: int, handle: int | None) -> str:
    """A path of an event, whole. A handle of its folder counts where the path is not whole itself."""
    path = given[place]
    folder = given[handle] if handle is not None and len(given) > handle else -1
    if isinstance(path, int):
        return _real(f"/proc/self/fd/{path}")
    if isinstance(folder, int) and folder >= 0 and not os.path.isabs(path):  # noqa: PTH117 - it may be bytes
        return os.path.join(_real(f"/proc/self/fd/{folder}"), _text(path))  # noqa: PTH118 - a link itself is meant
    text = os.path.abspath(_text(path))  # noqa: PTH100 - as above
    return os.path.join(_real(os.path.dirname(text)), os.path.basename(text))  # noqa: PTH118, PTH119, PTH120


def _real(path: Any) -> str:
    return os.path.realpath(_text(path))


@cache
def _reals(folders: tuple[Path, ...]) -> tuple[str, ...]:
    return tuple({_real(folder) for folder in folders})


def _within(path: str, folder: str) -> bool:
    return path == folder or path.startswith(folder.rstrip(os.sep) + os.sep)


def _parents(path: str) -> Iterable[str]:
    while True:
        above = os.path.dirname(path)  # noqa: PTH120 - called for each deed
        if above == path or not above:
            return
        yield above
        path = above


@cache
def _own_rooms() -> tuple[str, ...]:
    root = Path(own_nodes.__file__ or "").parents[1]
    return tuple(str(root / room) + os.sep for room in ("nodes", "server"))


@cache
def _edge() -> str:
    """This room: what it does, it does for a pack."""
    return str(Path(__file__).parent) + os.sep


def _text(value: Any) -> str:
    if isinstance(value, list | tuple):
        return " ".join(_text(part) for part in value)
    return os.fsdecode(value) if isinstance(value, bytes | os.PathLike) else str(value)

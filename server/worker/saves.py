"""Names that saves took, written down before there is a file: a job that runs again takes the same ones.

A job that was cut off and runs again saves again what it had saved, or half saved. Each of its saves is known by the
run, the node, the call and how many the call saved before, so it gets the name it had, and the file takes the place of
the older one. Of a pack that asks for a number (`folder_paths.get_save_image_path`) and counts on from there, the number
is written down; files that packs name in another way are out of reach.
"""

import contextlib
import json
import os
import re
import threading
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from nodes.spec import NodeError, Place, SaveSlot
from server.workspace import Workspace

LONGEST = 1 << 19  # bytes of the journal; then a new one is begun, and the last one is kept beside it
STALE = 86_400.0  # seconds after which a half-written file is one that nobody goes on with


@dataclass(frozen=True, slots=True)
class Save:
    """One save of one job, whichever run of it writes it.

    Attributes:
        run: see `JobContext.run`.
        call: of the node, where lists make several; number: of saves that this call did before.
    """

    run: str
    node: str
    call: int
    number: int


@dataclass(frozen=True, slots=True)
class Name:
    """Where a file lies."""

    place: Place
    subfolder: str
    filename: str


class Journal:
    """Which save took which name: lines of JSON in a file that only grows. Safe for threads.

    Args:
        path: of the file; read when it is first needed.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._names: dict[Save, Name] | None = None
        self._lock = threading.Lock()

    def name(self, save: Save) -> Name | None:
        """The name that it took, if it did."""
        with self._lock:
            return self._known().get(save)

    def entries(self) -> Mapping[Save, Name]:
        """All that is remembered."""
        with self._lock:
            return dict(self._known())

    def note(self, save: Save, name: Name) -> None:
        """Write down a name; it is on the disk when this returns.

        Raises:
            OSError: the disk refuses.
        """
        line = json.dumps(
            [save.run, save.node, save.call, save.number, name.place, name.subfolder, name.filename]
        )
        with self._lock:
            self._path.parent.mkdir(parents=True, exist_ok=True)
            if self._path.is_file() and self._path.stat().st_size > LONGEST:
                self._path.replace(self._older)
                self._names = None  # what was in the older one is forgotten
            self._known()[save] = name
            with self._path.open("a", encoding="utf-8") as file:
                # A line that was cut off must not take the next one with it.
                file.write(f"\n{line}\n")
                file.flush()
                os.fsync(file.fileno())

    @property
    def _older(self) -> Path:
        return self._path.with_suffix(".older.jsonl")

    def _known(self) -> dict[Save, Name]:
        if self._names is None:
            self._names = {}
            for path in (self._older, self._path):
                with contextlib.suppress(OSError):
                    for line in path.read_text(encoding="utf-8", errors="replace").splitlines():
                        self._names |= _read(line)
        return self._names


def _read(line: str) -> dict[Save, Name]:
    """The entry of one line; none where it is empty or cut off."""
    try:
        run, node, call, number, place, subfolder, filename = json.loads(line)
        save = Save(str(run), str(node), int(call), int(number))
        return {save: Name(Place(place), str(subfolder), str(filename))}
    except (ValueError, TypeError):
        return {}


@dataclass(slots=True)
class SavingFiles:
    """Implements `nodes.spec.Files` for one call of one node: its saves take the names that they took before."""

    workspace: Workspace
    journal: Journal
    run: str
    node: str
    call: int
    _saves: int = field(default=0)

    def choices(self, folder: str) -> Sequence[str]:
        """As the workspace."""
        return self.workspace.choices(folder)

    def find(self, folder: str, name: str) -> Path:
        """As the workspace."""
        return self.workspace.find(folder, name)

    def picture(self, name: str) -> Path:
        """As the workspace."""
        return self.workspace.picture(name)

    def reserve(
        self, place: Place, prefix: str, suffix: str, *, width: int = 0, height: int = 0, end: str = "_"
    ) -> SaveSlot:
        """The name that this save took in an earlier run; else the next free one, written down before it is taken.

        Raises:
            NodeError: the prefix leads out of the folder, or the disk refuses.
        """
        if place is Place.TEMP:  # emptied at every start
            return self.workspace.reserve(place, prefix, suffix, width=width, height=height, end=end)
        save = Save(self.run, self.node, self.call, self._saves)
        self._saves += 1
        known = self.journal.name(save)
        if known is not None and known.place is place and known.filename.endswith(suffix):
            return self._again(known)

        def note(slot: SaveSlot) -> None:
            self.journal.note(save, Name(slot.place, slot.subfolder, slot.filename))

        return self.workspace.reserve(place, prefix, suffix, width=width, height=height, end=end, note=note)

    def overwrite(self, place: Place, name: str) -> SaveSlot:
        """As the workspace: a job that runs again names the same files."""
        return self.workspace.overwrite(place, name)

    def number(self, folder: Path, stem: str, free: int) -> int:
        """The number that this save began with in an earlier run, if no other run has taken one from there on since.

        Raises:
            OSError: the disk refuses to have it written down.
        """
        root = self.workspace.place(Place.OUTPUT).resolve()
        if not folder.resolve().is_relative_to(root):
            return free
        subfolder = folder.resolve().relative_to(root).as_posix().removeprefix(".")
        save = Save(self.run, self.node, self.call, self._saves)
        self._saves += 1
        counted = re.compile(re.escape(stem) + r"_(\d+)_")
        taken: dict[Save, int] = {}
        for other, name in self.journal.entries().items():
            found = counted.match(name.filename)
            if found and name.place is Place.OUTPUT and name.subfolder == subfolder:
                taken[other] = int(found[1])
        mine = taken.get(save)
        if mine is not None and not any(
            other.run != self.run and number >= mine for other, number in taken.items()
        ):
            return mine
        self.journal.note(save, Name(Place.OUTPUT, subfolder, f"{stem}_{free:05}_"))
        return free

    def _again(self, name: Name) -> SaveSlot:
        slot = self.workspace.slot(name.place, name.subfolder, name.filename)
        try:
            slot.path.parent.mkdir(parents=True, exist_ok=True)
            slot.partial.touch()
        except OSError as error:
            raise NodeError(
                f"Nothing can be written to {slot.path.parent}: {error.strerror or error}.",
                "Free some space or check the folder's rights, then run again: only the save is repeated.",
            ) from error
        return slot


@dataclass(frozen=True, slots=True)
class Saves:
    """The saves of a worker."""

    workspace: Workspace
    journal: Journal

    def files(self, run: str, node: str, call: int) -> SavingFiles:
        """The workspace as one call of a node sees it."""
        return SavingFiles(self.workspace, self.journal, run, node, call)

    def sweep(self) -> None:
        """Remove half-written files that no job will go on with."""
        for name in self.journal.entries().values():
            with contextlib.suppress(OSError, NodeError):
                partial = self.workspace.slot(name.place, name.subfolder, name.filename).partial
                if time.time() - partial.stat().st_mtime > STALE:
                    partial.unlink()

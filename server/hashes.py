"""Hashes of files' content, computed once for each state of a file: by size, times and inode."""

import asyncio
import hashlib
import json
import os
from pathlib import Path
from threading import Event

from server.shelf import HashedFile, Shelf

CHUNK = 1 << 20  # bytes between two looks at whether anybody still wants the hash


class Abandoned(Exception):
    """Nobody wants the hash any more."""


class Hashes:
    """SHA-256 of files. The event loop never waits for a file.

    Args:
        shelf: keeps them from start to start.
        workers: the file in which workers keep theirs, of models; read, never written.
    """

    def __init__(self, shelf: Shelf, workers: Path) -> None:
        self._shelf = shelf
        self._workers = workers
        self._known: dict[str, HashedFile] = {}
        self._of_workers: tuple[str, dict[str, object]] = ("", {})
        self._loaded = False
        self._closed = Event()

    async def load(self) -> None:
        """Take in what is kept. Once is enough; until then, nothing is known."""
        if not self._loaded:
            self._known = {**await self._shelf.hashes(), **self._known}
            self._loaded = True

    def known(self, path: Path, stat: os.stat_result) -> str | None:
        """The hash of a file in this state; None if it was not computed yet. Costs nothing; from any thread."""
        found = self._known.get(str(path))
        return found.sha256 if found is not None and found.stamp == stamp(stat) else None

    async def of(self, path: Path, cancelled: Event | None = None) -> str:
        """The hash of a file, computed on another thread if it is not known.

        Raises:
            Abandoned: `cancelled` was set, or the server closes.
            OSError: the file cannot be read.
        """
        await self.load()
        stat = await asyncio.to_thread(path.stat)
        found = self.known(path, stat)
        if found is None:
            if cancelled is not None and cancelled.is_set():
                raise Abandoned
            found = await asyncio.to_thread(self._read, path, stat, cancelled or self._closed)
            await self.keep(path, stat, found)
        return found

    async def keep(self, path: Path, stat: os.stat_result, sha256: str) -> None:
        """The hash of a file in this state is known from elsewhere."""
        self._known[str(path)] = hashed = HashedFile(stamp(stat), sha256)
        await self._shelf.keep_hash(str(path), hashed)

    def close(self) -> None:
        """The server ends: what is being computed is not waited for."""
        self._closed.set()

    def _read(self, path: Path, stat: os.stat_result, cancelled: Event) -> str:
        if found := self._by_worker(path, stat):
            return found
        digest = hashlib.sha256()
        with path.open("rb") as file:
            while chunk := file.read(CHUNK):
                if cancelled.is_set() or self._closed.is_set():
                    raise Abandoned
                digest.update(chunk)
        return digest.hexdigest()

    def _by_worker(self, path: Path, stat: os.stat_result) -> str | None:
        """What a worker found: it hashes each model that it loads."""
        try:
            of_file = stamp(self._workers.stat())
            if self._of_workers[0] != of_file:
                self._of_workers = (of_file, dict(json.loads(self._workers.read_text("utf-8"))))
        except (OSError, ValueError, TypeError):
            return None
        found = self._of_workers[1].get(f"{path.resolve()}|{stamp(stat)}")
        return found if isinstance(found, str) else None


def stamp(stat: os.stat_result) -> str:
    """A file's state: another one whenever its content may be another."""
    # The time of the last change of any kind (on Windows: of creation) is there for copies that keep their times.
    return f"{stat.st_size}|{stat.st_mtime_ns}|{stat.st_ctime_ns}|{stat.st_ino}"

"""Results on disk: what took long to compute and is quick to read again, so that no end of a worker loses it.

A file per result (see `entry`), named by its content key, in a folder named for what else results depend on: the code
of the nodes, torch, the device. Written in the background to a temporary name, flushed, then renamed. A file that is
not what was written is reported, removed and computed anew. When the budget is full, those go first that are worth the
least: what it would cost to have them again, for each byte, faded by disuse (see `keeping`).

What is worth a file is decided by measured cost: a result is written if computing it took at least `GAIN` times as long
as writing and reading its bytes would. If writing is a small share of what the node took (`SHARE`), the next node waits
for it: then even a kill loses no more than the node that was running.
"""

import contextlib
import logging
import math
import os
import queue
import secrets
import shutil
import threading
import time
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future
from dataclasses import dataclass, field
from pathlib import Path
from typing import BinaryIO, cast

from nodes.spec import Codec, Packed, Unstorable
from server.memory import GIGABYTE
from server.worker import entry
from server.worker.entry import About, Damaged
from server.worker.keeping import LEAST_BYTES
from server.worker.keeping import LEAST_SECONDS as LEAST_COST

GAIN = 4.0
SHARE = 0.05
LEAST_SECONDS = 0.02  # what is quicker is not even looked at
BACKLOG = 512 * 1024 * 1024  # bytes that may wait to be written before nodes wait
FILLED = 0.9  # share of the budget that is left when room is made
LEAST_FREE = GIGABYTE  # bytes that are always left free on the disk
SUFFIX = ".safetensors"
UNFINISHED = ".part"
STALE = 600.0  # seconds after which an unfinished file was left by a writer that is gone
LARGE = 1 << 20  # bytes from which a write tells of the disk's speed rather than of its delay
WARNINGS_APART = 60.0  # seconds
HALF_LIFE = 3 * 86_400.0  # seconds without use after which a result is worth half
TICK = 100_000_000  # ns; clocks of file systems tick faster than that

log = logging.getLogger("weft.results")


def _on() -> None:
    """Nobody wants to stop."""


def default_budget(folder: Path) -> int:
    """Bytes of results to keep on a disk: a tenth of what is free there, 10 GB at most."""
    return min(10 * GIGABYTE, shutil.disk_usage(folder).free // 10)


@dataclass(slots=True)
class Speed:
    """What the disk was measured to do: seconds until a file of nothing is on it, bytes a second after that."""

    delay: float = 0.005
    write: float = 200e6
    read: float = 500e6

    def writing(self, size: int) -> float:
        """Seconds to write so many bytes."""
        return self.delay + size / self.write

    def reading(self, size: int) -> float:
        """Seconds to read and check them."""
        return 0.001 + size / self.read

    def was_read(self, size: int, seconds: float) -> None:
        """Learn from a read; of a small file it says nothing."""
        if size >= LARGE:
            self.read += 0.2 * (size / max(seconds, 1e-4) - self.read)

    def wrote(self, size: int, seconds: float) -> None:
        """Learn from a write."""
        if size < LARGE:
            self.delay += 0.2 * (seconds - self.delay)
        else:
            self.write += 0.2 * (size / max(seconds - self.delay, 1e-4) - self.write)


@dataclass(frozen=True, slots=True)
class Found:
    """A result on disk, checked. The open file stays what was checked, whatever becomes of its name."""

    about: About
    file: BinaryIO
    changed: int  # when it had changed last before it was checked, in ns


@dataclass(frozen=True, slots=True)
class _Order:
    about: About
    packed: Packed
    size: int
    written: "Future[bool]"


@dataclass(slots=True)
class Disk:
    """The results of one worker.

    Args:
        root: the folder of all results, of earlier versions too.
        identity: names the folder in it for what results depend on beside their keys.
        codec: turns values into data and back.
        budget: bytes below the root.
    """

    root: Path
    identity: str
    codec: Codec
    budget: int
    damaged: set[str] = field(default_factory=set[str])  # keys of files that were found damaged, until told
    present: set[str] = field(default_factory=set[str])  # keys that were seen or written in this life
    speed: Speed = field(default_factory=Speed)
    _orders: "queue.SimpleQueue[_Order]" = field(default_factory=queue.SimpleQueue)
    _waiting: int = 0  # bytes
    _listed: set[str] = field(default_factory=set[str])  # keys of the files
    _listed_at: int = 0  # when the folder had changed last before it was read, in ns
    _total: int | None = None  # bytes below the root; None: not counted yet
    _warned: float = -WARNINGS_APART
    _costs: dict[Path, float] = field(default_factory=dict[Path, float])  # seconds that results took, by file
    _lock: threading.Lock = field(default_factory=threading.Lock)
    _writer: threading.Thread | None = None
    _last: "Future[bool] | None" = None  # of the orders: when it is written, all are

    # --- reading ----------------------------------------------------------------------------------------------------

    def among(self, keys: Iterable[str]) -> list[str]:
        """Those keys under which there is a file. The folder is read again only when it has changed."""
        folder = self.root / self.identity
        try:
            changed = folder.stat().st_mtime_ns
            if changed != self._listed_at:
                self._listed = {name.removesuffix(SUFFIX) for name in os.listdir(folder)}  # noqa: PTH208 - names
                # A change in the same tick of the clock would not show: then it is read again the next time.
                self._listed_at = changed if time.time_ns() - changed > TICK else 0
        except OSError:
            return []
        return [key for key in keys if key in self._listed]

    def look(self, key: str, go_on: Callable[[], None] = _on) -> Found | None:
        """The result of that key, its bytes checked; None if there is none that can be used.

        Args:
            go_on: called again and again meanwhile: a large file takes seconds. What it raises passes.
        """
        path = self._path(key)
        try:
            file = path.open("rb")
        except OSError:
            return None
        try:
            with contextlib.suppress(OSError):
                # Used just now; and a time of ours, finer than the system's clock, which no change could repeat.
                os.utime(path, ns=(time.time_ns(), time.time_ns()))
            state, started = os.fstat(file.fileno()), time.perf_counter()
            head = entry.check(file, key, go_on)
            self.speed.was_read(state.st_size, time.perf_counter() - started)
            if self.codec.usable(head.structure):
                self.present.add(key)
                return Found(head.about, file, state.st_mtime_ns)
            file.close()
        except (Damaged, OSError) as error:
            file.close()
            self._report(key, path, error)
        except BaseException:
            file.close()
            raise
        return None

    def load(self, found: Found) -> list[list[object]] | None:
        """The values of each slot; None if they cannot be had after all."""
        try:
            changed = os.fstat(found.file.fileno()).st_mtime_ns
            packed = entry.read(found.file, found.about.key, checked=changed == found.changed)
            return cast("list[list[object]]", self.codec.unpack(packed))
        except Unstorable as error:
            log.warning("A kept result of %s cannot be used here: it holds %s.", found.about.type, error)
        except (Damaged, OSError) as error:
            self._report(found.about.key, self._path(found.about.key), error)
        return None

    # --- writing ----------------------------------------------------------------------------------------------------

    def worth(self, seconds: float, size: int) -> bool:
        """Whether a result that took so long is worth its bytes on this disk."""
        if seconds < LEAST_SECONDS or size > self.budget:
            return False
        return seconds >= GAIN * (self.speed.writing(size) + self.speed.reading(size))

    def keep(
        self, about: About, slots: list[list[object]], size: int, *, always: bool = False
    ) -> "Future[bool] | None":
        """Write a result in the background, if it is worth it and can be.

        Args:
            size: about how many bytes it holds.
            always: whatever it cost.

        Returns:
            What to wait for before the next node starts: done with whether it was written. None: no need to wait.
        """
        if not (always and size <= self.budget) and not self.worth(about.seconds, size):
            return None
        try:
            packed = self.codec.pack(slots)
        except (Unstorable, RecursionError) as error:
            log.debug("The result of %s is not kept on disk: it holds %s.", about.type, error)
            return None
        size = sum(len(part.data) for part in packed.parts)
        order = _Order(about, packed, size, Future())
        order.written.set_running_or_notify_cancel()  # nobody can take it back
        with self._lock:
            if self._writer is None:
                self._writer = threading.Thread(target=self._write_all, name="weft-results", daemon=True)
                self._writer.start()
            self._waiting += size
            behind = self._waiting
            self._last = order.written
        self._orders.put(order)
        quick = self.speed.writing(behind) <= SHARE * about.seconds
        return order.written if quick or behind > BACKLOG else None

    def settle(self, seconds: float) -> None:
        """Wait until all that was ordered is written, or for so many seconds."""
        if self._last is not None:
            with contextlib.suppress(TimeoutError):
                self._last.result(seconds)

    def _write_all(self) -> None:
        self._sweep()
        while True:
            order = self._orders.get()
            written = False
            try:
                written = self._write(order)
            except OSError as error:
                self._warn(f"{error.strerror or error}")
            except Exception:
                log.exception("A result of %s could not be written.", order.about.type)
            finally:
                with self._lock:
                    self._waiting -= order.size
                order.written.set_result(written)

    def _write(self, order: _Order) -> bool:
        """Raises OSError, then nothing of it is left."""
        encoded = entry.encode(order.about, order.packed)
        size = encoded.size
        if not self._make_room(size):
            self._warn("the disk is nearly full")
            return False
        path = self._path(order.about.key)
        fresh = path.with_name(f"{order.about.key}.{secrets.token_hex(4)}{UNFINISHED}")
        started = time.perf_counter()
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            with fresh.open("xb") as file:
                entry.write(file, encoded)
                file.flush()
                os.fsync(file.fileno())
            before = _size(path)
            fresh.replace(path)
        except OSError:
            with contextlib.suppress(OSError):
                fresh.unlink(missing_ok=True)
            raise
        self.speed.wrote(size, time.perf_counter() - started)
        self._total = (self._total or 0) + size - before
        self.present.add(order.about.key)
        self._costs[path] = order.about.seconds
        return True

    def _make_room(self, size: int) -> bool:
        """Let what is worth the least go, that of other versions first; whether there is room now."""
        if self._total is None:
            self._total = sum(state.st_size for _, state in survey(self.root))
        if self._total + size > self.budget:
            found = list(survey(self.root))
            self._total = sum(state.st_size for _, state in found)
            for path, _ in sorted(found, key=lambda one: self._worth(*one)):
                if self._total + size <= self.budget * FILLED:
                    break
                self._total -= _remove(path)
                self._costs.pop(path, None)
        self.root.mkdir(parents=True, exist_ok=True)
        return self._total + size <= self.budget and shutil.disk_usage(self.root).free - size >= LEAST_FREE

    def _worth(self, path: Path, state: os.stat_result) -> tuple[bool, float]:
        """For sorting: results of other versions, which this one never finds, then ours by the logarithm of their value."""
        if path.parent.name != self.identity:
            return False, state.st_mtime
        if path not in self._costs:
            try:
                with path.open("rb") as file:
                    self._costs[path] = entry.peek(file).seconds
            except (Damaged, OSError):
                return False, 0.0
        cost = (self._costs[path] + LEAST_COST) / (state.st_size + LEAST_BYTES)
        return True, math.log2(cost) - (time.time() - state.st_mtime) / HALF_LIFE

    def _sweep(self) -> None:
        """Remove what earlier writers left unfinished."""
        for path in self.root.glob(f"*/*{UNFINISHED}"):
            with contextlib.suppress(OSError):
                if time.time() - path.stat().st_mtime > STALE:
                    path.unlink()

    # --- both -------------------------------------------------------------------------------------------------------

    def _path(self, key: str) -> Path:
        return self.root / self.identity / f"{key}{SUFFIX}"

    def _report(self, key: str, path: Path, error: Exception) -> None:
        log.warning("The kept result %s is damaged (%s). It is removed and computed anew.", path, error)
        self.damaged.add(key)
        self.present.discard(key)
        _remove(path)
        self._total = None

    def _warn(self, why: str) -> None:
        """Not for every node: the disk is full for all of them."""
        if time.monotonic() - self._warned >= WARNINGS_APART:
            self._warned = time.monotonic()
            log.warning("Results of nodes are not kept on disk for now: %s.", why)


def survey(root: Path) -> Iterator[tuple[Path, os.stat_result]]:
    """All kept results below the folder, of every version."""
    for path in root.glob(f"*/*{SUFFIX}"):
        with contextlib.suppress(OSError):  # somebody else removed it
            yield path, path.stat()


def clear(root: Path) -> int:
    """Remove all kept results, unfinished ones too; how many bytes that were."""
    freed = sum(_remove(path) for path in (*root.glob(f"*/*{SUFFIX}"), *root.glob(f"*/*{UNFINISHED}")))
    for folder in root.glob("*/"):
        with contextlib.suppress(OSError):  # not empty: it is not ours alone
            folder.rmdir()
    return freed


def _size(path: Path) -> int:
    try:
        return path.stat().st_size
    except OSError:
        return 0


def _remove(path: Path) -> int:
    """Bytes that went; 0 where the system holds on to the file, or somebody else was first."""
    size = _size(path)
    try:
        path.unlink()
    except OSError:
        return 0
    return size

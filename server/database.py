"""One SQLite file: settings that survive a power cut, migrations, and one thread that writes what waits at once.

Changes that arrive while the disk is busy share the next transaction, and so one wait for the disk (group commit).
"""

import asyncio
import sqlite3
import sys
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from threading import Lock
from typing import TypeAlias, TypeVar

from server.jobs.job import StoreFull

T = TypeVar("T")
Statement: TypeAlias = tuple[str, Sequence[object]]
# What a statement may raise: SQLite's own errors, and values that it cannot hold.
REFUSED = (sqlite3.Error, OverflowError, ValueError)


class WorkspaceInUse(Exception):
    """Another Weft works in this workspace: two would run the same jobs."""


@dataclass(frozen=True, slots=True)
class _Change:
    """Statements that count together or not at all; `done` tells how many rows the last one touched."""

    statements: Sequence[Statement]
    done: asyncio.Future[int]


class Database:
    """A file and the thread that talks to it. Open it with `Database.open`, end with `close`."""

    def __init__(self, connection: sqlite3.Connection, thread: ThreadPoolExecutor) -> None:
        self._connection = connection
        self._thread = thread
        self._loop = asyncio.get_running_loop()
        self._lock = Lock()
        self._waiting: list[_Change] = []

    @classmethod
    async def open(cls, path: Path, migrations: Sequence[str], max_pages: int | None = None) -> "Database":
        """Open or make the file at `path`.

        Args:
            migrations: each takes the database from the version of its index to the next.
            max_pages: how large it may grow, in pages of 4096 bytes; None for as large as the disk.

        Raises:
            WorkspaceInUse: somebody else has it open.
        """
        thread = ThreadPoolExecutor(1, thread_name_prefix="store")
        try:
            connection = await asyncio.get_running_loop().run_in_executor(
                thread, _connect, path, migrations, max_pages
            )
        except BaseException:
            thread.shutdown()
            raise
        return cls(connection, thread)

    async def close(self) -> None:
        """Finish what is being written and let go of the file."""
        await self.do(lambda connection: connection.close())
        self._thread.shutdown()

    async def do(self, work: Callable[[sqlite3.Connection], T]) -> T:
        """Read: `work` runs on the database's thread, after all changes that were asked for before."""
        return await self._loop.run_in_executor(self._thread, work, self._connection)

    async def change(self, *statements: Statement) -> int:
        """Run statements as one change, durable when this returns; how many rows the last one touched.

        Raises:
            StoreFull: there is no room; nothing was changed.
        """
        change = _Change(statements, self._loop.create_future())
        with self._lock:
            self._waiting.append(change)
            first = len(self._waiting) == 1
        if first:
            self._thread.submit(self._write)
        return await change.done

    def _write(self) -> None:
        """On the thread: write all that waits."""
        with self._lock:
            batch, self._waiting = self._waiting, []
        outcomes: list[int | Exception] = [RuntimeError("The database's thread failed.")] * len(batch)
        try:
            outcomes = self._commit(batch)
        finally:
            self._loop.call_soon_threadsafe(_settle, batch, outcomes)

    def _commit(self, batch: Sequence[_Change]) -> list[int | Exception]:
        try:
            return list[int | Exception](self._transact(batch))
        except REFUSED as error:
            if len(batch) == 1:
                return [_in_words(error)]
        # One that cannot be made must not take the others with it.
        return [outcome for change in batch for outcome in self._commit([change])]

    def _transact(self, batch: Sequence[_Change]) -> list[int]:
        connection = self._connection
        connection.execute("BEGIN IMMEDIATE")
        try:
            counts = [
                [connection.execute(sql, values).rowcount for sql, values in change.statements][-1]
                for change in batch
            ]
            connection.execute("COMMIT")
        except BaseException:
            if connection.in_transaction:  # a full disk may have ended it already
                connection.execute("ROLLBACK")
            raise
        return counts


def _settle(batch: Sequence[_Change], outcomes: Sequence[int | Exception]) -> None:
    for change, outcome in zip(batch, outcomes, strict=True):
        if change.done.done():
            continue  # whoever asked has gone
        if isinstance(outcome, Exception):
            change.done.set_exception(outcome)
        else:
            change.done.set_result(outcome)


def _in_words(error: Exception) -> Exception:
    full = (sqlite3.SQLITE_FULL, sqlite3.SQLITE_IOERR)
    if not isinstance(error, sqlite3.OperationalError) or error.sqlite_errorcode & 0xFF not in full:
        return error
    said = StoreFull(
        f"Weft's database cannot be written ({error}). Free some space on the disk, then try again."
    )
    said.__cause__ = error
    return said


def _connect(path: Path, migrations: Sequence[str], max_pages: int | None) -> sqlite3.Connection:
    path.parent.mkdir(parents=True, exist_ok=True)
    connection = sqlite3.connect(path, check_same_thread=False, timeout=1, isolation_level=None)
    connection.row_factory = sqlite3.Row
    try:
        _make_durable(connection)
        if max_pages is not None:
            connection.execute(f"PRAGMA max_page_count = {int(max_pages)}")
        _migrate(connection, migrations)
    except sqlite3.OperationalError as error:
        connection.close()
        if error.sqlite_errorcode == sqlite3.SQLITE_BUSY:
            message = f"Another Weft works in {path.parent.parent}. End it, or name another folder with --workspace."
            raise WorkspaceInUse(message) from error
        raise
    except BaseException:
        connection.close()
        raise
    return connection


def _make_durable(connection: sqlite3.Connection) -> None:
    """A change that was committed survives a power cut."""
    connection.execute("PRAGMA locking_mode = EXCLUSIVE")
    (journal,) = connection.execute("PRAGMA journal_mode = WAL").fetchone()
    # Where no write-ahead log can be kept (some network drives), a rollback journal needs one more wait for the disk.
    wanted = 2 if journal == "wal" else 3
    connection.execute(f"PRAGMA synchronous = {wanted}")
    if sys.platform == "darwin":  # whose plain fsync leaves data in the drive's own memory
        connection.execute("PRAGMA fullfsync = ON")
        connection.execute("PRAGMA checkpoint_fullfsync = ON")
    (level,) = connection.execute("PRAGMA synchronous").fetchone()
    if level != wanted:
        raise RuntimeError("This SQLite does not wait for the disk, so jobs would not survive a power cut.")


def _migrate(connection: sqlite3.Connection, migrations: Sequence[str]) -> None:
    (version,) = connection.execute("PRAGMA user_version").fetchone()
    if version > len(migrations):
        raise RuntimeError(
            "This workspace's database was written by a newer Weft. Update Weft, or use another workspace."
        )
    for index in range(version, len(migrations)):
        connection.executescript(f"BEGIN; {migrations[index]} PRAGMA user_version = {index + 1}; COMMIT;")

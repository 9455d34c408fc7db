"""SQLite: jobs, history and settings. Every change is durable when its call returns.

One thread talks to the database, so that the event loop never waits for a disk.
"""

import asyncio
import json
import sqlite3
from collections.abc import Callable, Collection, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TypeVar, cast

from nodes.spec import Json
from server.jobs.job import Job, Record, Result, Search, State, StoreFull, Wish

T = TypeVar("T")
HISTORY_LIMIT = 10_000

# Each entry takes the database from version `index` to the next; never edit one that was released.
MIGRATIONS = (
    """
    CREATE TABLE jobs (
        sequence INTEGER PRIMARY KEY AUTOINCREMENT,
        id TEXT NOT NULL UNIQUE,
        number REAL NOT NULL,
        state TEXT NOT NULL,
        attempts INTEGER NOT NULL DEFAULT 0,
        client TEXT,
        workflow TEXT,
        targets TEXT NOT NULL,
        prompt TEXT NOT NULL,
        extra TEXT NOT NULL,
        created INTEGER NOT NULL,
        started INTEGER,
        ended INTEGER,
        outputs TEXT,
        messages TEXT,
        meta TEXT,
        error TEXT,
        timings TEXT
    );
    CREATE INDEX jobs_by_state ON jobs (state, created);
    CREATE TABLE settings (id TEXT PRIMARY KEY, value TEXT NOT NULL) WITHOUT ROWID;
    """,
    """
    CREATE TABLE users (id TEXT PRIMARY KEY, name TEXT NOT NULL UNIQUE);
    ALTER TABLE settings RENAME TO settings_of_one;
    CREATE TABLE settings (
        user TEXT NOT NULL, id TEXT NOT NULL, value TEXT NOT NULL, PRIMARY KEY (user, id)
    ) WITHOUT ROWID;
    INSERT INTO settings (user, id, value) SELECT 'default', id, value FROM settings_of_one;
    DROP TABLE settings_of_one;
    """,
    "ALTER TABLE jobs ADD COLUMN failures TEXT NOT NULL DEFAULT '[]';",
)

OVER = tuple(state for state in State if state.over)
BRIEFLY = """
    sequence, id, number, state, attempts, client, workflow, targets, created, started, ended, outputs, messages, meta,
    error, timings, failures, '{}' AS prompt,
    json_object('extra_pnginfo', json_object('workflow', json_object('id', workflow))) AS extra"""
COUNT = """
    SELECT COUNT(*) AS total FROM jobs
    WHERE state IN (SELECT value FROM json_each(?)) AND (? IS NULL OR workflow = ?)"""
FIND = """
    SELECT * FROM jobs WHERE state IN (SELECT value FROM json_each(?)) AND (? IS NULL OR workflow = ?)
    ORDER BY CASE ? WHEN 'created_at' THEN created ELSE COALESCE(ended, started, 0) - COALESCE(started, 0) END * ?,
        sequence * ?
    LIMIT ? OFFSET ?"""
FIND_BRIEFLY = FIND.replace("*", BRIEFLY, 1)
DROP = "DELETE FROM jobs WHERE id = ? AND state IN (SELECT value FROM json_each(?))"
DROP_ALL = "DELETE FROM jobs WHERE state IN (SELECT value FROM json_each(?))"
DROP_OLDEST = """
    DELETE FROM jobs WHERE sequence IN (
        SELECT sequence FROM jobs WHERE state IN (SELECT value FROM json_each(?))
        ORDER BY ended DESC, sequence DESC LIMIT -1 OFFSET ?)"""


class WorkspaceInUse(Exception):
    """Another Weft works in this workspace: two would run the same jobs."""


class Store:
    """The database of one workspace. Open it with `Store.open`, end with `close`."""

    def __init__(
        self, connection: sqlite3.Connection, thread: ThreadPoolExecutor, history_limit: int
    ) -> None:
        self._connection = connection
        self._thread = thread
        self._limit = history_limit

    @classmethod
    async def open(
        cls, path: Path, *, history_limit: int = HISTORY_LIMIT, max_pages: int | None = None
    ) -> "Store":
        """Open or make the database at `path`.

        Args:
            history_limit: how many finished jobs are kept.
            max_pages: how large the database may grow, in pages of 4096 bytes; None for as large as the disk.
        """
        thread = ThreadPoolExecutor(1, thread_name_prefix="store")
        connection = await asyncio.get_running_loop().run_in_executor(thread, _connect, path, max_pages)
        return cls(connection, thread, history_limit)

    async def close(self) -> None:
        """Finish what is being written and let go of the file."""
        await self._do(lambda connection: connection.close())
        self._thread.shutdown()

    async def _do(self, work: Callable[[sqlite3.Connection], T]) -> T:
        return await asyncio.get_running_loop().run_in_executor(self._thread, work, self._connection)

    async def _change(self, *statements: tuple[str, Sequence[object]]) -> int:
        """Run statements as one transaction; how many rows the last one touched.

        Raises:
            StoreFull: there is no room; nothing was changed.
        """

        def work(connection: sqlite3.Connection) -> int:
            try:
                with connection:
                    return [connection.execute(sql, values).rowcount for sql, values in statements][-1]
            except sqlite3.OperationalError as error:
                if error.sqlite_errorcode & 0xFF in (sqlite3.SQLITE_FULL, sqlite3.SQLITE_IOERR):
                    raise StoreFull(
                        f"Weft's database cannot be written ({error}). Free some space on the disk, then try again."
                    ) from error
                raise

        return await self._do(work)

    async def _rows(self, sql: str, values: Sequence[object] = ()) -> list[sqlite3.Row]:
        return await self._do(lambda connection: connection.execute(sql, values).fetchall())

    async def _records(self, sql: str, values: Sequence[object]) -> list[Record]:
        """Rows as records; their JSON is read on the store's thread too."""
        return await self._do(lambda connection: [_record(row) for row in connection.execute(sql, values)])

    # --- jobs -----------------------------------------------------------------------------------------------------

    async def next_sequence(self) -> int:
        rows = await self._rows("SELECT seq FROM sqlite_sequence WHERE name = 'jobs'")
        return int(rows[0]["seq"]) + 1 if rows else 0

    async def add(self, job: Job) -> bool:
        wish = job.wish
        values = (
            job.sequence, wish.id, job.number, State.PENDING, job.attempts, wish.client, job.workflow_id,
            _dump(wish.targets), _dump(wish.prompt), _dump(wish.extra), wish.created,
        )  # fmt: skip
        sql = """
            INSERT INTO jobs
                (sequence, id, number, state, attempts, client, workflow, targets, prompt, extra, created)
            VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?) ON CONFLICT (id) DO NOTHING"""
        return await self._change((sql, values)) == 1

    async def remove(self, ids: Collection[str], states: Collection[State]) -> None:
        if ids:
            await self._change(*((DROP, (id, _dump(states))) for id in ids))

    async def clear_history(self) -> None:
        """Forget all jobs that are over."""
        await self._change((DROP_ALL, (_dump(OVER),)))

    async def start(self, job: Job, now: int) -> None:
        await self._change(
            (
                "UPDATE jobs SET state = ?, started = ?, attempts = ? WHERE id = ?",
                (State.RUNNING, now, job.attempts, job.id),
            )
        )

    async def finish(self, id: str, result: Result) -> None:
        values = (
            result.state, result.started, result.ended, _dump(result.outputs), _dump(result.messages),
            _dump(result.meta), _dump(result.error), _dump(result.timings), _dump(result.failures), id,
        )  # fmt: skip
        update = """
            UPDATE jobs SET state = ?, started = ?, ended = ?, outputs = ?, messages = ?, meta = ?, error = ?, timings = ?,
                failures = ?
            WHERE id = ?"""
        await self._change((update, values), (DROP_OLDEST, (_dump(OVER), self._limit)))

    async def requeue(self, job: Job) -> None:
        await self._change(
            (
                "UPDATE jobs SET state = ?, number = ?, started = NULL, attempts = ? WHERE id = ?",
                (State.PENDING, job.number, job.attempts, job.id),
            )
        )

    async def unfinished(self) -> Sequence[Record]:
        return await self._records(
            "SELECT * FROM jobs WHERE state IN (?, ?) ORDER BY state = ? DESC, number, sequence",
            (State.PENDING, State.RUNNING, State.RUNNING),
        )

    async def get(self, id: str) -> Record | None:
        found = await self._records("SELECT * FROM jobs WHERE id = ?", (id,))
        return found[0] if found else None

    async def search(self, search: Search) -> tuple[Sequence[Record], int]:
        limit = -1 if search.limit is None else search.limit
        filters = (_dump(search.states), search.workflow, search.workflow)
        way = 1 if search.ascending else -1
        sql = FIND_BRIEFLY if search.brief else FIND
        found = await self._records(sql, (*filters, search.order, way, way, limit, search.offset))
        counted = await self._rows(COUNT, filters)
        return found, int(counted[0]["total"])

    # --- people ---------------------------------------------------------------------------------------------------

    async def users(self) -> dict[str, str]:
        """Names of people by id, in the order in which they came."""
        rows = await self._rows("SELECT id, name FROM users ORDER BY rowid")
        return {row["id"]: row["name"] for row in rows}

    async def add_user(self, id: str, name: str) -> bool:
        """Take in a person; False if somebody is called so already."""
        sql = "INSERT INTO users (id, name) VALUES (?, ?) ON CONFLICT DO NOTHING"
        return await self._change((sql, (id, name))) == 1

    async def settings(self, user: str) -> dict[str, Json]:
        """All settings of a person by id."""
        rows = await self._rows("SELECT id, value FROM settings WHERE user = ?", (user,))
        return {row["id"]: json.loads(row["value"]) for row in rows}

    async def change_settings(self, user: str, changes: Mapping[str, Json]) -> None:
        """Set some settings of a person; the others stay."""
        sql = """
            INSERT INTO settings (user, id, value) VALUES (?, ?, ?)
            ON CONFLICT (user, id) DO UPDATE SET value = excluded.value"""
        if changes:
            await self._change(*((sql, (user, id, _dump(value))) for id, value in changes.items()))


def _connect(path: Path, max_pages: int | None) -> sqlite3.Connection:
    path.parent.mkdir(parents=True, exist_ok=True)
    connection = sqlite3.connect(path, check_same_thread=False, timeout=1)
    connection.row_factory = sqlite3.Row
    try:
        connection.execute("PRAGMA locking_mode = EXCLUSIVE")
        connection.execute("PRAGMA journal_mode = WAL")
        connection.execute("PRAGMA synchronous = FULL")
        if max_pages is not None:
            connection.execute(f"PRAGMA max_page_count = {int(max_pages)}")
        _migrate(connection)
    except sqlite3.OperationalError as error:
        connection.close()
        if error.sqlite_errorcode == sqlite3.SQLITE_BUSY:
            message = f"Another Weft works in {path.parent.parent}. End it, or name another folder with --workspace."
            raise WorkspaceInUse(message) from error
        raise
    return connection


def _migrate(connection: sqlite3.Connection) -> None:
    (version,) = connection.execute("PRAGMA user_version").fetchone()
    if version > len(MIGRATIONS):
        raise RuntimeError(
            "This workspace's database was written by a newer Weft. Update Weft, or use another workspace."
        )
    for index in range(version, len(MIGRATIONS)):
        connection.executescript(f"BEGIN; {MIGRATIONS[index]} PRAGMA user_version = {index + 1}; COMMIT;")


def _record(row: sqlite3.Row) -> Record:
    wish = Wish(
        id=row["id"],
        prompt=json.loads(row["prompt"]),
        extra=json.loads(row["extra"]),
        targets=tuple(json.loads(row["targets"])),
        client=row["client"],
        created=row["created"],
    )
    job = Job(wish, row["number"], row["sequence"], row["attempts"])
    state = State(row["state"])
    return Record(job, state, row["started"], _result(row, state) if state.over else None)


def _result(row: sqlite3.Row, state: State) -> Result:
    return Result(
        state=state,
        started=row["started"],
        ended=row["ended"],
        outputs=json.loads(row["outputs"]),
        messages=json.loads(row["messages"]),
        meta=json.loads(row["meta"]),
        error=json.loads(row["error"]),
        timings=json.loads(row["timings"]),
        failures=json.loads(row["failures"]),
    )


def _dump(value: object) -> str:
    return json.dumps(value, default=_plain, separators=(",", ":"))


def _plain(value: object) -> object:
    """Mappings and sequences of any kind are JSON; what is not JSON at all is written as its text."""
    if isinstance(value, Mapping):
        return dict(cast("Mapping[str, object]", value))
    return list(cast("Sequence[object]", value)) if isinstance(value, Sequence) else str(value)

"""What is kept in SQLite: jobs, history and settings. Every change is durable when its call returns."""

import json
from collections.abc import Callable, Collection, Mapping, Sequence
from pathlib import Path
from sqlite3 import Row

from nodes.spec import Json
from server import editions, shelf
from server.database import Database, Statement
from server.graph.written import dump
from server.jobs.job import Job, Order, Record, Result, Search, State, Wish, WrittenRecord

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
    # Lists walk an index that says which rows to skip, and read only the rows they show.
    """
    ALTER TABLE jobs ADD COLUMN held INTEGER NOT NULL DEFAULT 0;
    ALTER TABLE jobs ADD COLUMN retry_of TEXT;
    DROP INDEX jobs_by_state;
    CREATE INDEX jobs_by_creation ON jobs (created, sequence, state, workflow);
    CREATE INDEX jobs_by_end ON jobs (ended, sequence) WHERE ended IS NOT NULL;
    CREATE INDEX jobs_by_state ON jobs (state, workflow);
    CREATE INDEX jobs_by_retry ON jobs (retry_of) WHERE retry_of IS NOT NULL;
    CREATE TABLE queue (name TEXT PRIMARY KEY, value TEXT NOT NULL) WITHOUT ROWID;
    """,
    # What is large and never changes lies apart: lists need not read past it, nor changes of state write it again.
    """
    CREATE TABLE prompts (job INTEGER PRIMARY KEY, prompt TEXT NOT NULL, extra TEXT NOT NULL);
    INSERT INTO prompts (job, prompt, extra) SELECT sequence, prompt, extra FROM jobs;
    ALTER TABLE jobs DROP COLUMN prompt;
    ALTER TABLE jobs DROP COLUMN extra;
    CREATE INDEX jobs_by_duration
        ON jobs (COALESCE(ended, started, 0) - COALESCE(started, 0), sequence, state, workflow);
    CREATE TRIGGER forget_prompt AFTER DELETE ON jobs BEGIN DELETE FROM prompts WHERE job = OLD.sequence; END;
    """,
    shelf.TABLES,
    # Whose a job is. The indexes that lists walk hold it too, so that they need not look into each row.
    """
    ALTER TABLE jobs ADD COLUMN owner TEXT NOT NULL DEFAULT 'default';
    DROP INDEX jobs_by_creation;
    DROP INDEX jobs_by_state;
    DROP INDEX jobs_by_duration;
    CREATE INDEX jobs_by_creation ON jobs (created, sequence, state, workflow, owner);
    CREATE INDEX jobs_by_state ON jobs (state, workflow, owner);
    CREATE INDEX jobs_by_duration
        ON jobs (COALESCE(ended, started, 0) - COALESCE(started, 0), sequence, state, workflow, owner);
    """,
    shelf.OWNERS,
    editions.TABLES,
)

OVER = tuple(state for state in State if state.over)
BRIEFLY = """
    id, number, sequence, state, attempts, client, workflow, created, started, ended, outputs, error, held, retry_of,
    owner"""
WHOLE = "jobs.*, prompt, extra"
JOBS = "FROM jobs"
WITH_PROMPTS = "FROM jobs JOIN prompts ON job = sequence"
MATCHING = """
    WHERE {state} IN (SELECT value FROM json_each(?)) AND (? IS NULL OR workflow = ?) AND (? IS NULL OR owner = ?)"""
COUNT = f"SELECT COUNT(*) AS total {JOBS} {MATCHING.format(state='state')}"
# The plus keeps SQLite from gathering all jobs of a state to sort them: it walks the index of the order instead.
IN_ORDER = f"{MATCHING.format(state='+state')} ORDER BY {{order}} LIMIT ? OFFSET ?"
SORTED = {
    Order.CREATED: "created {way}, sequence {way}",
    Order.DURATION: "COALESCE(ended, started, 0) - COALESCE(started, 0) {way}, sequence {way}",
}
ADD = """
    INSERT INTO jobs
        (sequence, id, number, state, attempts, client, workflow, targets, created, held, retry_of, owner)
    VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?) ON CONFLICT (id) DO NOTHING"""
ADD_PROMPT = "INSERT INTO prompts (job, prompt, extra) SELECT ?, ?, ? WHERE changes() > 0"
DROP = "DELETE FROM jobs WHERE id = ? AND state IN (SELECT value FROM json_each(?))"
DROP_ALL = "DELETE FROM jobs WHERE state IN (SELECT value FROM json_each(?)) AND (? IS NULL OR owner = ?)"
DROP_OLDEST = """
    DELETE FROM jobs WHERE sequence IN (
        SELECT sequence FROM jobs WHERE ended IS NOT NULL ORDER BY ended DESC, sequence DESC LIMIT -1 OFFSET ?)"""
# A job that is over stays as it was, whoever says what.
FINISH = """
    UPDATE jobs SET state = ?, started = ?, ended = ?, outputs = ?, messages = ?, meta = ?, error = ?, timings = ?,
        failures = ?
    WHERE id = ? AND ended IS NULL"""
PLACE = "UPDATE jobs SET number = ?, held = ? WHERE id = ? AND state = ?"
WRITTEN = """
    SELECT jobs.*, prompt, extra FROM json_each(?) JOIN jobs ON sequence = value JOIN prompts ON job = sequence
    WHERE ended IS NOT NULL ORDER BY json_each.key"""
RETRYABLE = """
    SELECT id FROM jobs WHERE state = ? AND (? IS NULL OR owner = ?) AND id
        NOT IN (SELECT retry_of FROM jobs WHERE retry_of IS NOT NULL)
    ORDER BY ended, sequence"""


class Store:
    """The database of one workspace. Open it with `Store.open`, end with `close`."""

    def __init__(self, database: Database, history_limit: int, finished: int) -> None:
        self._database = database
        self._limit = history_limit
        self.shelf = shelf.Shelf(database)
        self.editions = editions.Editions(database)
        self._finished = finished  # since the oldest were last dropped, with those that stayed then

    @classmethod
    async def open(
        cls, path: Path, *, history_limit: int = HISTORY_LIMIT, max_pages: int | None = None
    ) -> "Store":
        """Open or make the database at `path`.

        Args:
            history_limit: how many finished jobs are kept; a hundredth more while none are dropped.
            max_pages: how large the database may grow, in pages of 4096 bytes; None for as large as the disk.

        Raises:
            WorkspaceInUse: another Weft has it.
        """
        database = await Database.open(path, MIGRATIONS, max_pages)
        (row,) = await database.do(
            lambda db: db.execute("SELECT COUNT(*) AS total FROM jobs WHERE ended IS NOT NULL").fetchall()
        )
        return cls(database, history_limit, int(row["total"]))

    async def close(self) -> None:
        """Finish what is being written and let go of the file."""
        await self._database.close()

    async def _rows(self, sql: str, values: Sequence[object] = ()) -> list[Row]:
        return await self._database.do(lambda connection: connection.execute(sql, values).fetchall())

    async def _records(
        self, sql: str, values: Sequence[object], read: Callable[[Row], Record] | None = None
    ) -> list[Record]:
        """Rows as records; their JSON is read on the database's thread too."""
        read = read or _record
        return await self._database.do(
            lambda connection: [read(row) for row in connection.execute(sql, values)]
        )

    # --- jobs that wait and run -----------------------------------------------------------------------------------

    async def next_sequence(self) -> int:
        rows = await self._rows("SELECT seq FROM sqlite_sequence WHERE name = 'jobs'")
        return int(rows[0]["seq"]) + 1 if rows else 0

    async def add(self, job: Job) -> bool:
        wish = job.wish
        values = (
            job.sequence, wish.id, job.number, State.PENDING, job.attempts, wish.client, job.workflow_id,
            dump(wish.targets), wish.created, job.held, wish.retry_of, wish.owner,
        )  # fmt: skip
        prompt = (job.sequence, wish.prompt_text or dump(wish.prompt), wish.extra_text or dump(wish.extra))
        return await self._database.change((ADD, values), (ADD_PROMPT, prompt)) == 1

    async def remove(self, ids: Collection[str], states: Collection[State]) -> None:
        if ids:
            await self._database.change(*((DROP, (id, dump(states))) for id in ids))

    async def start(self, job: Job, now: int) -> None:
        await self._database.change(
            (
                "UPDATE jobs SET state = ?, started = ?, attempts = ? WHERE id = ? AND ended IS NULL",
                (State.RUNNING, now, job.attempts, job.id),
            )
        )

    async def requeue(self, job: Job) -> None:
        await self._database.change(
            (
                """UPDATE jobs SET state = ?, number = ?, started = NULL, attempts = ?, held = ?
                WHERE id = ? AND ended IS NULL""",
                (State.PENDING, job.number, job.attempts, job.held, job.id),
            )
        )

    async def rearrange(self, jobs: Sequence[Job]) -> None:
        if jobs:
            changes = ((PLACE, (job.number, job.held, job.id, State.PENDING)) for job in jobs)
            await self._database.change(*changes)

    async def unfinished(self) -> Sequence[Record]:
        return await self._records(
            f"SELECT {WHOLE} {WITH_PROMPTS} WHERE state IN (?, ?) ORDER BY state = ? DESC, number, sequence",
            (State.PENDING, State.RUNNING, State.RUNNING),
        )

    async def paused(self) -> bool:
        return bool(await self._rows("SELECT 1 FROM queue WHERE name = 'paused'"))

    async def pause(self, *, paused: bool) -> None:
        yes = "INSERT INTO queue (name, value) VALUES ('paused', '1') ON CONFLICT (name) DO NOTHING"
        await self._database.change((yes if paused else "DELETE FROM queue WHERE name = 'paused'", ()))

    # --- history --------------------------------------------------------------------------------------------------

    async def finish(self, id: str, result: Result) -> None:
        await self.finish_all({id: result})

    async def finish_all(self, results: Mapping[str, Result]) -> None:
        changes: list[Statement] = [(FINISH, (*_columns(result), id)) for id, result in results.items()]
        finished = self._finished + len(results)
        # Looking for the oldest costs time for each that is kept, so it is not done for each that ends.
        if finished > self._limit + self._limit // 100:
            changes.append((DROP_OLDEST, (self._limit,)))
            finished = self._limit
        await self._database.change(*changes)
        self._finished = finished

    async def clear_history(self, owner: str | None = None) -> None:
        """Forget all jobs that are over; of one owner, if that is named."""
        await self._database.change((DROP_ALL, (dump(OVER), owner, owner)))
        if owner is None:
            self._finished = 0

    async def get(self, id: str) -> Record | None:
        found = await self._records(f"SELECT {WHOLE} {WITH_PROMPTS} WHERE id = ?", (id,))
        return found[0] if found else None

    async def search(self, search: Search) -> tuple[Sequence[Record], int]:
        filters = (dump(search.states), search.workflow, search.workflow, search.owner, search.owner)
        order = SORTED[search.order].format(way="ASC" if search.ascending else "DESC")
        columns, source, read = (
            (BRIEFLY, JOBS, _brief_record) if search.brief else (WHOLE, WITH_PROMPTS, _record)
        )
        sql = f"SELECT {columns} {source} {IN_ORDER.format(order=order)}"
        limit = -1 if search.limit is None else search.limit
        found = await self._records(sql, (*filters, limit, search.offset), read)
        counted = await self._rows(COUNT, filters)
        return found, int(counted[0]["total"])

    async def over(self, owner: str | None, count: int | None, offset: int | None) -> Sequence[int]:
        way = "DESC" if offset is None else "ASC"
        sql = f"SELECT sequence {JOBS} {IN_ORDER.format(order=SORTED[Order.CREATED].format(way=way))}"
        limit = -1 if count is None else count
        rows = await self._rows(sql, (dump(OVER), None, None, owner, owner, limit, offset or 0))
        found = [int(row["sequence"]) for row in rows]
        return found[::-1] if offset is None else found

    async def written(self, sequences: Sequence[int]) -> Sequence[WrittenRecord]:
        rows = await self._rows(WRITTEN, (dump(sequences),))
        columns = ("prompt", "extra", "targets", "outputs", "messages", "meta", "failures")
        return [
            WrittenRecord(row["id"], row["number"], State(row["state"]), *(row[name] for name in columns))
            for row in rows
        ]

    async def retryable(self, owner: str | None = None) -> Sequence[str]:
        return [row["id"] for row in await self._rows(RETRYABLE, (State.FAILED, owner, owner))]

    # --- people ---------------------------------------------------------------------------------------------------

    async def users(self) -> dict[str, str]:
        """Names of people by id, in the order in which they came."""
        rows = await self._rows("SELECT id, name FROM users ORDER BY rowid")
        return {row["id"]: row["name"] for row in rows}

    async def add_user(self, id: str, name: str) -> bool:
        """Take in a person; False if somebody is called so already."""
        sql = "INSERT INTO users (id, name) VALUES (?, ?) ON CONFLICT DO NOTHING"
        return await self._database.change((sql, (id, name))) == 1

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
            await self._database.change(*((sql, (user, id, dump(value))) for id, value in changes.items()))


def _record(row: Row) -> Record:
    wish = Wish(
        id=row["id"],
        prompt=json.loads(row["prompt"]),
        extra=json.loads(row["extra"]),
        targets=tuple(json.loads(row["targets"])),
        client=row["client"],
        created=row["created"],
        retry_of=row["retry_of"],
        owner=row["owner"],
        prompt_text=row["prompt"],
        extra_text=row["extra"],
    )
    job = Job(wish, row["number"], row["sequence"], row["attempts"], bool(row["held"]))
    state = State(row["state"])
    return Record(job, state, row["started"], _result(row, state) if state.over else None)


def _brief_record(row: Row) -> Record:
    """A row of `BRIEFLY`: what a list shows, and nothing that may be large."""
    workflow = row["workflow"]
    extra: dict[str, Json] = {"extra_pnginfo": {"workflow": {"id": workflow}}} if workflow else {}
    wish = Wish(
        id=row["id"],
        prompt={},
        extra=extra,
        client=row["client"],
        created=row["created"],
        retry_of=row["retry_of"],
        owner=row["owner"],
    )
    job = Job(wish, row["number"], row["sequence"], row["attempts"], bool(row["held"]))
    state, started = State(row["state"]), row["started"]
    if not state.over:
        return Record(job, state, started)
    outputs, error = json.loads(row["outputs"]), json.loads(row["error"])
    return Record(
        job,
        state,
        started,
        Result(state=state, started=started, ended=row["ended"], outputs=outputs, error=error),
    )


def _result(row: Row, state: State) -> Result:
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


def _columns(result: Result) -> tuple[object, ...]:
    """A result as `FINISH` writes it."""
    return (
        result.state, result.started, result.ended, dump(result.outputs), dump(result.messages),
        dump(result.meta), dump(result.error), dump(result.timings), dump(result.failures),
    )  # fmt: skip

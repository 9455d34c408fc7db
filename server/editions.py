"""What saved workflows were before: each saved state of a file is an edition, kept beside the file in the database."""

import asyncio
import hashlib
import json
import time
import zlib
from collections.abc import Sequence
from dataclasses import dataclass
from typing import cast

from server.database import Database

# One migration of the store's database; never edit it once it was released.
TABLES = """
    CREATE TABLE contents (
        sha256 TEXT PRIMARY KEY, size INTEGER NOT NULL, nodes INTEGER, packed BLOB NOT NULL
    );
    CREATE TABLE editions (
        id INTEGER PRIMARY KEY AUTOINCREMENT, user TEXT NOT NULL, file TEXT NOT NULL, saved REAL NOT NULL,
        sha256 TEXT NOT NULL, stored INTEGER NOT NULL
    );
    CREATE INDEX editions_by_file ON editions (user, file, id);
    CREATE INDEX editions_by_content ON editions (sha256);
"""
FOLDER, KIND = "workflows/", ".json"
OF_ONE_FILE = 100
IN_ALL = 256 * 1024 * 1024  # bytes as they are packed, of all people
LONGEST = 16 * 1024 * 1024  # bytes; a longer file is saved as ever, but has no editions

ADD_CONTENT = "INSERT INTO contents (sha256, size, nodes, packed) VALUES (?, ?, ?, ?) ON CONFLICT DO NOTHING"
# What was saved twice in a row is one edition.
ADD = """
    INSERT INTO editions (user, file, saved, sha256, stored) SELECT ?, ?, ?, ?, ?
    WHERE ? IS NOT (SELECT sha256 FROM editions WHERE user = ? AND file = ? ORDER BY id DESC LIMIT 1)"""
DROP_OLD = """
    DELETE FROM editions WHERE user = ? AND file = ? AND id NOT IN
        (SELECT id FROM editions WHERE user = ? AND file = ? ORDER BY id DESC LIMIT ?)"""
# The newest stay as far as there is room; a content that several share counts for each.
DROP_LARGE = """
    DELETE FROM editions WHERE id IN (
        SELECT id FROM (SELECT id, SUM(stored) OVER (ORDER BY id DESC) AS total FROM editions) WHERE total > ?)"""
DROP_CONTENTS = "DELETE FROM contents WHERE sha256 NOT IN (SELECT sha256 FROM editions)"
LIST = """
    SELECT id, saved, size, nodes, sha256 FROM editions JOIN contents USING (sha256)
    WHERE user = ? AND file = ? ORDER BY id DESC"""
FILES = """
    SELECT file, COUNT(*) AS kept, MAX(saved) AS saved FROM editions WHERE user = ?
    GROUP BY file ORDER BY MAX(id) DESC"""
READ = "SELECT packed FROM editions JOIN contents USING (sha256) WHERE user = ? AND id = ?"
MOVE = "UPDATE editions SET file = ? WHERE user = ? AND file = ?"


@dataclass(frozen=True, slots=True)
class Edition:
    """One saved state of a file.

    Attributes:
        saved: seconds since 1970.
        size: bytes.
        nodes: how many the workflow has, in the root graph; None where it is none.
    """

    id: int
    saved: float
    size: int
    nodes: int | None
    sha256: str


@dataclass(frozen=True, slots=True)
class EditedFile:
    """A file of which something is kept, whether it is still there or not.

    Attributes:
        kept: how many of its editions.
        saved: when the newest was, in seconds since 1970.
    """

    file: str
    kept: int
    saved: float


class Editions:
    """Editions in the store's database. Every change is durable when its call returns."""

    def __init__(self, database: Database, *, of_one_file: int = OF_ONE_FILE, in_all: int = IN_ALL) -> None:
        self._database = database
        self._of_one_file = of_one_file
        self._in_all = in_all

    @staticmethod
    def concern(file: str) -> bool:
        """Whether editions of a person's file are kept: workflows have some."""
        return file.startswith(FOLDER) and file.endswith(KIND)

    async def keep(self, user: str, file: str, contents: Sequence[bytes]) -> None:
        """What a file was and is, the newest last; what is the newest edition already is none.

        Raises:
            StoreFull: there is no room.
        """
        for body in contents:
            if len(body) > LONGEST:
                continue
            name, nodes, packed = await asyncio.to_thread(_packed, body)
            whose = (user, file)
            await self._database.change(
                (ADD_CONTENT, (name, len(body), nodes, packed)),
                (ADD, (*whose, time.time(), name, len(packed), name, *whose)),
                (DROP_OLD, (*whose, *whose, self._of_one_file)),
                (DROP_LARGE, (self._in_all,)),
                (DROP_CONTENTS, ()),
            )

    async def of(self, user: str, file: str) -> Sequence[Edition]:
        """All that are kept of a file, the newest first."""
        rows = await self._database.do(lambda db: db.execute(LIST, (user, file)).fetchall())
        return [Edition(*(row[name] for name in ("id", "saved", "size", "nodes", "sha256"))) for row in rows]

    async def files(self, user: str) -> Sequence[EditedFile]:
        """All of a person's files of which something is kept, the one saved last first."""
        rows = await self._database.do(lambda db: db.execute(FILES, (user,)).fetchall())
        return [EditedFile(*(row[name] for name in ("file", "kept", "saved"))) for row in rows]

    async def read(self, user: str, id: int) -> bytes | None:
        """What the file was; None where there is no such edition, or it is another's."""
        row = await self._database.do(lambda db: db.execute(READ, (user, id)).fetchone())
        return None if row is None else zlib.decompress(cast("bytes", row["packed"]))

    async def move(self, user: str, file: str, goal: str) -> None:
        """The file has another name: its editions come along."""
        await self._database.change((MOVE, (goal, user, file)))


def _packed(body: bytes) -> tuple[str, int | None, bytes]:
    return hashlib.sha256(body).hexdigest(), _count(body), zlib.compress(body, 6)


def _count(body: bytes) -> int | None:
    try:
        workflow = json.loads(body)
    except (ValueError, RecursionError):
        return None
    nodes = workflow.get("nodes") if isinstance(workflow, dict) else None
    return len(nodes) if isinstance(nodes, list) else None

"""What is kept of files, beside the files: what people say of them, hashes of their content, whose they are."""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field

from nodes.spec import Json
from server.database import Database

# One migration of the store's database; never edit it once it was released.
TABLES = """
    CREATE TABLE assets (
        id TEXT PRIMARY KEY, name TEXT, tags TEXT NOT NULL, metadata TEXT NOT NULL, hidden INTEGER NOT NULL
    ) WITHOUT ROWID;
    CREATE TABLE hashes (path TEXT PRIMARY KEY, stamp TEXT NOT NULL, sha256 TEXT NOT NULL) WITHOUT ROWID;
"""
OWNERS = "CREATE TABLE owners (file TEXT PRIMARY KEY, owner TEXT NOT NULL) WITHOUT ROWID;"  # another one
KEEP_OWNER = """
    INSERT INTO owners (file, owner) VALUES (?, ?) ON CONFLICT (file) DO UPDATE SET owner = excluded.owner"""
KEEP_NOTE = """
    INSERT INTO assets (id, name, tags, metadata, hidden) VALUES (?, ?, ?, ?, ?)
    ON CONFLICT (id) DO UPDATE SET
        name = excluded.name, tags = excluded.tags, metadata = excluded.metadata, hidden = excluded.hidden"""
KEEP_HASH = """
    INSERT INTO hashes (path, stamp, sha256) VALUES (?, ?, ?)
    ON CONFLICT (path) DO UPDATE SET stamp = excluded.stamp, sha256 = excluded.sha256"""


@dataclass(frozen=True, slots=True)
class Note:
    """What people say of an asset.

    Attributes:
        name: what it is called; None for its file's name.
        tags: beside those that say where it lies.
        metadata: whatever a client wants to find again.
        hidden: lists leave it out.
    """

    name: str | None = None
    tags: tuple[str, ...] = ()
    metadata: Mapping[str, Json] = field(default_factory=dict[str, Json])
    hidden: bool = False


@dataclass(frozen=True, slots=True)
class HashedFile:
    """The hash of a file's content, and the state of the file that it was computed of."""

    stamp: str
    sha256: str


class Shelf:
    """Notes and hashes in the store's database. Every change is durable when its call returns."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def notes(self) -> Mapping[str, Note]:
        """All notes by the id of their asset."""
        rows = await self._database.do(lambda db: db.execute("SELECT * FROM assets").fetchall())
        return {
            row["id"]: Note(
                row["name"],
                tuple(json.loads(row["tags"])),
                json.loads(row["metadata"]),
                bool(row["hidden"]),
            )
            for row in rows
        }

    async def keep_note(self, id: str, note: Note) -> None:
        """What is said of an asset from now on."""
        values = (id, note.name, json.dumps(note.tags), json.dumps(dict(note.metadata)), note.hidden)
        await self._database.change((KEEP_NOTE, values))

    async def forget_note(self, id: str) -> None:
        """Nothing is said of that asset any more."""
        await self._database.change(("DELETE FROM assets WHERE id = ?", (id,)))

    async def hashes(self) -> Mapping[str, HashedFile]:
        """All hashes by the path of their file."""
        rows = await self._database.do(lambda db: db.execute("SELECT * FROM hashes").fetchall())
        return {row["path"]: HashedFile(row["stamp"], row["sha256"]) for row in rows}

    async def keep_hash(self, path: str, hashed: HashedFile) -> None:
        """The hash of a file."""
        await self._database.change((KEEP_HASH, (path, hashed.stamp, hashed.sha256)))

    async def owners(self) -> Mapping[str, str]:
        """The owner of each file that has one, by its place and its path there. Of temp, which is emptied, none."""
        await self._database.change(("DELETE FROM owners WHERE file LIKE 'temp/%'", ()))
        rows = await self._database.do(lambda db: db.execute("SELECT * FROM owners").fetchall())
        return {row["file"]: row["owner"] for row in rows}

    async def keep_owner(self, file: str, owner: str) -> None:
        """Whose a file is."""
        await self._database.change((KEEP_OWNER, (file, owner)))

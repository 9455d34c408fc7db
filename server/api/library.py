"""The workspace's assets with what people say of them, and the hashing of all files, which may take hours."""

import asyncio
import contextlib
import logging
import os
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from threading import Event
from typing import Literal

from nodes.spec import Json
from server.api.asset_listings import SeedJson
from server.api.assets import Asset, Known, assets
from server.hashes import Abandoned, Hashes
from server.jobs.job import StoreFull
from server.shelf import Note, Shelf
from server.workspace import Workspace

log = logging.getLogger(__name__)
SEEDED = "assets.seed.completed"  # the websocket message that says that all is hashed


@dataclass(slots=True)
class _Seed:
    """A run over all files. `cancelled` is read by the thread that hashes."""

    roots: tuple[str, ...]
    cancelled: Event
    status: Literal["running", "completed", "cancelled"] = "running"
    total: int = 0
    hashed: int = 0


class Library:
    """All assets of a workspace.

    Args:
        shelf: keeps what people say of them.
        tell: tells all clients of the websocket.
    """

    def __init__(
        self,
        workspace: Workspace,
        shelf: Shelf,
        hashes: Hashes,
        tell: Callable[[str, Mapping[str, Json]], None],
    ) -> None:
        self._workspace = workspace
        self._shelf = shelf
        self._hashes = hashes
        self._tell = tell
        self._seed: _Seed | None = None
        self._task: asyncio.Task[None] | None = None

    async def known(self) -> Known:
        """What is known of files now."""
        await self._hashes.load()
        return Known(await self._shelf.notes(), self._hashes)

    async def all(self) -> Sequence[Asset]:
        """All assets, the hidden ones too."""
        known = await self.known()
        return await asyncio.to_thread(lambda: list(assets(self._workspace, known)))

    async def find(self, id: str) -> Asset | None:
        """One asset that is not hidden."""
        return next((asset for asset in await self.all() if asset.id == id and not asset.note.hidden), None)

    async def of_content(self, sha256: str) -> Sequence[Asset]:
        """Assets whose content is known to have this hash."""
        return [asset for asset in await self.all() if asset.hash == sha256 and not asset.note.hidden]

    async def hashed(self, asset: Asset) -> Asset:
        """The asset with its hash, computed if it must be.

        Raises:
            Abandoned: the server closes.
        """
        return asset if asset.hash else replace(asset, hash=await self._hashes.of(asset.path))

    async def keep_hash(self, path: Path, sha256: str) -> None:
        """The hash of a file that was just written."""
        await self._hashes.keep(path, await asyncio.to_thread(path.stat), sha256)

    async def hash_of(self, path: Path) -> str:
        """The hash of a file, computed if it must be. Raises Abandoned when the server closes."""
        return await self._hashes.of(path)

    def hash_if_known(self, path: Path, stat: os.stat_result) -> str | None:
        """The hash of a file in this state, if it was computed. Costs nothing; from any thread."""
        return self._hashes.known(path, stat)

    async def note(self, asset: Asset, note: Note) -> Asset:
        """Say something else of an asset."""
        if note == Note():
            await self._shelf.forget_note(asset.id)
        else:
            await self._shelf.keep_note(asset.id, note)
        return replace(asset, note=note)

    async def delete(self, asset: Asset) -> None:
        """Delete an asset's file, and what is said of it."""
        await asyncio.to_thread(asset.path.unlink)
        await self._shelf.forget_note(asset.id)

    # --- hashing all ------------------------------------------------------------------------------------------------

    @property
    def seed(self) -> SeedJson:
        """How the last hashing of all files went, or goes."""
        seed = self._seed
        if seed is None:
            return {"status": "idle", "roots": [], "total": 0, "hashed": 0}
        return {"status": seed.status, "roots": list(seed.roots), "total": seed.total, "hashed": seed.hashed}

    def start_seed(self, roots: Sequence[str]) -> bool:
        """Hash all files under these roots ("models", "input", "output"); False if that goes on already."""
        if self._task is not None and not self._task.done():
            return False
        self._seed = _Seed(tuple(roots), Event())
        self._task = asyncio.create_task(self._hash_all(self._seed))
        return True

    async def seeded(self) -> None:
        """Wait until all is hashed."""
        if self._task is not None:
            await asyncio.wait([self._task])

    def cancel_seed(self) -> bool:
        """Hash no more; False if nothing is being hashed."""
        if self._seed is None or self._seed.status != "running":
            return False
        self._seed.cancelled.set()
        return True

    async def close(self) -> None:
        """Hash nothing any more: the server ends."""
        self._hashes.close()
        if self._task is not None:
            await asyncio.wait([self._task])

    async def _hash_all(self, seed: _Seed) -> None:
        try:
            await self._hash_each(seed)
        except Abandoned:
            seed.status = "cancelled"
        except (OSError, StoreFull) as error:
            log.warning("Files were not hashed to the end: %s", error)
            seed.status = "cancelled"
        else:
            seed.status = "completed"
            self._tell(SEEDED, {"roots": seed.roots, "total": seed.total, "hashed": seed.hashed})

    async def _hash_each(self, seed: _Seed) -> None:
        found = [asset for asset in await self.all() if asset.where[0] in seed.roots]
        seed.total = len(found)
        for asset in found:
            with contextlib.suppress(OSError):  # it is gone by now, or nobody may read it
                await self._hashes.of(asset.path, seed.cancelled)
            seed.hashed += 1


def without(tags: Sequence[str], gone: Collection[str]) -> tuple[str, ...]:
    """Tags in their order, but for some."""
    return tuple(tag for tag in tags if tag not in gone)

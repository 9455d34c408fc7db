"""Whose files of input, output and temp are whose, where several people show tokens of their own.

Who uploads a file or runs the job that shows it owns it. What nobody is known to own is everybody's to see in input (put
there by hand), and belongs to who looks after the server elsewhere.
"""

import asyncio
import logging
from collections.abc import Callable, Mapping
from pathlib import Path

from nodes.spec import Json, NodeError, Place
from server.events import Event, NodeDone
from server.jobs.job import StoreFull
from server.jobs.owners import Person, told_to
from server.shelf import Shelf
from server.workspace import Workspace

log = logging.getLogger(__name__)


class Belongings:
    """Owners of files. What it is asked, it answers from memory.

    Args:
        known: owners that were kept, by the file's path below the workspace's places, as `key` makes it.
    """

    def __init__(self, workspace: Workspace, shelf: Shelf, known: Mapping[str, str]) -> None:
        self._workspace = workspace
        self._shelf = shelf
        self._owners = dict(known)
        self._writing: set[asyncio.Task[None]] = set()

    @classmethod
    async def load(cls, workspace: Workspace, shelf: Shelf) -> "Belongings":
        """With all that is kept."""
        return cls(workspace, shelf, await shelf.owners())

    def may_see(self, person: Person, place: Place, path: Path) -> bool:
        """Whether a person may see a file."""
        owner = self._owners.get(self._key(place, path))
        return person.sees_all or (place is Place.INPUT if owner is None else owner == person.id)

    def may_change(self, person: Person, place: Place, path: Path) -> bool:
        """Whether a person may delete a file or write another in its place."""
        return person.sees_all or self._owners.get(self._key(place, path)) == person.id

    async def claim(self, person: Person, place: Place, path: Path) -> None:
        """A file is a person's from now on, and after a restart."""
        self._owners[self._key(place, path)] = person.id
        await self._shelf.keep_owner(self._key(place, path), person.id)

    def notice(self, event: Event, client: str | None) -> None:
        """What a node shows belongs to who queued its job: before anybody is told of it."""
        if not isinstance(event, NodeDone) or event.ui is None:
            return
        owner = told_to(client)
        shown = {
            key
            for items in event.ui.values()
            for item in items
            if isinstance(item, Mapping) and (key := self._shown(item)) and self._owners.get(key) != owner
        }
        if shown:
            self._owners.update(dict.fromkeys(shown, owner))
            task = asyncio.create_task(self._keep(shown, owner))
            self._writing.add(task)
            task.add_done_callback(self._writing.discard)

    def noticing(self, publish: Callable[[Event, str | None], None]) -> Callable[[Event, str | None], None]:
        """What tells an event after it was noticed."""

        def told(event: Event, client: str | None) -> None:
            self.notice(event, client)
            publish(event, client)

        return told

    async def close(self) -> None:
        """Wait for what is being written down."""
        if self._writing:
            await asyncio.wait(self._writing)

    async def _keep(self, keys: set[str], owner: str) -> None:
        try:
            for key in keys:
                await self._shelf.keep_owner(key, owner)
        except StoreFull as full:
            log.warning("Whose the files of a job are is not written down: %s", full)

    def _shown(self, item: Mapping[str, Json]) -> str | None:
        filename, subfolder, place = (
            item.get("filename"),
            item.get("subfolder", ""),
            item.get("type", "output"),
        )
        if not (isinstance(filename, str) and isinstance(subfolder, str) and place in set(Place)):
            return None
        try:
            path = self._workspace.resolve(Place(str(place)), subfolder, filename)
        except NodeError:
            return None
        return self._key(Place(str(place)), path)

    def _key(self, place: Place, path: Path) -> str:
        return f"{place.value}/{path.relative_to(self._workspace.place(place)).as_posix()}"

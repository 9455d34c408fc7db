"""What is done: read from the store, with what a full disk kept out of it held in memory."""

import logging
from collections.abc import AsyncIterator, Collection, Sequence

from server.jobs.job import JobStore, Record, Result, Search, State, StoreFull, WrittenRecord

log = logging.getLogger(__name__)
PORTION = 100  # jobs that are read in one go: nobody else waits for the database longer than these take
OVER = tuple(state for state in State if state.over)


class History:
    """Jobs that are over, and how they went."""

    def __init__(self, store: JobStore) -> None:
        self._store = store
        self._unwritten: dict[str, Record] = {}

    async def add(self, record: Record, result: Result) -> None:
        """A job is over. When the disk is full its record waits in memory and is written with the next one."""
        record = Record(record.job, result.state, result.started, result)
        if await self._write(record, result):
            await self.catch_up()
        else:
            self._unwritten[record.job.id] = record

    async def get(self, id: str) -> Record | None:
        """A finished job by id."""
        record = self._unwritten.get(id) or await self._store.get(id)
        return record if record and record.state.over else None

    async def find(self, id: str) -> Record | None:
        """A job by id, finished or not."""
        return self._unwritten.get(id) or await self._store.get(id)

    async def last(
        self, count: int | None = None, offset: int | None = None, owner: str | None = None
    ) -> Sequence[Record]:
        """Finished jobs, oldest first.

        Args:
            owner: whose; None for everybody's.
            count: at most so many.
            offset: begin there, counted from the oldest; None for the last `count`.
        """
        if offset is None:
            found, _ = await self._store.search(Search(states=OVER, limit=count, owner=owner))
            held = (record for record in self._unwritten.values() if owner in (None, record.job.wish.owner))
            return [*reversed(found), *held]
        found, _ = await self._store.search(
            Search(states=OVER, limit=count, offset=offset, ascending=True, owner=owner)
        )
        return found

    async def written(
        self, count: int | None = None, offset: int | None = None, owner: str | None = None
    ) -> AsyncIterator[Sequence[WrittenRecord | Record]]:
        """What `last` gives, in portions and as it was written down; what is not written yet comes as records.

        Jobs that are forgotten meanwhile are left out.
        """
        sequences = await self._store.over(owner, count, offset)
        for first in range(0, len(sequences), PORTION):
            yield await self._store.written(sequences[first : first + PORTION])
        if offset is None:
            yield [record for record in self._unwritten.values() if owner in (None, record.job.wish.owner)]

    async def search(self, search: Search) -> tuple[Sequence[Record], int]:
        """A page of jobs, finished or not, and how many there are in all."""
        found, total = await self._store.search(search)
        # What a full disk refused: the store still takes these for running.
        known = [self._unwritten.get(record.job.id, record) for record in found]
        return [record for record in known if record.state in search.states], total

    async def retryable(self, owner: str | None = None) -> Sequence[str]:
        """Ids of failed jobs that were not tried again yet, oldest first; of one owner, if that is named."""
        return await self._store.retryable(owner)

    @property
    def behind(self) -> bool:
        """Whether a full disk refused something that is not written yet."""
        return bool(self._unwritten)

    async def delete(self, ids: Collection[str]) -> None:
        """Forget finished jobs."""
        await self._store.remove([id for id in ids if id in self._unwritten], tuple(State))
        for id in ids:
            self._unwritten.pop(id, None)
        await self._store.remove(ids, OVER)

    async def clear(self, owner: str | None = None) -> None:
        """Forget all finished jobs; of one owner, if that is named."""
        held = [id for id, kept in self._unwritten.items() if owner in (None, kept.job.wish.owner)]
        await self.delete(held)
        await self._store.clear_history(owner)

    async def catch_up(self) -> None:
        """Write what could not be written before; what still cannot be goes on waiting."""
        for record in list(self._unwritten.values()):
            if record.result is not None and await self._write(record, record.result):
                self._unwritten.pop(record.job.id, None)

    async def _write(self, record: Record, result: Result) -> bool:
        """Whether it could be written."""
        try:
            await self._store.finish(record.job.id, result)
        except StoreFull as full:
            log.warning("How job %s went is held in memory until there is room: %s", record.job.id, full)
            return False
        except BaseException:
            # It would fail again each time, and keep the others from being written.
            self._unwritten.pop(record.job.id, None)
            raise
        return True

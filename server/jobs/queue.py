"""The queue: which job is next. Every change is in the store before it is answered."""

import asyncio
from bisect import insort
from collections.abc import Callable, Collection, Sequence
from dataclasses import replace

from server.jobs.job import Job, JobStore, State, Wish

MAX_RETURNS = 3


class DuplicateJob(Exception):
    """There is a job with this id already."""


class Queue:
    """Jobs that wait, lowest number first, and the one that runs.

    Args:
        store: keeps the jobs.
        changed: called after each change with the number of waiting and running jobs.
    """

    def __init__(self, store: JobStore, changed: Callable[[int], None]) -> None:
        self._store = store
        self._changed = changed
        self._waiting: list[Job] = []
        self._running: Job | None = None
        self._sequence = 0
        self._lowest = 0.0
        self._adding = asyncio.Lock()
        self._arrived = asyncio.Event()

    @property
    def waiting(self) -> Sequence[Job]:
        """Jobs that wait, the next one first."""
        return tuple(self._waiting)

    @property
    def running(self) -> Job | None:
        """The job that was taken and is not done."""
        return self._running

    @property
    def remaining(self) -> int:
        """How many jobs wait or run."""
        return len(self._waiting) + (self._running is not None)

    async def load(self) -> Sequence[Job]:
        """Take over what the last server left: what waited waits; what ran when it was killed goes to the head.

        Returns:
            Jobs that ran at `MAX_RETURNS` kills and more, and so are given up: likely they are the killers.
        """
        self._sequence = await self._store.next_sequence()
        given_up: list[Job] = []
        left = await self._store.unfinished()
        self._lowest = min((record.job.number for record in left), default=0.0)
        for record in left:
            job = record.job
            if record.state is State.RUNNING and job.attempts > MAX_RETURNS:
                given_up.append(job)
                continue
            if record.state is State.RUNNING:
                self._lowest -= 1
                job = replace(job, number=self._lowest)
                await self._store.requeue(job)
            insort(self._waiting, job, key=_place)
        if self._waiting:
            self._arrived.set()
        return given_up

    async def put(self, wish: Wish, *, number: float | None = None, front: bool = False) -> Job:
        """Let a job wait.

        Args:
            number: its place; None for the end, or with `front` before all that wait.

        Raises:
            DuplicateJob: the id is taken.
            StoreFull: there is no room to keep it; nothing was queued.
        """
        async with self._adding:
            sequence = self._sequence
            if number is None:
                number = min(self._lowest, 0.0) - 1 if front else float(sequence)
            job = Job(wish, number, sequence)
            if not await self._store.add(job):
                raise DuplicateJob(wish.id)
            self._sequence += 1
            self._lowest = min(self._lowest, number)
            insort(self._waiting, job, key=_place)
        self._arrived.set()
        self._changed(self.remaining)
        return job

    async def take(self) -> Job:
        """The next job, which now runs; waits for one."""
        while not self._waiting:
            self._arrived.clear()
            await self._arrived.wait()
        self._running = self._waiting.pop(0)
        self._changed(self.remaining)
        return self._running

    def done(self) -> None:
        """The job that ran is over."""
        self._running = None
        self._changed(self.remaining)

    async def delete(self, ids: Collection[str]) -> int:
        """Forget waiting jobs; how many there were. Jobs that run or are done stay."""
        gone = [job for job in self._waiting if job.id in ids]
        if not gone:
            return 0
        self._waiting = [job for job in self._waiting if job not in gone]
        try:
            await self._store.remove([job.id for job in gone], [State.PENDING])
        except BaseException:
            for job in gone:  # still in the store, so still in the queue
                insort(self._waiting, job, key=_place)
            self._arrived.set()
            raise
        self._changed(self.remaining)
        return len(gone)

    async def clear(self) -> int:
        """Forget all waiting jobs."""
        return await self.delete({job.id for job in self._waiting})


def _place(job: Job) -> tuple[float, int]:
    return (job.number, job.sequence)

"""The queue: which job is next. Every change is in the store before it is answered."""

import asyncio
import math
from bisect import insort
from collections.abc import Awaitable, Callable, Collection, Mapping, Sequence
from dataclasses import replace

from server.events import QueueChange, QueueChanged
from server.jobs.job import Job, JobStore, Result, State, Wish
from server.jobs.order import Goal, renumbered
from server.jobs.owners import EVERYBODY

MAX_RETURNS = 3


class DuplicateJob(Exception):
    """There is a job with this id already."""


class Queue:
    """Jobs that wait, lowest number first, and the one that runs.

    Args:
        store: keeps the jobs.
        changed: told each change.
    """

    def __init__(self, store: JobStore, changed: Callable[[QueueChanged], None]) -> None:
        self._store = store
        self._changed = changed
        self._waiting: list[Job] = []
        self._running: Job | None = None
        self._ending: list[Job] = []
        self._paused = False
        self._sequence = 0
        self._lowest = 0.0
        self._arrived = asyncio.Event()

    @property
    def waiting(self) -> Sequence[Job]:
        """Jobs that wait, the next one first; those on hold too."""
        return tuple(self._waiting)

    @property
    def running(self) -> Job | None:
        """The job that was taken and is not over."""
        return self._running

    @property
    def at_work(self) -> Sequence[Job]:
        """The job that runs, and before it those that are over while that is being written."""
        return (*self._ending, *([self._running] if self._running else []))

    @property
    def remaining(self) -> int:
        """How many jobs wait or run."""
        return len(self._waiting) + len(self.at_work)

    @property
    def paused(self) -> bool:
        """Whether no job is taken until somebody resumes the queue."""
        return self._paused

    async def load(self) -> Sequence[Job]:
        """Take over what the last server left: what waited waits; what ran when it was killed goes to the head.

        Returns:
            Jobs that ran at `MAX_RETURNS` kills and more, and so are given up: likely they are the killers.
        """
        self._sequence = await self._store.next_sequence()
        self._paused = await self._store.paused()
        given_up: list[Job] = []
        left = await self._store.unfinished()
        self._lowest = min((record.job.number for record in left), default=0.0)
        # What ran stands first; of several, the last one that gets a number ahead of all is the next.
        ran = [record for record in left if record.state is State.RUNNING]
        for record in (*reversed(ran), *left[len(ran) :]):
            job = record.job
            if record.state is State.RUNNING and job.attempts > MAX_RETURNS:
                given_up.append(job)
                continue
            if record.state is State.RUNNING:
                job = replace(job, number=self._ahead())
                await self._store.requeue(job)
            self._insert(job)
        return given_up

    async def put(self, wish: Wish, *, number: float | None = None, front: bool = False) -> Job:
        """Let a job wait.

        Args:
            number: its place; None for the end, or with `front` before all that wait.

        Raises:
            DuplicateJob: the id is taken.
            StoreFull: there is no room to keep it; nothing was queued.
        """
        sequence, self._sequence = self._sequence, self._sequence + 1
        if number is None:
            number = self._ahead() if front else float(sequence)
        job = Job(wish, number, sequence)
        if not await self._store.add(job):
            raise DuplicateJob(wish.id)
        self._insert(job)
        self._tell(QueueChange.ADDED, [job])
        return job

    async def take(self) -> Job:
        """The next job, which now runs; waits for one, and while the queue is paused."""
        while (job := self._next()) is None:
            self._arrived.clear()
            await self._arrived.wait()
        self._waiting.remove(job)
        self._running = job
        self._tell(QueueChange.STARTED, [job])
        return job

    def ending(self, job: Job) -> None:
        """The job that ran is over, but how it went is not written yet: it counts still, while others are taken."""
        if self._running is job:
            self._running = None
            self._ending.append(job)

    def done(self, job: Job) -> None:
        """That job is over."""
        if job in self._ending:
            self._ending.remove(job)
            self._tell(QueueChange.ENDED, [job])

    async def put_back(self, job: Job, *, held: bool) -> None:
        """The job that ran was stopped to go on later: it waits at the head, on hold or not.

        Raises:
            StoreFull: that is not written down; it waits all the same, and after a restart too.
        """
        back = replace(job, number=self._ahead(), held=held)
        self._insert(back)
        self._running = None
        self._tell(QueueChange.PAUSED if held else QueueChange.MOVED, [job])
        await self._store.requeue(back)

    async def pause(self) -> None:
        """Take no more jobs, in this life of the server and the next; what runs goes on."""
        await self._store.pause(paused=True)
        self._paused = True
        self._tell(QueueChange.PAUSED, [])

    async def resume(self) -> None:
        """Take jobs again."""
        await self._store.pause(paused=False)
        self._paused = False
        self._arrived.set()
        self._tell(QueueChange.RESUMED, [])

    async def hold(self, ids: Collection[str], *, held: bool) -> Sequence[str]:
        """Put waiting jobs on hold, so that others go first, or let them go on; those that this changed."""
        changed = [replace(job, held=held) for job in self._waiting if job.id in ids and job.held is not held]
        await self._rearrange(QueueChange.PAUSED if held else QueueChange.RESUMED, changed)
        return [job.id for job in changed]

    async def move(self, ids: Sequence[str], goal: Goal) -> Sequence[str]:
        """Give waiting jobs another place; those that were moved, in their new order.

        Raises:
            NotWaiting: the goal names a job that does not wait.
        """
        present = {job.id for job in self._waiting}
        moved = [id for id in dict.fromkeys(ids) if id in present]
        if not moved:
            return []
        numbers = renumbered(self._waiting, moved, goal, float(self._sequence))
        changed = [
            replace(job, number=numbers[job.id])
            for job in self._waiting
            if numbers.get(job.id, job.number) != job.number
        ]
        self._lowest = min(self._lowest, *numbers.values())
        await self._rearrange(QueueChange.MOVED, changed, moved)
        return moved

    async def delete(self, ids: Collection[str]) -> int:
        """Forget waiting jobs; how many there were. Jobs that run or are done stay."""
        gone = await self._withdraw(
            QueueChange.REMOVED,
            ids,
            lambda jobs: self._store.remove([job.id for job in jobs], [State.PENDING]),
        )
        return len(gone)

    async def cancel(self, ids: Collection[str], result: Callable[[Job], Result]) -> Sequence[str]:
        """End waiting jobs, which stay in the history; those that there were."""
        return await self._withdraw(
            QueueChange.CANCELLED,
            ids,
            lambda jobs: self._store.finish_all({job.id: result(job) for job in jobs}),
        )

    async def clear(self) -> int:
        """Forget all waiting jobs."""
        return await self.delete({job.id for job in self._waiting})

    # --- inside -----------------------------------------------------------------------------------------------------

    def _next(self) -> Job | None:
        return None if self._paused else next((job for job in self._waiting if not job.held), None)

    def _ahead(self) -> float:
        """A number before all that ever were."""
        self._lowest = min(min(self._lowest, 0.0) - 1, math.nextafter(self._lowest, -math.inf))
        return self._lowest

    def _insert(self, job: Job) -> None:
        self._lowest = min(self._lowest, job.number)
        insort(self._waiting, job, key=_place)
        self._arrived.set()

    def _tell(self, change: QueueChange, jobs: Collection[Job], ids: Sequence[str] = ()) -> None:
        named = tuple(ids) or tuple(job.id for job in jobs)
        whose = {job.id: job.wish.owner for job in (*jobs, *(self._waiting if ids else ()))}
        owners = tuple(whose.get(id, EVERYBODY) for id in named)
        self._changed(QueueChanged(self.remaining, self._paused, change, named, owners))

    async def _rearrange(self, change: QueueChange, jobs: Sequence[Job], ids: Sequence[str] = ()) -> None:
        """Put changed jobs in place of what they were; back again if that cannot be kept."""
        if not jobs:
            return
        before = self._replace({job.id: job for job in jobs})
        try:
            await self._store.rearrange(jobs)
        except BaseException:
            self._replace(before)
            raise
        self._tell(change, jobs, ids)

    def _replace(self, jobs: Mapping[str, Job]) -> Mapping[str, Job]:
        """Put these in place of the waiting jobs of their ids; what those were."""
        before = {job.id: job for job in self._waiting if job.id in jobs}
        self._waiting = sorted((jobs.get(job.id, job) for job in self._waiting), key=_place)
        self._arrived.set()
        return before

    async def _withdraw(
        self, change: QueueChange, ids: Collection[str], write: Callable[[Sequence[Job]], Awaitable[None]]
    ) -> Sequence[str]:
        """Take jobs out of the queue while it is written what became of them."""
        gone = [job for job in self._waiting if job.id in ids]
        if not gone:
            return []
        self._waiting = [job for job in self._waiting if job.id not in ids]
        try:
            await write(gone)
        except BaseException:
            for job in gone:  # still in the store, so still in the queue
                self._insert(job)
            raise
        self._tell(change, gone)
        return [job.id for job in gone]


def _place(job: Job) -> tuple[float, int]:
    return (job.number, job.sequence)

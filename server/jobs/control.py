"""What people do with jobs: cancel, pause, resume, move and retry one, several or all."""

from collections.abc import Callable, Collection, Sequence
from dataclasses import replace
from uuid import uuid4

from nodes.spec import Json
from server.events import Event, JobEnded, JobStopped
from server.jobs.history import History
from server.jobs.job import Clock, Job, Message, Record, Result, State
from server.jobs.order import Goal
from server.jobs.queue import Queue
from server.jobs.runner import Runner


class NoSuchJob(Exception):
    """There is no job of that id."""


class NotOver(Exception):
    """Only a job that is over can be tried again."""


class Control:
    """Acts on jobs wherever they are: waiting, running or done. `None` for ids means all.

    Args:
        message: an event as the field's history writes it; None if it does not.
        publish: tells an event to the client that queued the job.
    """

    def __init__(
        self,
        queue: Queue,
        runner: Runner,
        history: History,
        *,
        message: Callable[[Event], Message | None],
        publish: Callable[[Event, str | None], None],
        clock: Clock,
    ) -> None:
        self._queue = queue
        self._runner = runner
        self._history = history
        self._message = message
        self._publish = publish
        self._clock = clock

    async def cancel(self, ids: Collection[str] | None) -> Sequence[str]:
        """End waiting and running jobs; those that there were. They stay in the history.

        Raises:
            StoreFull: it cannot be written down; the waiting ones still wait.
        """
        if ids is None:
            ids = {job.id for job in self._queue.waiting}
            running = self._queue.running
            ids |= {running.id} if running else set()
        # First the running one: else one that is taken meanwhile would be missed by both.
        stopped = [id for id in ids if self._runner.stop(id)]
        return [*stopped, *await self._queue.cancel(ids, self._cancelled)]

    async def interrupt(self, id: str | None = None, owner: str | None = None) -> Sequence[str]:
        """Stop the job that runs; the one that was stopped. While none does, the next one ends before it begins.

        So a Stop that comes right after a prompt stops that prompt, though it was not taken yet. Of a paused queue, or of
        jobs on hold, nothing is about to begin.

        Args:
            id: only if it is this one.
            owner: only if it is this person's; of those that wait, their next one. None for anybody's.

        Raises:
            StoreFull: it cannot be written down; the job still waits.
        """
        running = self._queue.running
        if running is not None:
            theirs = owner in (None, running.wish.owner)
            return [running.id] if theirs and self._runner.stop(id) else []
        coming = () if self._queue.paused else (job for job in self._queue.waiting if not job.held)
        job = next((job for job in coming if id in (None, job.id) and owner in (None, job.wish.owner)), None)
        if job is None:
            return []
        ended = await self._queue.cancel([job.id], self._cancelled)
        for stopped in ended:
            self._publish(JobStopped(stopped, None, "", (), self._clock()), job.client)
            self._publish(JobEnded(stopped), job.client)
        return ended

    async def pause(self, ids: Collection[str] | None) -> Sequence[str]:
        """Pause the queue, or put jobs on hold; those that were. One that runs is stopped and goes on later."""
        if ids is None:
            await self._queue.pause()
            return ()
        stopped = [id for id in ids if self._runner.put_back(id)]
        return [*stopped, *await self._queue.hold(ids, held=True)]

    async def resume(self, ids: Collection[str] | None) -> Sequence[str]:
        """Let the queue go on, or jobs that were on hold; those that were."""
        if ids is None:
            await self._queue.resume()
            return ()
        released = [id for id in ids if self._runner.release(id)]
        return [*released, *await self._queue.hold(ids, held=False)]

    async def move(self, ids: Sequence[str], goal: Goal) -> Sequence[str]:
        """Give waiting jobs another place; those that were moved, in their new order.

        Raises:
            NotWaiting: the goal names a job that does not wait.
        """
        return await self._queue.move(ids, goal)

    async def retry(
        self, ids: Collection[str] | None, client: str | None = None, address: str | None = None
    ) -> Sequence[Job]:
        """Queue jobs that are over once more, each as a new job; the old ones stay in the history as they were.

        Args:
            ids: None for all failed ones that were not tried again yet.
            client: who is told how it goes, as they call themselves; None for who was told before.
            address: where they are told, if it is not that.

        Raises:
            NoSuchJob, NotOver: of the first id that cannot be; none is queued.
            StoreFull: there is no room; those before it are queued.
        """
        found = [await self._over(id) for id in (await self._history.retryable() if ids is None else ids)]
        return [await self._again(record, client, address or client) for record in found]

    async def _over(self, id: str) -> Record:
        record = await self._history.find(id)
        if record is None:
            raise NoSuchJob(f"There is no job {id}.")
        if not record.state.over:
            raise NotOver(f"Job {id} is not over: cancel it, or wait for its end, then try again.")
        return record

    async def _again(self, record: Record, client: str | None, address: str | None) -> Job:
        old, now = record.job.wish, self._clock()
        extra: dict[str, Json] = {**old.extra, "create_time": now}
        if client:
            extra["client_id"] = client
        wish = replace(
            old,
            id=str(uuid4()),
            extra=extra,
            extra_text="",
            client=address or old.client,
            created=now,
            retry_of=old.id,
        )
        return await self._queue.put(wish)

    def _cancelled(self, job: Job) -> Result:
        """How a job went that never ran."""
        now = self._clock()
        message = self._message(JobStopped(job.id, None, "", (), now))
        return Result(state=State.CANCELLED, started=None, ended=now, messages=[message] if message else [])

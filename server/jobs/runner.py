"""Takes jobs from the queue, one at a time, runs them, and writes down how they went. No job ends it."""

import asyncio
import logging
import traceback
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from typing import Protocol

from nodes.spec import Json, NodeSpec
from server.events import (
    Event,
    JobEnded,
    JobFailed,
    JobStarted,
    JobStopped,
    JobSucceeded,
    NodeFailed,
    NodesCached,
)
from server.graph.errors import PromptError
from server.graph.host import BackendLost, Host
from server.graph.judging import judge
from server.graph.keyring import Keyring
from server.graph.outcome import Failure
from server.graph.parse import parse_prompt
from server.graph.run import Ending, Order, Status, run
from server.graph.validate import Specs, Verdict
from server.graph.written import Written
from server.jobs.history import History
from server.jobs.job import Clock, Job, JobStore, Message, Record, Result, State, StoreFull
from server.jobs.queue import MAX_RETURNS, Queue

log = logging.getLogger(__name__)
STATES = {Status.SUCCEEDED: State.COMPLETED, Status.FAILED: State.FAILED, Status.STOPPED: State.CANCELLED}
MOST_FAILURES = 100  # of a job, that are written down
MOST_UNWRITTEN = 16  # jobs that are over and wait for the disk together: they share its next turn
NOTE_AFTER = (
    0.05  # seconds that a job runs before that is written down: of shorter ones, how they went is enough
)
CATCH_UP = 5.0  # seconds between tries to write what a full disk refused
MARKS = (JobStarted, NodesCached, JobSucceeded, JobFailed, JobStopped, NodeFailed)


class Nodes(Host, Protocol):
    """Where jobs run, as far as the runner is concerned."""

    async def specs(self, *, refresh: bool = False) -> Mapping[str, NodeSpec]:
        """The nodes that can run."""
        ...

    def stop(self) -> None:
        """Ask what runs to stop."""
        ...

    async def rested(self) -> None:
        """Wait while it makes no sense to try a job."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Surroundings:
    """What a runner works with.

    Attributes:
        publish: tells an event to the client that queued the job.
        message: an event as history writes it (a node's failure among the failures); None if it does not.
        choices: lists the files of a folder key.
        wants_previews: whether anyone would see the previews of this job.
    """

    store: JobStore
    queue: Queue
    history: History
    nodes: Nodes
    publish: Callable[[Event, str | None], None]
    message: Callable[[Event], Message | None]
    choices: Callable[[str], Sequence[str]]
    clock: Clock
    wants_previews: Callable[[Job], bool]


@dataclass(slots=True)
class _Log:
    """What a job's record needs of its events."""

    messages: list[Message] = field(default_factory=list[Message])
    error: Mapping[str, Json] | None = None
    failures: list[Mapping[str, Json]] = field(default_factory=list[Mapping[str, Json]])

    def keep(self, event: Event, message: Message) -> None:
        """Take in an event and the message that tells it."""
        data = message[1]
        if isinstance(event, NodeFailed):
            if len(self.failures) < MOST_FAILURES and isinstance(data, Mapping):
                self.failures.append(data)
            return
        self.messages.append(message)
        if isinstance(event, JobFailed | JobStopped) and isinstance(data, Mapping):
            self.error = data


class _Gate:
    """Hands events on, or holds back those of a job until the end of the one before it is told."""

    def __init__(self, publish: Callable[[Event, str | None], None]) -> None:
        self._publish = publish
        self._held: list[list[tuple[Event, str | None]]] = []  # of each job that waits for the one before it

    def __call__(self, event: Event, client: str | None) -> None:
        if self._held:
            self._held[-1].append((event, client))
        else:
            self._publish(event, client)

    def hold(self) -> None:
        """The next job's events wait for `release`."""
        self._held.append([])

    def release(self, event: Event, client: str | None) -> None:
        """Hand on the end of a job, then the events of the next one."""
        self._publish(event, client)
        for entry in self._held.pop(0):
            self._publish(*entry)


class Runner:
    """One job at a time, until `serve` is cancelled."""

    def __init__(self, surroundings: Surroundings) -> None:
        self._with = surroundings
        self._stopping: str | None = None
        self._returning: str | None = None  # the running job, while it is stopped only to go on later
        self._held = False
        self._publish = _Gate(surroundings.publish)
        self._writing: asyncio.Task[None] | None = None  # how the job before went
        self._first = True  # no job has begun in this life of the server
        self._starts: set[asyncio.Task[None]] = set()  # being noted; the store keeps the order
        self._room = asyncio.Semaphore(MOST_UNWRITTEN)
        self._keyring = Keyring()

    async def resume(self) -> None:
        """Take over what the last server left. Before anyone may queue more."""
        for job in await self._with.queue.load():
            await self._give_up(job)

    async def serve(self) -> None:
        """Run what waits, for ever. How one job went is written down while the next one runs already."""
        try:
            while True:
                await self._with.nodes.rested()  # one job is enough to say that no worker can be started
                await self._serve_one(await self._take())
        finally:
            if unwritten := [*self._starts, *([self._writing] if self._writing else [])]:
                await asyncio.wait(unwritten)
            await self._with.history.catch_up()

    async def _serve_one(self, job: Job) -> None:
        result: Result | None = None
        try:
            result = await self._perform(job)
        except asyncio.CancelledError:
            await self._with.store.requeue(job)  # the server is closing: the next one runs it
            raise
        except Exception:
            # The last line of defence, again: the queue goes on.
            log.exception("Job %s broke the runner.", job.id)
        finally:
            self._stopping = self._returning = None
        self._with.queue.ending(job)
        self._publish.hold()
        self._writing = asyncio.create_task(self._end(job, result, self._writing))
        await self._room.acquire()

    async def _end(self, job: Job, result: Result | None, before: asyncio.Task[None] | None) -> None:
        """Write how a job went, then tell that it is over, after the one before. None: it goes on later."""
        try:
            if result:
                await self._with.history.add(Record(job, State.RUNNING, result.started), result)
        except Exception:
            # That job's history is lost; the queue goes on.
            log.exception("How job %s went could not be written down.", job.id)
        finally:
            if before:
                await asyncio.wait([before])
            self._with.queue.done(job)
            self._publish.release(JobEnded(job.id), job.client)
            self._room.release()

    def stop(self, id: str | None = None) -> bool:
        """Stop the running job, if it is this one; whether there was something to stop."""
        running = self._with.queue.running
        if running is None or (id is not None and running.id != id):
            return False
        self._stopping, self._returning = running.id, None
        self._with.nodes.stop()
        return True

    def put_back(self, id: str) -> bool:
        """Stop the running job, if it is this one, to go on later: it waits on hold, at the head of the queue."""
        if not self.stop(id):
            return False
        self._returning, self._held = id, True
        return True

    def release(self, id: str) -> bool:
        """The job that is being stopped to go on later need not wait on hold; whether it is this one."""
        if self._returning != id or not self._held:
            return False
        self._held = False
        return True

    async def _take(self) -> Job:
        """The next job. While there is none, what a full disk refused is tried again from time to time."""
        while self._with.history.behind:
            try:
                async with asyncio.timeout(CATCH_UP):
                    return await self._with.queue.take()
            except TimeoutError:
                await self._with.history.catch_up()
        return await self._with.queue.take()

    async def _perform(self, job: Job) -> Result | None:
        """Run the job; how it went, or None if it was stopped to go on later."""
        started = self._with.clock()
        urgent = bool(job.attempts) or self._first
        noted = replace(job, attempts=job.attempts + 1)
        starting = asyncio.create_task(self._note_start(noted, started, 0.0 if urgent else NOTE_AFTER))
        self._starts.add(starting)
        starting.add_done_callback(self._starts.discard)
        if urgent:
            # It may be what ended the server before: that it is tried again must be known before it is. Also of the first
            # job of a life: what ends a server at once does so before its own first start is written down.
            await asyncio.wait([starting])
        self._first = False
        kept = _Log()
        try:
            ending = await self._run(job, kept)
        finally:
            starting.cancel()  # of a job that is over already, that it began need not be written
        if ending.status is Status.STOPPED and self._returning == job.id:
            await self._put_back(job)
            return None
        return self._result(ending, kept, started)

    async def _note_start(self, job: Job, started: int, after: float) -> None:
        try:
            await asyncio.sleep(after)
            await self._with.store.start(job, started)
        except StoreFull:
            # It still waits in the store: after a crash it would run again, which is better than not at all.
            log.warning("The disk is full: that job %s runs is not written down.", job.id)
        except Exception:
            log.exception("That job %s runs could not be written down.", job.id)

    async def _put_back(self, job: Job) -> None:
        try:
            await self._with.queue.put_back(job, held=self._held)
        except StoreFull:
            log.warning("The disk is full: that job %s is paused is not written down.", job.id)

    async def _run(self, job: Job, kept: _Log) -> Ending:
        """Run the job; whatever goes wrong, there is an ending."""
        try:
            specs = await self._with.nodes.specs()
            verdict = await self._judged(job, specs)
            if verdict.error:
                return self._fail(
                    job, kept, f"{verdict.error.message}\n{verdict.error.details}".strip(), "PromptError"
                )
            order = Order(
                job.id,
                verdict.graph,
                verdict.targets,
                Written(job.wish.prompt, job.wish.prompt_text),
                Written(job.wish.extra, job.wish.extra_text),
                self._with.wants_previews(job),
                job.wish.stops_at_failure,
                run=f"{job.id} {job.sequence}",
                secrets=job.wish.secrets,
                client=client if isinstance(client := job.wish.extra.get("client_id"), str) else None,
            )
            tell = partial(self._tell, job, kept)
            return await run(order, specs, self._with.nodes, tell, self._keyring)
        except (PromptError, BackendLost) as error:
            return self._fail(job, kept, str(error), type(error).__name__)
        except Exception as error:
            # The last line of defence: a fault of ours must cost one job, not the queue.
            log.exception("Job %s broke the runner.", job.id)
            message = f"Weft itself failed while running this: {error}"
            return self._fail(
                job, kept, message, type(error).__name__, tuple(traceback.format_exception(error))
            )

    async def _judged(self, job: Job, specs: Specs) -> Verdict:
        """The verdict of when it was queued; another where files or nodes may have come or gone since."""
        before = job.wish.judgement
        if before is not None and not before.listed and before.holds(specs, self._with.choices):
            return before.verdict  # it rests on no folder, so nothing need be asked of a disk
        return await asyncio.to_thread(self._judged_anew, job, specs)

    def _judged_anew(self, job: Job, specs: Specs) -> Verdict:
        before = job.wish.judgement
        if before is None or not before.holds(specs, self._with.choices):
            before = judge(parse_prompt(job.wish.prompt), specs, self._with.choices, only=job.wish.targets)
        return before.verdict

    def _tell(self, job: Job, kept: _Log, event: Event) -> None:
        if isinstance(event, MARKS) and (message := self._with.message(event)) is not None:
            kept.keep(event, message)
        self._publish(event, job.client)
        if self._stopping == job.id and isinstance(event, NodesCached):
            self._with.nodes.stop()  # asked before the run had begun, and then forgotten by `begin`
        if job.wish.stops_at_failure and isinstance(event, NodeFailed):
            self._with.nodes.stop()  # what still runs beside it

    def _fail(self, job: Job, kept: _Log, message: str, kind: str, lines: tuple[str, ...] = ()) -> Ending:
        now = self._with.clock()
        if not kept.messages:
            self._tell(job, kept, JobStarted(job.id, now))
        failed = JobFailed(job.id, None, "", Failure(message, "", kind, lines), (), now)
        self._tell(job, kept, failed)
        return Ending(Status.FAILED, {}, {}, (), failed)

    def _result(self, ending: Ending, kept: _Log, started: int) -> Result:
        return Result(
            state=STATES[ending.status],
            started=started,
            ended=self._with.clock(),
            outputs=ending.outputs,
            messages=kept.messages,
            meta=ending.meta,
            error=kept.error,
            failures=kept.failures,
            timings=ending.timings,
        )

    async def _give_up(self, job: Job) -> None:
        kept = _Log()
        message = (
            f"Weft was ended {MAX_RETURNS + 1} times while this ran, so it is not tried again."
            " If it needs more memory than there is, make its pictures or batches smaller, then queue it anew."
        )
        ending = self._fail(job, kept, message, "ServerLost")
        await self._with.history.add(
            Record(job, State.RUNNING), self._result(ending, kept, self._with.clock())
        )

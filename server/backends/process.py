"""The default backend: nodes run in a worker process of their own.

A node that crashes, hangs or eats all memory takes that process down and nothing else: the next one starts at once.
"""

import asyncio
from collections.abc import Callable, Collection, Mapping, Sequence
from typing import Any

from nodes.spec import Json, NodeSpec
from server.backends.base import (
    BackendLost,
    Call,
    Complaint,
    JobContext,
    PackReport,
    Remembered,
    Report,
)
from server.backends.child import Child
from server.graph.model import NodeId
from server.graph.outcome import Collect, Outcome, Task
from server.worker.messages import (
    Begin,
    ChangeTokens,
    Described,
    Devices,
    End,
    Free,
    Packs,
    Question,
    Recall,
    Run,
    Specs,
    Validate,
)
from server.worker.parts import Factory

MOST_STARTS = 3  # failed starts in a row before asking waits for a person
PATIENCE = 300.0  # seconds one pack may take to load before its worker is ended
AHEAD = 256  # nodes
LONGEST_STOP = 6  # times `grace`: a node that swallows Stop and goes on is ended then


class ProcessBackend:
    """Implements `Backend` with one worker process.

    Args:
        factory: furnishes the worker; crosses to it.
        grace: seconds after Stop, or after the last sign of life that follows it, until the worker is ended.
    """

    def __init__(self, factory: Factory, *, grace: float = 5.0) -> None:
        self._factory = factory
        self._grace = grace
        self._child: Child | None = None
        self._at_work: Child | None = None  # the worker that began the job; its successors know nothing of it
        self._skip: dict[str, str] = {}
        self._failed_starts = 0
        self._closing = False
        self._stop_asked = False
        self._specs: Mapping[str, NodeSpec] | None = None
        self._edition = ""  # of these descriptions
        self._chores: set[asyncio.Task[None]] = set()

    # --- life -------------------------------------------------------------------------------------------------------

    async def start(self) -> None:
        """Start the worker process; returns before it is ready."""
        self._closing = False
        if self._child is None:
            self._launch()

    async def close(self) -> None:
        """End the worker process."""
        self._closing = True
        for chore in self._chores:
            chore.cancel()
        child, self._child = self._child, None
        if child is not None:
            await child.close()

    @property
    def ready(self) -> bool:
        """Whether the worker answers now."""
        child = self._child
        return child is not None and child.ready.done() and not child.gone.done()

    @property
    def pid(self) -> int | None:
        """The worker's process id; None while there is none."""
        return self._child.pid if self._child else None

    # --- a job ------------------------------------------------------------------------------------------------------

    async def begin(self, context: JobContext) -> None:
        """A job starts. A Stop that comes while the worker is still being started holds for this job."""
        self._stop_asked = False
        self._at_work = await self._ready_child()
        try:
            await self._at_work.ask(Begin(context))
        except BackendLost:  # it died before the job could begin: that is not the job's fault
            self._at_work = await self._ready_child()
            await self._at_work.ask(Begin(context))
        if self._stop_asked:
            self._at_work.stop()

    async def recall(self, keys: Collection[str]) -> Mapping[str, Remembered]:
        """Which of these results the worker remembers."""
        return await self._present().ask(Recall(tuple(keys)))

    async def change_tokens(self, calls: Sequence[Call]) -> Mapping[NodeId, str | None]:
        """Texts that are equal while what nodes read is unchanged."""
        return await self._present().ask(ChangeTokens(tuple(calls)))

    @property
    def ahead(self) -> int:
        """How many nodes may be on their way to the worker, which runs them in order."""
        return AHEAD

    def submit(self, task: Task | Collect, report: Callable[[Report], None]) -> "asyncio.Future[Outcome]":
        """Run one node in the worker."""
        return self._present().put(Run(task), report)

    async def end(self, job: str, keys: Collection[str]) -> None:
        """The job is over."""
        await self._present().ask(End(job, tuple(keys)))

    def stop(self) -> None:
        """Ask what runs to stop; what gives no sign of life for `grace` seconds is ended with its worker."""
        self._stop_asked = True
        child = self._child
        if child is None:
            return
        child.stop()
        if child.running:
            self._begin_chore(self._enforce(child))

    # --- questions --------------------------------------------------------------------------------------------------

    async def specs(self, *, refresh: bool = False) -> Mapping[str, NodeSpec]:
        """Descriptions of all nodes; those last known are given at once."""
        if self._specs is None or refresh:
            self._learn(await self._ask_patiently(Specs(refresh, self._edition)))
        return self._specs or {}

    async def packs(self) -> Sequence[PackReport]:
        """How each community pack fared."""
        return await self._ask_patiently(Packs())

    async def validate(self, calls: Sequence[Call]) -> Sequence[Complaint]:
        """The nodes' own validation."""
        return await self._ask_patiently(Validate(tuple(calls))) if calls else ()

    async def free(self, *, models: bool, results: bool) -> None:
        """Let go of loaded models, of kept results."""
        await self._ask_patiently(Free(models, results))

    async def devices(self) -> Sequence[Mapping[str, Json]]:
        """Devices and their memory."""
        return await self._ask_patiently(Devices())

    # --- inside -----------------------------------------------------------------------------------------------------

    def _launch(self) -> None:
        child = Child(self._factory, self._skip, self._mourn)
        self._child = child
        self._begin_chore(self._attend(child))

    async def _attend(self, child: Child) -> None:
        """See a new worker through its start, then ask for its descriptions."""
        loop = asyncio.get_running_loop()
        while not child.ready.done():
            await asyncio.wait([child.ready], timeout=min(1.0, PATIENCE))
            if child.loading and loop.time() - child.beat > PATIENCE:
                child.kill()
                return
        if child.ready.exception() is None:
            self._failed_starts = 0
            try:
                self._learn(await child.ask(Specs(refresh=False, known=self._edition)))
            except BackendLost:
                return  # the next worker is attended in its turn

    def _learn(self, described: Described) -> None:
        """Take in descriptions; those already known stay the same object."""
        if described.specs is not None:
            self._specs, self._edition = described.specs, described.edition

    def _mourn(self, child: Child) -> None:
        """A worker is gone: start the next, without the pack whose loading ended it."""
        if self._closing or child is not self._child:
            return
        cause = child.gone.result()
        never_ready = child.ready.exception() is not None
        if never_ready and child.loading:
            self._skip[child.loading] = cause
        elif never_ready:
            self._failed_starts += 1
        if self._failed_starts >= MOST_STARTS:
            self._child = None
        else:
            self._launch()

    async def _enforce(self, child: Child) -> None:
        """End a worker in which nothing answers Stop."""
        loop = asyncio.get_running_loop()
        asked = loop.time()
        last = asked + LONGEST_STOP * self._grace
        while True:
            deadline = min(max(child.beat, asked) + self._grace, last)
            if await child.idle(max(deadline - loop.time(), 0.0)):
                return
            if loop.time() >= min(max(child.beat, asked) + self._grace, last):
                child.end_for_stop()
                return

    async def _ready_child(self) -> Child:
        """A worker that is ready, however many it takes.

        Raises:
            BackendLost: none can be started; the next call tries again.
        """
        cause: BackendLost | None = None
        while True:
            if self._closing:
                raise BackendLost("The server is closing.")
            if self._child is None:
                if cause is not None:
                    raise BackendLost(f"No worker can be started. {cause}") from cause
                self._failed_starts = 0
                self._launch()
            child = self._child
            assert child is not None
            try:
                await asyncio.shield(child.ready)
                if not child.gone.done():
                    return child
            except BackendLost as lost:
                cause = lost
            await asyncio.sleep(0)

    def _present(self) -> Child:
        """The worker that runs the job; once it is gone, asking it raises `BackendLost`."""
        assert self._at_work is not None, "a job asks after `begin`"
        return self._at_work

    async def _ask_patiently(self, question: Question) -> Any:
        """An answer from whichever worker lives to give it."""
        while True:
            child = await self._ready_child()
            try:
                return await child.ask(question)
            except BackendLost:
                continue

    def _begin_chore(self, work: Any) -> None:
        chore: asyncio.Task[None] = asyncio.get_running_loop().create_task(work)
        self._chores.add(chore)
        chore.add_done_callback(self._chores.discard)

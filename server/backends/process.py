"""The default backend: nodes run in a worker process of their own.

A node that crashes, hangs or eats all memory takes that process down and nothing else: the next one starts at once.
"""

import asyncio
import logging
from collections.abc import Awaitable, Callable, Collection, Mapping, Sequence
from contextlib import suppress
from typing import Any

from nodes.spec import Json, NodeSpec, RecordedFile
from server.backends.base import (
    BackendLost,
    Call,
    Complaint,
    JobContext,
    PackEvent,
    PackReport,
    Remembered,
    Report,
)
from server.backends.child import Child
from server.backends.endings import again, not_answered
from server.backends.fresh import freshened
from server.backends.vigil import Patience, granted, see_started, watch_memory
from server.graph.model import NodeId
from server.graph.outcome import Collect, Outcome, Task
from server.worker.messages import (
    Begin,
    ChangeTokens,
    Described,
    Devices,
    End,
    Free,
    OnPrompt,
    Packs,
    Plan,
    Question,
    Reply,
    Run,
    Specs,
    Standing,
    Validate,
    Wonder,
)
from server.worker.parts import Factory, Registered

MOST_STARTS = 3  # failed starts in a row before Weft waits between them
SHORT_LIFE = 5.0  # seconds: a worker that ends this soon without a job has failed to start, ready or not
AHEAD = 256  # nodes
LONGEST_STOP = 6  # times `Patience.stop`: a node that swallows Stop and goes on is ended then

log = logging.getLogger("weft.worker")


class ProcessBackend:
    """Implements `Backend` with one worker process.

    Args:
        factory: furnishes the worker; crosses to it.
        patience: how long the worker may take for what.
        most_memory: bytes that the worker may hold; None: what the machine can spare.
    """

    def __init__(
        self, factory: Factory, *, patience: Patience | None = None, most_memory: int | None = None
    ) -> None:
        self._factory = factory
        self._patience = patience or Patience()
        self._most_memory = most_memory
        self._child: Child | None = None
        self._at_work: Child | None = None  # the worker that began the job; its successors know nothing of it
        self._skip: dict[str, str] = {}
        self._failed_starts = 0
        self._why_none: BackendLost | None = None  # why there is no worker, while Weft waits to start one
        self._may_try = asyncio.Event()
        self._may_try.set()
        self._untouched: JobContext | None = None  # the job that began and has asked nothing of a node yet
        self._busy = False  # a job has begun
        self._outdated = False  # packs have changed since the worker was started
        self._closing = False
        self._stop_asked = False
        self._specs: Mapping[str, NodeSpec] | None = None
        self._edition = ""  # of these descriptions
        self._registered = Registered()
        self._hear: Callable[[PackEvent], None] | None = None
        self._answer: Callable[[Wonder], Awaitable[Json]] | None = None
        self._chores: set[asyncio.Task[None]] = set()

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
        return self._child is not None and self._child.ready.done() and not self._child.gone.done()

    @property
    def pid(self) -> int | None:
        """The worker's process id; None while there is none."""
        return self._child.pid if self._child else None

    @property
    def held_models(self) -> tuple[str, ...]:
        """The models that the worker holds, each in a line that the next worker understands."""
        return self._child.sources if self._child else ()

    async def rested(self) -> None:
        """Return at once, unless no worker can be started: then when it is time to try again."""
        await self._may_try.wait()

    # --- a job ------------------------------------------------------------------------------------------------------

    async def begin(self, context: JobContext) -> bool:
        """A job starts. A Stop that comes while the worker is still being started holds for this job."""
        self._stop_asked = False
        child = await self._ready_child()
        self._begin_on(child, context)
        return child.spares

    async def recall(self, keys: Collection[str]) -> Mapping[str, Remembered]:
        """Which of these results the worker remembers."""
        try:
            return await self._recall(keys)
        except BackendLost:
            context = self._untouched
            if context is None or self._stop_asked:
                raise
            # It died before the job had asked anything of a node: that is not the job's fault.
            self._begin_on(await self._ready_child(), context)
            self._untouched = None
            return await self._recall(keys)

    async def change_tokens(self, calls: Sequence[Call]) -> Mapping[NodeId, str | None]:
        """Texts that are equal while what nodes read is unchanged."""
        self._untouched = None
        return await self._present().ask(ChangeTokens(tuple(calls)))

    @property
    def ahead(self) -> int:
        """How many nodes may be on their way to the worker, which runs them in order."""
        return AHEAD

    def submit(self, task: Task | Collect, report: Callable[[Report], None]) -> "asyncio.Future[Outcome]":
        """Run one node in the worker."""
        self._untouched = None
        return self._present().put(Run(task), report)

    def release(self, results: Sequence[str]) -> None:
        """The job needs these no more."""
        self._present().release(tuple(results))

    async def end(self) -> None:
        """The job is over. What a worker that is gone would have dropped is gone with it."""
        self._present().tell(End())
        self._busy = False
        self._renew()

    def stop(self) -> None:
        """Ask what runs to stop; what gives no sign of life for `Patience.stop` seconds is ended with its worker."""
        self._stop_asked = True
        if self._child is not None:
            self._child.stop()
            if self._child.running:
                self._begin_chore(self._enforce(self._child))

    # --- questions --------------------------------------------------------------------------------------------------

    async def specs(self, *, refresh: bool = False) -> Mapping[str, NodeSpec]:
        """Descriptions of all nodes; those last known are given at once, unless packs' files may have been edited."""
        if self._specs is None or refresh:
            self._learn(await self._ask_patiently(Specs(refresh, self._edition)))
        elif self._registered.watched and (news := await freshened(self._child, self._edition)):
            self._learn(news)
        return self._specs or {}

    async def packs(self) -> Sequence[PackReport]:
        """How each community pack fared."""
        return await self._ask_patiently(Packs())

    async def validate(self, calls: Sequence[Call]) -> Sequence[Complaint]:
        """The nodes' own validation. One that ends the worker, and the next worker too, is told as its complaint."""
        if not calls:
            return ()
        try:
            return await self._ask_patiently(Validate(tuple(calls)))
        except BackendLost as lost:
            asked = next((call for call in calls if call.node == lost.node), None)
            if asked is None:
                raise
            message = f"The node's own check of its inputs failed. {lost.message}"
            return (Complaint(asked.node, next(iter(asked.constants), ""), message),)

    async def on_prompt(self, body: Mapping[str, Json]) -> Mapping[str, Json]:
        """What packs make of the body of a posted prompt; if that ends the worker, it comes back as it is."""
        if not (await self.registered()).prompt_handlers:
            return body
        try:
            return await self._ask_patiently(OnPrompt(body))
        except BackendLost as lost:
            log.warning("The packs' prompt handlers did not answer, the prompt goes on without: %s", lost)
            return body

    async def registered(self, *, anew: bool = False) -> Registered:
        """What packs have hung on the server."""
        if self._specs is None or anew:
            # Processes of packs that have ended are started again for it.
            self._learn(await self._ask_patiently(Specs(refresh=False, known=self._edition, fresh=anew)))
        return self._registered

    def listen(self, hear: Callable[[PackEvent], None], answer: Callable[[Wonder], Awaitable[Json]]) -> None:
        """Whatever packs tell clients goes to `hear`, what they ask to `answer`."""
        self._hear, self._answer = hear, answer

    async def free(self, *, models: bool, results: bool) -> None:
        """Let go of loaded models, of kept results."""
        await self._ask_patiently(Free(models, results))

    async def devices(self) -> Sequence[Mapping[str, Json]]:
        """Devices and their memory."""
        return await self._ask_patiently(Devices())

    async def plan(self, prompt: Mapping[str, Json]) -> Mapping[str, Json]:
        """What memory a prompt will need."""
        return await self._ask_patiently(Plan(prompt))

    async def standing(self, files: Sequence[RecordedFile]) -> Mapping[str, Json]:
        """What the record in a saved file would say today of this machine and of these files."""
        return await self._ask_patiently(Standing(tuple(files)))

    async def restart(self) -> bool:
        """Load packs anew, in a new worker: now, or when the job that runs is over."""
        self._outdated = True
        self._renew()
        return True

    def _begin_on(self, child: Child, context: JobContext) -> None:
        """Let the job begin on that worker, which hears of it before all that the job asks."""
        self._at_work, self._untouched, self._busy = child, context, True
        child.tell(Begin(context))
        if self._stop_asked:
            child.stop()

    async def _recall(self, keys: Collection[str]) -> Mapping[str, Remembered]:
        child = self._present()
        question = child.asker.question(keys)
        return child.asker.hear(question, await child.ask(question))

    def _launch(self, sources: tuple[str, ...] = ()) -> None:
        self._why_none = None
        self._may_try.set()
        child = Child(
            self._factory, self._skip, self._mourn, self._pass_on, granted(self._most_memory), sources
        )
        self._child = child
        self._begin_chore(self._attend(child))
        self._begin_chore(watch_memory(child, self._most_memory))

    def _renew(self) -> None:
        if self._busy or not self._outdated:
            return
        before, self._specs, self._outdated = self._child, None, False
        self._skip.clear()
        self._launch(before.sources if before is not None else ())
        if before is not None:
            self._begin_chore(before.close())

    async def _attend(self, child: Child) -> None:
        """See a new worker through its start, then ask for its descriptions."""
        await see_started(child, self._patience)
        if child.ready.done() and child.ready.exception() is None:
            try:
                self._learn(await child.ask(Specs(refresh=False, known=self._edition)))
                if not await child.ended_within(SHORT_LIFE):
                    self._failed_starts = 0
            except BackendLost:
                return  # the next worker is attended in its turn

    def _learn(self, described: Described) -> None:
        """Take in descriptions; those already known stay the same object."""
        self._registered = described.registered
        if described.specs is not None:
            self._specs, self._edition = described.specs, described.edition

    def _pass_on(self, child: Child, said: PackEvent | Wonder) -> None:
        if isinstance(said, Wonder):
            self._begin_chore(self._reply(child, said))
        elif self._hear is not None:
            self._hear(said)

    async def _reply(self, child: Child, wonder: Wonder) -> None:
        answer = await self._answer(wonder) if self._answer is not None else None
        child.reply(Reply(wonder.number, answer))

    def _mourn(self, child: Child) -> None:
        """A worker is gone: start the next, without the pack whose loading ended it."""
        if self._closing or child is not self._child:
            return
        cause = child.gone.result()
        log.error("%s", cause.message)
        never_ready = child.ready.exception() is not None
        if never_ready and child.loading:
            self._skip[child.loading] = cause.message
        elif never_ready or (child.age < SHORT_LIFE and child is not self._at_work):
            self._failed_starts += 1
        if self._failed_starts >= MOST_STARTS:
            self._child, self._why_none = None, cause
            self._may_try.clear()
            self._begin_chore(self._start_later())
        else:
            # Only Stop is no fault of the models': what ended the worker otherwise might end the next one too.
            self._launch(child.sources if cause.stopped else ())

    async def _start_later(self) -> None:
        """Try again by itself, at ever greater distances: what kept the worker from starting may pass."""
        times = 2.0 ** (self._failed_starts - MOST_STARTS)
        pause = min(self._patience.pause * times, self._patience.longest_pause)
        log.error("No worker can be started. Weft tries again in %g seconds.", pause)
        await asyncio.sleep(pause)
        if self._child is None and not self._closing:
            self._launch()

    async def _enforce(self, child: Child) -> None:
        """End a worker in which nothing answers Stop."""
        loop = asyncio.get_running_loop()
        asked = loop.time()
        last = asked + LONGEST_STOP * self._patience.stop
        while True:
            deadline = min(max(child.beat, asked) + self._patience.stop, last)
            if await child.idle(max(deadline - loop.time(), 0.0)):
                return
            if loop.time() >= min(max(child.beat, asked) + self._patience.stop, last):
                child.end_for_stop()
                return

    async def _ready_child(self) -> Child:
        """A worker that is ready, however many it takes.

        Raises:
            BackendLost: none can be started; after a while the next one is tried.
        """
        while True:
            if self._closing:
                raise BackendLost("The server is closing.")
            if self._why_none is not None:
                why = self._why_none
                raise BackendLost(f"No worker can be started. {why.message}", why.hint, why.lines) from why
            if self._child is None:
                self._launch()
            child = self._child
            assert child is not None
            with suppress(BackendLost):
                await asyncio.shield(child.ready)
                if not child.gone.done():
                    return child
            await asyncio.sleep(0)

    def _present(self) -> Child:
        """The worker that runs the job; once it is gone, asking it raises `BackendLost`."""
        assert self._at_work is not None, "a job asks after `begin`"
        return self._at_work

    async def _ask_patiently(self, question: Question) -> Any:
        """An answer from the worker, or from the one after it: the first may have died of something else.

        Raises:
            BackendLost: both died of it, or the worker does not answer.
        """
        for last in (False, True):
            child = await self._ready_child()
            try:
                return await asyncio.wait_for(child.ask(question), self._patience.answer)
            except TimeoutError:
                asked = type(question).__name__.lower()
                lost = not_answered(asked, self._patience.answer, child.asking)
                if not child.running:  # else Stop can end what keeps it busy
                    child.end_for(lost)
                raise again(lost) from None
            except BackendLost:
                if last:
                    raise
        raise AssertionError("the second loss is raised")

    def _begin_chore(self, work: Any) -> None:
        chore: asyncio.Task[None] = asyncio.get_running_loop().create_task(work)
        self._chores.add(chore)
        chore.add_done_callback(self._chores.discard)

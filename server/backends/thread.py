"""Nodes in threads of this process: for tests and debuggers.

Stop is asked for, never enforced: a node that hangs keeps its thread, and a node that crashes takes all down.
"""

import asyncio
from collections.abc import Awaitable, Callable, Collection, Mapping, Sequence
from contextlib import suppress

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
from server.backends.printed import Printed
from server.graph.model import NodeId
from server.graph.outcome import Collect, Outcome, Task
from server.worker.messages import Wonder
from server.worker.parts import Factory, Registered
from server.worker.stopping import StopSwitch
from server.worker.worker import Worker

AHEAD = 64  # nodes
REPLY = 10.0  # seconds that a pack waits for the server's answer


class ThreadBackend:
    """Implements `Backend` in this process."""

    def __init__(self, factory: Factory) -> None:
        self._factory = factory
        self._switch = StopSwitch()
        self._building: asyncio.Task[Worker] | None = None
        self._stop_asked = False
        self._hear: Callable[[PackEvent], None] | None = None
        self._answer: Callable[[Wonder], Awaitable[Json]] | None = None
        self._loop: asyncio.AbstractEventLoop | None = None
        self._printed = (Printed("stdout"), Printed("stderr"))

    async def start(self) -> None:
        """Begin to furnish the worker, in a thread."""
        self._loop = asyncio.get_running_loop()
        if self._building is None:
            for stream in self._printed:
                stream.open()
            self._building = asyncio.create_task(asyncio.to_thread(self._build))

    async def close(self) -> None:
        """Let the worker's threads end."""
        building, self._building = self._building, None
        if building is not None:
            await asyncio.wait([building])
            if building.exception() is None:
                building.result().close()
            for stream in self._printed:
                stream.close()

    async def restart(self) -> bool:
        """Packs in the server's own process are loaded once."""
        return False

    @property
    def ready(self) -> bool:
        """Whether the worker is furnished."""
        return self._building is not None and self._building.done()

    async def rested(self) -> None:
        """There is nothing to wait for."""

    async def begin(self, context: JobContext) -> bool:
        """A job starts. A Stop that comes while the worker is still being furnished holds for this job."""
        self._stop_asked = False
        worker = await self._worker()
        worker.begin(context)
        if self._stop_asked:
            worker.stop()
        return worker.spares

    async def recall(self, keys: Collection[str]) -> Mapping[str, Remembered]:
        """Which of these results are remembered."""
        return await asyncio.wrap_future((await self._worker()).recall(keys))

    async def change_tokens(self, calls: Sequence[Call]) -> Mapping[NodeId, str | None]:
        """Texts that are equal while what nodes read is unchanged."""
        return await asyncio.wrap_future((await self._worker()).change_tokens(calls))

    @property
    def ahead(self) -> int:
        """How many nodes may wait for the worker's thread."""
        return AHEAD

    def submit(self, task: Task | Collect, report: Callable[[Report], None]) -> "asyncio.Future[Outcome]":
        """Run one node in the worker's thread; reports come on this loop, before the outcome."""
        assert self._building is not None, "a job asks after `begin`"
        loop = asyncio.get_running_loop()
        worker = self._building.result()
        pending = worker.submit(task, lambda said: loop.call_soon_threadsafe(report, said) and None)
        return asyncio.wrap_future(pending)

    def release(self, results: Sequence[str]) -> None:
        """The job needs these no more."""
        assert self._building is not None, "a job releases after `begin`"
        self._building.result().release(results)

    async def end(self) -> None:
        """The job is over."""
        (await self._worker()).end()

    def stop(self) -> None:
        """Ask what runs to stop."""
        self._stop_asked = True
        if self._building is not None and self.ready:
            self._building.result().stop()

    async def specs(self, *, refresh: bool = False) -> Mapping[str, NodeSpec]:
        """Descriptions of all nodes."""
        worker = await self._worker()
        return await asyncio.to_thread(worker.specs, refresh=refresh, fresh=True)

    async def packs(self) -> Sequence[PackReport]:
        """How each community pack fared."""
        return (await self._worker()).packs()

    async def validate(self, calls: Sequence[Call]) -> Sequence[Complaint]:
        """The nodes' own validation."""
        return await asyncio.to_thread((await self._worker()).validate, calls)

    async def on_prompt(self, body: Mapping[str, Json]) -> Mapping[str, Json]:
        """What packs make of the body of a posted prompt."""
        if not (await self.registered()).prompt_handlers:
            return body
        return await asyncio.to_thread((await self._worker()).on_prompt, body)

    async def registered(self, *, anew: bool = False) -> Registered:
        """What packs have hung on the server."""
        del anew
        return (await self._worker()).described(refresh=False, known="").registered

    def listen(self, hear: Callable[[PackEvent], None], answer: Callable[[Wonder], Awaitable[Json]]) -> None:
        """Whatever packs tell clients goes to `hear`, what they ask to `answer`."""
        self._hear, self._answer = hear, answer

    async def free(self, *, models: bool, results: bool) -> None:
        """Let go of loaded models, of kept results."""
        (await self._worker()).free(models=models, results=results)

    async def devices(self) -> Sequence[Mapping[str, Json]]:
        """Devices and their memory."""
        return (await self._worker()).devices()

    async def plan(self, prompt: Mapping[str, Json]) -> Mapping[str, Json]:
        """What memory a prompt will need."""
        return await asyncio.to_thread((await self._worker()).plan, prompt)

    async def standing(self, files: Sequence[RecordedFile]) -> Mapping[str, Json]:
        """What the record in a saved file would say today of this machine and of these files."""
        return await asyncio.to_thread((await self._worker()).standing, files)

    def _build(self) -> Worker:
        return Worker(
            self._factory, self._switch, _hear_nothing, {}, publish=self._publish, wonder=self._wonder
        )

    def _wonder(self, about: str, ids: Sequence[str]) -> Json:
        answer, loop = self._answer, self._loop
        if answer is None or loop is None:
            return None

        async def find() -> Json:
            return await answer(Wonder(0, about, tuple(ids)))

        return asyncio.run_coroutine_threadsafe(find(), loop).result(REPLY)

    def _publish(self, event: str | int, data: "Json | bytes", client: str | None) -> None:
        if self._hear is not None and self._loop is not None:
            with suppress(RuntimeError):  # the loop is closed
                self._loop.call_soon_threadsafe(self._hear, PackEvent(event, data, client))

    async def _worker(self) -> Worker:
        """The worker, once it is furnished.

        Raises:
            BackendLost: it could not be furnished.
        """
        await self.start()
        assert self._building is not None
        try:
            return await asyncio.shield(self._building)
        except Exception as error:
            raise BackendLost(f"No worker can be started. {type(error).__name__}: {error}") from error


def _hear_nothing(_pack: str) -> None:
    """A pack that ends the process ends this one: there is nobody to tell."""

"""Packs in processes of their own, from the worker's side: their nodes stand in its registry, and run elsewhere.

Values cross as data (`nodes.spec.Codec`), no pickle of a pack's; an object of a pack's own class stays there under a number.
"""

import asyncio
import itertools
import logging
import queue
import threading
import time
import weakref
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from multiprocessing import get_context
from multiprocessing.connection import Connection
from typing import Any, TypeAlias, cast

from nodes.spec import Codec, Node, NodeError, NodeSpec, Packed, Result, Stopped, Unstorable
from server.graph.host import Progressed, Report, Said, SwitchedOff
from server.graph.outcome import Failure
from server.worker.apart_main import main
from server.worker.apart_words import Brings, Call, Drop, Halt, Kept, Tell, Wrong
from server.worker.messages import Answered, PackEvent, Reported, receive, send
from server.worker.parts import Factory, PackReport, Publish
from server.worker.running import NodeContext

STARTING = 120.0  # seconds until a process must have said what its pack brings
LOOK = 0.05  # seconds between looks whether Stop was pressed
AFTER_STOP = 3.0  # seconds that a process may go on after Stop; then it is ended

log = logging.getLogger("weft.packs")


Heard: TypeAlias = "Answered | Wrong | Reported | None"


@dataclass(slots=True)
class _Life:
    """One process, from its start to its end."""

    process: Any
    pipe: Connection
    brings: Brings
    waiting: dict[int, "queue.SimpleQueue[Heard]"] = field(
        default_factory=dict[int, "queue.SimpleQueue[Heard]"]
    )
    over: bool = False


class Apart:
    """One pack in a process of its own; a process that ends is started again at the next call.

    Args:
        pack: its name. path: where it lies.
        factory: furnishes the process, and confines it before any code of the pack runs.
        codec: turns values into data; it knows `Kept`.
        publish: tells clients what the pack says.
    """

    def __init__(self, pack: str, path: str, factory: Factory, codec: Codec, publish: Publish) -> None:
        self._pack, self._path = pack, path
        self._factory, self._codec, self._publish = factory, codec, publish
        self._numbers = itertools.count()
        self._lock = threading.Lock()
        self._sending = threading.Lock()
        self._life: _Life | None = None
        self._reports: tuple[PackReport, ...] = ()

    def load(self) -> Sequence[Node]:
        """Start the process; the pack's nodes. Where it fails, there are none, and `reports` says why."""
        try:
            life = self._alive()
        except NodeError as error:
            failure = Failure(error.message, error.hint, "PackCrashed")
            self._reports = (
                PackReport(self._pack, self._path, ok=False, seconds=0.0, error=failure, apart=True),
            )
            return ()
        self._reports = life.brings.reports
        return [self._node(spec, life.brings.functions[id]) for id, spec in life.brings.specs.items()]

    def reports(self) -> Sequence[PackReport]:
        """How the pack fared, and what it has done; what was known last while its process is busy or gone."""
        life = self._life
        if life is not None and not life.over:
            number, answers = self._ask(life, Tell)
            try:
                heard = answers.get(timeout=1.0)
                if isinstance(heard, Answered):
                    self._reports = cast("tuple[PackReport, ...]", heard.answer)
            except queue.Empty:
                log.info("The process of the pack %s is busy.", self._pack)
            life.waiting.pop(number, None)
        return self._reports

    # --- calls ------------------------------------------------------------------------------------------------------

    def _node(self, spec: NodeSpec, functions: Sequence[str]) -> Node:
        def call(function: str) -> Callable[..., Any]:
            return lambda ctx, **inputs: self._call(function, ctx, inputs)

        async def wait(ctx: NodeContext, **inputs: object) -> object:
            return await asyncio.to_thread(self._call, "run", ctx, inputs)

        more = {name: call(name) for name in functions if name != "run"}
        return Node(spec, wait if spec.is_async else call("run"), **more)

    def _call(self, function: str, ctx: NodeContext, inputs: Mapping[str, object]) -> object:
        """What the node's function returns.

        Raises:
            NodeError: it failed, or its process ended.
            Stopped: the person pressed Stop.
        """
        life = self._alive()
        try:
            given = self._codec.pack(dict(inputs))
        except Unstorable as error:
            raise NodeError(
                f"An input cannot cross to the pack {self._pack}, which runs in a process of its own: it is {error}.",
                f"Run the pack with the others: `weft packs limit {self._pack} --shared`.",
            ) from error
        job = replace(ctx.job.context, secrets={})
        task = replace(ctx.task, arguments={})
        number, answers = self._ask(life, lambda number: Call(number, function, task, job, given))
        try:
            return self._answer(life, answers, ctx, function)
        finally:
            life.waiting.pop(number, None)

    def _answer(
        self, life: _Life, answers: "queue.SimpleQueue[Heard]", ctx: NodeContext, function: str
    ) -> object:
        while True:
            try:
                heard = answers.get(timeout=LOOK)
            except queue.Empty:
                self._heed(life, answers, ctx)
                continue
            match heard:
                case Reported(report=report):
                    _pass_on(report, ctx)
                case Answered(answer=answer):
                    return self._back(answer, function)
                case Wrong(failure=failure, stopped=stopped):
                    if stopped:
                        raise Stopped
                    raise NodeError(failure.message, failure.hint)
                case None:
                    raise NodeError(
                        f"The process of the pack {self._pack} ended while its node ran.",
                        "Run it again: the process is started anew. If it ends again, tell the pack's author.",
                    )

    def _heed(self, life: _Life, answers: "queue.SimpleQueue[Heard]", ctx: NodeContext) -> None:
        """Hand Stop on; a process that does not heed it is ended."""
        try:
            ctx.check_stop()
        except Stopped:
            self._send(life, Halt())
            until = time.monotonic() + AFTER_STOP
            while (left := until - time.monotonic()) > 0:
                try:
                    if not isinstance(answers.get(timeout=left), Reported):
                        raise
                except queue.Empty:
                    break
            self._end(life)
            raise

    def _back(self, answer: object, function: str) -> object:
        made = cast("dict[str, Any]", self._codec.unpack(cast("Packed", answer)))
        self._watch(made)
        if function == "run" and "outputs" in made:
            return Result(tuple(made["outputs"]), made["ui"], made["expand"])
        return made["value"]

    def _watch(self, value: object) -> None:
        """Tell the process when an object of its own is not held here any more."""
        if isinstance(value, Kept):
            weakref.finalize(value, self._drop, value.number)
        elif isinstance(value, dict):
            for entry in cast("dict[object, object]", value).values():
                self._watch(entry)
        elif isinstance(value, list | tuple):
            for entry in cast("Sequence[object]", value):
                self._watch(entry)

    def _drop(self, number: int) -> None:
        if self._life is not None:
            self._send(self._life, Drop(number))

    # --- the process ------------------------------------------------------------------------------------------------

    def _alive(self) -> _Life:
        with self._lock:
            if self._life is None or self._life.over:
                self._life = self._started()
            return self._life

    def _started(self) -> _Life:
        """A new process, once it has said what it brings.

        Raises:
            NodeError: it does not.
        """
        context = get_context("spawn")
        ours, theirs = context.Pipe()
        process = context.Process(target=main, args=(theirs, self._factory, self._pack), daemon=True)
        process.start()
        theirs.close()
        try:
            if not ours.poll(STARTING):
                process.kill()
                raise NodeError(
                    f"The process of the pack {self._pack} said nothing for {STARTING:g} seconds."
                )
            brings = receive(ours)
        except (EOFError, OSError) as error:
            process.join(1.0)
            raise NodeError(
                f"The process of the pack {self._pack} ended while it was loaded (status {process.exitcode}).",
                "The log says more. Update or remove the pack, or run it with the others"
                f" (`weft packs limit {self._pack} --shared`).",
            ) from error
        assert isinstance(brings, Brings)
        life = _Life(process, ours, brings)
        threading.Thread(target=self._listen, args=(life,), name="weft-apart", daemon=True).start()
        return life

    def _ask(self, life: _Life, question: Callable[[int], object]) -> tuple[int, "queue.SimpleQueue[Heard]"]:
        number = next(self._numbers)
        answers = life.waiting[number] = queue.SimpleQueue()
        self._send(life, question(number))
        if life.over:
            answers.put(None)
        return number, answers

    def _send(self, life: _Life, message: object) -> None:
        try:
            with self._sending:
                send(life.pipe, message)
        except OSError:
            life.over = True

    def _listen(self, life: _Life) -> None:
        try:
            while True:
                message = receive(life.pipe)
                if isinstance(message, PackEvent):
                    self._publish(message.event, message.data, message.client)
                elif isinstance(message, Answered | Wrong | Reported) and message.number in life.waiting:
                    life.waiting[message.number].put(message)
        except (EOFError, OSError):
            life.over = True
            for answers in list(life.waiting.values()):
                answers.put(None)

    def _end(self, life: _Life) -> None:
        life.over = True
        life.process.kill()


def _pass_on(report: Report, ctx: NodeContext) -> None:
    match report:
        case Progressed(value=value, total=total, preview=preview):
            ctx.progress(value, total, preview)
        case Said(text=text):
            ctx.say(text)
        case SwitchedOff():
            return

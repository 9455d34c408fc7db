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
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field, replace
from multiprocessing import get_context
from multiprocessing.connection import Connection
from typing import Any, TypeAlias, cast

from nodes.spec import Codec, Json, Node, NodeError, NodeSpec, Packed, Result, Stopped, Unstorable
from server.graph.host import Progressed, Report, Said, SwitchedOff
from server.graph.outcome import Failure
from server.worker.apart_main import main
from server.worker.apart_words import Brings, Call, Drop, Halt, Kept, Posted, Tell, Wrong
from server.worker.messages import Answered, PackEvent, Reply, Reported, Wonder, receive, send
from server.worker.parts import Factory, PackReport, Registered, Services
from server.worker.running import NodeContext

STARTING = 120.0  # seconds until a process must have said what its pack brings
LOOK = 0.05  # seconds between looks whether Stop was pressed
PROMPT = 15.0  # seconds for the handlers of a posted prompt
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
    kept: set[int] = field(
        default_factory=set[int]
    )  # numbers of objects of the pack's own that are held here
    over: bool = False


class Apart:
    """One pack in a process of its own; a process that ends is started again at the next call.

    Args:
        pack: its name. path: where it lies.
        factory: furnishes the process, and confines it before any code of the pack runs.
        codec: turns values into data; it knows `Kept`.
        services: what the pack says and asks goes there.
    """

    def __init__(self, pack: str, path: str, factory: Factory, codec: Codec, services: Services) -> None:
        self._pack, self._path = pack, path
        self._factory, self._codec, self._services = factory, codec, services
        self._numbers = itertools.count()
        self._lock = threading.Lock()
        self._sending = threading.Lock()
        self._life: _Life | None = None
        self._reports: tuple[PackReport, ...] = ()
        self._wrong: PackReport | None = (
            None  # how the pack fared as it was edited last, where that cannot be loaded
        )

    def load(self) -> Sequence[Node]:
        """Start the process; the pack's nodes. Where it fails, there are none, and `reports` says why."""
        try:
            life = self._alive()
        except NodeError as error:
            self._reports = (self._failed(error),)
            return ()
        self._reports = life.brings.reports
        return self._nodes(life)

    def reload(self) -> Sequence[Node] | None:
        """The nodes of an edited pack, in a new process; None: it cannot be loaded, and the process of before goes on."""
        with self._lock:
            before = self._life
            try:
                life = self._started()
                failed = next((one for one in life.brings.reports if not one.ok), None)
            except NodeError as error:
                life, failed = None, self._failed(error)
            if failed is not None and before is not None and not before.over:
                if life is not None:
                    self._end(life)
                self._wrong = failed
                return None
            self._wrong = None
            self._reports = (failed,) if failed is not None else () if life is None else life.brings.reports
            self._life = life
        if before is not None:
            self._end(before)
        return () if life is None else self._nodes(life)

    def revive(self) -> None:
        """Start the process again if it has ended: its routes answer again."""
        if self._life is not None and self._life.over:
            try:
                self._alive()
            except NodeError as error:
                log.warning("%s %s", error.message, error.hint)

    @property
    def registered(self) -> Registered:
        """What the pack has hung on the server; it answers nowhere while its process is gone."""
        life = self._life
        if life is None:
            return Registered()
        return replace(life.brings.registered, port=0) if life.over else life.brings.registered

    def holds(self, kept: Kept) -> bool:
        """Whether the process has this object: not one of before."""
        life = self._life
        return life is not None and not life.over and kept.number in life.kept

    def on_prompt(self, body: Mapping[str, Json]) -> Mapping[str, Json]:
        """What the pack makes of a posted prompt; where its process does not answer, it stays as it is."""
        life = self._life
        if life is None or life.over or not life.brings.registered.prompt_handlers:
            return body
        number, answers = self._ask(life, lambda number: Posted(number, body))
        try:
            heard = answers.get(timeout=PROMPT)
        except queue.Empty:
            heard = None
        finally:
            life.waiting.pop(number, None)
        if isinstance(heard, Answered):
            return cast("Mapping[str, Json]", heard.answer)
        log.warning(
            "The prompt handlers of the pack %s did not answer; the prompt goes on without.", self._pack
        )
        return body

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
        wrong = self._wrong
        return self._reports if wrong is None else tuple(_as_it_was(one, wrong) for one in self._reports)

    def _failed(self, error: NodeError) -> PackReport:
        failure = Failure(error.message, error.hint, "PackCrashed")
        return PackReport(self._pack, self._path, ok=False, seconds=0.0, error=failure, apart=True)

    def _nodes(self, life: _Life) -> Sequence[Node]:
        return [self._node(spec, life.brings.functions[id]) for id, spec in life.brings.specs.items()]

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
        life = self._alive(ctx.check_stop)
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
                    return self._back(life, answer, function)
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

    def _back(self, life: _Life, answer: object, function: str) -> object:
        made = cast("dict[str, Any]", self._codec.unpack(cast("Packed", answer)))
        self._watch(life, made)
        if function == "run" and "outputs" in made:
            return Result(tuple(made["outputs"]), made["ui"], made["expand"])
        return made["value"]

    def _watch(self, life: _Life, value: object) -> None:
        """Tell the process when an object of its own is not held here any more."""
        for kept in kept_in(value):
            life.kept.add(kept.number)
            weakref.finalize(kept, self._drop, life, kept.number)

    def _drop(self, life: _Life, number: int) -> None:
        life.kept.discard(number)
        if not life.over:
            self._send(life, Drop(number))

    # --- the process ------------------------------------------------------------------------------------------------

    def _alive(self, go_on: Callable[[], None] = lambda: None) -> _Life:
        """The process, started if there is none; while another thread does that, `go_on` is called again and again."""
        while not self._lock.acquire(timeout=LOOK):
            go_on()
        try:
            if self._life is None or self._life.over:
                self._life = self._started()
            return self._life
        finally:
            self._lock.release()

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
                    self._services.publish(message.event, message.data, message.client)
                elif isinstance(message, Wonder):  # the server's answer may take a while
                    threading.Thread(target=self._reply, args=(life, message), daemon=True).start()
                elif isinstance(message, Answered | Wrong | Reported) and message.number in life.waiting:
                    life.waiting[message.number].put(message)
        except (EOFError, OSError):
            life.over = True
            for answers in list(life.waiting.values()):
                answers.put(None)

    def _reply(self, life: _Life, wonder: Wonder) -> None:
        with suppress(TimeoutError):
            self._send(life, Reply(wonder.number, self._services.wonder(wonder.about, wonder.ids)))

    def _end(self, life: _Life) -> None:
        life.over = True
        life.process.kill()


def kept_in(value: object) -> Iterator[Kept]:
    """The objects of packs' own in a value."""
    if isinstance(value, Kept):
        yield value
    elif isinstance(value, dict):
        for entry in cast("dict[object, object]", value).values():
            yield from kept_in(entry)
    elif isinstance(value, list | tuple):
        for entry in cast("Sequence[object]", value):
            yield from kept_in(entry)


def _as_it_was(earlier: PackReport, failed: PackReport) -> PackReport:
    """The report of a pack that was edited and cannot be loaded now."""
    assert failed.error is not None, "a pack that is not there says why"
    told = f"It was edited and cannot be loaded; what was there before is still used. {failed.error.message}"
    hint = "Mend the file: the next run tries again."
    return replace(earlier, error=replace(failed.error, message=told, hint=hint))


def _pass_on(report: Report, ctx: NodeContext) -> None:
    match report:
        case Progressed(value=value, total=total, preview=preview):
            ctx.progress(value, total, preview)
        case Said(text=text):
            ctx.say(text)
        case SwitchedOff():
            return

"""The process of one pack: confined before anything of the pack is read, it answers calls of the pack's nodes."""

import inspect
import itertools
import os
import queue
import secrets
import signal
import socket
import sys
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from functools import partial
from multiprocessing.connection import Connection
from typing import Any, cast

from nodes.spec import Codec, Json, Node, NodeError, Packed, Result, Stopped, Unstorable
from server.graph.host import Report
from server.worker.apart_words import Brings, Call, Drop, Halt, Kept, Posted, Tell, Wrong
from server.worker.failures import failure
from server.worker.lanes import Lanes
from server.worker.messages import Answered, PackEvent, Reply, Reported, Wonder, receive, send
from server.worker.parts import Factory, Services, WorkerParts
from server.worker.running import NodeContext, RunningJob
from server.worker.stopping import StopSwitch

REPLY = 12.0  # seconds that a pack waits for the server's answer


def main(pipe: Connection, factory: Factory, pack: str) -> None:
    """Serve until the worker closes the pipe."""
    signal.signal(
        signal.SIGINT, signal.SIG_IGN
    )  # Ctrl-C reaches the whole group; the server decides what it means
    sending = threading.Lock()

    def say(message: object) -> None:
        with sending:
            send(pipe, message)

    switch, pipes = StopSwitch(), _Pipe(pipe, say)
    parts = factory.build(
        Services(
            switch.check,
            lambda _pack: None,
            publish=lambda event, data, client: say(PackEvent(event, data, client)),
            wonder=pipes.wonder,
            door=socket.create_server(("127.0.0.1", 0)),  # now: later the pack may be refused all sockets
        )
    )
    threading.Thread(target=pipes.listen, name="weft-pipe", daemon=True).start()
    reports = tuple(parts.load_packs())
    brought = {id for report in reports for id in report.nodes}
    mine = {id: found for id in sorted(brought) if (found := parts.registry.get(id)) is not None}
    functions = {id: tuple(_functions(each)) for id, each in mine.items()}
    say(Brings({id: each.spec for id, each in mine.items()}, functions, reports, parts.registered()))
    served = _Served(pack, parts, switch, say, Lanes(parts.around))
    while True:
        served.hear(pipes.heard.get())


class _Pipe:
    """Reads from the start on: what the worker says comes to `heard`, what it replies to whoever asked."""

    def __init__(self, pipe: Connection, say: Callable[[object], None]) -> None:
        self._pipe, self._say = pipe, say
        self._numbers = itertools.count()
        self._replies: dict[int, queue.SimpleQueue[Json]] = {}
        self.heard: queue.SimpleQueue[object] = queue.SimpleQueue()

    def listen(self) -> None:
        """Until the worker is gone; then so is this process."""
        try:
            while True:
                message = receive(self._pipe)
                if not isinstance(message, Reply):
                    self.heard.put(message)
                elif message.number in self._replies:
                    self._replies.pop(message.number).put(message.answer)
        except (EOFError, OSError):
            with suppress(OSError, ValueError):
                sys.stdout.flush()
            os._exit(0)

    def wonder(self, about: str, ids: Sequence[str]) -> Json:
        """Ask the server, and wait.

        Raises:
            TimeoutError: it does not answer.
        """
        number, reply = next(self._numbers), queue.SimpleQueue[Json]()
        self._replies[number] = reply
        self._say(Wonder(number, about, tuple(ids)))
        try:
            return reply.get(timeout=REPLY)
        except queue.Empty:
            self._replies.pop(number, None)
            raise TimeoutError("The server did not answer a pack's question.") from None


def _functions(node: Node) -> Mapping[str, Any]:
    """The functions that a node has beside `run`, by their field."""
    every = {"needs": node.needs, "change_token": node.change_token, "validate": node.validate}
    return {name: function for name, function in every.items() if function is not None}


@dataclass(slots=True)
class _Served:
    pack: str
    parts: WorkerParts
    switch: StopSwitch
    say: Any
    lanes: Lanes
    held: dict[int, object] = field(default_factory=dict[int, object])
    # No number of an earlier process of this pack is one of this.
    numbers: Iterator[int] = field(default_factory=lambda: itertools.count(secrets.randbits(62)))
    job: RunningJob | None = None

    @property
    def codec(self) -> Codec:
        assert self.parts.lasting is not None, "whoever furnishes this process brings a codec"
        return self.parts.lasting.codec

    def hear(self, message: object) -> None:
        match message:
            case Call():
                self._turn(message)
                node = self.parts.registry.get(message.task.type)
                if node is None:
                    gone = NodeError(
                        f"The pack {self.pack} was edited: {message.task.type} is gone.", "Run it again."
                    )
                    self.say(Wrong(message.number, failure(gone)))
                    return
                waits = node.spec.is_async and message.function == "run"
                (self.lanes.wait if waits else self.lanes.compute)(partial(self._call, message, node))
            case Halt():
                self.switch.press()
                self.lanes.cancel_waiting()
            case Drop(number=number):
                self.held.pop(number, None)
            case Tell(number=number):
                reports = self.parts.packs() if self.parts.packs is not None else ()
                self.say(Answered(number, tuple(reports)))
            case Posted():  # handlers may take seconds, and Stop must be heard
                threading.Thread(
                    target=self._posted, args=(message,), name="weft-posted", daemon=True
                ).start()
            case _:
                raise TypeError(f"Not a question to a pack: {message!r}")

    def _posted(self, posted: Posted) -> None:
        self.say(Answered(posted.number, self.parts.on_prompt(posted.body)))

    def _turn(self, call: Call) -> None:
        """A call of another job means that this one has begun."""
        if self.job is None or self.job.context.run != call.job.run or self.job.context.job != call.job.job:
            self.switch.clear()
            self.job = RunningJob(call.job)
            self.parts.begin(call.job.job, call.job.client)

    async def _call(self, call: Call, node: Node) -> None:
        try:
            self.say(Answered(call.number, await self._made(call, node)))
        except BaseException as error:  # noqa: BLE001 - a pack may raise anything; the process lives on
            stopped = isinstance(error, Stopped) or self.switch.pressed
            self.say(Wrong(call.number, failure(error), stopped=stopped))

    async def _made(self, call: Call, node: Node) -> Packed:
        assert self.job is not None
        report: Any = partial(self._report, call.number)
        context = NodeContext(call.task, self.job, self.parts, self.switch, report)
        given = cast("dict[str, object]", self._known(self.codec.unpack(call.given)))
        function = node.run if call.function == "run" else _functions(node)[call.function]
        value = cast("Any", function)(context.at(0), **given)
        if inspect.isawaitable(value):
            value = await value
        if isinstance(value, Result):
            told = {"outputs": self._crossing(value.outputs), "ui": _listed(value.ui), "expand": value.expand}
            return self.codec.pack(told)
        return self.codec.pack({"value": self._crossing(value)})

    def _report(self, number: int, report: Report) -> None:
        self.say(Reported(number, report))

    def _crossing(self, value: object) -> object:
        """The value, with numbers in place of what is no data: those objects stay here."""
        try:
            self.codec.pack(value)
        except Unstorable:
            if isinstance(value, list | tuple):
                return [self._crossing(entry) for entry in cast("list[object]", value)]
            number = next(self.numbers)
            self.held[number] = value
            return Kept(self.pack, number)
        return value

    def _known(self, value: object) -> object:
        """The value, with the objects that stayed here."""
        if isinstance(value, Kept):
            if value.pack != self.pack or value.number not in self.held:
                raise NodeError(
                    "An object of another process was linked here, or of this one before it was started again.",
                    "Run what made it again, or run both packs with the others.",
                )
            return self.held[value.number]
        if isinstance(value, dict):
            return {name: self._known(entry) for name, entry in cast("dict[str, object]", value).items()}
        if isinstance(value, list):
            return [self._known(entry) for entry in cast("list[object]", value)]
        return value


def _listed(ui: Any) -> Any:
    """What a node shows, as plain lists."""
    return None if ui is None else {name: list(entries) for name, entries in ui.items()}

"""The process of one pack: confined before anything of the pack is read, it answers calls of the pack's nodes."""

import inspect
import os
import signal
import sys
import threading
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import partial
from multiprocessing.connection import Connection
from typing import Any, cast

from nodes.spec import Codec, Node, NodeError, Packed, Result, Stopped, Unstorable
from server.graph.host import Report
from server.worker.apart_words import Brings, Call, Drop, Halt, Kept, Tell, Wrong
from server.worker.failures import failure
from server.worker.lanes import Lanes
from server.worker.messages import Answered, PackEvent, Reported, receive, send
from server.worker.parts import Factory, Services, WorkerParts
from server.worker.running import NodeContext, RunningJob
from server.worker.stopping import StopSwitch


def main(pipe: Connection, factory: Factory, pack: str) -> None:
    """Serve until the worker closes the pipe."""
    signal.signal(
        signal.SIGINT, signal.SIG_IGN
    )  # Ctrl-C reaches the whole group; the server decides what it means
    sending = threading.Lock()

    def say(message: object) -> None:
        with sending:
            send(pipe, message)

    switch = StopSwitch()
    parts = factory.build(
        Services(
            switch.check,
            lambda _pack: None,
            publish=lambda event, data, client: say(PackEvent(event, data, client)),
        )
    )
    reports = tuple(parts.load_packs())
    brought = {id for report in reports for id in report.nodes}
    mine = {id: found for id in sorted(brought) if (found := parts.registry.get(id)) is not None}
    functions = {id: tuple(_functions(each)) for id, each in mine.items()}
    say(Brings({id: each.spec for id, each in mine.items()}, functions, reports))
    served = _Served(pack, parts, switch, say, Lanes(parts.around))
    try:
        while True:
            served.hear(receive(pipe))
    except (EOFError, OSError):
        sys.stdout.flush()
        os._exit(0)


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
                assert node is not None, "the worker calls what this process told it of"
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
            case _:
                raise TypeError(f"Not a question to a pack: {message!r}")

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
            number = max(self.held, default=0) + 1
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

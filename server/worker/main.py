"""The worker process: the main thread listens to the server, other threads run nodes and answer questions.

When the server is gone the pipe ends, and the process with it.
"""

import itertools
import os
import pickle
import queue
import signal
import sys
import threading
import traceback
from collections.abc import Callable, Iterable, Sequence
from functools import partial
from multiprocessing.connection import Connection
from typing import Any, cast

from nodes.spec import Json
from server.graph.host import Report
from server.graph.outcome import Failed
from server.worker.failures import failure
from server.worker.guard import (
    Streams,
    die_with_server,
    keep_from_forks,
    limit_memory,
    take_children_along,
)
from server.worker.messages import (
    CANNOT_START,
    LOST_SERVER,
    Answered,
    Ask,
    Asking,
    Beat,
    Begin,
    ChangeTokens,
    Devices,
    End,
    Free,
    Holding,
    Loading,
    OnPrompt,
    PackEvent,
    Packs,
    Plan,
    Question,
    Ready,
    Recall,
    Refused,
    Release,
    Reply,
    Reported,
    Run,
    Specs,
    Standing,
    Stop,
    Untold,
    Validate,
    Wonder,
    receive,
    send,
)
from server.worker.parts import Factory
from server.worker.stopping import StopSwitch
from server.worker.worker import Worker

REPLY = 10.0  # seconds that a pack waits for the server's answer


class Process:
    """One worker behind one pipe.

    Args:
        connection: to the server.
        factory: furnishes the worker.
        skip: packs not to load, and why.
        sources: models that the worker before held when it was ended.
    """

    def __init__(
        self, connection: Connection, factory: Factory, skip: dict[str, str], sources: tuple[str, ...]
    ) -> None:
        self._connection = connection
        self._sending = threading.Lock()
        self._factory = factory
        self._skip = skip
        self._sources = sources
        self._switch = StopSwitch(lambda: self._send(Beat()))
        self._streams = Streams()
        self._worker: Worker | None = None
        self._questions: queue.SimpleQueue[Ask] = queue.SimpleQueue()
        self._numbers = itertools.count()
        self._replies: dict[int, queue.SimpleQueue[Json]] = {}

    def serve(self) -> None:
        """Listen until the server closes the pipe; never returns."""
        threading.Thread(target=self._furnish, name="weft-furnish", daemon=True).start()
        try:
            while True:
                for message in cast("Iterable[object]", receive(self._connection)):
                    if isinstance(message, Stop):
                        self._stop()
                    elif isinstance(message, Release):
                        if self._worker is not None:
                            self._worker.release(message.results)
                    elif isinstance(message, Reply):
                        self._hear(message)
                    elif isinstance(message, Ask):
                        self._take(message)
                    elif isinstance(message, Begin | End):
                        self._turn(message)
                    else:  # Close
                        if self._worker is not None:
                            self._worker.settle()
                        leave(0)
        except (EOFError, OSError):
            leave(LOST_SERVER)

    def _furnish(self) -> None:
        """Build the worker, then answer questions, in this thread: packs see one thread at a time."""
        try:
            worker = self._worker = Worker(
                self._factory,
                self._switch,
                lambda pack: self._send(Loading(pack)),
                self._skip,
                lambda node: self._send(Asking(node)),
                lambda sources: self._send(Holding(sources)),
                lambda event, data, client: self._send(PackEvent(event, data, client)),
                self._wonder,
            )
        except BaseException:  # noqa: BLE001 - whatever it is, without parts there is no worker
            traceback.print_exc()
            leave(CANNOT_START)
        self._send(Ready(worker.spares))
        worker.bring_back(self._sources)
        while True:
            ask = self._questions.get()
            self._answer(ask, partial(self._ask, ask.question))

    def _stop(self) -> None:
        if self._worker is None:
            self._switch.press()
        else:
            self._worker.stop()

    def _turn(self, news: Begin | End) -> None:
        """A job begins or is over. Only who is ready is told."""
        assert self._worker is not None
        if isinstance(news, Begin):
            self._streams.mend()
            self._worker.begin(news.context)
        else:
            self._worker.end()

    def _take(self, ask: Ask) -> None:
        """A job's work goes to its lane at once, what needs no pack's code is answered here, the rest waits its turn."""
        worker = self._worker
        if worker is None:
            self._questions.put(ask)
        elif isinstance(ask.question, Run):
            outcome = worker.submit(ask.question.task, lambda report: self._report(ask.number, report))
            outcome.add_done_callback(lambda done: self._answer(ask, done.result))
        elif isinstance(ask.question, ChangeTokens):
            tokens = worker.change_tokens(ask.question.calls)
            tokens.add_done_callback(lambda done: self._answer(ask, done.result))
        elif isinstance(ask.question, Recall):
            known = worker.answer(ask.question)
            known.add_done_callback(lambda done: self._answer(ask, done.result))
        elif _is_at_hand(ask.question):
            self._answer(ask, lambda: self._ask(ask.question))
        else:
            self._questions.put(ask)

    def _answer(self, ask: Ask, find: Callable[[], object]) -> None:
        """Every question gets an answer, also where finding or sending it fails."""
        try:
            self._send(Answered(ask.number, find()))
        except BaseException as error:  # noqa: BLE001 - a pack's code may raise anything
            if isinstance(ask.question, Run):
                self._send(Answered(ask.number, Failed(failure(error))))
            else:
                self._send(Refused(ask.number, f"{type(error).__name__}: {error}"))

    def _ask(self, question: Question) -> object:
        worker = self._worker
        assert worker is not None
        match question:
            case Validate(calls=calls):
                return tuple(worker.validate(calls))
            case Specs(refresh=refresh, known=known, fresh=fresh):
                return worker.described(refresh=refresh, known=known, fresh=fresh)
            case Packs():
                return worker.packs()
            case OnPrompt(body=body):
                return worker.on_prompt(body)
            case Free(models=models, results=results):
                worker.free(models=models, results=results)
                return None
            case Devices():
                return worker.devices()
            case Standing(files=files):
                return worker.standing(files)
            case Plan(prompt=prompt):
                return worker.plan(prompt)
            case Run() | ChangeTokens() | Recall():
                raise Untold("This is a job's work, which has a lane of its own.")

    def _wonder(self, about: str, ids: Sequence[str]) -> Json:
        """Ask the server, and wait.

        Raises:
            TimeoutError: it does not answer.
        """
        number, reply = next(self._numbers), queue.SimpleQueue[Json]()
        self._replies[number] = reply
        self._send(Wonder(number, about, tuple(ids)))
        try:
            return reply.get(timeout=REPLY)
        except queue.Empty:
            self._replies.pop(number, None)
            raise TimeoutError("The server did not answer a pack's question.") from None

    def _hear(self, reply: Reply) -> None:
        waiting = self._replies.pop(reply.number, None)
        if waiting is not None:
            waiting.put(reply.answer)

    def _report(self, number: int, report: Report) -> None:
        self._send(Reported(number, report))

    def _send(self, message: object) -> None:
        try:
            with self._sending:
                send(self._connection, message)
        except OSError:
            leave(LOST_SERVER)


def _is_at_hand(question: Question) -> bool:
    """Descriptions as they were last read need no pack's code."""
    return isinstance(question, Specs) and not question.refresh and not question.fresh


def leave(status: int) -> None:
    """End the process at once: threads in native code would keep it."""
    for stream in (sys.stdout, sys.stderr):
        try:
            stream.flush()
        except (OSError, ValueError):
            continue
    os._exit(status)


def connect(handle: int) -> Connection:
    """The pipe that the server handed down, kept from further children."""
    if os.name == "nt":
        from multiprocessing import connection

        pipe: Any = connection
        return pipe.PipeConnection(handle)
    os.set_inheritable(handle, False)  # noqa: FBT003 - its only form
    return Connection(handle)


def main(handle: int) -> None:
    """Begin with the first thing in the pipe: the factory, packs to skip, the most bytes of memory, models to load."""
    signal.signal(
        signal.SIGINT, signal.SIG_IGN
    )  # Ctrl-C reaches the whole group; the server decides what it means
    die_with_server(lambda: leave(LOST_SERVER))
    connection = connect(handle)
    guard = take_children_along()
    keep_from_forks(connection.close, *([guard.close] if guard else []))
    factory, skip, memory, sources = pickle.loads(connection.recv_bytes())  # noqa: S301 - written by the server that started us
    limit_memory(memory)
    Process(connection, factory, skip, sources).serve()

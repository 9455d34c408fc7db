"""One worker process: started, spoken to, watched, ended. Threads read and write its pipes; the event loop never blocks."""

import asyncio
import logging
import os
import pickle
import queue
import signal
import subprocess
import threading
from collections import deque
from collections.abc import Callable, Iterable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from multiprocessing import Pipe
from typing import IO, Any

from server.backends.endings import again, ending, unanswered_stop
from server.backends.leash import leash
from server.backends.spawn import spawn
from server.graph.host import BackendLost, Report
from server.graph.model import NodeId
from server.graph.outcome import Interrupted
from server.worker.messages import (
    Answered,
    Ask,
    Asking,
    Beat,
    Begin,
    ChangeTokens,
    Close,
    End,
    Holding,
    Loading,
    PackEvent,
    Question,
    Ready,
    Recall,
    Refused,
    Release,
    Reply,
    Reported,
    Run,
    Stop,
    Untold,
    Validate,
    Wonder,
    receive,
    send,
)
from server.worker.parts import Factory
from server.worker.recalling import Asker

KEPT_LINES = 60  # of the worker's last words, for the message when it cannot start or crashed
SHOWN_LINES = 30  # of them, when it cannot start
LONGEST_LINE = 1 << 16  # bytes; a longer one is logged in parts
MOST_AT_ONCE = 256  # messages that cross together
TIME_TO_TELL = 0.1  # seconds
LAST_CHANCE = 1.0  # seconds between asking the system to end the process and making it
UNREAD_REPORTS = 1024  # beyond them the worker waits, so that one that talks without end fills no memory here

log = logging.getLogger("weft.worker")


@dataclass(slots=True)
class _Pending:
    question: Question
    future: "asyncio.Future[Any]"
    report: Callable[[Report], None] | None


class Child:
    """A worker process. Made, and used, on one event loop.

    Args:
        factory: furnishes the worker.
        skip: packs not to load, and why.
        on_gone: called on the loop when the process has ended.
        hear: told, on the loop, what packs tell clients or ask.
        memory: bytes that it may hold; 0: not known.
        sources: models that it is to load when it is ready, as the one before held them.

    Attributes:
        ready: done once it is furnished; `BackendLost` if it never was.
        loading: the pack that was being loaded last; empty once it is ready.
        beat: loop time of the last sign of life that a running node gave.
        sources: models that it holds, each in a line.
        asking: the node whose own check or change token is asked for now.
        asker: asks it which results are known.
        spares: whether it wants to be told what the running job needs no more.
    """

    def __init__(
        self,
        factory: Factory,
        skip: Mapping[str, str],
        on_gone: Callable[["Child"], None],
        hear: Callable[["Child", PackEvent | Wonder], None],
        memory: int = 0,
        sources: tuple[str, ...] = (),
    ) -> None:
        self._loop = asyncio.get_running_loop()
        self.ready: asyncio.Future[None] = self._loop.create_future()
        self.gone: asyncio.Future[BackendLost] = self._loop.create_future()
        self.loading = ""
        self._born = self.beat = self._loop.time()
        self._on_gone = on_gone
        self._hear = hear
        self._pending: dict[int, _Pending] = {}
        self._number = 0
        self._owed = 0  # answers that Stop would cut short
        self._idle = asyncio.Event()
        self._idle.set()
        self._ended_for: BackendLost | None = None
        self.asking: NodeId | None = None
        self.sources: tuple[str, ...] = ()
        self.asker, self.spares = Asker(), False
        self._last_words: deque[str] = deque(maxlen=KEPT_LINES)
        self._outbox: queue.SimpleQueue[object] = queue.SimpleQueue()
        self._connection, theirs = Pipe()
        self._process = spawn(theirs)
        self._leash = leash(self._process, memory)
        self._unread = threading.Semaphore(UNREAD_REPORTS)
        self._writer = threading.Thread(
            target=self._write, args=((factory, dict(skip), memory, sources),), daemon=True
        )
        self._writer.start()
        self._listener = threading.Thread(target=self._log_lines, daemon=True)
        self._listener.start()
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()
        threading.Thread(target=self._await_end, daemon=True).start()

    @property
    def pid(self) -> int:
        """The process's id."""
        return self._process.pid

    @property
    def running(self) -> bool:
        """Whether it owes an answer that Stop would cut short."""
        return not self._idle.is_set()

    @property
    def age(self) -> float:
        """Seconds since it was started."""
        return self._loop.time() - self._born

    async def ended_within(self, seconds: float) -> bool:
        """Wait up to `seconds` for its end; whether it came."""
        await asyncio.wait([self.gone], timeout=seconds)
        return self.gone.done()

    async def idle(self, seconds: float) -> bool:
        """Wait up to `seconds` until nothing runs; whether that came about."""
        with suppress(TimeoutError):
            await asyncio.wait_for(self._idle.wait(), seconds)
        return self._idle.is_set()

    async def ask(self, question: Question, report: Callable[[Report], None] | None = None) -> Any:
        """The worker's answer.

        Raises:
            BackendLost: the process ended first.
            RuntimeError: the worker could not answer.
        """
        return await self.put(question, report)

    def put(
        self, question: Question, report: Callable[[Report], None] | None = None
    ) -> "asyncio.Future[Any]":
        """Ask at once; what the future brings is as for `ask`."""
        future: asyncio.Future[Any] = self._loop.create_future()
        if self.gone.done():
            future.set_exception(again(self.gone.result()))
            return future
        self._number += 1
        self._pending[self._number] = _Pending(question, future, report)
        self._count(question, 1)
        self._outbox.put(Ask(self._number, question))
        return future

    def release(self, results: tuple[str, ...]) -> None:
        """Tell it that the job needs these results no more."""
        self._outbox.put(Release(results))

    def tell(self, news: Begin | End) -> None:
        """Say something that needs no answer; if the process ends first, nobody hears it."""
        self._outbox.put(news)

    def stop(self) -> None:
        """Ask it to stop what runs."""
        self._outbox.put(Stop())

    def reply(self, said: Reply) -> None:
        """Answer what a pack asked."""
        self._outbox.put(said)

    def end_for_stop(self) -> None:
        """Nothing answers Stop: end the process; what ran counts as interrupted."""
        self.end_for(unanswered_stop())

    def end_for(self, cause: BackendLost, *, tell: bool = True) -> None:
        """End the process; this is then why it is gone.

        Args:
            cause: said to whoever asked.
            tell: let it first say in the log where its code was, where it can.
        """
        self._ended_for = self._ended_for or cause
        if os.name == "nt" or not tell:
            self._process.kill()
        else:
            self._process.send_signal(signal.SIGUSR2)
            self._loop.call_later(TIME_TO_TELL, self._process.kill)

    def kill(self) -> None:
        """End the process, gently first."""
        self._process.terminate()
        self._loop.call_later(LAST_CHANCE, self._process.kill)

    async def close(self) -> None:
        """Ask the process to leave, and see to it."""
        self._outbox.put(Close())
        try:
            await asyncio.wait_for(asyncio.shield(self.gone), LAST_CHANCE)
        except TimeoutError:
            self.kill()
            await asyncio.shield(self.gone)

    # --- threads ----------------------------------------------------------------------------------------------------

    def _write(self, first: object) -> None:
        """Empties the outbox into the pipe, which may block while the worker is busy."""
        try:
            self._connection.send_bytes(pickle.dumps(first))
            while True:
                messages = [self._outbox.get()]
                while not self._outbox.empty() and len(messages) < MOST_AT_ONCE:
                    messages.append(self._outbox.get())
                if None in messages:
                    return
                self._tell(messages)
        except OSError:
            return  # the reading thread sees the end too, and tells

    def _tell(self, messages: Iterable[object]) -> None:
        """Send messages together; if something among them may not cross, each by itself."""
        together = tuple(messages)
        try:
            send(self._connection, together)
        except Untold:
            for message in together:
                try:
                    send(self._connection, (message,))
                except Untold as error:
                    if not isinstance(message, Ask):
                        raise
                    self._post(self._take, (Refused(message.number, str(error)),))

    def _read(self) -> None:
        """Hands over what the worker says until its end of the pipe is closed; a worker without pipe is of no use."""
        while True:
            messages: list[object] = []
            over = False
            try:
                messages.append(receive(self._connection))
                while len(messages) < MOST_AT_ONCE and self._connection.poll():
                    messages.append(receive(self._connection))
            except (EOFError, OSError):
                over = True
            except Untold as error:
                log.error("A message of the worker was not understood: %s", error)
            except Exception:
                log.exception("A message of the worker could not be read.")
            for _ in filter(lambda message: isinstance(message, Reported | PackEvent | Wonder), messages):
                self._unread.acquire()
            if not self._post(self._take, messages) or over:
                break
        with suppress(subprocess.TimeoutExpired):
            self._process.wait(LAST_CHANCE)
            return
        self._process.kill()

    def _await_end(self) -> None:
        """Waits for the process itself: children that it forked may keep its end of the pipe open."""
        status = self._process.wait()
        self._leash.pull()
        self._reader.join(LAST_CHANCE)
        self._listener.join(LAST_CHANCE)
        self._outbox.put(None)
        self._writer.join(LAST_CHANCE)
        if not (
            self._reader.is_alive() or self._writer.is_alive()
        ):  # a child that left the group may hold the pipe
            self._connection.close()  # not before both are done with it: the next worker's may get the same handle
        self._post(self._end, status)

    def _log_lines(self) -> None:
        stream: IO[bytes] | None = self._process.stdout
        assert stream is not None
        with stream:
            while raw := stream.readline(LONGEST_LINE):
                line = raw.decode(errors="replace").rstrip("\r\n").rpartition("\r")[2]
                if line:
                    self._last_words.append(line)
                    log.info("%s", line)

    def _post(self, call: Callable[[Any], None], value: object) -> bool:
        """Hand over to the event loop; False if it is closed."""
        try:
            self._loop.call_soon_threadsafe(call, value)
        except RuntimeError:
            self._process.kill()
            return False
        return True

    # --- on the loop ------------------------------------------------------------------------------------------------

    def _take(self, messages: Iterable[object]) -> None:
        for message in messages:
            self._take_one(message)

    def _take_one(self, message: object) -> None:
        match message:
            case Reported(number=number, report=report):
                self._unread.release()
                self.beat = self._loop.time()
                pending = self._pending.get(number)
                if pending and pending.report:
                    pending.report(report)
            case PackEvent() | Wonder():
                self._unread.release()
                self._hear(self, message)
            case Answered(number=number, answer=answer):
                self._settle(number, answer, None)
            case Refused(number=number, message=text):
                self._settle(number, None, RuntimeError(text))
            case Beat():
                self.beat = self._loop.time()
            case Loading(pack=pack):
                self.loading = pack
                self.beat = self._loop.time()
            case Holding(sources=sources):
                self.sources = sources
            case Asking(node=node):
                self.asking = node
            case Ready(spares=spares):
                self.loading, self.spares = "", spares
                if not self.ready.done():
                    self.ready.set_result(None)
            case _:
                log.error("The worker sent a %s.", type(message).__name__)

    def _settle(self, number: int, answer: object, error: Exception | None) -> None:
        pending = self._pending.pop(number, None)
        if pending is None:
            return
        self._count(pending.question, -1)
        if isinstance(pending.question, Validate | ChangeTokens):
            self.asking = None
        if pending.future.done():
            return
        if error is None:
            pending.future.set_result(answer)
        else:
            pending.future.set_exception(error)

    def _count(self, question: Question, change: int) -> None:
        """Keep count of what Stop would cut short."""
        if isinstance(question, Run | ChangeTokens | Recall):
            self._owed += change
            if self._owed:
                self._idle.clear()
            else:
                self._idle.set()

    def _end(self, status: int) -> None:
        cause = self._ended_for or self._known(status)
        cause.node = self.asking
        self.gone.set_result(cause)
        for number, pending in list(self._pending.items()):
            if cause.stopped and isinstance(pending.question, Run):
                self._settle(number, Interrupted(), None)
            else:
                self._settle(number, None, again(cause))
        if not self.ready.done():
            self.ready.set_exception(again(cause))
            self.ready.exception()  # whoever does not wait for it need not hear of it
        self._on_gone(self)

    def _known(self, status: int) -> BackendLost:
        ready = self.ready.done()
        words = list(self._last_words)
        return ending(status, words if ready else words[-SHOWN_LINES:], ready=ready)

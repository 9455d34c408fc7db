"""One worker process: started, spoken to, watched, ended. Threads read and write its pipes; the event loop never blocks."""

import asyncio
import json
import logging
import os
import pickle
import queue
import signal
import subprocess
import sys
import threading
from collections import deque
from collections.abc import Callable, Iterable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from multiprocessing import Pipe
from multiprocessing.connection import Connection
from typing import IO, Any

from server.graph.host import BackendLost, Report
from server.graph.outcome import Interrupted
from server.worker.messages import (
    Answered,
    Ask,
    Beat,
    ChangeTokens,
    Close,
    Loading,
    Question,
    Ready,
    Refused,
    Reported,
    Run,
    Stop,
    Untold,
    receive,
    send,
)
from server.worker.parts import Factory

BOOT = """\
import json, sys
sys.path[:], handle = json.loads(sys.argv[1])
sys.argv = ["weft"]
from server.worker.main import main
main(handle)
"""
KEPT_LINES = 12  # of the worker's last words, for the message when it cannot start
MOST_AT_ONCE = 256  # messages that cross together
LAST_CHANCE = 1.0  # seconds between asking the system to end the process and making it

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

    Attributes:
        ready: done once it is furnished; `BackendLost` if it never was.
        loading: the pack that was being loaded last; empty once it is ready.
        beat: loop time of the last sign of life that a running node gave.
    """

    def __init__(self, factory: Factory, skip: Mapping[str, str], on_gone: Callable[["Child"], None]) -> None:
        self._loop = asyncio.get_running_loop()
        self.ready: asyncio.Future[None] = self._loop.create_future()
        self.gone: asyncio.Future[str] = self._loop.create_future()
        self.loading = ""
        self.beat = self._loop.time()
        self._on_gone = on_gone
        self._pending: dict[int, _Pending] = {}
        self._number = 0
        self._owed = 0  # answers that Stop would cut short
        self._idle = asyncio.Event()
        self._idle.set()
        self._ended_by_stop = False
        self._last_words: deque[str] = deque(maxlen=KEPT_LINES)
        self._outbox: queue.SimpleQueue[object] = queue.SimpleQueue()
        self._connection, theirs = Pipe()
        self._process = _spawn(theirs)
        self._writer = threading.Thread(target=self._write, args=((factory, dict(skip)),), daemon=True)
        self._writer.start()
        self._listener = threading.Thread(target=self._log_lines, daemon=True)
        self._listener.start()
        threading.Thread(target=self._read, daemon=True).start()

    @property
    def pid(self) -> int:
        """The process's id."""
        return self._process.pid

    @property
    def running(self) -> bool:
        """Whether it owes an answer that Stop would cut short."""
        return not self._idle.is_set()

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
            future.set_exception(BackendLost(self.gone.result()))
            return future
        self._number += 1
        self._pending[self._number] = _Pending(question, future, report)
        self._count(question, 1)
        self._outbox.put(Ask(self._number, question))
        return future

    def stop(self) -> None:
        """Ask it to stop what runs."""
        self._outbox.put(Stop())

    def end_for_stop(self) -> None:
        """Nothing answers Stop: end the process; what ran counts as interrupted."""
        self._ended_by_stop = True
        self.kill()

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
            if not self._post(self._take, messages) or over:
                break
        try:
            status = self._process.wait(LAST_CHANCE)
        except subprocess.TimeoutExpired:
            self._process.kill()
            status = self._process.wait()
        self._listener.join(LAST_CHANCE)
        self._outbox.put(None)
        self._writer.join()
        self._connection.close()  # not before both threads are done with it: the next worker's may get the same handle
        self._post(self._end, status)

    def _log_lines(self) -> None:
        stream: IO[bytes] | None = self._process.stdout
        assert stream is not None
        with stream:
            for raw in stream:
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
                self.beat = self._loop.time()
                pending = self._pending.get(number)
                if pending and pending.report:
                    pending.report(report)
            case Answered(number=number, answer=answer):
                self._settle(number, answer, None)
            case Refused(number=number, message=text):
                self._settle(number, None, RuntimeError(text))
            case Beat():
                self.beat = self._loop.time()
            case Loading(pack=pack):
                self.loading = pack
                self.beat = self._loop.time()
            case Ready():
                self.loading = ""
                if not self.ready.done():
                    self.ready.set_result(None)
            case _:
                log.error("The worker sent a %s.", type(message).__name__)

    def _settle(self, number: int, answer: object, error: Exception | None) -> None:
        pending = self._pending.pop(number, None)
        if pending is None:
            return
        self._count(pending.question, -1)
        if pending.future.done():
            return
        if error is None:
            pending.future.set_result(answer)
        else:
            pending.future.set_exception(error)

    def _count(self, question: Question, change: int) -> None:
        """Keep count of what Stop would cut short."""
        if isinstance(question, Run | ChangeTokens):
            self._owed += change
            if self._owed:
                self._idle.clear()
            else:
                self._idle.set()

    def _end(self, status: int) -> None:
        cause = self._cause(status)
        self.gone.set_result(cause)
        for number, pending in list(self._pending.items()):
            if self._ended_by_stop and isinstance(pending.question, Run):
                self._settle(number, Interrupted(), None)
            else:
                self._settle(number, None, BackendLost(cause))
        if not self.ready.done():
            self.ready.set_exception(BackendLost(cause))
            self.ready.exception()  # whoever does not wait for it need not hear of it
        self._on_gone(self)

    def _cause(self, status: int) -> str:
        if self._ended_by_stop:
            return "The worker did not answer Stop and was ended."
        said = "" if self.ready.done() else "\n".join(("", *self._last_words))
        return f"{describe_exit(status)}{said}"


def describe_exit(status: int) -> str:
    """How a process ended, for the person at the canvas. Negative statuses are signals."""
    if status >= 0:
        return f"The worker process ended by itself (exit status {status})."
    try:
        name = signal.Signals(-status).name
    except ValueError:
        name = f"signal {-status}"
    if name == "SIGKILL":
        return "The worker process was killed (SIGKILL): most likely the machine ran out of memory."
    if name in ("SIGSEGV", "SIGBUS", "SIGILL", "SIGFPE", "SIGABRT"):
        return f"The worker process crashed in native code ({name})."
    return f"The worker process was ended from outside ({name})."


def _spawn(theirs: Connection) -> "subprocess.Popen[bytes]":
    """Start the process with its end of the pipe and this process's module path; never a fork of this one."""
    handle = theirs.fileno()
    command = [sys.executable, "-u", "-X", "faulthandler", "-c", BOOT, json.dumps([sys.path, handle])]
    more: dict[str, Any] = {"pass_fds": [handle]}
    if os.name == "nt":
        windows: Any = os
        windows.set_handle_inheritable(handle, True)  # noqa: FBT003 - its only form
        startup: Any = subprocess
        more = {"startupinfo": startup.STARTUPINFO(lpAttributeList={"handle_list": [handle]})}
    process: Any = subprocess.Popen(
        command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, **more
    )
    theirs.close()
    return process

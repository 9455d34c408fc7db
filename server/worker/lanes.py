"""Two lanes in which nodes run: one thread that computes, one loop for nodes that wait.

Both have a running event loop, as packs expect of a host.
"""

import asyncio
import concurrent.futures
import queue
import threading
from collections.abc import Callable, Coroutine
from contextlib import AbstractContextManager, suppress
from dataclasses import dataclass
from typing import Any, TypeVar

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class _Work:
    make: Callable[[], Coroutine[Any, Any, Any]]
    future: "concurrent.futures.Future[Any]"


class Lanes:
    """Runs coroutines, one at a time where they compute, together where they wait.

    Args:
        around: entered once in each thread.
    """

    def __init__(self, around: Callable[[], AbstractContextManager[object]]) -> None:
        self._around = around
        self._work: queue.SimpleQueue[_Work | None] = queue.SimpleQueue()
        self._loop = asyncio.new_event_loop()
        self._waiting: set[asyncio.Task[Any]] = set()
        self._closed = False
        threading.Thread(target=self._compute, name="weft-nodes", daemon=True).start()
        threading.Thread(target=self._wait, name="weft-waiting", daemon=True).start()

    def compute(self, make: Callable[[], Coroutine[Any, Any, T]]) -> "concurrent.futures.Future[T]":
        """Run it in the computing thread, after what was put there before."""
        future: concurrent.futures.Future[T] = concurrent.futures.Future()
        self._work.put(_Work(make, future))
        return future

    def wait(self, make: Callable[[], Coroutine[Any, Any, T]]) -> "concurrent.futures.Future[T]":
        """Run it beside everything else."""
        return asyncio.run_coroutine_threadsafe(self._watched(make), self._loop)

    def cancel_waiting(self) -> None:
        """End what waits: each gets `asyncio.CancelledError`."""
        self._loop.call_soon_threadsafe(lambda: [task.cancel() for task in self._waiting])

    def close(self) -> None:
        """Let the threads end once they are free."""
        self._closed = True
        self._work.put(None)
        self._loop.call_soon_threadsafe(self._loop.stop)

    async def _watched(self, make: Callable[[], Coroutine[Any, Any, T]]) -> T:
        task = asyncio.ensure_future(make())
        self._waiting.add(task)
        try:
            return await task
        finally:
            self._waiting.discard(task)

    def _compute(self) -> None:
        with self._around(), asyncio.Runner() as runner:
            while runner.run(self._compute_on()):
                pass

    async def _compute_on(self) -> bool:
        """Work until there is no more (False) or something cancelled this task (True). Its loop serves nothing else."""
        while (work := self._work.get()) is not None:
            try:
                work.future.set_result(await work.make())
            except BaseException as error:  # noqa: BLE001 - it belongs to whoever asked; the thread goes on
                work.future.set_exception(error)
                if isinstance(error, asyncio.CancelledError):
                    return True
        return False

    def _wait(self) -> None:
        with self._around():
            while not self._closed:
                with suppress(
                    SystemExit, KeyboardInterrupt
                ):  # asyncio lets a node's through: they end no lane
                    self._loop.run_forever()
            self._loop.close()

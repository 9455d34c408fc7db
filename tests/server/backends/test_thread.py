"""The thread backend: the same Protocol in one process."""

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import pytest_asyncio

from server.backends.base import Backend, BackendLost, Call, Progressed
from server.backends.thread import ThreadBackend
from server.graph.outcome import Done, Interrupted
from server.worker.parts import Factory
from tests.server.backends.asking import job, task


@pytest_asyncio.fixture
async def backend(tmp_path: Path) -> AsyncIterator[ThreadBackend]:
    made = ThreadBackend(Factory("tests.server.backends.small_nodes:build", tmp_path))
    await made.start()
    yield made
    await made.close()


async def test_it_is_a_backend_and_runs_nodes(backend: ThreadBackend):
    assert isinstance(backend, Backend)
    await backend.begin(job())
    said: list[object] = []
    first = await backend.submit(task("Steps", count=2, pause=0, key="two"), said.append)
    assert isinstance(first, Done)
    assert said == [Progressed("1", 1, 2), Progressed("1", 2, 2)]
    await backend.end()
    assert (await backend.recall(["two"])).keys() == {"two"}
    assert list(await backend.validate([Call("7", "Even", {"value": 2})])) == []
    assert await backend.packs() == ()


async def test_stop_is_answered_between_steps(backend: ThreadBackend):
    await backend.begin(job())
    begun = asyncio.Event()
    submitted = asyncio.ensure_future(
        backend.submit(task("Steps", count=10_000, pause=0.01), lambda _: begun.set())
    )
    await begun.wait()
    backend.stop()
    assert await asyncio.wait_for(submitted, 10) == Interrupted()


async def test_a_worker_that_cannot_be_furnished_says_why(tmp_path: Path):
    backend = ThreadBackend(Factory("tests.server.backends.small_nodes:build_nothing", tmp_path))
    with pytest.raises(BackendLost, match="These parts do not fit"):
        await backend.specs()
    await backend.close()

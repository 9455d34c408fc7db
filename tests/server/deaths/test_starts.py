"""A worker that does not start, or dies when it is asked: whoever asks is told why, and it is tried again, not in a loop."""

import asyncio
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from server.app import WorkerSettings
from server.backends.base import BackendLost, Call
from server.backends.process import ProcessBackend
from server.backends.vigil import Patience
from server.graph.outcome import Done, Interrupted
from server.worker.parts import Factory
from tests.server.backends.asking import job, task


@asynccontextmanager
async def backend(folder: Path, build: str, **patience: float) -> AsyncIterator[ProcessBackend]:
    factory = Factory(f"tests.server.deaths.ways:{build}", WorkerSettings(folder))
    made = ProcessBackend(factory, patience=Patience(**patience))
    await made.start()
    try:
        yield made
    finally:
        await made.close()


async def test_a_start_that_hangs_is_ended_and_says_where_it_hung(tmp_path, caplog):
    caplog.set_level("INFO", "weft.worker")
    async with backend(tmp_path, "build_asleep", idle=0.5, pause=60) as hanging:
        with pytest.raises(BackendLost, match=r"No worker can be started\..*not ready") as caught:
            await hanging.specs()
    assert "tries again" in caught.value.hint
    assert any("build_asleep" in line for line in caplog.messages), "the log shows the code that hung"
    assert any("tries again in 60 seconds" in line for line in caplog.messages)


async def test_while_no_worker_can_be_started_the_answer_comes_at_once(tmp_path):
    async with backend(tmp_path, "build_asleep", idle=0.3, pause=60) as hanging:
        with pytest.raises(BackendLost):
            await hanging.specs()
        asked = time.monotonic()
        for _ in range(20):
            with pytest.raises(BackendLost, match="not ready"):
                await hanging.specs()
        assert time.monotonic() - asked < 1


async def test_a_worker_that_dies_right_after_its_start_is_not_started_in_a_loop(tmp_path, caplog):
    async with backend(tmp_path, "build_short_lived", pause=60) as dying:
        while dying.pid is not None:
            await asyncio.sleep(0.01)
        with pytest.raises(BackendLost, match="exit status 5"):
            await dying.packs()
    ends = [line for line in caplog.messages if "exit status 5" in line]
    assert len(ends) == 3


async def test_what_kept_a_worker_from_starting_may_pass(tmp_path):
    async with backend(tmp_path, "build_on_fifth", pause=0.2) as late:
        with pytest.raises(BackendLost, match="not mounted"):
            await late.specs()
        while not late.ready:
            await late.rested()
            try:
                await late.specs(refresh=True)
            except BackendLost:
                continue
        await late.begin(job())
        assert isinstance(await late.submit(task("Say", text="x"), lambda _: None), Done)


@pytest.mark.parametrize(("name", "words"), [("check_dies", "SIGSEGV"), ("check_hangs", "did not answer")])
async def test_a_check_that_ends_or_holds_the_worker_is_a_complaint_about_its_node(tmp_path, name, words):
    async with backend(tmp_path, "build", answer=1.0) as asked:
        calls = [Call("1", "Even", {"value": 2}), Call("7", f"Die.{name}", {"value": "x"})]
        (complaint,) = await asked.validate(calls)
        assert (complaint.node, complaint.input) == ("7", "value")
        assert words in complaint.message
        assert await asked.validate([Call("1", "Even", {"value": 2})]) == ()


async def test_models_come_back_after_a_forced_stop_and_not_after_a_crash(tmp_path):
    async with backend(tmp_path, "build_holding", stop=0.3) as holding:
        await holding.begin(job())
        for name in ("one", "two"):
            await holding.submit(task("Load", name=name), lambda _: None)
        begun = asyncio.Event()
        hanging = holding.submit(task("Die.lock"), lambda _: begun.set())
        await begun.wait()
        first = holding.pid
        holding.stop()
        assert await hanging == Interrupted()
        async with asyncio.timeout(30):
            while holding.pid == first or holding.held_models != ("one", "two"):
                await asyncio.sleep(0.01)
        await holding.begin(job("next"))
        with pytest.raises(BackendLost):
            await holding.submit(task("Die.sigkill"), lambda _: None)
        await holding.begin(job("last"))
        assert isinstance(await holding.submit(task("Say", text="x"), lambda _: None), Done)
        assert holding.held_models == ()

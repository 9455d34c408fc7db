"""The worker process may die, hang or lie: jobs end with the cause, and the next one runs."""

import asyncio
import os
import signal
import subprocess
import sys
import time
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import pytest_asyncio

from server.backends.base import Backend, BackendLost, Call, Progressed
from server.backends.process import ProcessBackend
from server.backends.vigil import Patience
from server.graph.outcome import Done, Failed, Interrupted
from server.worker.parts import Factory
from tests.server.backends.asking import job, task

NODES = "tests.server.backends.small_nodes:build"
posix = pytest.mark.skipif(os.name == "nt", reason="signals of POSIX")


def quiet(_report) -> None:
    pass


@pytest_asyncio.fixture
async def backend(tmp_path: Path) -> AsyncIterator[ProcessBackend]:
    made = ProcessBackend(Factory(NODES, tmp_path), patience=Patience(stop=0.5))
    await made.start()
    yield made
    await made.close()


async def run(backend: ProcessBackend, type: str, **inputs):
    return await backend.submit(task(type, **inputs), quiet)


async def running(backend: ProcessBackend, type: str, **inputs) -> "asyncio.Task":
    """Start a node and wait until it says so."""
    begun = asyncio.Event()
    submitted = asyncio.ensure_future(backend.submit(task(type, **inputs), lambda _: begun.set()))
    await asyncio.wait_for(begun.wait(), 20)
    return submitted


async def test_it_is_a_backend_and_runs_nodes(backend: ProcessBackend):
    assert isinstance(backend, Backend)
    assert "Add" in await backend.specs()
    assert backend.ready
    await backend.begin(job())
    first = await run(backend, "Add", a=1, b=2, key="three")
    assert isinstance(first, Done)
    second = await run(backend, "Show", value=first.outputs[0])
    assert isinstance(second, Done) and second.ui is not None
    assert second.ui["text"] == ["3"]
    await backend.end()
    assert (await backend.recall(["three", "four"])).keys() == {"three"}
    await backend.free(models=True, results=True)


async def test_reports_come_in_order_and_before_the_outcome(backend: ProcessBackend):
    await backend.begin(job())
    said: list[object] = []
    outcome = await backend.submit(task("Steps", count=50, pause=0), said.append)
    assert isinstance(outcome, Done)
    assert said == [Progressed("1", index + 1, 50) for index in range(50)]


async def test_what_waits_does_not_keep_others(backend: ProcessBackend):
    await backend.begin(job())
    waiting = [asyncio.create_task(run(backend, "Wait", seconds=0.5, value=index)) for index in range(4)]
    started = time.monotonic()
    assert isinstance(await run(backend, "Add", a=1), Done)
    assert time.monotonic() - started < 0.5
    assert all(isinstance(outcome, Done) for outcome in await asyncio.gather(*waiting))


async def test_questions_are_answered_while_a_node_computes(backend: ProcessBackend):
    await backend.begin(job())
    submitted = await running(backend, "Hang", seconds=5)
    assert [complaint.message for complaint in await backend.validate([Call("7", "Even", {"value": 3})])] == [
        "3 is odd"
    ]
    assert "Add" in await backend.specs(refresh=True)
    assert not submitted.done()
    backend.stop()
    await submitted


@posix
@pytest.mark.parametrize(
    ("how", "said"), [("SIGKILL", "memory"), ("SIGSEGV", "native code"), ("SIGTERM", "from outside")]
)
async def test_a_killed_worker_fails_the_job_and_the_next_job_runs(
    backend: ProcessBackend, how: str, said: str
):
    await backend.begin(job())
    with pytest.raises(BackendLost, match=said) as caught:
        await run(backend, "Kill", how=how)
    assert how in str(caught.value)
    with pytest.raises(BackendLost):
        await run(backend, "Add", a=1)  # the same job: its values are gone
    await backend.begin(job("next"))
    assert isinstance(await run(backend, "Add", a=1), Done)


@posix
async def test_kill_9_from_outside_is_told_and_mended(backend: ProcessBackend):
    await backend.begin(job())
    first = backend.pid
    submitted = await running(backend, "Hang", seconds=60)
    assert first is not None
    os.kill(first, signal.SIGKILL)
    with pytest.raises(BackendLost, match="SIGKILL"):
        await submitted
    await backend.begin(job("next"))
    assert backend.pid not in (first, None)
    assert isinstance(await run(backend, "Add", a=1), Done)


async def test_stop_between_steps_spares_the_worker(backend: ProcessBackend):
    await backend.begin(job())
    pid = backend.pid
    submitted = await running(backend, "Steps", count=10_000, pause=0.01)
    backend.stop()
    assert await asyncio.wait_for(submitted, 10) == Interrupted()
    assert await run(backend, "Add", a=1) == Interrupted(), "the job is stopped, between nodes too"
    await backend.begin(job("next"))
    assert isinstance(await run(backend, "Add", a=1), Done)
    assert backend.pid == pid


@pytest.mark.parametrize("type", ["Hang", pytest.param("HangHard", marks=posix), "Stubborn"])
async def test_what_never_answers_stop_is_ended_after_grace(backend: ProcessBackend, type: str):
    await backend.begin(job())
    if type == "Stubborn":
        submitted = asyncio.create_task(run(backend, type))
        await asyncio.sleep(0.1)
    else:
        submitted = await running(backend, type)
    asked = time.monotonic()
    backend.stop()
    backend.stop()
    assert await asyncio.wait_for(submitted, 20) == Interrupted()
    assert time.monotonic() - asked >= 0.5
    await backend.begin(job("next"))
    assert isinstance(await run(backend, "Add", a=1), Done)


async def test_a_node_that_waits_is_stopped(backend: ProcessBackend):
    await backend.begin(job())
    pid = backend.pid
    submitted = asyncio.create_task(run(backend, "Wait", seconds=60))
    await asyncio.sleep(0.2)
    backend.stop()
    assert await asyncio.wait_for(submitted, 10) == Interrupted()
    assert backend.pid == pid


async def test_a_stop_while_the_worker_starts_holds_for_the_job(backend: ProcessBackend):
    beginning = asyncio.create_task(backend.begin(job()))
    await asyncio.sleep(0)
    backend.stop()
    await beginning
    assert await run(backend, "Add", a=1) == Interrupted()


async def test_what_no_server_can_read_becomes_text(backend: ProcessBackend):
    await backend.begin(job())
    outcome = await run(backend, "ShowForeign")
    assert isinstance(outcome, Done) and outcome.ui is not None
    shown = outcome.ui["text"]
    assert "Strange" in str(shown[0]) and shown[1:] == [{"1": [2]}, 2.5]


async def test_what_cannot_enter_the_worker_is_refused_and_all_goes_on(backend: ProcessBackend):
    with pytest.raises(RuntimeError, match="cannot cross"):
        await backend.validate([Call("1", "Even", {"value": Path("no JSON, and worse: a lock").open})])
    await backend.begin(job())
    assert isinstance(await run(backend, "Add", a=1), Done)


async def test_a_node_that_ends_the_program_only_fails(backend: ProcessBackend):
    await backend.begin(job())
    outcome = await run(backend, "Leave")
    assert isinstance(outcome, Failed) and "end the program" in outcome.failure.message


async def test_a_pack_that_ends_the_worker_is_skipped_by_the_next(tmp_path: Path):
    backend = ProcessBackend(Factory("tests.server.backends.small_nodes:build_with_packs", tmp_path))
    await backend.start()
    reports = {report.name: report for report in await backend.packs()}
    assert reports["fine"].ok and not reports["deadly"].ok
    assert reports["deadly"].error is not None and "SIGABRT" in reports["deadly"].error.message
    await backend.close()


async def test_a_worker_that_cannot_start_says_why(tmp_path: Path):
    backend = ProcessBackend(Factory("tests.server.backends.small_nodes:build_nothing", tmp_path))
    await backend.start()
    for _ in range(2):  # asking again tries again
        with pytest.raises(BackendLost, match="These parts do not fit"):
            await backend.specs()
    await backend.close()


async def test_what_the_worker_prints_is_logged(backend: ProcessBackend, caplog: pytest.LogCaptureFixture):
    caplog.set_level("INFO", "weft.worker")
    await backend.begin(job())
    with pytest.raises(BackendLost):
        await run(backend, "Kill", how="SIGTERM")
    assert "about to end" in caplog.messages


SERVER = """
import asyncio, sys
from pathlib import Path
from server.backends.process import ProcessBackend
from server.worker.parts import Factory
from tests.server.backends.asking import job, task

async def main():
    backend = ProcessBackend(Factory("tests.server.backends.small_nodes:build", Path(sys.argv[1])))
    await backend.start()
    await backend.specs()
    heavy = [name for name in ("torch", "numpy", "PIL", "nodes.builtin") if name in sys.modules]
    await backend.begin(job())
    said = lambda _: print(backend.pid, heavy, flush=True)
    await backend.submit(task(sys.argv[2], seconds=60), said)

asyncio.run(main())
"""


@posix
@pytest.mark.parametrize(
    "type",
    ["Hang", pytest.param("HangHard", marks=pytest.mark.skipif(sys.platform != "linux", reason="of Linux"))],
)
def test_a_worker_at_work_dies_with_a_killed_server_which_holds_no_torch(tmp_path: Path, type: str):
    server = subprocess.Popen(
        [sys.executable, "-c", SERVER, str(tmp_path), type],
        stdout=subprocess.PIPE,
        text=True,
        env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)},
    )
    assert server.stdout is not None
    with server.stdout:
        pid, _, heavy = server.stdout.readline().partition(" ")
    assert heavy.strip() == "[]"
    server.kill()
    server.wait()
    for _ in range(100):
        if not alive(int(pid)):
            return
        time.sleep(0.05)
    os.kill(int(pid), signal.SIGKILL)
    pytest.fail("the worker outlived its server")


def alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except (ProcessLookupError, FileNotFoundError):
        return False

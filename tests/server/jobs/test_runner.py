"""The runner: one job at a time, none of which ends it."""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from nodes.spec import NodeSpec
from server.api.messages import history_message
from server.events import Event, JobEnded, JobStarted, JobSucceeded, NodeProgressed
from server.graph.host import BackendLost
from server.graph.outcome import Task
from server.jobs.history import History
from server.jobs.job import State, StoreFull, Wish
from server.jobs.queue import MAX_RETURNS, Queue
from server.jobs.runner import Runner, Surroundings
from server.store import Store
from tests.server.graph.small import SPECS, PlainHost


@dataclass
class Nodes(PlainHost):
    """Small nodes; may be unable to say which there are."""

    lost: int = 0
    broken: int = 0
    stopped: int = 0
    hold: asyncio.Event | None = None

    async def specs(self, *, refresh: bool = False) -> Mapping[str, NodeSpec]:
        if self.lost:
            self.lost -= 1
            raise BackendLost("No worker can be started.")
        if self.broken:
            self.broken -= 1
            raise ZeroDivisionError("a fault of ours")
        return SPECS

    async def _compute(self, task: Task, report: object) -> object:
        if task.type == "Waits" and self.hold:
            await self.hold.wait()
        return await super()._compute(task, report)

    def stop(self) -> None:
        self.stopped += 1

    async def rested(self) -> None:
        pass


@dataclass
class Bench:
    """A runner with all that it needs, and what it told."""

    store: Store
    nodes: Nodes
    told: list[tuple[Event, str | None]] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.queue = Queue(self.store, lambda _: None)
        self.history = History(self.store)
        self.runner = Runner(
            Surroundings(
                store=self.store, queue=self.queue, history=self.history, nodes=self.nodes,
                publish=lambda event, client: self.told.append((event, client)), message=history_message,
                choices=lambda _: (), clock=lambda: 7, wants_previews=lambda _: False,
            )
        )  # fmt: skip

    async def put(self, id: str, kind: str = "Add", **inputs: object) -> None:
        prompt = {
            "a": {"class_type": kind, "inputs": {"value": 1, **inputs}},
            "s": {"class_type": "Show", "inputs": {"in0": ["a", 0]}},
        }
        await self.queue.put(Wish(id=id, prompt=prompt, targets=("s",), client="me"))

    async def ended(self, id: str) -> State:
        async with asyncio.timeout(5):
            while not any(isinstance(event, JobEnded) and event.job == id for event, _ in self.told):
                await asyncio.sleep(0.001)
        record = await self.history.get(id)
        return record.state


@pytest.fixture
async def bench(tmp_path: Path) -> AsyncIterator[Bench]:
    store = await Store.open(tmp_path / "weft.db")
    made = Bench(store, Nodes())
    yield made
    await store.close()


@contextlib.asynccontextmanager
async def serving(bench: Bench) -> AsyncIterator[None]:
    await bench.runner.resume()
    task = asyncio.create_task(bench.runner.serve())
    try:
        yield
    finally:
        task.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await task


async def test_jobs_run_in_turn_and_are_written_down(bench):
    async with serving(bench):
        for id in "abc":
            await bench.put(id)
        assert [await bench.ended(id) for id in "abc"] == [State.COMPLETED] * 3
    started = [event.job for event, _ in bench.told if isinstance(event, JobStarted)]
    assert started == ["a", "b", "c"]
    record = await bench.history.get("a")
    assert record.result.outputs == {"s": {"text": [1]}}
    assert [message[0] for message in record.result.messages] == [
        "execution_start", "execution_cached", "execution_success",
    ]  # fmt: skip
    assert {client for _, client in bench.told} == {"me"}


async def test_history_is_written_before_the_end_is_told(bench):
    async with serving(bench):
        await bench.put("a")
        await bench.ended("a")
    kinds = [type(event) for event, _ in bench.told]
    assert kinds.index(JobSucceeded) < kinds.index(JobEnded) == len(kinds) - 1


@pytest.mark.parametrize("kind", ["Boom", "Killer"])
async def test_a_job_that_fails_leaves_the_next_alone(bench, kind):
    async with serving(bench):
        await bench.put("bad", kind)
        await bench.put("good")
        assert await bench.ended("bad") is State.FAILED
        assert await bench.ended("good") is State.COMPLETED
    record = await bench.history.get("bad")
    assert record.result.error["node_id"] == "a"


@pytest.mark.parametrize(("fault", "words"), [("lost", "No worker"), ("broken", "a fault of ours")])
async def test_no_fault_ends_the_runner(bench, fault, words):
    setattr(bench.nodes, fault, 1)
    async with serving(bench):
        await bench.put("bad")
        await bench.put("good")
        assert await bench.ended("bad") is State.FAILED
        assert await bench.ended("good") is State.COMPLETED
    record = await bench.history.get("bad")
    assert words in record.result.error["exception_message"]


async def test_a_job_whose_node_is_gone_fails_in_words(bench):
    async with serving(bench):
        await bench.put("old", "Uninstalled")
        assert await bench.ended("old") is State.FAILED
    record = await bench.history.get("old")
    assert "Uninstalled" in record.result.error["exception_message"]


async def test_stop_is_for_the_job_that_runs(bench):
    bench.nodes.hold = asyncio.Event()
    assert not bench.runner.stop()
    async with serving(bench):
        await bench.put("a", "Waits")
        while bench.queue.running is None:
            await asyncio.sleep(0.001)
        assert not bench.runner.stop("another")
        assert bench.runner.stop("a")
        bench.nodes.hold.set()
        await bench.ended("a")
    assert bench.nodes.stopped >= 1
    assert not any(isinstance(event, NodeProgressed) and event.job != "a" for event, _ in bench.told)


@pytest.mark.parametrize(("on_error", "ran"), [("stop", ["x"]), ("continue", ["x", "a", "t"])])
async def test_the_job_says_whether_a_failure_stops_its_other_branches(bench, on_error, ran):
    prompt = {
        "x": {"class_type": "Boom", "inputs": {}},
        "s": {"class_type": "Show", "inputs": {"in0": ["x", 0]}},
        "a": {"class_type": "Add", "inputs": {"value": 1}},
        "t": {"class_type": "Show", "inputs": {"in0": ["a", 0]}},
    }
    async with serving(bench):
        await bench.queue.put(Wish(id="a", prompt=prompt, targets=("s", "t"), extra={"on_error": on_error}))
        assert await bench.ended("a") is State.FAILED
    assert bench.nodes.ran == ran
    assert bench.nodes.stopped == (on_error == "stop")
    record = await bench.history.get("a")
    assert record.result.error["node_id"] == "x"


async def test_a_stopped_job_is_cancelled(bench):
    async with serving(bench):
        await bench.put("a", "Stopper")
        assert await bench.ended("a") is State.CANCELLED


async def test_a_server_that_closes_puts_its_job_back(bench):
    bench.nodes.hold = asyncio.Event()
    async with serving(bench):
        await bench.put("a", "Waits")
        await bench.put("b")
        while not bench.nodes.ran:
            await asyncio.sleep(0.001)
    assert [
        (record.job.id, record.state, record.job.attempts) for record in await bench.store.unfinished()
    ] == [
        ("a", State.PENDING, 0),
        ("b", State.PENDING, 0),
    ]


async def test_a_job_that_always_kills_the_server_is_given_up(bench):
    await bench.put("killer")
    await bench.put("good")
    job = bench.queue.waiting[0]
    await bench.store.start(type(job)(job.wish, job.number, job.sequence, MAX_RETURNS + 1), 1)
    again = Bench(bench.store, Nodes())
    async with serving(again):
        assert await again.ended("good") is State.COMPLETED
    record = await again.history.get("killer")
    assert record.state is State.FAILED
    assert "not tried again" in str(record.result.error)


async def test_a_history_that_cannot_be_written_ends_nothing(tmp_path):
    class Stubborn(Store):
        async def finish(self, id: str, result: object) -> None:
            if id == "bad":
                raise TypeError("keys must be str")
            await super().finish(id, result)

    store = await Stubborn.open(tmp_path / "weft.db")
    bench = Bench(store, Nodes())
    async with serving(bench):
        await bench.put("bad")
        await bench.put("good")
        assert await bench.ended("good") is State.COMPLETED
    await store.close()


class SlowStore(Store):
    """A store whose disk takes its time for one job."""

    slow = asyncio.Event()

    async def finish(self, id: str, result: object) -> None:
        if id == "a":
            await self.slow.wait()
        await super().finish(id, result)


async def test_the_next_job_runs_while_one_is_written_down_and_is_told_after_its_end(tmp_path):
    store = await SlowStore.open(tmp_path / "weft.db")
    store.slow = asyncio.Event()
    bench = Bench(store, Nodes())
    async with serving(bench), asyncio.timeout(5):
        for number, id in enumerate("ab"):
            await bench.put(id, value=number)
        while bench.nodes.ran != ["a", "s", "a", "s"]:
            await asyncio.sleep(0.001)
        assert [job.id for job in bench.queue.at_work] in (["a", "b"], ["a"])
        assert bench.queue.remaining in (1, 2)
        assert await bench.history.get("a") is None
        assert not any(event.job == "b" for event, _ in bench.told)
        store.slow.set()
        await bench.ended("b")
    order = [event.job for event, _ in bench.told]
    assert order == sorted(order)
    ends = [event.job for event, _ in bench.told if isinstance(event, JobEnded)]
    assert ends == ["a", "b"]
    await store.close()


async def test_a_closing_server_writes_down_what_was_over(tmp_path):
    store = await SlowStore.open(tmp_path / "weft.db")
    store.slow = asyncio.Event()
    bench = Bench(store, Nodes())
    async with asyncio.timeout(5):
        async with serving(bench):
            await bench.put("a")
            while not bench.queue.at_work or bench.queue.running:
                await asyncio.sleep(0.001)
            asyncio.get_running_loop().call_later(0.05, store.slow.set)
    assert (await store.get("a")).state is State.COMPLETED
    await store.close()


class FullStore(Store):
    """A store whose disk fills up."""

    full = False

    async def finish(self, id: str, result: object) -> None:
        if self.full:
            raise StoreFull("full")
        await super().finish(id, result)


async def test_what_a_full_disk_refused_is_written_later(tmp_path):
    store = await FullStore.open(tmp_path / "weft.db")
    bench = Bench(store, Nodes())
    store.full = True
    async with serving(bench):
        await bench.put("a")
        assert await bench.ended("a") is State.COMPLETED
        assert [record.job.id for record in await bench.history.last()] == ["a"]
        assert (await store.get("a")).state is State.RUNNING
        store.full = False
        await bench.put("b")
        assert await bench.ended("b") is State.COMPLETED
    assert (await store.get("a")).state is State.COMPLETED
    await store.close()


@pytest.mark.parametrize("refuses", ["start", "requeue"])
async def test_a_disk_that_is_full_at_any_other_time_ends_no_job(tmp_path, refuses):
    class Refusing(Store):
        async def start(self, job: object, now: int) -> None:
            if refuses == "start":
                raise StoreFull("full")
            await super().start(job, now)

        async def requeue(self, job: object) -> None:
            if refuses == "requeue":
                raise StoreFull("full")
            await super().requeue(job)

    store = await Refusing.open(tmp_path / "weft.db")
    bench = Bench(store, Nodes())
    async with serving(bench):
        await bench.put("paused", "Stopper")
        while bench.queue.running is None:
            await asyncio.sleep(0)
        bench.runner.put_back("paused")
        await bench.put("next")
        assert await bench.ended("next") is State.COMPLETED
        assert [(job.id, job.held) for job in bench.queue.waiting] == [("paused", True)]
    assert [record.job.id for record in await store.unfinished()] == ["paused"]
    await store.close()

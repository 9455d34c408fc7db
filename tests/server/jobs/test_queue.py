"""The queue's order, and that it survives."""

import asyncio
from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path

import pytest

from server.events import QueueChanged
from server.jobs.job import State, StoreFull, Wish
from server.jobs.order import Goal, Side
from server.jobs.queue import MAX_RETURNS, DuplicateJob, Queue
from server.store import Store


def wish(id: str, size: int = 0) -> Wish:
    return Wish(id=id, prompt={"x": "x" * size})


@pytest.fixture
async def store(tmp_path: Path) -> AsyncIterator[Store]:
    opened = await Store.open(tmp_path / "weft.db")
    yield opened
    await opened.close()


@pytest.fixture
def told() -> list[QueueChanged]:
    return []


@pytest.fixture
def queue(store: Store, told: list[QueueChanged]) -> Queue:
    return Queue(store, told.append)


def ids(queue: Queue) -> list[str]:
    return [job.id for job in queue.waiting]


async def test_first_come_first_served(queue, told):
    for id in "abc":
        await queue.put(wish(id))
    assert [(await queue.take()).id for _ in "ab"] == ["a", "b"]
    assert [(event.change, event.jobs, event.remaining) for event in told] == [
        ("added", ("a",), 1), ("added", ("b",), 2), ("added", ("c",), 3), ("started", ("a",), 3), ("started", ("b",), 2),
    ]  # fmt: skip


async def test_front_is_really_in_front(queue):
    await queue.put(wish("first"), front=True)
    await queue.put(wish("a"))
    await queue.put(wish("low"), number=-100)
    await queue.put(wish("b"), front=True)
    assert ids(queue) == ["b", "low", "first", "a"]


async def test_a_number_is_a_place(queue):
    for id, number in (("c", 2.5), ("a", -1), ("b", 2.5)):
        await queue.put(wish(id), number=number)
    assert ids(queue) == ["a", "c", "b"]


async def test_many_at_once_keep_their_order_and_numbers(queue):
    jobs = await asyncio.gather(*(queue.put(wish(str(index)), front=index % 2 == 1) for index in range(40)))
    assert len({job.number for job in jobs}) == 40
    assert ids(queue)[:2] == ["39", "37"]
    assert ids(queue)[-2:] == ["36", "38"]


async def test_take_waits_for_a_job(queue):
    taking = asyncio.create_task(queue.take())
    await asyncio.sleep(0.01)
    assert not taking.done()
    await queue.put(wish("a"))
    assert (await taking).id == "a"


async def test_an_id_is_taken_once(queue):
    await queue.put(wish("a"))
    with pytest.raises(DuplicateJob):
        await queue.put(wish("a"))
    assert ids(queue) == ["a"]


async def test_only_waiting_jobs_can_be_deleted(queue, store):
    for id in "abc":
        await queue.put(wish(id))
    await queue.take()
    assert await queue.delete(["a", "b", "nobody"]) == 1
    assert (queue.running.id, ids(queue)) == ("a", ["c"])
    assert await queue.clear() == 1
    assert queue.remaining == 1
    assert [record.job.id for record in await store.unfinished()] == ["a"]


async def test_a_job_that_could_not_be_kept_does_not_wait(tmp_path):
    store = await Store.open(tmp_path / "small.db", max_pages=28)
    queue = Queue(store, lambda _: None)
    with pytest.raises(StoreFull):
        await queue.put(wish("big", 1_000_000))
    await queue.put(wish("small"))
    assert ids(queue) == ["small"]
    await store.close()


async def test_what_waited_waits_for_the_next_server(queue, store):
    for id in "abc":
        await queue.put(wish(id))
    await queue.put(wish("front"), front=True)
    later = Queue(store, lambda _: None)
    assert await later.load() == []
    assert ids(later) == ["front", "a", "b", "c"]
    assert (await later.put(wish("d"))).number > 2
    assert (await later.put(wish("e"), front=True)).id == ids(later)[0]


async def test_what_ran_when_the_server_was_killed_goes_to_the_head_a_few_times(queue, store):
    for id in "abc":
        await queue.put(wish(id))
    await queue.put(wish("low"), number=-7)
    job = next(job for job in queue.waiting if job.id == "b")
    for attempt in range(1, MAX_RETURNS + 1):
        await store.start(replace(job, attempts=attempt), 1)
        later = Queue(store, lambda _: None)
        assert await later.load() == []
        assert ids(later) == ["b", "low", "a", "c"]
    await store.start(replace(job, attempts=MAX_RETURNS + 1), 1)
    later = Queue(store, lambda _: None)
    assert [given_up.id for given_up in await later.load()] == ["b"]
    assert ids(later) == ["low", "a", "c"]
    assert (await store.get("b")).state is State.RUNNING  # the runner writes how it ended


async def test_a_paused_queue_hands_out_nothing_and_stays_paused_for_the_next_server(queue, store, told):
    await queue.put(wish("a"))
    await queue.pause()
    taking = asyncio.create_task(queue.take())
    await queue.put(wish("b"))
    await asyncio.sleep(0.01)
    assert not taking.done()
    later = Queue(store, lambda _: None)
    await later.load()
    assert later.paused
    await queue.resume()
    assert (await taking).id == "a"
    assert not await store.paused()
    assert [(event.change, event.paused) for event in told] == [
        ("added", False), ("paused", True), ("added", True), ("resumed", False), ("started", False),
    ]  # fmt: skip


async def test_a_job_on_hold_lets_others_go_first_here_and_on_the_next_server(queue, store):
    for id in "abc":
        await queue.put(wish(id))
    assert await queue.hold(["a", "nobody"], held=True) == ["a"]
    assert await queue.hold(["a"], held=True) == []
    assert (await queue.take()).id == "b"
    later = Queue(store, lambda _: None)
    await later.load()
    assert [(job.id, job.held) for job in later.waiting if job.id != "b"] == [("a", True), ("c", False)]
    taking = [(await queue.take()).id]
    waits = asyncio.create_task(queue.take())
    await asyncio.sleep(0.01)
    assert (taking, waits.done()) == (["c"], False)
    assert await queue.hold(["a"], held=False) == ["a"]
    assert (await waits).id == "a"


async def test_a_moved_job_has_its_new_place_on_the_next_server_too(queue, store, told):
    for id in "abcd":
        await queue.put(wish(id))
    assert await queue.move(["d", "c", "nobody"], Goal(Side.BEFORE, "b")) == ["d", "c"]
    assert await queue.move(["a"], Goal(Side.BACK)) == ["a"]
    await queue.put(wish("e"))
    await queue.put(wish("f"), front=True)
    assert ids(queue) == ["f", "d", "c", "b", "a", "e"]
    later = Queue(store, lambda _: None)
    await later.load()
    assert ids(later) == ids(queue)
    assert [event.jobs for event in told if event.change == "moved"] == [("d", "c"), ("a",)]


async def test_what_is_put_in_front_is_before_what_was_moved_there(queue):
    for id in "abc":
        await queue.put(wish(id))
    await queue.move(["c"], Goal(Side.FRONT))
    await queue.put(wish("d"), front=True)
    assert ids(queue) == ["d", "c", "a", "b"]


async def test_a_stopped_job_that_goes_on_later_waits_at_the_head(queue, store):
    for id in "ab":
        await queue.put(wish(id))
    await queue.put_back(await queue.take(), held=True)
    assert (ids(queue), queue.running, queue.remaining) == (["a", "b"], None, 2)
    assert (await queue.take()).id == "b"
    (first, *_) = [record for record in await store.unfinished() if record.job.id == "a"]
    assert (first.job.held, first.state) == (True, State.PENDING)


async def test_of_several_that_ran_the_first_goes_first(queue, store):
    for id in "abc":
        await queue.put(wish(id))
    for job in queue.waiting[:2]:
        await store.start(job, 1)
    later = Queue(store, lambda _: None)
    await later.load()
    assert ids(later) == ["a", "b", "c"]


class Full(Store):
    """A store whose disk is full."""

    async def rearrange(self, jobs: object) -> None:
        raise StoreFull("full")

    async def remove(self, ids: object, states: object) -> None:
        raise StoreFull("full")


async def test_what_a_full_disk_refuses_is_as_it_was(tmp_path):
    store = await Full.open(tmp_path / "weft.db")
    queue = Queue(store, lambda _: None)
    for id in "abc":
        await queue.put(wish(id))
    for refused in (
        queue.move(["c"], Goal(Side.FRONT)),
        queue.hold(["a"], held=True),
        queue.delete(["a", "b"]),
    ):
        with pytest.raises(StoreFull):
            await refused
        assert [(job.id, job.held) for job in queue.waiting] == [("a", False), ("b", False), ("c", False)]
    assert (await queue.take()).id == "a"
    await store.close()

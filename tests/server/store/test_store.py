"""The store keeps what it said it keeps."""

import asyncio
import sqlite3
from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path

import pytest

from server.database import WorkspaceInUse
from server.jobs.job import Job, Order, Result, Search, State, StoreFull, Wish
from server.store import MIGRATIONS, Store


def job(sequence: int, *, number: float | None = None, size: int = 0, workflow: str | None = None) -> Job:
    extra = {"extra_pnginfo": {"workflow": {"id": workflow}}} if workflow else {}
    wish = Wish(
        id=f"job {sequence}",
        prompt={"a": {"text": "x" * size}},
        extra=extra,
        targets=("a",),
        client="c",
        created=sequence,
    )
    return Job(wish, float(sequence) if number is None else number, sequence)


def result(state: State = State.COMPLETED, ended: int = 5, started: int = 1) -> Result:
    return Result(
        state=state, started=started, ended=ended, outputs={"a": {"text": ["x"]}}, messages=[["m", {}]],
        failures=[{"node": "a"}],
    )  # fmt: skip


@pytest.fixture
async def store(tmp_path: Path) -> AsyncIterator[Store]:
    opened = await Store.open(tmp_path / "user" / "weft.db", history_limit=3)
    yield opened
    await opened.close()


async def test_a_job_comes_back_as_it_went_in(store):
    assert await store.add(job(0, workflow="w"))
    (record,) = await store.unfinished()
    assert (record.job, record.state) == (job(0, workflow="w"), State.PENDING)
    await store.start(job(0), 1)
    await store.finish("job 0", result())
    found = await store.get("job 0")
    assert (found.state, found.result) == (State.COMPLETED, result())


async def test_an_id_is_kept_once(store):
    assert await store.add(job(0))
    assert not await store.add(Job(job(0).wish, 1, 1))


async def test_every_change_is_there_for_the_next_who_opens(tmp_path):
    path = tmp_path / "weft.db"
    first = await Store.open(path)
    await first.add(job(0))
    await first.change_settings("default", {"a": [1, None]})
    await first.close()
    second = await Store.open(path)
    assert [record.job for record in await second.unfinished()] == [job(0)]
    assert await second.settings("default") == {"a": [1, None]}
    await second.close()


async def test_writes_reach_the_disk_before_they_are_answered(store):
    pragmas = await store._database.do(
        lambda db: [db.execute(f"PRAGMA {name}").fetchone()[0] for name in ("journal_mode", "synchronous")]
    )
    assert pragmas == ["wal", 2]


async def test_a_workspace_serves_one(tmp_path):
    first = await Store.open(tmp_path / "user" / "weft.db")
    with pytest.raises(WorkspaceInUse, match="--workspace"):
        await Store.open(tmp_path / "user" / "weft.db")
    await first.close()


async def test_what_ran_comes_first_then_the_lowest_number(store):
    for entry in (job(0, number=3), job(1, number=-1), job(2, number=3), job(3, number=9)):
        await store.add(entry)
    await store.start(job(3), 1)
    assert [record.job.sequence for record in await store.unfinished()] == [3, 1, 0, 2]


async def test_sequences_are_never_used_again(store):
    assert await store.next_sequence() == 0
    await store.add(job(0))
    await store.add(job(1))
    await store.remove(["job 1"], [State.PENDING])
    assert await store.next_sequence() == 2


async def test_only_jobs_in_the_named_states_are_removed(store):
    await store.add(job(0))
    await store.start(job(0), 1)
    await store.remove(["job 0"], [State.PENDING])
    assert await store.get("job 0")


async def test_the_oldest_finished_are_dropped_waiting_ones_never(store):
    for index in range(6):
        await store.add(job(index))
    for index in range(5):
        await store.finish(f"job {index}", result(ended=10 + index))
    found, total = await store.search(Search())
    assert total == 4
    assert [record.job.sequence for record in found] == [5, 4, 3, 2]


async def test_a_search_filters_sorts_and_pages(store):
    for index, spent in enumerate((5, 1, 3)):
        await store.add(job(index, workflow="w" if index else None))
        await store.finish(f"job {index}", result(started=0, ended=spent))
    by_time, _ = await store.search(Search(order=Order.DURATION, ascending=True))
    assert [record.job.sequence for record in by_time] == [1, 2, 0]
    page, total = await store.search(Search(states=[State.COMPLETED], workflow="w", limit=1, offset=1))
    assert ([record.job.sequence for record in page], total) == ([1], 2)
    assert (await store.search(Search(states=[State.FAILED])))[1] == 0


async def test_a_brief_search_leaves_out_what_is_large(store):
    await store.add(job(0, size=1000, workflow="w"))
    (record,), _ = await store.search(Search(brief=True))
    assert (record.job.wish.prompt, record.job.workflow_id) == ({}, "w")
    await store.add(job(1))
    (record, _), _ = await store.search(Search(brief=True))
    assert record.job.workflow_id is None


async def test_a_full_disk_is_said_and_what_was_there_stays(tmp_path):
    store = await Store.open(tmp_path / "weft.db", max_pages=28)
    await store.add(job(0))
    with pytest.raises(StoreFull, match="Free some space"):
        await store.add(job(1, size=1_000_000))
    assert [record.job.id for record in await store.unfinished()] == ["job 0"]
    await store.add(job(2))
    assert len(await store.unfinished()) == 2
    await store.close()


async def test_a_database_of_a_newer_weft_is_left_alone(tmp_path):
    with sqlite3.connect(tmp_path / "weft.db") as db:
        db.execute(f"PRAGMA user_version = {len(MIGRATIONS) + 1}")
    db.close()
    with pytest.raises(RuntimeError, match="newer"):
        await Store.open(tmp_path / "weft.db")


async def test_settings_from_before_there_were_people_are_the_default_ones(tmp_path):
    path = tmp_path / "weft.db"
    with sqlite3.connect(path) as old:
        old.executescript(f"{MIGRATIONS[0]} PRAGMA user_version = 1;")
        old.execute("INSERT INTO settings (id, value) VALUES ('Weft.Theme', '\"dark\"')")
    old.close()
    store = await Store.open(path)
    assert await store.settings("default") == {"Weft.Theme": "dark"}
    assert await store.settings("ada_1") == {}
    await store.close()


async def test_people_have_settings_of_their_own_and_no_name_is_taken_twice(store):
    assert await store.add_user("ada_1", "Ada")
    assert not await store.add_user("ada_2", "Ada")
    await store.change_settings("ada_1", {"a": 1})
    await store.change_settings("default", {"a": 2})
    assert (await store.settings("ada_1"), await store.users()) == ({"a": 1}, {"ada_1": "Ada"})


async def test_many_changes_at_once_share_a_transaction_and_are_all_kept(tmp_path):
    store = await Store.open(tmp_path / "weft.db")
    commits: list[str] = []
    await store._database.do(lambda db: db.set_trace_callback(commits.append))
    assert all(await asyncio.gather(*(store.add(job(index)) for index in range(50))))
    assert 1 <= commits.count("COMMIT") < 10
    assert len(await store.unfinished()) == 50
    await store.close()


async def test_one_change_that_cannot_be_made_takes_no_other_with_it(tmp_path):
    store = await Store.open(tmp_path / "weft.db", max_pages=40)
    big = job(1, size=1_000_000)
    outcomes = await asyncio.gather(
        store.add(job(0)), store.add(big), store.add(job(2)), store.add(job(0)), return_exceptions=True
    )
    assert [outcomes[0], outcomes[2], outcomes[3]] == [True, True, False]
    assert isinstance(outcomes[1], StoreFull)
    assert [record.job.id for record in await store.unfinished()] == ["job 0", "job 2"]
    await store.close()


async def test_a_job_is_finished_once(store):
    await store.add(job(0))
    await store.finish("job 0", result(State.COMPLETED, ended=5))
    await store.finish("job 0", result(State.FAILED, ended=9))
    await store.start(job(0), 10)
    await store.requeue(job(0))
    found = await store.get("job 0")
    assert (found.state, found.result.ended) == (State.COMPLETED, 5)
    assert await store.unfinished() == []


async def test_places_and_holds_are_kept_for_what_waits(store):
    for index in range(3):
        await store.add(job(index))
    await store.start(job(2), 1)
    await store.rearrange([replace(job(index), number=9 - index, held=index == 1) for index in range(3)])
    assert [(record.job.id, record.job.number, record.job.held) for record in await store.unfinished()] == [
        ("job 2", 2, False), ("job 1", 8, True), ("job 0", 9, False),
    ]  # fmt: skip


async def test_a_failed_job_can_be_tried_again_until_it_was(store):
    for index, state in enumerate((State.FAILED, State.COMPLETED, State.FAILED)):
        await store.add(job(index))
        await store.finish(f"job {index}", result(state, ended=index))
    assert await store.retryable() == ["job 0", "job 2"]
    again = job(3)
    await store.add(replace(again, wish=replace(again.wish, retry_of="job 0")))
    assert await store.retryable() == ["job 2"]
    assert (await store.get("job 3")).job.wish.retry_of == "job 0"


async def test_a_database_of_the_first_version_is_taken_over(tmp_path):
    with sqlite3.connect(tmp_path / "weft.db") as db:
        db.executescript(f"{MIGRATIONS[0]} PRAGMA user_version = 1;")
        db.execute(
            "INSERT INTO jobs (sequence, id, number, state, targets, prompt, extra, created)"
            " VALUES (4, 'old', 4, 'pending', '[]', '{}', '{}', 1)"
        )
    db.close()
    store = await Store.open(tmp_path / "weft.db")
    (record,) = await store.unfinished()
    assert (record.job.id, record.job.held, await store.next_sequence()) == ("old", False, 5)
    await store.close()

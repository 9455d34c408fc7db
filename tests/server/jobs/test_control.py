"""A Stop ends the job that runs; before it runs, the one that is about to. With nothing to run it is nothing."""

from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import cast

import pytest

from server.api.messages import history_message
from server.events import Event, JobEnded, JobStopped
from server.jobs.control import Control
from server.jobs.history import History
from server.jobs.job import State, Wish
from server.jobs.queue import Queue
from server.jobs.runner import Runner
from server.store import Store


@dataclass
class Desk:
    """A queue whose runner has not taken anything yet."""

    store: Store
    queue: Queue
    told: list[tuple[Event, str | None]] = field(default_factory=list)
    control: Control = field(init=False)

    def __post_init__(self) -> None:
        self.control = Control(
            self.queue, cast("Runner", Idle()), History(self.store), message=history_message,
            publish=lambda event, client: self.told.append((event, client)), clock=lambda: 7,
        )  # fmt: skip


class Idle:
    """A runner that is asked nothing while no job runs."""

    def stop(self, id: str | None = None) -> bool:
        raise AssertionError("Nothing runs.")


@pytest.fixture
async def desk(tmp_path: Path) -> AsyncIterator[Desk]:
    store = await Store.open(tmp_path / "weft.db")
    yield Desk(store, Queue(store, lambda event: None))
    await store.close()


def wish(id: str, owner: str = "default") -> Wish:
    return Wish(id=id, prompt={}, client=f"client of {id}", owner=owner)


async def test_a_stop_between_a_prompt_and_its_start_ends_that_prompt(desk):
    for id in "ab":
        await desk.queue.put(wish(id))
    assert list(await desk.control.interrupt()) == ["a"]
    record = await desk.store.get("a")
    assert record.state is State.CANCELLED
    assert record.result.messages[0][0] == "execution_interrupted"
    assert desk.told == [(JobStopped("a", None, "", (), 7), "client of a"), (JobEnded("a"), "client of a")]
    assert [job.id for job in desk.queue.waiting] == ["b"]


async def test_only_the_one_that_is_named_ends(desk):
    await desk.queue.put(wish("a"))
    assert list(await desk.control.interrupt("b")) == []
    assert list(await desk.control.interrupt("a")) == ["a"]


async def test_of_several_people_only_ones_own_ends(desk):
    for id, owner in (("a", "anna"), ("b", "bob")):
        await desk.queue.put(wish(id, owner))
    assert list(await desk.control.interrupt(owner="bob")) == ["b"]
    assert list(await desk.control.interrupt(owner="bob")) == []


async def test_with_nothing_about_to_begin_it_is_nothing(desk):
    assert list(await desk.control.interrupt()) == []
    await desk.queue.put(wish("a"))
    await desk.queue.hold(["a"], held=True)
    assert list(await desk.control.interrupt()) == []
    await desk.queue.put(wish("b"))
    await desk.queue.pause()
    assert list(await desk.control.interrupt()) == []
    assert [job.id for job in desk.queue.waiting] == ["a", "b"]
    assert desk.told == []

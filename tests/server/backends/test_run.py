"""Whole runs on a real worker: the state machine and the worker agree on lazy inputs, blockers, graphs made on the way."""

from collections.abc import AsyncIterator, Mapping
from pathlib import Path

import pytest
import pytest_asyncio

from nodes.spec import Json
from server.backends.base import Backend
from server.backends.process import ProcessBackend
from server.backends.thread import ThreadBackend
from server.events import Event
from server.graph.happenings import NodeBlocked, NodeDone, NodeFailed, NodesCached
from server.graph.parse import parse_prompt
from server.graph.run import Ending, Order, Status, run
from server.graph.written import Written
from server.worker.parts import Factory


@pytest_asyncio.fixture(params=[ThreadBackend, ProcessBackend])
async def backend(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[Backend]:
    made = request.param(Factory("tests.server.backends.small_nodes:build", tmp_path))
    await made.start()
    yield made
    await made.close()


def node(type: str, **inputs: Json) -> Json:
    return {"class_type": type, "inputs": inputs}


async def play(backend: Backend, prompt: Mapping[str, Json]) -> tuple[Ending, list[Event]]:
    """Run every Show of the prompt."""
    graph = parse_prompt(prompt)
    targets = tuple(entry.id for entry in graph if entry.type == "Show")
    events: list[Event] = []
    ending = await run(
        Order("job", graph, targets, Written(prompt)), await backend.specs(), backend, events.append
    )
    return ending, events


def text(ending: Ending, id: str = "out") -> list[Json]:
    return list(ending.outputs[id]["text"])


async def test_a_graph_that_makes_graphs_runs_to_its_end_and_is_remembered(backend: Backend):
    prompt = {
        "list": node("Numbers", count=3),
        "count": node("Countdown", n=["list", 0]),
        "out": node("Show", value=["count", 0]),
    }
    ending, _ = await play(backend, prompt)
    assert ending.status is Status.SUCCEEDED, ending.failure
    assert text(ending) == ["lift-off"] * 3
    again, events = await play(backend, prompt)
    assert text(again) == text(ending) and "list" not in again.executed
    assert any("list" in event.nodes for event in events if isinstance(event, NodesCached))


async def test_objects_in_made_graphs_reach_their_node(backend: Backend):
    ending, _ = await play(backend, {"c": node("Carry", value=41), "out": node("Show", value=["c", 0])})
    assert text(ending) == ["41"]


async def test_only_the_chosen_lazy_branch_runs(backend: Backend):
    prompt = {
        "a": node("Add", a=1, b=1),
        "b": node("Fail"),
        "switch": node("Switch", pick="a", a=["a", 0], b=["b", 0]),
        "out": node("Show", value=["switch", 0]),
    }
    ending, _ = await play(backend, prompt)
    assert (text(ending), ending.executed) == (["2"], ("a", "switch", "out"))


async def test_a_switched_off_branch_is_told_once_and_the_job_succeeds(backend: Backend):
    prompt = {
        "gate": node("Gate", value=5, limit=1, message="too large"),
        "add": node("Add", a=["gate", 0], b=1),
        "out": node("Show", value=["add", 0]),
        "other": node("Show", value="x"),
    }
    ending, events = await play(backend, prompt)
    assert (
        ending.status is Status.SUCCEEDED and "out" not in ending.outputs and text(ending, "other") == ["x"]
    )
    told = [event for event in events if isinstance(event, NodeBlocked)]
    assert [(event.place.node, event.message) for event in told] == [("add", "too large")]


async def test_a_failure_stops_what_depends_on_it_and_nothing_else(backend: Backend):
    prompt = {
        "bad": node("Fail"),
        "out": node("Show", value=["bad", 0]),
        "other": node("Show", value="x"),
        "waits": node("Wait", seconds=0.05, value="y"),
        "third": node("Show", value=["waits", 0]),
    }
    ending, events = await play(backend, prompt)
    assert ending.status is Status.FAILED and ending.failure is not None
    assert ending.failure.failure.hint == "Make it smaller."
    assert text(ending, "other") == ["x"] and text(ending, "third") == ["y"]
    assert [event.place.node for event in events if isinstance(event, NodeFailed)] == ["bad"]


async def test_a_changed_constant_re_runs_only_what_follows(backend: Backend, tmp_path: Path):
    file = tmp_path / "file"
    file.write_text("1")

    def prompt(b: int) -> Mapping[str, Json]:
        return {
            "far": node("Add", a=1, b=1),
            "near": node("Add", a=["far", 0], b=b),
            "file": node("FileSize", name=str(file)),
            "out": node("Show", value=["near", 0]),
            "out2": node("Show", value=["file", 0]),
        }

    await play(backend, prompt(1))
    ending, events = await play(backend, prompt(2))
    assert ending.executed == ("near", "out")
    assert {event.place.node for event in events if isinstance(event, NodeDone) and event.cached} >= {"out2"}
    file.write_text("12")
    ending, _ = await play(backend, prompt(2))
    assert ending.executed == ("file", "out2")

"""EXECUTOR.md sections 4 and 9: native loops. Their kinds of fault are the spec's; class names and wiring are our own."""

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio

from nodes.builtin.loops import NODES
from nodes.spec import Registry
from server.backends.thread import ThreadBackend
from server.events import NodeStarted
from server.graph.parse import parse_prompt
from server.graph.validate import validate
from server.worker.keeping import Keeping, Policy
from server.worker.parts import Factory, Services, WorkerParts
from server.workspace import Workspace
from tests.server.spec.kinds import World, nodes
from tests.server.spec.playing import Stage, node


def build(world: World, services: Services) -> WorkerParts:
    del services
    registry, files = Registry([*nodes(world), *NODES]), Workspace(world.folder)
    return WorkerParts(registry=registry, files=files, keeping=world.keeping)


@asynccontextmanager
async def acting(world: World) -> AsyncIterator[Stage]:
    made = Stage(world)
    made.backend = ThreadBackend(Factory("tests.server.spec.test_section_09_loops:build", world))
    await made.backend.start()
    yield made
    await made.backend.close()


@pytest_asyncio.fixture
async def stage(tmp_path: Path) -> AsyncIterator[Stage]:
    async with acting(World(tmp_path)) as made:
        yield made


def loop(turns: int = 3, value: Any = 1, **more: Any) -> dict[str, Any]:
    """Doubles a value in each turn, and collects the number of the turn."""
    return {
        "start": node("WeftLoopStart", turns=turns, value=value),
        "double": node("Add", a=["start", 2], b=["start", 2]),
        "end": node("WeftLoopEnd", loop=["start", 0], value=["double", 0], collect=["start", 1], **more),
        "out": node("Show", value=["end", 0]),
        "all": node("Show", value=["end", 1]),
    }


@pytest.mark.parametrize(("turns", "last"), [(1, 2), (2, 4), (5, 32)])
async def test_9_the_body_runs_once_a_turn_and_hands_its_value_on(stage: Stage, turns: int, last: int):
    played = await stage.play(loop(turns))
    assert played.good, played.failed
    assert played.text() == [last] and played.text("all") == list(range(turns))
    assert sum(count for id, count in played.calls.items() if id.endswith("double")) == turns


async def test_9_without_a_cache_each_turn_still_finds_what_it_reads(tmp_path: Path):
    """Also what the first turn alone seemed to need: the end makes the others of nodes that it is not linked to."""
    outer = {"outer": node("Add", a=3), "sum": node("Add", a=["start", 2], b=["outer", 0])}
    nodes = loop(4) | outer
    nodes["end"]["inputs"]["value"] = ["sum", 0]
    async with acting(World(tmp_path, keeping=Keeping(policy=Policy.NONE))) as stage:
        played = await stage.play(nodes)
    assert played.good, played.failed
    assert played.text() == [13] and played.text("all") == [0, 1, 2, 3]


async def test_9_a_loop_is_remembered_and_more_turns_run_only_the_new_ones(stage: Stage):
    await stage.play(loop(3))
    assert not (await stage.play(loop(3))).calls
    played = await stage.play(loop(3) | {"more": node("ShowAndGive", value=["end", 0])})
    assert played.order == ["more"]


async def test_9_a_value_may_be_a_list(stage: Stage):
    prompt = loop(3, ["n", 0]) | {"n": node("Numbers", count=3)}
    assert (await stage.play(prompt)).text() == [0, 8, 16]


async def test_9_without_a_value_to_hand_on_each_turn_begins_with_the_first(stage: Stage):
    prompt = loop(3, 5) | {"end": node("WeftLoopEnd", loop=["start", 0], collect=["double", 0])}
    assert (await stage.play(prompt)).text("all") == [10, 10, 10]


async def test_9_every_turn_is_shown_on_the_nodes_of_the_canvas(stage: Stage):
    played = await stage.play(loop(4))
    shown = {event.place.display for event in played.events if isinstance(event, NodeStarted)}
    assert shown == {"start", "double", "end", "out", "all"}


async def test_9_a_loop_may_end_early(stage: Stage):
    prompt = loop(9, go_on=["on", 0]) | {
        "on": node("Fallback", a=["left", 0], b=0),
        "left": node("Add", a=2, b=["minus", 0]),
    }
    prompt |= {"minus": node("Pair", a=["start", 1])}
    assert (await stage.play(prompt)).text("all") == [0, 1, 2], "2 - 2 is off"


async def test_9_loops_in_loops(stage: Stage):
    prompt = {
        "outer": node("WeftLoopStart", turns=2, value=1),
        "inner": node("WeftLoopStart", turns=3, value=["outer", 2]),
        "add": node("Add", a=["inner", 2], b=1),
        "inner end": node("WeftLoopEnd", loop=["inner", 0], value=["add", 0]),
        "end": node("WeftLoopEnd", loop=["outer", 0], value=["inner end", 0], collect=["inner end", 0]),
        "out": node("Show", value=["end", 0]),
        "all": node("Show", value=["end", 1]),
    }
    played = await stage.play(prompt)
    assert played.good, played.failed
    assert played.text() == [7] and played.text("all") == [4, 7]
    assert {fault.type for fault in await faults(stage, prompt)} == set()


async def test_9_a_failure_in_a_turn_names_the_node_of_the_canvas(stage: Stage):
    prompt = {
        "start": node("WeftLoopStart", turns=4, value=0),
        "add": node("Add", a=["start", 2], b=1),
        "even": node("Even", a=["start", 2]),
        "end": node("WeftLoopEnd", loop=["start", 0], value=["add", 0], collect=["even", 0]),
        "out": node("Show", value=["end", 0]),
    }
    played = await stage.play(prompt)
    assert list(played.failed.values()) == ["1 is odd."] and played.calls["even"] == 1
    assert played.ending.failure is not None and played.ending.failure.place is not None
    assert played.ending.failure.place.display == "even"


async def faults(stage: Stage, prompt: dict[str, Any]) -> Sequence[Any]:
    specs = await stage.backend.specs()
    verdict = await asyncio.to_thread(validate, parse_prompt(prompt), specs, lambda _: [])
    return [fault for found in verdict.node_faults.values() for fault in found.errors]


def with_(prompt: dict[str, Any], id: str, **inputs: Any) -> dict[str, Any]:
    return {**prompt, id: {**prompt[id], "inputs": {**prompt[id]["inputs"], **inputs}}}


TWO = {
    "a": node("WeftLoopStart", turns=2, value=1),
    "b": node("WeftLoopStart", turns=2, value=["a", 2]),
    "x": node("Add", a=["b", 2]),
    "a end": node("WeftLoopEnd", loop=["a", 0], value=["x", 0]),
    "b end": node("WeftLoopEnd", loop=["b", 0], value=["a end", 0]),
    "out": node("Show", value=["b end", 0]),
}
FAULTS: Sequence[tuple[str, dict[str, Any], str]] = [
    ("loop_end_without_start", with_(loop(), "end", loop=["double", 0]), "end"),
    ("loop_start_without_end", {"start": loop()["start"], "out": node("Show", value=["start", 2])}, "start"),
    ("loop_end_cycle", with_(loop(), "start", value=["end", 0]), "end"),
    ("loop_accumulate_from_body", with_(loop(), "start", value=["double", 0]), "start"),
    ("loop_escape", loop() | {"leak": node("Show", value=["double", 0])}, "leak"),
    ("ambiguous_loop_nesting", TWO, "b end"),
]


@pytest.mark.parametrize(("kind", "prompt", "blamed"), FAULTS, ids=[f"4-{row[0]}" for row in FAULTS])
async def test_4_boundaries(stage: Stage, kind: str, prompt: dict[str, Any], blamed: str):
    specs = await stage.backend.specs()
    verdict = validate(parse_prompt(prompt), specs, lambda _: [])
    found = [
        fault
        for fault in verdict.node_faults[blamed].errors
        if fault.extra_info.get("loop_error_type") == kind
    ]
    assert [(fault.type, fault.message) for fault in found] == [
        ("custom_validation_failed", "Custom validation failed for node")
    ]
    assert found[0].extra_info == {"loop_error_type": kind, "node_id": blamed}


async def test_4_a_good_loop_has_no_fault(stage: Stage):
    assert await faults(stage, loop()) == []


async def test_4_a_loop_that_nobody_needs_is_not_judged(stage: Stage):
    alone = {"start": loop()["start"], "idle": node("Add", a=["start", 2]), "out": node("Show", value=1)}
    assert await faults(stage, alone) == []

"""EXECUTOR.md section 6: how one node is executed."""

import pytest

from server.events import NodeDone, NodeStarted
from server.graph.run import Status
from tests.server.spec.playing import Stage, node
from tests.server.spec.rows import Row, check, row

ONE, TWO = node("Add", a=1), node("Add", a=2)
BAD = node("Even", a=1)


def switched(pick: object, **more: dict) -> dict:
    return {
        "one": ONE, "two": TWO, "bad": BAD,
        "x": node("Switch", pick=pick, a=["one", 0], b=["bad", 0]),  # type: ignore[arg-type]
        "out": node("Show", value=["x", 0]), **more,
    }  # fmt: skip


ROWS = [
    row("6.2-a-link-brings-the-whole-list-of-the-slot", {
        "n": node("Numbers", count=3), "x": node("Total", values=["n", 0]), "out": node("Show", value=["x", 0]),
    }, text=[3], calls={"x": 1}),
    row("6.2-undeclared-constants-are-not-passed", {"s": node("Told", a=1, other=2)}, shown={"s": {"a": [1]}}),
    row("6.2-unless-the-class-accepts-all", {"one": ONE, "s": node("ToldAll", a=1, other=2, linked=["one", 0])},
        shown={"s": {"a": [1], "linked": [1], "other": [2]}}),
    row("6.2-links-in-undeclared-inputs-are-dependencies", {"one": ONE, "s": node("Told", a=1, other=["one", 0])},
        shown={"s": {"a": [1]}}, order=["one", "s"]),
    row("6.2-an-absent-optional-input-is-not-passed", {"s": node("Told")}, shown={"s": {}}),
    row("6.2-a-raw-link-arrives-as-the-link", {"bad": BAD, "s": node("Told", raw=["bad", 0])},
        shown={"s": {"raw": [["bad", 0]]}}, calls={"bad": 0}),
    row("6.4-lazy-only-what-is-named-runs", switched(1), text=[1], calls={"bad": 0, "x": 1}),
    row("6.4-lazy-mapped-over-lists-both-are-named", {
        "picks": node("Numbers", count=2), "one": ONE, "two": TWO,
        "x": node("Switch", pick=["picks", 0], a=["one", 0], b=["two", 0]), "out": node("Show", value=["x", 0]),
    }, text=[2, 1], order=["picks", "two", "one", "x"]),
    row("6.4-lazy-called-again-after-they-finish", {
        "minus": node("Add", a=-1), "two": TWO,
        "x": node("Fallback", a=["minus", 0], b=["two", 0]), "out": node("Show", value=["x", 0]),
    }, text=[2], order=["minus", "two", "x"], calls={"x": 1}),
    row("6.4-lazy-none-left-means-run", {
        "one": ONE, "bad": BAD,
        "x": node("Fallback", a=["one", 0], b=["bad", 0]), "out": node("Show", value=["x", 0]),
    }, text=[1], calls={"bad": 0}),
    row("6.4-lazy-a-constant-is-there-already", {
        "bad": BAD, "x": node("Switch", pick=1, a=5, b=["bad", 0]), "out": node("Show", value=["x", 0]),
    }, text=[5], calls={"bad": 0}),
    row("6.4-lazy-naming-an-absent-input-fails", {
        "x": node("Switch", pick=1), "out": node("Show", value=["x", 0]),
    }, failed={"x": "asked for input 'a', which nothing is linked to"}),
    row("6.4-lazy-a-failed-one-stops-the-node", switched(0), failed={"bad": "1 is odd"}, calls={"x": 0}),
    row("6.4-lazy-unasked-stays-none-though-others-needed-it", {
        # In the field the node is called three times here, or once, as it happens to be scheduled.
        "n": node("Numbers", count=3), "one": ONE, "first": node("Show", value=["n", 0]),
        "x": node("Switch", pick=["late", 0], a=["one", 0], b=["n", 0]),
        "late": node("Add", a=["total", 0]), "total": node("Total", values=["n", 0]),
        "out": node("Show", value=["x", 0]),
    }, text=[1], calls={"x": 1}),
    row("6.6-async-nodes-give-like-others", {
        "n": node("Numbers", count=3), "x": node("Wait", value=["n", 0]), "out": node("Show", value=["x", 0]),
    }, text=[0, 1, 2], calls={"x": 3}),
    row("6.6-async-nodes-fail-like-others", {
        "n": node("Numbers", count=3), "x": node("EvenLater", a=["n", 0]), "out": node("Show", value=["x", 0]),
    }, failed={"x": "1 is odd"}),
]  # fmt: skip


@pytest.mark.parametrize("row", ROWS)
async def test_row(stage: Stage, row: Row):
    await check(stage, row)


async def test_6_1_a_cached_node_with_ui_says_executed_with_the_stored_ui(stage: Stage):
    prompt = {"s": node("ShowAndGive", value=3), "out": node("Show", value=["s", 0])}
    first = await stage.play(prompt)
    again = await stage.play(prompt)
    assert not again.calls and again.shown == first.shown
    said = {event.place.node: event.ui for event in again.events if isinstance(event, NodeDone)}
    assert said == first.shown


async def test_6_2_hidden_inputs(stage: Stage):
    extra = {
        "extra_pnginfo": {"workflow": {"id": "w"}},
        "auth_token_comfy_org": "token",
        "api_key_comfy_org": "key",
        "comfy_usage_source": "weft-test",
    }
    prompt = {"one": ONE, "h": node("Hidden")}
    played = await stage.play(prompt, extra=extra)
    assert {name: values[0] for name, values in played.shown["h"].items()} == {
        "prompt": prompt,
        "dynprompt": ["h", "one"],
        "extra_pnginfo": {"workflow": {"id": "w"}},
        "unique_id": "h",
        "auth_token_comfy_org": "token",
        "api_key_comfy_org": "key",
        "comfy_usage_source": "weft-test",
        "execution_list": ["one", "h"],
    }


async def test_6_2_the_execution_list_names_each_node_after_what_feeds_it(stage: Stage):
    prompt = {
        "out": node("Show", value=["b", 0]),
        "b": node("Add", a=["a", 0]),
        "h": node("Hidden", more=["b", 0]),
        "a": node("Unroll", times=2),
    }
    (listed,) = (await stage.play(prompt)).shown["h"]["execution_list"]
    assert set(listed) == {"out", "b", "h", "a", "a.0.0", "a.0.1"}
    for before, after in (("a", "b"), ("b", "out"), ("b", "h"), ("a", "a.0.0"), ("a.0.0", "a.0.1")):
        assert listed.index(before) < listed.index(after)


async def test_6_2_the_execution_list_is_there_though_idle_nodes_are_in_a_ring(stage: Stage):
    idle = {"x": node("Add", a=["y", 0]), "y": node("Add", a=["x", 0])}
    assert (await stage.play(idle | {"h": node("Hidden")})).shown["h"]["execution_list"] == [["x", "y", "h"]]


async def test_6_2_hidden_inputs_nobody_filled_are_none(stage: Stage):
    shown = (await stage.play({"h": node("Hidden")})).shown["h"]
    assert {name for name, values in shown.items() if values == [None]} == {
        "extra_pnginfo", "auth_token_comfy_org", "api_key_comfy_org", "comfy_usage_source",
    }  # fmt: skip


async def test_6_3_executing_is_said_once_even_if_the_node_asks_lazily(stage: Stage):
    played = await stage.play(switched(1))
    assert played.started.count("x") == 1
    place = next(
        event.place for event in played.events if isinstance(event, NodeStarted) and event.place.node == "x"
    )
    assert (place.display, place.real, place.parent) == ("x", "x", None)


async def test_6_4_naming_what_is_not_linked_is_a_node_input_error(stage: Stage):
    played = await stage.play({"x": node("Switch", pick=1), "out": node("Show", value=["x", 0])})
    assert played.ending.failure is not None
    assert played.ending.failure.failure.kind == "graph.NodeInputError"


async def test_6_5_stop_is_heard_before_every_call(stage: Stage):
    prompt = {
        "n": node("Numbers", count=3),
        "x": node("PressStop", a=["n", 0]),
        "out": node("Show", value=["x", 0]),
    }
    played = await stage.play(prompt)
    assert played.ending.status is Status.STOPPED
    assert played.calls["x"] == 1 and "out" not in played.calls


async def test_6_8_a_finished_node_is_remembered_though_the_job_failed(stage: Stage):
    prompt = {
        "one": ONE,
        "out": node("Show", value=["one", 0]),
        "bad": BAD,
        "lost": node("Show", value=["bad", 0]),
    }
    await stage.play(prompt)
    assert (await stage.play(prompt)).order == ["bad"]

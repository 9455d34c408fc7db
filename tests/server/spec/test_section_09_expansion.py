"""EXECUTOR.md section 9: a node that returns a graph."""

from collections.abc import Sequence
from typing import Any

import pytest

from nodes.spec import Json
from server.events import NodeFailed, NodeStarted
from server.graph.happenings import Place
from tests.server.spec.playing import Played, Stage, node
from tests.server.spec.rows import Row, check, row


def shown(**nodes: dict) -> dict:
    """The nodes, and what `x` gives."""
    return {**nodes, "out": node("Show", value=["x", 0])}


def becomes(graph: dict[str, Any], result: Json = 0, ui: str = "") -> dict:
    """A node that becomes the graph; a link as its result is wrapped, so that it arrives as a constant."""
    wrapped: Json = {"__value__": result} if isinstance(result, list) else result
    return node("Becomes", graph=graph, result=wrapped, ui=ui)


TWO = node("Numbers", count=2)
ROWS = [
    row("9-result-links-are-resolved-to-values", shown(x=node("Unroll", times=3, value=5)), text=[8],
        order=["x", "x.0.0", "x.0.1", "x.0.2", "out"]),
    row("9-a-result-may-be-a-value", shown(x=node("Unroll", style="nothing", value=5)), text=[5]),
    row("9-each-call-expands-and-they-are-joined-in-order", shown(two=TWO, x=node("Unroll", times=1, value=["two", 0])),
        text=[1, 2], calls={"x": 2, "x.0.0": 1, "x.1.0": 1}),
    row("9-lists-behind-a-result-link-are-flattened-into-the-slot",
        shown(x=becomes({"n": node("Numbers", count=3)}, ["n", 0])), text=[0, 1, 2]),
    row("9-some-calls-may-expand-and-others-not", shown(two=TWO, x=node("Unroll", times=["two", 0], value=7)),
        text=[7, 8]),
    row("9-new-output-nodes-become-seeds",
        shown(x=becomes({"s": node("Show", value="made"), "idle": node("Even", a=1)}, 4)),
        text=[4], shown={"s": {"text": ["made"]}}, calls={"idle": 0}),
    row("9-made-nodes-may-use-nodes-of-the-prompt",
        shown(five=node("Add", a=5), x=node("Unroll", times=1, source=["five", 0])), text=[6]),
    row("9-a-made-node-may-expand-again", shown(x=node("Unroll", times=3, style="nest", value=1)), text=[4]),
    row("9-a-made-node-that-fails-fails-the-expanding-one-silently",
        shown(x=node("Unroll", times=1, value=1, style="even")), failed={"x.0.0": "1 is odd"}, calls={"out": 0}),
    row("9-an-id-twice-is-an-error", shown(two=TWO, x=node("Unroll", times=1, value=["two", 0], style="twin")),
        failed={"x": "made two nodes with the id"}),
    row("9-an-id-of-the-prompt-is-taken", shown(x=becomes({"out": node("Add", a=1)}, ["out", 0])),
        failed={"x": "the id 'out', which is taken"}),
    row("9-an-unknown-class-is-an-error", shown(x=becomes({"n": node("Nobody")}, ["n", 0])),
        failed={"x": "unknown class 'Nobody'"}),
    row("9-a-link-to-nowhere-is-an-error", shown(x=becomes({}, ["n", 0])), failed={"x": "names the node 'n'"}),
    row("9-a-slot-that-is-not-there-is-an-error", shown(x=becomes({"n": node("Add", a=1)}, ["n", 3])),
        failed={"x": "takes output 3 of Add"}),
    row("9-blocked-elements-do-not-expand", shown(
        four=node("Numbers", count=3), gate=node("Gate", value=["four", 0], limit=0),
        x=node("Unroll", times=1, value=["gate", 0])), text=[1], calls={"x": 1, "x.0.0": 1}),
    row("9-quirk-ui-returned-with-a-graph-is-shown-once-it-is-done",
        shown(x=becomes({"n": node("Even", a=1)}, ["n", 0], ui="too early")), failed={"n": "1 is odd"}),
]  # fmt: skip


@pytest.mark.parametrize("row", ROWS)
async def test_row(stage: Stage, row: Row):
    played = await check(stage, row)
    assert "x" not in played.shown


async def test_9_ui_returned_with_a_graph_is_shown_after_its_nodes(stage: Stage):
    played = await stage.play(
        {"x": becomes({"n": node("Add", a=1)}, ["n", 0], ui="done"), "out": node("Show", value=["x", 0])}
    )
    assert played.shown["x"] == {"text": ["done"]} and played.done.index("n") < played.done.index("x")


def places(played: Played) -> dict[str, Place]:
    return {event.place.node: event.place for event in played.events if isinstance(event, NodeStarted)}


async def test_9_parent_display_and_real_id(stage: Stage):
    inner = becomes({"deep": node("Add", a=1)}, ["deep", 0])
    played = await stage.play({"x": becomes({"mid": inner}, ["mid", 0]), "out": node("Show", value=["x", 0])})
    found = places(played)
    assert found["x"] == Place("x", "x", "x", None)
    assert found["mid"] == Place("mid", "x", "x", "x")
    assert found["deep"] == Place("deep", "x", "x", "mid"), "the nearest node of the prompt"
    assert played.ending.meta["out"] == {
        "node_id": "out", "display_node": "out", "parent_node": None, "real_node_id": "out",
    }  # fmt: skip


async def test_9_override_display_id(stage: Stage):
    made = {"n": {**node("Add", a=1), "override_display_id": "shown"}, "m": node("Add", a=["n", 0])}
    prompt = {"x": becomes(made, ["m", 0]), "shown": node("Add", a=0), "out": node("Show", value=["x", 0])}
    found = places(await stage.play(prompt))
    assert (found["n"].display, found["n"].real) == ("shown", "x") and found["m"].display == "x"


async def test_9_errors_name_the_nearest_node_of_the_prompt(stage: Stage):
    played = await stage.play(
        {"x": node("Unroll", times=1, value=1, style="even"), "out": node("Show", value=["x", 0])}
    )
    (failed,) = [event for event in played.events if isinstance(event, NodeFailed)]
    assert (failed.place.node, failed.place.real, failed.type) == ("x.0.0", "x", "Even")


# Again: what is asked first, what then, and which nodes run the second time.
AGAIN: Sequence[tuple[str, dict, dict, Sequence[str]]] = [
    ("9-an-expanded-node-is-remembered", node("Unroll", times=2), node("Unroll", times=2), []),
    ("9-re-expansion-of-unchanged-nodes-hits", node("Unroll", times=2), node("Unroll", times=3), ["x", "x.0.2", "out"]),
    ("9-a-graph-with-a-changed-constant-runs", node("Unroll", times=1, value=1), node("Unroll", times=1, value=2),
     ["x", "x.0.0", "out"]),
]  # fmt: skip


@pytest.mark.parametrize(
    ("first", "second", "ran"), [row[1:] for row in AGAIN], ids=[row[0] for row in AGAIN]
)
async def test_again(stage: Stage, first: dict, second: dict, ran: Sequence[str]):
    await stage.play(shown(x=first))
    fresh = await stage.play(shown(x=second))
    assert fresh.order == list(ran)
    await stage.forget()
    assert (await stage.play(shown(x=second))).shown == fresh.shown


async def test_9_a_graph_that_shows_something_is_made_again_when_its_node_is_needed(stage: Stage):
    prompt = shown(x=node("Unroll", times=1, style="show"))
    first = await stage.play(prompt)
    again = await stage.play(prompt | {"more": node("ShowAndGive", value=["x", 0])})
    assert again.order == ["x", "more"]
    assert again.shown["x.0.show"] == first.shown["x.0.show"] == {"text": [1]}


async def test_9_what_a_graph_may_give_differently_each_time_is_expanded_again(stage: Stage):
    stage.world.files["f"], stage.world.tokens["f"] = 1, float("nan")
    prompt = shown(x=becomes({"f": node("File", name="f")}, ["f", 0]))
    assert (await stage.play(prompt)).text() == [1]
    stage.world.files["f"] = 2
    assert (await stage.play(prompt)).text() == [2]


async def test_9_loops_by_recursive_expansion_go_deep(stage: Stage):
    deep: dict = node("Add", a=1)
    for level in range(60):
        deep = becomes({f"l{level}": deep}, [f"l{level}", 0])
    played = await stage.play(shown(x=deep))
    assert played.text() == [1] and played.calls.total() == 62

"""EXECUTOR.md section 5: which node runs when, and what becomes of the rest when one fails."""

import pytest

from server.events import JobFailed, JobStarted, JobSucceeded, NodeDone, NodesCached
from server.graph.run import Status
from tests.server.spec.playing import Stage, node
from tests.server.spec.rows import Row, check, row

FAR = {"f": node("Add", a=1), "f2": node("Add", a=["f", 0]), "f3": node("Add", a=["f2", 0]),
       "sf": node("Show", value=["f3", 0])}  # fmt: skip
NEAR = {"t": node("Add", a=2), "t2": node("Add", a=["t", 0]), "st": node("Show", value=["t2", 0])}
NEXT = {"o": node("Add", a=3), "so": node("Show", value=["o", 0])}
ALONE = {"s": node("Show", value=4)}
BAD = {"bad": node("Even", a=1), "after": node("Add", a=["bad", 0]), "lost": node("Show", value=["after", 0])}
ROWS = [
    row("5-outputs-first-then-what-feeds-one-then-two-hops-then-the-rest", FAR | NEAR | NEXT | ALONE,
        order=["s", "o", "so", "t", "t2", "st", "f", "f2", "f3", "sf"]),
    row("5-else-first-in-insertion-order", {
        "a": node("Add", a=1), "b": node("Add", a=2), "c": node("Add", a=["a", 0], b=["b", 0]),
        "d": node("Add", a=["c", 0]), "e": node("Add", a=["d", 0]), "out": node("Show", value=["e", 0]),
    }, text=[3], order=["a", "b", "c", "d", "e", "out"]),
    row("5-nodes-that-no-output-needs-do-not-run", NEXT | {"x": node("Even", a=1), "y": node("Add", a=["x", 0])},
        calls={"x": 0, "y": 0}),
    row("5-non-lazy-links-are-walked-lazy-ones-are-not", {
        "bad": node("Even", a=1), "good": node("Add", a=1),
        "x": node("Switch", pick=1, a=["good", 0], b=["bad", 0]), "out": node("Show", value=["x", 0]),
    }, text=[1], calls={"bad": 0}),
    row("5-limit-stop-the-whole-prompt-other-branches-go-on", BAD | FAR | NEXT,
        failed={"bad": "1 is odd"}, calls={"after": 0, "lost": 0},
        shown={"sf": {"text": [1]}, "so": {"text": [3]}}),
    row("5-two-failures-are-both-told", BAD | {"worse": node("Even", a=3), "s3": node("Show", value=["worse", 0])},
        failed={"bad": "1 is odd", "worse": "3 is odd"}, calls={"s3": 0}),
    row("5-nothing-ready-but-async-work-is-awaited", {
        "w": node("Wait", value=7, seconds=0.05), "out": node("Show", value=["w", 0]),
    }, text=[7]),
]  # fmt: skip


@pytest.mark.parametrize("row", ROWS)
async def test_row(stage: Stage, row: Row):
    await check(stage, row)


async def test_5_nothing_ready_at_all_is_a_cycle_and_no_success(stage: Stage):
    prompt = {
        "e": node("Ring", of="y"),
        "y": node("Add", a=["e", 0]),
        "lost": node("Show", value=["y", 0]),
        "other": node("Show", value=1),
    }
    played = await stage.play(prompt)
    assert played.ending.status is Status.FAILED and played.shown == {"other": {"text": [1]}}
    last = played.events[-1]
    assert isinstance(last, JobFailed) and last.place is not None
    assert (last.failure.kind, last.failure.message) == (
        "graph.DependencyCycleError",
        "Dependency cycle detected",
    )
    assert last.place.node == "ring" and last.place.display == "e", "the first node that is not of the prompt"


async def test_5_start_then_cached_then_the_nodes_then_success(stage: Stage):
    await stage.play(NEXT)
    played = await stage.play(NEXT | NEAR)
    assert isinstance(played.events[0], JobStarted) and isinstance(played.events[-1], JobSucceeded)
    cached = played.events[1]
    assert isinstance(cached, NodesCached) and set(cached.nodes) == {"o", "so"}
    assert played.order == ["t", "t2", "st"]


async def test_5_outputs_are_seeds_even_if_cached_and_are_shown_again(stage: Stage):
    await stage.play(NEXT)
    played = await stage.play(NEXT)
    assert not played.calls and played.shown == {"so": {"text": [3]}}
    again = [event for event in played.events if isinstance(event, NodeDone)]
    assert [(event.place.node, event.cached, event.ui) for event in again] == [("so", True, {"text": [3]})]


async def test_5_cached_producers_do_not_run_again_for_a_new_consumer(stage: Stage):
    await stage.play(NEAR)
    played = await stage.play(
        {**NEAR, "out": node("Show", value=["t2", 0]), "more": node("ShowAndGive", value=["t", 0])}
    )
    assert played.order == ["more"] and played.text() == [2], "out is st under another id"


async def test_5_only_the_chosen_outputs_are_seeds(stage: Stage):
    played = await stage.play(NEXT | NEAR | BAD, targets=["st"])
    assert played.good and played.order == ["t", "t2", "st"]


async def test_5_on_error_stop_starts_nothing_after_the_first_failure(stage: Stage):
    played = await stage.play(BAD | FAR, stop_at_failure=True)
    assert played.failed == {"bad": "1 is odd."} and "sf" not in played.shown
    assert played.ending.status is Status.FAILED


async def test_5_async_nodes_overlap_each_other_and_what_computes(stage: Stage):
    prompt = {
        "w1": node("Wait", value=1, seconds=0.2),
        "w2": node("Wait", value=2, seconds=0.2),
        "long": node("Until", id="w2"),
        "sum": node("Add", a=["w1", 0], b=["w2", 0]),
        "out": node("Show", value=["sum", 0]),
        "met": node("Show", value=["long", 0]),
    }
    played = await stage.play(prompt)
    assert played.text() == [3] and played.text("met") == ["met"]
    waits = [entry for entry in played.log if entry[1] in ("w1", "w2")]
    assert [what for what, _ in waits] == ["start", "start", "end", "end"]


async def test_5_async_nodes_start_before_what_computes(stage: Stage):
    played = await stage.play(
        FAR | {"w": node("Wait", value=1), "m": node("Add", a=["w", 0]), "sm": node("Show", value=["m", 0])}
    )
    assert played.started[0] == "w"

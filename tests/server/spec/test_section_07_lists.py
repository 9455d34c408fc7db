"""EXECUTOR.md section 7: every value between nodes is a list."""

import pytest

from tests.server.spec.playing import Stage, node
from tests.server.spec.rows import Row, check, row

TWO, THREE, NONE = node("Numbers", count=2), node("Numbers", count=3), node("Numbers", count=0)


def shown(**nodes: dict) -> dict:
    """The nodes, and what `x` gives on its first output."""
    return {**nodes, "out": node("Show", value=["x", 0])}


ROWS = [
    row("7-an-ordinary-output-is-a-list-of-one", shown(x=node("Add", a=1, b=2)), text=[3], calls={"x": 1}),
    row(
        "7-called-once-per-element-of-the-longest-list",
        shown(three=THREE, x=node("Add", a=["three", 0], b=10)),
        text=[10, 11, 12],
        calls={"three": 1, "x": 3, "out": 3},
    ),
    row(
        "7-a-shorter-list-repeats-its-last-element",
        shown(two=TWO, three=THREE, x=node("Add", a=["three", 0], b=["two", 0])),
        text=[0, 2, 3],
        calls={"x": 3},
    ),
    row("7-no-inputs-at-all-is-one-call", shown(x=node("Add")), text=[0], calls={"x": 1}),
    row(
        "7-an-empty-list-among-others-fails",
        shown(none=NONE, x=node("Add", a=["none", 0], b=1)),
        failed={"x": "'a' received an empty list"},
    ),
    row(
        "7-all-lists-empty-is-one-call-without-arguments",
        shown(none=NONE, x=node("Add", a=["none", 0], b=["none", 0])),
        text=[0],
        calls={"x": 1},
    ),
    row(
        "7-input-is-list-one-call-with-lists",
        shown(three=THREE, x=node("Total", values=["three", 0])),
        text=[3],
        calls={"x": 1},
    ),
    row(
        "7-input-is-list-constants-are-lists-too",
        shown(three=THREE, x=node("Total", values=["three", 0], more=5)),
        text=[103],
    ),
    row(
        "7-input-is-list-takes-an-empty-list", shown(none=NONE, x=node("Total", values=["none", 0])), text=[0]
    ),
    row(
        "7-output-is-list-all-calls-are-concatenated",
        shown(two=TWO, x=node("Numbers", count=["two", 0])),
        text=[0],
        calls={"x": 2},
    ),
    row(
        "7-output-is-list-per-slot",
        {
            "two": TWO,
            "x": node("Pair", a=["two", 0]),
            "out": node("Show", value=["x", 1]),
            "minus": node("Show", value=["x", 0]),
        },
        text=[0, 1, 1, 2],
        shown={"minus": {"text": [0, -1]}},
    ),
    row(
        "7-ui-of-several-calls-is-joined-by-key",
        {"two": TWO, "x": node("Add", a=["two", 0], b=-1), "s": node("ShowAndGive", value=["x", 0])},
        shown={"s": {"text": [-1, 0], "sign": ["-", "+"]}},
    ),
    row(  # the field fails with KeyError where a later call shows less than the first
        "7-bug-ui-key-missing-in-a-later-call",
        {"two": TWO, "s": node("Uneven", value=["two", 0])},
        shown={"s": {"first": [0], "text": [0, 1]}},
    ),
    row(  # and loses what only a later call shows
        "7-ui-key-missing-in-the-first-call",
        {"two": TWO, "x": node("Add", a=["two", 0], b=-1), "s": node("Uneven", value=["x", 0])},
        shown={"s": {"first": [0], "text": [-1, 0]}},
    ),
    row(
        "7-a-bare-blocker-is-spread-over-all-slots",
        {
            "x": node("BlockBoth"),
            "a": node("Show", value=["x", 0]),
            "b": node("Show", value=["x", 1]),
            "out": node("Show", value=1),
        },
        text=[1],
        calls={"x": 1, "a": 0, "b": 0},
    ),
    row(
        "7-a-dict-may-hold-ui-and-result",
        shown(x=node("ShowAndGive", value=4)),
        text=[4],
        shown={"x": {"text": [4], "sign": ["+"]}},
    ),
    row(
        "7-too-few-outputs-is-the-nodes-fault",
        shown(x=node("GiveOne")),
        failed={"x": "returned 1 outputs and declares 2"},
    ),
]


@pytest.mark.parametrize("row", ROWS)
async def test_row(stage: Stage, row: Row):
    await check(stage, row)

"""EXECUTOR.md section 8: a value that stops consumers."""

import pytest

from tests.server.spec.playing import Stage, node
from tests.server.spec.rows import Row, check, row

LIST = node("Numbers", count=4)


def gated(message: str | None, *, value: object = 5, **more: dict) -> dict:
    """A gate that is closed above 1, and what comes after it."""
    return {
        "gate": node("Gate", value=value, limit=1, message=message),  # type: ignore[arg-type]
        "x": node("Add", a=["gate", 0], b=10),
        "out": node("Show", value=["x", 0]),
        **more,
    }


ROWS = [
    row("8-an-open-gate-lets-through", gated("closed", value=1), text=[11]),
    row("8-none-is-silent", gated(None), calls={"gate": 1, "x": 0, "out": 0}),
    row("8-a-message-is-told-by-the-first-consumer", gated("closed"), calls={"x": 0}, told={("x", "closed"): 1}),
    row("8-an-empty-message-is-one-too", gated(""), told={("x", ""): 1}),
    row("8-execution-continues", gated("closed", other=node("Show", value=1)),
        shown={"other": {"text": [1]}}, told={("x", "closed"): 1}),
    row("8-downstream-gets-a-silent-blocker", gated("closed", y=node("Add", a=["x", 0]), s=node("Show", value=["y", 0])),
        calls={"y": 0, "s": 0}, told={("x", "closed"): 1}),
    row("8-each-consumer-tells", gated("closed", y=node("Add", a=["gate", 0]), s=node("Show", value=["y", 0])),
        told={("x", "closed"): 1, ("y", "closed"): 1}),
    row("8-other-list-elements-still-run", gated("closed", list=LIST, value=["list", 0]),
        text=[10, 11], calls={"gate": 4, "x": 2, "out": 2}, told={("x", "closed"): 1}),
    row("8-input-is-list-any-element-blocks", {
        "list": LIST,
        "gate": node("Gate", value=["list", 0], limit=1, message="closed"),
        "x": node("Total", values=["gate", 0]),
        "out": node("Show", value=["x", 0]),
    }, calls={"gate": 4, "x": 0}, told={("x", "closed"): 1}),
    row("8-all-outputs-are-blocked", {
        "gate": node("Gate", value=5, limit=1),
        "x": node("Pair", a=["gate", 0]),
        "one": node("Show", value=["x", 0]),
        "two": node("Show", value=["x", 1]),
    }, calls={"x": 0, "one": 0, "two": 0}),
    row("8-each-reason-is-told-once", {
        "list": LIST,
        "reasons": node("Reasons", count=["list", 0]),
        "x": node("Add", a=["reasons", 0]),
        "out": node("Show", value=["x", 0]),
    }, calls={"x": 0}, told={("x", "even"): 1, ("x", "odd"): 1}),
    row("8-a-blocked-element-does-not-ask-lazily", {
        "gate": node("Gate", value=5, limit=1),
        "a": node("Even", a=1),
        "x": node("Switch", pick=["gate", 0], a=["a", 0], b=["a", 0]),
        "out": node("Show", value=["x", 0]),
    }, calls={"a": 0, "x": 0}),
]  # fmt: skip


@pytest.mark.parametrize("row", ROWS)
async def test_row(stage: Stage, row: Row):
    await check(stage, row)


async def test_8_a_blocked_result_is_told_again_in_the_next_run(stage: Stage):
    for _ in range(2):
        played = await stage.play(gated("closed"))
        assert played.told == {("x", "closed"): 1}

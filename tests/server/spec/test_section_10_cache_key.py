"""EXECUTOR.md section 10: what is computed again, and what is not."""

import math
import os
import subprocess
import sys
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import pytest

from server.graph import signature
from server.graph.parse import parse_prompt
from tests.server.graph.small import SPECS, graph
from tests.server.spec.playing import Stage, node

BASE = {"one": node("Add", a=1), "x": node("Add", a=["one", 0], b=2), "out": node("Show", value=["x", 0])}
KEYS = """
from server.graph import signature
from server.graph.parse import parse_prompt
print(*signature.keys(parse_prompt({prompt!r}), {{}}, {{}}).values())
"""
PAIR = {"p": node("Pair", a=1), "out": node("Show", value=["p", 0])}


def with_x(*, type: str = "Add", **inputs: Any) -> dict:
    return {**BASE, "x": node(type, **{"a": ["one", 0], "b": 2, **inputs})}


# What is asked first, what then, and which nodes run the second time.
ROWS: Sequence[tuple[str, dict, dict, Sequence[str]]] = [
    ("10-nothing-changed", BASE, BASE, []),
    ("10-a-constant-of-an-ancestor", BASE, {**BASE, "one": node("Add", a=5)}, ["one", "x", "out"]),
    ("10-a-constant", BASE, with_x(b=3), ["x", "out"]),
    ("10-the-class-type", BASE, with_x(type="Tied"), ["x", "out"]),
    ("10-ids-are-absent", BASE,
     {"1": node("Add", a=1), "2": node("Add", a=["1", 0], b=2), "3": node("Show", value=["2", 0])}, []),
    ("10-another-workflow-hits-too", BASE,
     {"q": node("Add", a=1), "new": node("Add", a=["q", 0], b=9), "s": node("Show", value=["new", 0])}, ["new", "s"]),
    ("10-input-names-are-sorted", BASE, {**BASE, "x": node("Add", b=2, a=["one", 0])}, []),
    ("10-the-slot", PAIR, {**PAIR, "out": node("Show", value=["p", 1])}, ["out"]),
    ("10-undeclared-constants-count", BASE, with_x(note=1), ["x", "out"]),
    ("10-undeclared-links-count", {**BASE, "two": node("Add", a=2), **with_x(note=["two", 0])},
     {**BASE, "two": node("Add", a=3), **with_x(note=["two", 0])}, ["two", "x", "out"]),
    ("10-dicts-by-value", with_x(note={"a": [1, 2], "b": 3}), with_x(note={"b": 3, "a": [1, 2]}), []),
    ("10-lists-by-position", with_x(note={"a": [1, 2]}), with_x(note={"a": [2, 1]}), ["x", "out"]),
    ("10-wrapped-lists-by-value", with_x(note={"__value__": [1, 2, 3]}), with_x(note={"__value__": [1, 2, 4]}),
     ["x", "out"]),
    ("10-not-idempotent-same-id", with_x(type="Tied"), with_x(type="Tied"), []),
    ("10-not-idempotent-other-id", {"t": node("Tied", a=1), "out": node("Show", value=["t", 0])},
     {"u": node("Tied", a=1), "out": node("Show", value=["u", 0])}, ["u", "out"]),
    ("10-unique-id-same-id", {"t": node("TiedByUniqueId", a=1), "out": node("Show", value=["t", 0])},
     {"t": node("TiedByUniqueId", a=1), "out": node("Show", value=["t", 0])}, []),
    ("10-unique-id-other-id", {"t": node("TiedByUniqueId", a=1), "out": node("Show", value=["t", 0])},
     {"u": node("TiedByUniqueId", a=1), "out": node("Show", value=["u", 0])}, ["u", "out"]),
    ("10-is-changed-sent-by-a-client-is-ignored", BASE,
     {**BASE, "x": {**BASE["x"], "is_changed": [math.nan]}}, []),
    ("10-titles-do-not-count", BASE, {**BASE, "x": {**BASE["x"], "_meta": {"title": "Sum"}}}, []),
]  # fmt: skip


@pytest.mark.parametrize(("first", "second", "ran"), [row[1:] for row in ROWS], ids=[row[0] for row in ROWS])
async def test_row(stage: Stage, first: dict, second: dict, ran: Sequence[str]):
    await stage.play(first)
    played = await stage.play(second)
    assert played.order == list(ran)
    assert played.remembered == second.keys() - set(ran)


async def test_10_the_same_node_twice_in_a_prompt_is_computed_once(stage: Stage):
    twice = {
        **BASE,
        "one more": node("Add", a=1),
        "y": node("Add", a=["one more", 0], b=2),
        "out y": node("ShowAndGive", value=["y", 0]),
        "tied": node("Tied", a=1),
        "tied too": node("Tied", a=1),
        "out t": node("Total", values=["tied", 0], more=["tied too", 0]),
        "t": node("Show", value=["out t", 0]),
    }
    played = await stage.play(twice)
    assert played.good and (played.text(), played.text("out y")) == ([3], [3])
    assert played.calls["one"] + played.calls["one more"] == 1
    assert played.calls["x"] + played.calls["y"] == 1
    assert (played.calls["tied"], played.calls["tied too"]) == (1, 1)
    again = await stage.play(twice)
    assert not again.calls


# A node's change token in the first run and in the second, and whether the node runs again.
TOKENS: Sequence[tuple[str, object, object, bool]] = [
    ("10-equal-tokens", "hash", "hash", False),
    ("10-another-token", "hash", "other", True),
    ("10-true-equals-true", True, True, False),
    ("10-true-and-false", True, False, True),
    ("10-none-equals-none", None, None, False),
    ("10-an-exception-always-runs", OSError("gone"), OSError("gone"), True),
    ("10-nan-always-runs", math.nan, math.nan, True),
    ("10-nan-within-always-runs", ["a", {"b": math.nan}], ["a", {"b": math.nan}], True),
    ("10-a-text-that-holds-nan-does-not", {"name": "banana"}, {"name": "banana"}, False),
    ("10-lists-are-compared-by-equality", ["a", 1], ["a", 1], False),
    ("10-other-lists", ["a", 1], ["a", 2], True),
    ("10-bytes", b"\x00\xff", b"\x00\xff", False),
    ("10-an-object-that-equals-nothing", object(), object(), True),
]


@pytest.mark.parametrize(
    ("first", "second", "runs"), [row[1:] for row in TOKENS], ids=[row[0] for row in TOKENS]
)
async def test_change_token(stage: Stage, first: object, second: object, runs: bool):
    prompt = {"f": node("File", name="f"), "x": node("Add", a=["f", 0]), "out": node("Show", value=["x", 0])}
    stage.world.files["f"] = 3
    stage.world.tokens["f"] = first
    await stage.play(prompt)
    stage.world.tokens["f"] = second
    assert (await stage.play(prompt)).order == (["f", "x", "out"] if runs else [])


async def test_10_the_token_is_asked_once_per_prompt_with_constants_only(stage: Stage):
    stage.world.files["f"] = 3
    prompt: Mapping[str, Any] = {
        "f": node("File", name="f"),
        "g": node("File", name=["f", 0]),
        "a": node("Show", value=["f", 0]),
        "b": node("Show", value=["f", 0]),
        "c": node("Show", value=["g", 0]),
    }
    played = await stage.play(prompt)
    assert sorted(stage.world.asked) == ["f", "g"] and set(played.failed) == {"g"}, "3 names no file"
    assert stage.world.tokens == {}, "a link arrives as None, which names no token"


async def test_10_a_token_of_a_node_that_nobody_needs_is_not_asked(stage: Stage):
    await stage.play({"f": node("File", name="f"), "out": node("Show", value=1)})
    assert stage.world.asked == []


def test_10_the_nodes_code_is_in_the_key():
    """In the field an edit needs a restart."""
    built = graph(a=("Add", {"value": 1}))
    edited = {**SPECS, "Add": replace(SPECS["Add"], version="edited")}
    assert signature.keys(built, SPECS, {}) != signature.keys(built, edited, {})


async def test_10_a_raw_link_is_what_the_node_gets_so_the_id_counts(stage: Stage):
    await stage.play({"one": node("Add", a=1), "t": node("Told", raw=["one", 0])})
    played = await stage.play({"uno": node("Add", a=1), "t": node("Told", raw=["uno", 0])})
    assert played.shown["t"] == {"raw": [["uno", 0]]}


def test_10_keys_are_the_same_in_every_process():
    """So that results on the disk are found again."""
    told = subprocess.run(
        [sys.executable, "-c", KEYS.format(prompt=BASE)],
        env={**os.environ, "PYTHONHASHSEED": "7", "PYTHONPATH": os.pathsep.join(sys.path)},
        capture_output=True,
        text=True,
        check=True,
    )
    assert told.stdout.split() == list(signature.keys(parse_prompt(BASE), {}, {}).values())

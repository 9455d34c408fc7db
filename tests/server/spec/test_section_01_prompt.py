"""EXECUTOR.md section 1: what a prompt may hold, over HTTP."""

from collections.abc import Sequence
from typing import Any

import pytest

from tests.server.spec.asking import ask, post
from tests.server.spec.playing import node
from tests.serving import Server

ONE, PAIR = node("Add", a=1), node("Pair", a=1)

# Id, the value of Show's input, what is shown; `one` gives 1, `pair` gives -1 and the list 1, 2.
VALUES: Sequence[tuple[str, Any, list[Any]]] = [
    ("1-a-link-is-a-text-and-a-whole-number", ["one", 0], [1]),
    ("1-a-link-with-another-slot", ["pair", 1], [1, 2]),
    ("1-a-slot-may-be-a-float", ["pair", 1.0], [1, 2]),
    ("1-a-constant-number", 2.5, [2.5]),
    ("1-a-constant-text", "one", ["one"]),
    ("1-a-constant-object", {"a": ["one", 0]}, [{"a": ["one", 0]}]),
    ("1-null", None, [None]),
    ("1-true", True, [True]),
    ("1-a-wrapped-list-is-unwrapped", {"__value__": [1, 2, 3]}, [[1, 2, 3]]),
    ("1-a-wrapped-list-that-looks-like-a-link", {"__value__": ["one", 0]}, [["one", 0]]),
    (
        "1-a-wrapped-value-of-a-named-type",
        {"__type__": "CURVE", "__value__": [[0, 0], [1, 1]]},
        [[[0, 0], [1, 1]]],
    ),
    ("1-seeds-above-2^53-keep-every-digit", 2**64 - 1, [2**64 - 1]),
]


@pytest.mark.parametrize(("value", "shown"), [row[1:] for row in VALUES], ids=[row[0] for row in VALUES])
def test_value(server: Server, value: Any, shown: list[Any]):
    entry = server.run({"one": ONE, "pair": PAIR, "out": node("Show", value=value)})
    assert entry["outputs"] == {"out": {"text": shown}}


NO_LINKS: Sequence[tuple[str, list[Any]]] = [
    ("1-no-link-a-number-first", [1, 0]),
    ("1-no-link-a-text-second", ["one", "0"]),
    ("1-no-link-three-items", ["one", 0, 0]),
    ("1-no-link-one-item", ["one"]),
    ("1-no-link-empty", []),
]


@pytest.mark.parametrize("value", [row[1] for row in NO_LINKS], ids=[row[0] for row in NO_LINKS])
def test_a_list_that_is_no_link_needs_wrapping(server: Server, value: list[Any]):
    (error,) = ask(server, {"one": ONE, "out": node("Show", value=value)}).errors("out")
    assert (error["type"], error["extra_info"]["received_value"]) == ("bad_linked_input", value)


def test_1_raw_link_inputs_receive_the_link(server: Server):
    assert server.run({"one": ONE, "out": node("Told", raw=["one", 0])})["outputs"]["out"] == {
        "raw": [["one", 0]]
    }


def test_1_meta_is_kept_and_means_nothing(server: Server):
    titled = {**node("Show", value=1), "_meta": {"title": "Mine"}}
    entry = server.run({"out": titled})
    assert entry["prompt"][2] == {"out": titled} and entry["outputs"] == {"out": {"text": [1]}}


def test_1_undeclared_inputs_are_ignored_but_their_links_are_dependencies(server: Server):
    entry = server.run({"bad": node("Even", a=1), "out": node("Told", a=1, more=["bad", 0])})
    assert entry["status"]["status_str"] == "error" and entry["outputs"] == {}


def test_1_partial_execution_targets_are_the_only_seeds(server: Server):
    prompt = {
        "one": ONE,
        "a": node("Show", value=["one", 0]),
        "b": node("Show", value=2),
        "c": node("Show", value=3),
    }
    answer = ask(server, prompt, partial_execution_targets=["c", "a", "one", "nobody"])
    entry = server.ended(answer.body["prompt_id"])
    assert entry["outputs"].keys() == {"a", "c"} and entry["prompt"][4] == ["a", "c"]


NO_PROMPTS = [[], "text", 5, None, {"a": "text"}, {"a": []}, {"a": {"class_type": "Show", "inputs": []}}]


@pytest.mark.parametrize("prompt", NO_PROMPTS, ids=str)
def test_1_what_is_no_graph_is_refused(server: Server, prompt: Any):
    answer = post(server, {"prompt": prompt})
    assert (answer.status, answer.error["type"], answer.body["node_errors"]) == (400, "invalid_prompt", {})

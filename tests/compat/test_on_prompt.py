"""EXECUTOR.md section 2.1: packs' handlers see a posted prompt first. Over HTTP, with packs that do it well and badly."""

import time
from collections.abc import Iterator
from typing import Any

import pytest

from tests.compat.hosted import hosting
from tests.server.spec.asking import Answer, ask, post
from tests.serving import Server


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    with hosting(tmp_path_factory.mktemp("hosted"), "hosted", "hosted_later") as running:
        yield running


def posted(server: Server, *do: str) -> Answer:
    """A prompt whose handlers are to do this."""
    prompt = {"out": {"class_type": "Show", "inputs": {"value": "as it was sent"}}}
    return ask(server, prompt, extra_data={"do": list(do)})


def shown(server: Server, answer: Answer) -> tuple[Any, Any]:
    """What the node showed, and what lay beside the prompt."""
    assert answer.status == 200, answer.body
    entry = server.ended(answer.body["prompt_id"])
    return entry["outputs"]["out"]["text"], entry["prompt"][3]


def logged(server: Server, *parts: str) -> str:
    """The log, once all of these stand in it."""
    until = time.monotonic() + 20
    while time.monotonic() < until:
        log = server.get("/internal/logs")
        if all(part in log for part in parts):
            return log
        time.sleep(0.05)
    raise AssertionError(f"{parts} do not all stand in the log:\n{log}")


def test_2_1_what_handlers_change_is_stored_and_executed_in_their_order(server: Server):
    text, extra = shown(server, posted(server, "write"))
    assert text == ["written by a handler"] and extra["seen"] == ["first", "second"]


def test_2_1_what_handlers_change_is_what_is_validated(server: Server):
    answer = posted(server, "break")
    assert (answer.status, answer.error["type"]) == (400, "missing_node_type")


def test_2_1_handlers_that_change_nothing_leave_it_as_it_was(server: Server):
    assert shown(server, posted(server))[0] == ["as it was sent"]


def test_2_1_a_node_posted_with_the_change_token_nan_reaches_handlers_too(server: Server):
    prompt = {
        "out": {"class_type": "Show", "inputs": {"value": "as it was sent"}, "is_changed": [float("nan")]}
    }
    assert shown(server, ask(server, prompt, extra_data={"do": ["write"]}))[0] == ["written by a handler"]


@pytest.mark.parametrize(
    ("do", "words"),
    [("raise", "it went wrong"), ("nothing", "It returned NoneType"), ("garbage", "not JSON serializable")],
)
def test_2_1_a_handler_that_fails_is_logged_with_its_pack_and_undone(server: Server, do: str, words: str):
    assert shown(server, posted(server, do))[0] == ["as it was sent"]
    logged(server, words, "A prompt handler of hosted failed")


def test_2_1_the_next_handler_is_called_after_one_that_failed(server: Server):
    text, extra = shown(server, posted(server, "raise", "write", "late"))
    assert text == ["written by a handler"] and extra["seen"] == ["first"]
    logged(server, "too late", "A prompt handler of hosted_later failed")


def test_2_1_a_body_that_is_no_prompt_is_refused_as_ever(server: Server):
    assert post(server, b'{"prompt": ').status == 400
    assert post(server, b"[1]").status == 400
    assert post(server, {}).error["type"] == "no_prompt"


def test_2_1_a_handler_that_hangs_is_reported_once_and_not_asked_again(server: Server):
    started = time.monotonic()
    assert shown(server, posted(server, "hang", "write"))[0] == ["written by a handler"]
    assert time.monotonic() - started > 2.0, "it was waited for"
    logged(server, "A prompt handler of hosted did not answer within 2 seconds", "in hangs")
    assert shown(server, posted(server, "hang", "write"))[0] == ["written by a handler"]
    assert server.get("/internal/logs").count("did not answer within") == 1

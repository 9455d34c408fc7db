"""However a node dies, the error names it and its cause, what depends on it alone is lost, and the next job runs."""

import os
import uuid
from typing import Any

import aiohttp
import pytest

from tests.server.api.asking import history, prompt, queue, shown
from tests.server.api.listening import Ear, listening

posix = pytest.mark.skipif(os.name == "nt", reason="signals of POSIX")

# way to die, exception_type, words of the message
LIVING = [
    ("exception", "ValueError", "it does not fit"),
    ("keyboard", "KeyboardInterrupt", "Ctrl-C"),
    ("generator_exit", "GeneratorExit", "tell its author"),
    ("sys_exit", "SystemExit", "end the program"),
    ("mute", "tests.server.deaths.ways.Mute", "Mute"),
    ("unpicklable", "tests.server.deaths.ways.Unpicklable", "I hold a lock"),
    ("endless_words", "ValueError", "xxx"),
    ("surrogates", "ValueError", "31m"),
    ("recursion", "RecursionError", "calls itself without end"),
    ("memory_error", "MemoryError", "Out of memory"),
    ("asks_for_too_much", "MemoryError", "smaller picture"),
    ("card_full", "tests.server.deaths.ways.OutOfMemoryError", "20.00 GiB were asked for"),
    ("shows_opaque", "RuntimeError", "no words"),
    ("shows_itself", "nodes.spec.errors.NodeError", "contains itself"),
    ("shows_too_much", "nodes.spec.errors.NodeError", "95 MB to be shown"),
    ("shows_no_table", "nodes.spec.errors.NodeError", "a table of lists"),
    ("reads", "EOFError", "typed input"),
    ("broken_pipe", "BrokenPipeError", "ended before its time"),
]
DYING = [
    ("segfault", "native code (SIGSEGV)"),
    ("native_recursion", "native code (SIGSEGV)"),
    ("abort", "native code (SIGABRT)"),
    ("os_exit", "ended by itself (exit status 0)"),
    ("sigkill", "SIGKILL): most likely the machine ran out of memory"),
    ("sigterm", "from outside (SIGTERM)"),
    ("closes_pipes", "closed the pipe"),
]


def dying(way: str) -> dict[str, Any]:
    """A prompt whose node `d` dies, after `a`; `t` does not depend on it."""
    return prompt(
        a=("Say", {"text": way}), d=(f"Die.{way}", {"value": ["a", 0]}), s=("Show", {"value": ["d", 0]}),
        t=("Show", {"value": ["a", 0]}),
    )  # fmt: skip


async def death(http: aiohttp.ClientSession, way: str) -> tuple[dict[str, Any], dict[str, Any]]:
    """Run it; the error as the websocket told it, and the history."""
    async with listening(http, uuid.uuid4().hex) as ear:
        id = (await queue(http, dying(way), client_id=await sid(ear)))["prompt_id"]
        error = await ear.until("execution_error", prompt_id=id)
        return error, await history(http, id)


async def sid(ear: Ear) -> str:
    return (await ear.until("status"))["sid"]


async def next_job_runs(http: aiohttp.ClientSession) -> None:
    text = uuid.uuid4().hex
    entry = await history(http, (await queue(http, shown(text)))["prompt_id"])
    assert entry["status"]["status_str"] == "success"
    assert entry["outputs"]["b"] == {"text": [text]}


@pytest.mark.parametrize(("way", "kind", "words"), LIVING, ids=[way for way, *_ in LIVING])
async def test_what_a_node_raises_is_its_error_and_its_branch_alone_is_lost(http, way, kind, words):
    error, entry = await death(http, way)
    assert (error["node_id"], error["node_type"], error["exception_type"]) == ("d", f"Die.{way}", kind)
    assert words in error["exception_message"]
    assert len(error["exception_message"]) < 25_000
    assert entry["status"]["status_str"] == "error"
    assert entry["outputs"]["t"] == {"text": [way]}
    await next_job_runs(http)


@posix
@pytest.mark.parametrize(("way", "words"), DYING, ids=[way for way, _ in DYING])
async def test_a_node_that_ends_the_worker_is_named_with_cause_and_advice(http, way, words):
    error, entry = await death(http, way)
    assert (error["node_id"], error["node_type"], error["exception_type"]) == (
        "d",
        f"Die.{way}",
        "BackendLost",
    )
    message, _, advice = error["exception_message"].partition("\n")
    assert words in message
    assert "next job runs" in advice
    assert entry["status"]["status_str"] == "error"
    await next_job_runs(http)


@posix
async def test_a_crash_in_native_code_says_where(http):
    error, _ = await death(http, "segfault")
    assert any("ways.py" in line and "segfault" in line for line in error["traceback"])


def beside(waiting: str, computing: str) -> dict[str, Any]:
    """A prompt whose nodes `w` and `c` run at the same time."""
    return prompt(
        a=("Say", {"text": f"{waiting} {computing}"}),
        c=(f"Die.{computing}", {"value": ["a", 0]}), w=(f"Die.{waiting}", {"value": ["a", 0]}),
        s=("Show", {"value": ["c", 0]}), t=("Show", {"value": ["w", 0]}),
    )  # fmt: skip


@posix
async def test_of_two_nodes_that_run_at_once_the_one_that_crashed_is_named(http):
    entry = await history(http, (await queue(http, beside("async_segfault", "polite_loop")))["prompt_id"])
    ((_, error),) = [message for message in entry["status"]["messages"] if message[0] == "execution_error"]
    assert (error["node_id"], error["node_type"]) == ("w", "Die.async_segfault")
    assert "Beside it" not in error["exception_message"]
    entry = await history(http, (await queue(http, beside("async_sleep", "segfault")))["prompt_id"])
    ((_, error),) = [message for message in entry["status"]["messages"] if message[0] == "execution_error"]
    assert (error["node_id"], error["node_type"]) == ("c", "Die.segfault")
    await next_job_runs(http)


@posix
async def test_where_it_cannot_be_known_which_of_two_ended_the_worker_both_are_named(http):
    entry = await history(http, (await queue(http, beside("async_os_exit", "polite_loop")))["prompt_id"])
    ((_, error),) = [message for message in entry["status"]["messages"] if message[0] == "execution_error"]
    assert error["node_id"] == "c"
    assert "Beside it ran w (Die.async_os_exit)" in error["exception_message"]
    await next_job_runs(http)


@pytest.mark.parametrize(
    ("way", "seen"),
    [
        ("shows_nested", None),
        ("shows_nan", None),
        ("shows_lock", None),
        ("shows_surrogates", None),
        ("prints", None),
        ("closes_streams", None),
        ("talks", None),
    ],
)
async def test_what_only_looks_deadly_harms_nobody(http, way, seen):
    entry = await history(http, (await queue(http, dying(way)))["prompt_id"])
    assert entry["status"]["status_str"] == "success"
    await next_job_runs(http)


@posix
async def test_a_node_that_dies_when_asked_whether_it_changed_is_named(http):
    nodes = prompt(d=("Die.token_dies", {"value": "x"}), s=("Show", {"value": ["d", 0]}))
    entry = await history(http, (await queue(http, nodes))["prompt_id"])
    ((_, error),) = [message for message in entry["status"]["messages"] if message[0] == "execution_error"]
    assert (error["node_id"], error["node_type"]) == ("d", "Die.token_dies")
    assert "SIGSEGV" in error["exception_message"]
    await next_job_runs(http)


@posix
async def test_a_node_whose_check_ends_the_worker_is_refused_by_name(http):
    nodes = prompt(d=("Die.check_dies", {"value": "x"}), s=("Show", {"value": ["d", 0]}))
    async with http.post("/prompt", json={"prompt": nodes}) as answer:
        assert answer.status == 400
        (error,) = (await answer.json())["node_errors"]["d"]["errors"]
    assert "SIGSEGV" in error["details"]
    await next_job_runs(http)


async def test_out_of_memory_is_tried_once_more_after_models_and_results_were_let_go(http):
    entry = await history(http, (await queue(http, dying("card_full_once")))["prompt_id"])
    assert entry["status"]["status_str"] == "success"


@pytest.mark.parametrize("way", ["card_full", "model_too_large"])
async def test_out_of_memory_twice_says_what_was_held(http, way):
    error, _ = await death(http, way)
    assert "It was tried twice" in error["exception_message"]
    assert "Held when memory ran out: models: none; results: " in error["exception_message"]

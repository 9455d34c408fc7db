"""EXECUTOR.md section 13: the history entry, each statement a case, over a real server.

Where the issue asks for more than the field does: history outlives the server, and names every node that failed.
"""

import asyncio
from collections.abc import Callable
from pathlib import Path
from typing import Any

import aiohttp
import pytest

from tests.server.api.asking import get, history, prompt, queue
from tests.server.spec.telling import FACTORY, fresh, http, server, sid
from tests.serving import serving

__all__ = ["http", "server", "sid"]  # fixtures

Entry = dict[str, Any]
GOOD = prompt(a=("Say", {"text": "hi"}), b=("Show", {"value": ["a", 0]}))
PICTURE = prompt(a=("Save", {"side": 3, "filename_prefix": "p"}))
BAD = prompt(a=("Boom", {"text": ""}), b=("Show", {"value": ["a", 0]}))
BOTH = BAD | prompt(
    c=("Note", {"text": "c", "seconds": 0.0}), d=("Boom", {"text": "d"}), e=("Show", {"value": ["d", 0]})
)
MADE = prompt(a=("Countdown", {"n": 1}), b=("Show", {"value": ["a", 0]}))
BLOCKED = prompt(a=("Gate", {"value": 5, "limit": 1, "message": "no"}), b=("Show", {"value": ["a", 0]}))


def events(entry: Entry) -> list[str]:
    """The names of its messages."""
    return [name for name, _ in entry["status"]["messages"]]


ROWS: dict[str, tuple[dict[str, Any], Callable[[Entry], bool]]] = {
    "13-fields": (GOOD, lambda entry: entry.keys() == {"prompt", "outputs", "status", "meta"}),
    "13-outputs-by-node": (GOOD, lambda entry: entry["outputs"] == {"b": {"text": ["hi"]}}),
    "13-outputs-images-are-file-references": (
        PICTURE,
        lambda entry: (
            [image.keys() for image in entry["outputs"]["a"]["images"]] == [{"filename", "subfolder", "type"}]
            and entry["outputs"]["a"]["images"][0]["type"] == "output"
        ),
    ),
    "13-status-fields": (
        GOOD,
        lambda entry: entry["status"].keys() == {"status_str", "completed", "messages"},
    ),
    "13-status-success": (
        GOOD,
        lambda entry: (entry["status"]["status_str"], entry["status"]["completed"]) == ("success", True),
    ),
    "13-status-error": (
        BAD,
        lambda entry: (entry["status"]["status_str"], entry["status"]["completed"]) == ("error", False),
    ),
    "13-messages-of-success": (
        GOOD,
        lambda entry: events(entry) == ["execution_start", "execution_cached", "execution_success"],
    ),
    "13-messages-of-error": (
        BAD,
        lambda entry: events(entry) == ["execution_start", "execution_cached", "execution_error"],
    ),
    "13-messages-are-pairs-of-name-and-data": (
        GOOD,
        lambda entry: all(
            isinstance(name, str) and "prompt_id" in data and "timestamp" in data
            for name, data in entry["status"]["messages"]
        ),
    ),
    "13-messages-have-no-block": (
        BLOCKED,
        lambda entry: events(entry) == ["execution_start", "execution_cached", "execution_success"],
    ),
    "13-messages-have-one-error-of-several": (
        BOTH,
        lambda entry: (
            events(entry).count("execution_error") == 1
            and entry["status"]["messages"][-1][1]["node_id"] == "a"
        ),
    ),
    "13-meta-names-each-output": (
        GOOD,
        lambda entry: (
            entry["meta"]
            == {"b": {"node_id": "b", "display_node": "b", "parent_node": None, "real_node_id": "b"}}
        ),
    ),
    "13-outputs-of-other-branches-are-there-after-a-failure": (
        BOTH,
        lambda entry: entry["outputs"] == {"c": {"text": ["c"]}},
    ),
    "13-ours-failures-are-all-there-the-first-one-first": (
        BOTH,
        lambda entry: (
            [(failed["node"], failed["node_type"]) for failed in entry["failures"]]
            == [("a", "Boom"), ("d", "Boom")]
        ),
    ),
    "13-ours-no-failures-no-field": (MADE, lambda entry: "failures" not in entry),
}


@pytest.mark.parametrize(("nodes", "holds"), ROWS.values(), ids=ROWS)
async def test_an_entry(http, sid, nodes, holds):
    id = (await queue(http, fresh(nodes, sid), client_id=sid))["prompt_id"]
    entry = await history(http, id)
    assert holds(entry), entry


async def test_13_prompt_is_number_id_prompt_extra_data_and_outputs(http, sid):
    nodes = fresh(GOOD, sid)
    extra = {"extra_pnginfo": {"workflow": {"id": "w"}}}
    answer = await queue(http, nodes, client_id=sid, extra_data=extra)
    number, id, sent, more, outputs = (await history(http, answer["prompt_id"]))["prompt"]
    assert (number, id, sent, outputs) == (answer["number"], answer["prompt_id"], nodes, ["b"])
    assert more["extra_pnginfo"] == extra["extra_pnginfo"]
    assert more["client_id"] == sid
    assert isinstance(more["create_time"], int)


async def test_13_an_interrupted_run_has_the_status_error(http, sid):
    nodes = prompt(
        a=("Steps", {"total": 3000, "seconds": 0.005, "label": sid}), b=("Show", {"value": ["a", 0]})
    )
    id = (await queue(http, nodes))["prompt_id"]
    async with asyncio.timeout(20):
        while not (await get(http, "/queue"))["queue_running"]:
            await asyncio.sleep(0.01)
    await http.post("/interrupt", json={"prompt_id": id})
    entry = await history(http, id)
    assert (entry["status"]["status_str"], entry["status"]["completed"]) == ("error", False)
    assert events(entry)[-1] == "execution_interrupted"


async def test_13_what_cached_outputs_show_is_included(http, sid):
    nodes = prompt(a=("Add", {"a": 1, "b": 2, "label": sid}), b=("Show", {"value": ["a", 0]}))
    first = await history(http, (await queue(http, nodes))["prompt_id"])
    again = await history(http, (await queue(http, nodes))["prompt_id"])
    cached = dict(map(tuple, again["status"]["messages"]))["execution_cached"]["nodes"]
    assert "a" in cached
    assert again["outputs"] == first["outputs"] == {"b": {"text": ["3"]}}


async def test_13_the_last_ones_are_asked_for_by_number(http, sid):
    ids = [(await queue(http, fresh(GOOD, f"{sid}{index}")))["prompt_id"] for index in range(3)]
    for id in ids:
        await history(http, id)
    assert list(await get(http, "/history?max_items=2")) == ids[1:]
    assert list(await get(http, f"/history/{ids[0]}")) == [ids[0]]


async def test_13_ours_history_outlives_the_server(tmp_path: Path, sid):
    with serving(tmp_path, "--factory", FACTORY) as first:
        async with aiohttp.ClientSession(first.url) as http:
            id = (await queue(http, fresh(BOTH, sid)))["prompt_id"]
            before = await history(http, id)
    with serving(tmp_path, "--factory", FACTORY) as second:
        assert second.get(f"/history/{id}")[id] == before

"""EXECUTOR.md section 12: the websocket, each statement a case, over a real server.

Where the issue asks for more than the field does: `progress_state` is coalesced, other branches go on after a failure.
That nothing can be replayed is a limit of the field; `tests/server/api/test_numbered.py` has ours.
"""

import asyncio
import json
import struct
import time
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

import pytest

from tests.server.api.asking import history, prompt, queue
from tests.server.api.listening import FLAGS, Ear, listening
from tests.server.spec.telling import boards, fresh, http, server, sid, told

__all__ = ["http", "server", "sid"]  # fixtures

STEPS = prompt(a=("Steps", {"total": 2, "seconds": 0.05, "label": ""}), b=("Show", {"value": ["a", 0]}))
LONG = prompt(a=("Steps", {"total": 3000, "seconds": 0.005, "label": ""}), b=("Show", {"value": ["a", 0]}))
TALK = prompt(a=("Say", {"text": "hi"}), b=("Show", {"value": ["a", 0]}))
START = ("status 1", "status 1", "start", "cached")
END = ("status 0", "executing None")


@dataclass(frozen=True)
class Row:
    """One prompt and what is told of it, in order. `unordered`: these come in any order between the others."""

    nodes: dict[str, Any]
    middle: Sequence[str]
    last: str = "success"
    unordered: Sequence[str] = field(default=())


ORDER = {
    "12-order-3-to-8-per-step-progress-then-preview": Row(
        STEPS,
        [
            "executing a", "progress a 1/2", "frame 4", "progress a 2/2", "frame 4", "frame 3", "executing b",
            "executed b",
        ],
    ),
    "12-order-5-executed-only-where-there-is-ui": Row(TALK, ["executing a", "executing b", "executed b"]),
    "12-order-5-a-made-node-is-shown-on-its-maker": Row(
        prompt(a=("Countdown", {"n": 1}), b=("Show", {"value": ["a", 0]})),
        ["executing a", "executing a.1 on a", "executing b", "executed b"],
    ),
    "12-order-5-nodes-that-wait-overlap": Row(
        prompt(
            a=("Wait", {"seconds": 0.3, "value": 1}), b=("Wait", {"seconds": 0.3, "value": 2}),
            c=("Show", {"value": ["a", 0]}), d=("Show", {"value": ["b", 0]}),
        ),
        ["executing a", "executing b"],
        unordered=["executing c", "executed c", "executing d", "executed d"],
    ),
    "12-order-6-error": Row(
        prompt(a=("Boom", {"text": ""}), b=("Show", {"value": ["a", 0]})),
        ["executing a"],
        last="error a nodes.spec.errors.NodeError",
    ),
    "12-order-6-the-first-error-is-held-until-all-that-can-run-has-run": Row(
        prompt(
            a=("Boom", {"text": ""}), b=("Show", {"value": ["a", 0]}),
            c=("Note", {"text": "", "seconds": 0.0}), d=("Boom", {"text": "d"}), e=("Show", {"value": ["d", 0]}),
            f=("Note", {"text": "f", "seconds": 0.0}),
        ),
        [],
        last="error a nodes.spec.errors.NodeError",
        unordered=[
            "executing a", "executing c", "executed c", "executing d", "executing f", "executed f",
        ],
    ),
    "12-order-8-blocked-with-a-message-goes-on": Row(
        prompt(
            a=("Gate", {"value": 5, "limit": 1, "message": "closed"}), b=("Show", {"value": ["a", 0]}),
            c=("Note", {"text": "", "seconds": 0.0}),
        ),
        [],
        unordered=["executing a", "executing b", "error b ExecutionBlocked", "executing c", "executed c"],
    ),
}  # fmt: skip


async def heard_of(
    http: Any, sid: str, nodes: dict[str, Any], flags: dict | None = FLAGS, **more: Any
) -> tuple[str, Ear]:
    async with listening(http, sid, flags) as ear:
        if flags is not None:
            await ear.until("feature_flags")
        id, _ = await ear.job(http, fresh(nodes, sid), client_id=sid, **more)
        return id, ear


@pytest.mark.parametrize("row", ORDER.values(), ids=ORDER)
async def test_the_order_for_one_prompt(http, sid, row: Row):
    _, ear = await heard_of(http, sid, row.nodes)
    found = told(ear.heard)
    assert tuple(found[:4]) == START
    assert tuple(found[-3:]) == (row.last, *END)
    middle = found[4:-3]
    assert [words for words in middle if words in row.middle] == list(row.middle)
    assert sorted(words for words in middle if words not in row.middle) == sorted(row.unordered)


async def test_12_order_5_a_cached_output_is_executed_only(http, sid):
    nodes = prompt(a=("Save", {"side": 3, "filename_prefix": sid}))
    async with listening(http, sid) as ear:
        await ear.job(http, nodes, client_id=sid)
        again = prompt(b=("Say", {"text": sid}), c=("Show", {"value": ["b", 0]}))
        await ear.job(http, again, client_id=sid)
        _, heard = await ear.job(http, again, client_id=sid)
    words = told(heard)
    cached = words[3].split()[1:]
    assert "b" in cached
    assert "executing b" not in words
    assert words[-4] == "executed c"
    assert {entry["state"] for entry in boards(heard)[-1].values()} == {"finished"}


async def test_12_order_5_of_a_long_chain_no_node_speaks_before_its_turn(http, sid):
    nodes = {"n0": {"class_type": "Say", "inputs": {"text": sid}}}
    for index in range(1, 60):
        shows = {"total": 2, "seconds": 0.0, "label": [f"n{index - 1}", 0]}
        nodes[f"n{index}"] = {"class_type": "Steps", "inputs": shows}
    nodes["out"] = {"class_type": "Show", "inputs": {"value": ["n59", 0]}}
    _, ear = await heard_of(http, sid, nodes)
    words = [words for words in told(ear.heard) if words.startswith(("executing", "progress"))]
    expected = ["executing n0"]
    for index in range(1, 60):
        expected += [f"executing n{index}", f"progress n{index} 1/2", f"progress n{index} 2/2"]
    # A step that is over before it could be sent need not be.
    expected = [word for word in expected if word in words or not word.endswith(" 1/2")]
    assert words == [*expected, "executing out", "executing None"]


# --- connecting -------------------------------------------------------------------------------------------------------


async def greeted(http, sid) -> None:
    async with listening(http, sid) as ear:
        data = await ear.until("status")
    assert data == {"status": {"exec_info": {"queue_remaining": 0}}, "sid": sid}


async def replaced(http, sid) -> None:
    async with listening(http, sid) as old, listening(http, sid) as new:
        await old.until("status")
        await new.job(http, fresh(TALK, sid), client_id=sid)
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(old.socket.receive(), 0.1)


async def told_what_runs(http, sid) -> None:
    async with listening(http, sid) as ear:
        id = (await queue(http, fresh(LONG, sid), client_id=sid))["prompt_id"]
        await ear.until("progress")
    async with listening(http, sid) as ear:
        data = await ear.until("executing")
        await http.post("/interrupt", json={})
        await ear.until("executing", node=None)
    assert told(ear.heard)[:2] == ["status 1", "executing a"]
    assert data == {"node": "a", "display_node": "a", "prompt_id": id}


async def answered_first(http, sid) -> None:
    async with listening(http, sid, FLAGS) as ear:
        data = await ear.until("feature_flags")
    assert data["supports_preview_metadata"] is True
    assert isinstance(data["max_upload_size"], int)
    assert "supports_v4" in data["extension"]["manager"]


async def not_answered_second(http, sid) -> None:
    async with listening(http, sid) as ear:
        await ear.socket.send_json({"type": "something", "data": {}})
        await ear.socket.send_json({"type": "feature_flags", "data": FLAGS})
        await ear.job(http, fresh(TALK, sid), client_id=sid)
    assert "feature_flags" not in ear.types


CONNECTING = {
    "12-connect-status-with-sid": greeted,
    "12-connect-the-same-id-replaces-the-old-socket": replaced,
    "12-connect-executing-of-the-prompt-that-runs": told_what_runs,
    "12-connect-feature-flags-first-are-answered": answered_first,
    "12-connect-feature-flags-later-are-not": not_answered_second,
}


@pytest.mark.parametrize("check", CONNECTING.values(), ids=CONNECTING)
async def test_who_connects(http, sid, check: Callable[..., Awaitable[None]]):
    await check(http, sid)


# --- shapes -----------------------------------------------------------------------------------------------------------

ERROR = {
    "prompt_id", "node_id", "node_type", "executed", "exception_message", "exception_type", "traceback",
    "current_inputs", "current_outputs",
}  # fmt: skip
SHAPES = {
    "execution_start": (STEPS, {"prompt_id", "timestamp"}),
    "execution_cached": (STEPS, {"nodes", "prompt_id", "timestamp"}),
    "executing": (STEPS, {"node", "display_node", "prompt_id"}),
    "progress": (STEPS, {"value", "max", "prompt_id", "node"}),
    "executed": (STEPS, {"node", "display_node", "output", "prompt_id"}),
    "execution_success": (STEPS, {"prompt_id", "timestamp"}),
    "progress_state": (STEPS, {"prompt_id", "nodes"}),
    "execution_error": (
        prompt(a=("Boom", {"text": ""}), b=("Show", {"value": ["a", 0]})),
        ERROR | {"timestamp"},
    ),
    "ExecutionBlocked": (
        prompt(a=("Gate", {"value": 5, "limit": 1, "message": "no"}), b=("Show", {"value": ["a", 0]})),
        ERROR,
    ),
}


@pytest.mark.parametrize(
    ("kind", "nodes", "keys"), [(k, *v) for k, v in SHAPES.items()], ids=[f"12-shape-{k}" for k in SHAPES]
)
async def test_the_fields_of_each_message(http, sid, kind, nodes, keys):
    id, ear = await heard_of(http, sid, nodes)
    type = "execution_error" if kind == "ExecutionBlocked" else kind
    message = next(message for message in ear.heard if message["type"] == type)
    assert message.keys() == {"type", "data"}
    assert message["data"].keys() == keys
    assert message["data"]["prompt_id"] == id


async def test_12_shape_of_a_blocked_error(http, sid):
    _, ear = await heard_of(http, sid, SHAPES["ExecutionBlocked"][0])
    (data,) = (message["data"] for message in ear.heard if message["type"] == "execution_error")
    assert (data["exception_type"], data["exception_message"]) == (
        "ExecutionBlocked",
        "Execution Blocked: no",
    )
    assert (data["traceback"], data["current_inputs"], data["current_outputs"]) == ([], {}, [])


async def test_12_shape_of_an_error(http, sid):
    _, ear = await heard_of(http, sid, SHAPES["execution_error"][0])
    (data,) = (message["data"] for message in ear.heard if message["type"] == "execution_error")
    assert (data["node_id"], data["node_type"]) == ("a", "Boom")
    assert data["exception_message"] == "It broke.\nMend it."
    assert data["exception_type"] == "nodes.spec.errors.NodeError"
    assert all(isinstance(line, str) for line in data["traceback"])
    assert all(isinstance(values, list) for values in data["current_inputs"].values())


# --- progress_state ---------------------------------------------------------------------------------------------------


async def test_12_progress_state_has_all_nodes_that_are_not_pending(http, sid):
    id, ear = await heard_of(http, sid, STEPS)
    first, last = boards(ear.heard)[0], boards(ear.heard)[-1]
    assert first.keys() == {"a"}
    assert last.keys() == {"a", "b"}
    assert last["a"] == {
        "value": 2, "max": 2, "state": "finished", "node_id": "a", "prompt_id": id, "display_node_id": "a",
        "parent_node_id": None, "real_node_id": "a",
    }  # fmt: skip


async def test_12_progress_state_of_a_failed_node_says_error(http, sid):
    _, ear = await heard_of(http, sid, SHAPES["execution_error"][0])
    assert boards(ear.heard)[-1]["a"]["state"] == "error"


async def test_12_progress_state_of_a_made_node_names_its_maker(http, sid):
    nodes = prompt(a=("Countdown", {"n": 1}), b=("Show", {"value": ["a", 0]}))
    _, ear = await heard_of(http, sid, nodes)
    made = boards(ear.heard)[-1]["a.1"]
    assert (made["display_node_id"], made["parent_node_id"], made["real_node_id"]) == ("a", "a", "a")


@pytest.mark.parametrize("nodes", [STEPS, prompt(a=("Boom", {"text": ""}), b=("Show", {"value": ["a", 0]}))])
async def test_12_progress_state_is_told_a_last_time_before_the_jobs_last_message(http, sid, nodes):
    _, ear = await heard_of(http, sid, nodes)
    ends = next(
        index for index, kind in enumerate(ear.types) if kind in ("execution_success", "execution_error")
    )
    assert "progress_state" not in ear.types[ends:]
    assert {entry["state"] for entry in boards(ear.heard)[-1].values()} <= {"finished", "error"}


async def test_12_progress_state_comes_30_times_a_second_at_most(http, sid):
    started = time.monotonic()
    nodes = prompt(
        a=("Steps", {"total": 1500, "seconds": 0.0005, "label": ""}), b=("Show", {"value": ["a", 0]})
    )
    _, ear = await heard_of(http, sid, nodes)
    seconds = time.monotonic() - started
    assert ear.types.count("progress") > 100
    assert 2 <= len(boards(ear.heard)) <= 30 * seconds + 2


async def test_12_progress_state_never_runs_ahead(http, sid):
    nodes = prompt(
        **{f"n{index}": ("Note", {"text": f"{sid}{index}", "seconds": 0.01}) for index in range(30)}
    )
    _, ear = await heard_of(http, sid, nodes)
    begun, shown = set(), set()
    for message in ear.heard:
        if message["type"] == "executing" and message["data"]["node"]:
            begun.add(message["data"]["node"])
        elif message["type"] == "executed":
            shown.add(message["data"]["node"])
        elif message["type"] == "progress_state":
            states = {id: entry["state"] for id, entry in message["data"]["nodes"].items()}
            assert {id for id, state in states.items() if state == "finished"} <= shown
            assert len(states.keys() - begun) <= 1  # the one whose `executing` comes next


# --- who is told ------------------------------------------------------------------------------------------------------


async def test_12_without_a_client_id_only_the_board_is_told_and_to_all(http, sid):
    async with listening(http, sid) as one, listening(http, f"{sid}-2") as two:
        id = (await queue(http, fresh(STEPS, sid)))["prompt_id"]
        await history(http, id)
        for ear in (one, two):
            while ear.types.count("status") < 4:
                await ear.until("status")
            assert set(ear.types) == {"status", "progress_state"}
            assert boards(ear.heard)[-1].keys() == {"a", "b"}


async def test_12_an_interruption_is_told_to_all_also_without_a_client_id(http, sid):
    async with listening(http, sid) as ear:
        id = (await queue(http, fresh(LONG, sid)))["prompt_id"]
        await ear.until("progress_state")
        await http.post("/interrupt", json={"prompt_id": id})
        data = await ear.until("execution_interrupted")
    assert data.keys() == {"prompt_id", "node_id", "node_type", "executed", "timestamp"}
    assert (data["node_id"], data["node_type"], data["executed"]) == ("a", "Steps", [])


async def test_12_others_hear_nothing_of_a_clients_job(http, sid):
    async with listening(http, f"{sid}-2") as other:
        await heard_of(http, sid, TALK)
        while other.types.count("status") < 4:
            await other.until("status")
    assert set(other.types) == {"status"}


# --- binary messages --------------------------------------------------------------------------------------------------


def metadata(frame: bytes) -> tuple[int, dict[str, Any], bytes]:
    event, size = struct.unpack(">II", frame[:8])
    return event, json.loads(frame[8 : 8 + size]), frame[8 + size :]


async def test_12_binary_4_is_a_preview_with_metadata(http, sid):
    id, ear = await heard_of(http, sid, STEPS)
    event, data, picture = metadata(ear.frames[0])
    assert event == 4
    assert data == {
        "node_id": "a", "prompt_id": id, "display_node_id": "a", "parent_node_id": None, "real_node_id": "a",
        "image_type": "image/jpeg",
    }  # fmt: skip
    assert picture.startswith(b"\xff\xd8")


@pytest.mark.parametrize("flags", [None, {}, {"supports_preview_metadata": False}])
async def test_12_binary_1_is_a_preview_for_clients_that_do_not_know_metadata(http, sid, flags):
    _, ear = await heard_of(http, sid, STEPS, flags, extra_data={"preview_method": "latent2rgb"})
    assert struct.unpack(">II", ear.frames[0][:8]) == (1, 1)
    assert ear.frames[0][8:].startswith(b"\xff\xd8")


async def test_12_a_client_that_neither_asks_for_previews_nor_knows_them_gets_none(http, sid):
    _, ear = await heard_of(http, sid, STEPS, {})
    assert all(struct.unpack(">I", frame[:4]) == (3,) for frame in ear.frames)


async def test_12_binary_3_is_a_text_with_the_nodes_id(http, sid):
    _, ear = await heard_of(http, sid, STEPS, {})
    assert ear.frames[-1] == struct.pack(">II", 3, 1) + b"aall steps done"

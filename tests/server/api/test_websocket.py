"""What a websocket client is told, and in which order."""

import asyncio
import json
import struct
import uuid

import pytest

from tests.server.api.asking import history, prompt, queue, shown
from tests.server.api.listening import FLAGS, listening, steps


@pytest.fixture
def sid() -> str:
    return uuid.uuid4().hex


async def test_the_greeting_says_the_id_and_how_many_jobs_wait(http, sid):
    async with listening(http, sid) as ear:
        await ear.until("status")
    assert ear.heard == [
        {"type": "status", "data": {"status": {"exec_info": {"queue_remaining": 0}}, "sid": sid}}
    ]


async def test_a_client_without_an_id_is_given_one(http):
    async with http.ws_connect("/ws") as socket:
        assert len((await socket.receive_json())["data"]["sid"]) == 32


async def test_features_are_answered_only_to_who_declares_them_first(http, sid):
    async with listening(http, sid, FLAGS) as ear:
        data = await ear.until("feature_flags")
    assert data["supports_preview_metadata"] is True
    assert data["max_upload_size"] == 100 * 1024 * 1024
    async with http.get("/features") as answer:
        assert await answer.json() == data


async def test_the_order_of_a_jobs_messages(http, sid):
    async with listening(http, sid, FLAGS) as ear:
        await ear.until("feature_flags")
        id, heard = await ear.job(http, steps(sid), client_id=sid)
    step = ["progress", "frame 4"]
    assert [message["type"] for message in heard if message["type"] != "progress_state"] == [
        "status", "status", "execution_start", "execution_cached",
        "executing", *step, *step, "frame 3", "executing", "executed", "execution_success", "status", "executing",
    ]  # fmt: skip
    counts = [m["data"]["status"]["exec_info"]["queue_remaining"] for m in heard if m["type"] == "status"]
    assert counts == [1, 1, 0]
    by_type = {message["type"]: message.get("data") for message in heard}
    assert by_type["execution_cached"].keys() == {"nodes", "prompt_id", "timestamp"}
    assert by_type["progress"] == {"value": 2, "max": 2, "prompt_id": id, "node": "a"}
    assert by_type["executed"] == {
        "node": "b", "display_node": "b", "output": {"text": ["done"]}, "prompt_id": id,
    }  # fmt: skip
    assert by_type["progress_state"]["nodes"]["a"] == {
        "value": 2, "max": 2, "state": "finished", "node_id": "a", "prompt_id": id, "display_node_id": "a",
        "parent_node_id": None, "real_node_id": "a",
    }  # fmt: skip
    assert by_type["executing"] == {"node": None, "prompt_id": id}


async def test_previews_and_texts_are_framed_big_endian(http, sid):
    async with listening(http, sid, FLAGS) as ear:
        await ear.until("feature_flags")
        id, _ = await ear.job(http, steps(sid), client_id=sid)
    preview, *_, text = ear.frames
    kind, size = struct.unpack(">II", preview[:8])
    told = json.loads(preview[8 : 8 + size])
    assert (kind, told["node_id"], told["prompt_id"], told["image_type"]) == (4, "a", id, "image/jpeg")
    assert preview[8 + size :].startswith(b"\xff\xd8")
    assert text == struct.pack(">II", 3, 36) + id.encode() + struct.pack(">I", 1) + b"a" + b"all steps done"


async def test_a_client_that_says_nothing_gets_no_previews_unless_its_job_asks(http, sid):
    async with listening(http, sid) as ear:
        await ear.job(http, steps(sid), client_id=sid)
    assert ear.frames == [struct.pack(">II", 3, 1) + b"a" + b"all steps done"]


async def test_a_client_that_says_nothing_gets_plain_previews(http, sid):
    async with listening(http, sid) as ear:
        await ear.job(http, steps(sid), client_id=sid, extra_data={"preview_method": "auto"})
    assert struct.unpack(">II", ear.frames[0][:8]) == (1, 1)
    assert ear.frames[0][8:].startswith(b"\xff\xd8")
    assert ear.frames[-1] == struct.pack(">II", 3, 1) + b"a" + b"all steps done"


async def test_a_cached_output_is_told_again(http, sid):
    nodes = prompt(a=("Say", {"text": sid}), b=("Show", {"value": ["a", 0]}))
    async with listening(http, sid) as ear:
        await ear.job(http, nodes, client_id=sid)
        _, heard = await ear.job(http, nodes, client_id=sid)
    kinds = [message["type"] for message in heard]
    assert kinds[2:4] == ["execution_start", "execution_cached"]
    cached = next(message for message in heard if message["type"] == "execution_cached")
    assert "a" in cached["data"]["nodes"]
    assert "executed" in kinds


async def test_a_failure_says_node_type_message_and_what_to_do(http, sid):
    nodes = prompt(a=("Boom", {"text": ""}), b=("Show", {"value": ["a", 0]}))
    async with listening(http, sid) as ear:
        id, heard = await ear.job(http, nodes, client_id=sid)
    data = next(message["data"] for message in heard if message["type"] == "execution_error")
    assert (data["node_id"], data["node_type"], data["prompt_id"]) == ("a", "Boom", id)
    assert data["exception_message"] == "It broke.\nMend it."
    assert data.keys() == {
        "prompt_id", "node_id", "node_type", "executed", "exception_message", "exception_type", "traceback",
        "current_inputs", "current_outputs", "timestamp",
    }  # fmt: skip
    entry = await history(http, id)
    assert entry["status"]["status_str"] == "error"
    assert entry["status"]["messages"][-1] == ["execution_error", data]


async def test_stop_is_told_to_all(http, sid):
    nodes = steps(sid, 1000)
    async with listening(http, sid) as ear, listening(http, f"{sid}-other") as other:
        id = (await queue(http, nodes, client_id=sid))["prompt_id"]
        await ear.until("progress")
        async with http.post("/interrupt", json={"prompt_id": str(uuid.uuid4())}) as answer:
            assert answer.status == 200
        async with http.post("/interrupt", json={"prompt_id": id}) as answer:
            assert (answer.status, await answer.read()) == (200, b"")
        data = await other.until("execution_interrupted")
        assert data.keys() == {"prompt_id", "node_id", "node_type", "executed", "timestamp"}
        await ear.until("executing", node=None, prompt_id=id)
    assert set(other.types) == {"status", "execution_interrupted"}
    assert (await history(http, id))["status"]["completed"] is False


async def test_without_a_client_only_the_board_is_told(http, sid):
    async with listening(http, sid) as ear:
        id = (await queue(http, steps(sid)))["prompt_id"]
        await history(http, id)
        while ear.types.count("status") < 4:
            await ear.until("status")
    assert set(ear.types) == {"status", "progress_state"}


async def test_who_comes_back_hears_which_node_runs(http, sid):
    nodes = steps(sid, 1000)
    async with listening(http, sid) as ear:
        id = (await queue(http, nodes, client_id=sid))["prompt_id"]
        await ear.until("progress")
    async with listening(http, sid) as ear:
        await ear.until("executing")
        assert ear.heard[:2] == [
            {"type": "status", "data": {"status": {"exec_info": {"queue_remaining": 1}}, "sid": sid}},
            {"type": "executing", "data": {"node": "a", "display_node": "a", "prompt_id": id}},
        ]
        await http.post("/interrupt", json={})
        await ear.until("executing", node=None)


async def test_the_same_id_replaces_the_old_connection(http, sid):
    async with listening(http, sid) as old, listening(http, sid) as new:
        await old.until("status")
        _, heard = await new.job(http, shown("replaced"), client_id=sid)
        assert "executed" in [message["type"] for message in heard]
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(old.socket.receive(), 0.1)


@pytest.mark.parametrize(
    "first", ["", "{", "[]", "null", '{"type":"feature_flags"}', '{"type":1,"data":2}', "[" * 9999]
)
async def test_a_strange_first_message_does_no_harm(http, sid, first):
    async with listening(http, sid) as ear:
        await ear.socket.send_str(first)
        await ear.job(http, shown("strange"), client_id=sid)

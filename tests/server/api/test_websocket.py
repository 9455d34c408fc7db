"""What a websocket client is told, and in which order."""

import asyncio
import json
import struct
import uuid
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import aiohttp
import pytest

from tests.server.api.asking import history, prompt, queue, shown

HELLO = {
    "type": "feature_flags",
    "data": {"supports_preview_metadata": True, "supports_progress_text_metadata": True},
}


def steps(label: str, total: int = 2, seconds: float = 0.01) -> dict:
    """A prompt whose node `a` takes steps; another label makes it run anew."""
    taken = {"total": total, "seconds": seconds, "label": label}
    return prompt(a=("Steps", taken), b=("Show", {"value": ["a", 0]}))


class Ear:
    """A websocket that keeps what it hears."""

    def __init__(self, socket: aiohttp.ClientWebSocketResponse) -> None:
        self.socket = socket
        self.heard: list[dict] = []
        self.frames: list[bytes] = []

    async def until(self, type: str, **data: object) -> dict:
        """The next message of that type that holds these data."""
        async with asyncio.timeout(20):
            while True:
                message = await self.socket.receive()
                if message.type is aiohttp.WSMsgType.BINARY:
                    self.frames.append(message.data)
                    self.heard.append({"type": f"frame {struct.unpack('>I', message.data[:4])[0]}"})
                    continue
                assert message.type is aiohttp.WSMsgType.TEXT, message
                said = json.loads(message.data)
                self.heard.append(said)
                if said["type"] == type and data.items() <= said["data"].items():
                    return said["data"]

    async def job(self, http, nodes, **more) -> tuple[str, list[dict]]:
        """Queue a prompt; its id and all that is heard until it is over."""
        self.heard.clear()
        id = (await queue(http, nodes, **more))["prompt_id"]
        await self.until("executing", node=None, prompt_id=id)
        return id, list(self.heard)

    @property
    def types(self) -> list[str]:
        return [message["type"] for message in self.heard]


@asynccontextmanager
async def listening(
    http: aiohttp.ClientSession, sid: str, query: str = "", hello: bool = False
) -> AsyncIterator[Ear]:
    async with http.ws_connect(f"/ws?clientId={sid}{query}") as socket:
        ear = Ear(socket)
        if hello:
            await socket.send_json(HELLO)
        yield ear


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
    async with listening(http, sid, hello=True) as ear:
        data = await ear.until("feature_flags")
    assert data["supports_preview_metadata"] is True
    assert data["max_upload_size"] == 100 * 1024 * 1024
    async with http.get("/features") as answer:
        assert await answer.json() == data


async def test_the_order_of_a_jobs_messages(http, sid):
    async with listening(http, sid, hello=True) as ear:
        await ear.until("feature_flags")
        id, heard = await ear.job(http, steps(sid), client_id=sid)
    step = ["progress_state", "progress", "frame 4"]
    assert [message["type"] for message in heard] == [
        "status", "status", "execution_start", "execution_cached",
        "progress_state", "executing", *step, *step, "frame 3", "progress_state",
        "progress_state", "executing", "executed", "progress_state",
        "execution_success", "status", "executing",
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
    async with listening(http, sid, hello=True) as ear:
        await ear.until("feature_flags")
        id, _ = await ear.job(http, steps(sid), client_id=sid)
    preview, *_, text = ear.frames
    kind, size = struct.unpack(">II", preview[:8])
    told = json.loads(preview[8 : 8 + size])
    assert (kind, told["node_id"], told["prompt_id"], told["image_type"]) == (4, "a", id, "image/jpeg")
    assert preview[8 + size :].startswith(b"\xff\xd8")
    assert text == struct.pack(">II", 3, 36) + id.encode() + struct.pack(">I", 1) + b"a" + b"all steps done"


async def test_a_client_that_says_nothing_gets_plain_previews(http, sid):
    async with listening(http, sid) as ear:
        await ear.job(http, steps(sid), client_id=sid)
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


async def test_own_messages_say_how_each_node_fared_and_can_be_heard_again(http, sid):
    nodes = prompt(
        a=("Boom", {"text": ""}), b=("Show", {"value": ["a", 0]}), c=("Note", {"text": "x", "seconds": 0.0})
    )
    async with listening(http, sid, "&weft=1") as ear:
        _, heard = await ear.job(http, nodes, client_id=sid)
    told = [message["data"] for message in heard if message["type"] == "weft.node"]
    assert {(data["node"], data["state"]) for data in told} == {
        ("a", "running"), ("a", "failed"), ("c", "running"), ("c", "done"),
    }  # fmt: skip
    (failed,) = (data for data in told if data["state"] == "failed")
    assert failed["error"]["message"] == "It broke."
    assert failed["error"]["hint"] == "Mend it."
    first = told[0]["seq"]
    async with listening(http, sid, f"&after={first}") as ear:
        await ear.until("executing", node=None)
    again = [message["data"] for message in ear.heard if message["type"] == "weft.node"]
    assert again == told[1:]


async def test_a_number_of_another_life_replays_all(http, sid):
    async with listening(http, sid, "&weft=1") as ear:
        hello = await ear.until("weft.hello")
        await ear.job(http, shown(sid), client_id=sid)
    async with listening(http, sid, f"&after={hello['seq'] + 1_000_000}") as ear:
        assert (await ear.until("weft.hello"))["server"] == hello["server"]
        await ear.until("executing", node=None)
    assert "executed" in ear.types


@pytest.mark.parametrize(
    "first", ["", "{", "[]", "null", '{"type":"feature_flags"}', '{"type":1,"data":2}', "[" * 9999]
)
async def test_a_strange_first_message_does_no_harm(http, sid, first):
    async with listening(http, sid) as ear:
        await ear.socket.send_str(first)
        await ear.job(http, shown("strange"), client_id=sid)


async def test_a_client_that_never_reads_delays_nobody(http, sid):
    nodes = steps(sid, 5000, 0.0)
    async with listening(http, sid):
        id = (await queue(http, nodes, client_id=sid))["prompt_id"]
        entry = await history(http, id, 30)
    assert entry["status"]["status_str"] == "success"

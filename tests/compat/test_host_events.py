"""HOST_API.md section 3: what packs send to clients through `PromptServer.instance`, over a real websocket."""

import json
import struct
from collections.abc import AsyncIterator, Iterator
from typing import Any

import aiohttp
import pytest
import pytest_asyncio

from tests.compat.hosted import hosting
from tests.server.api.listening import FLAGS, Ear, listening
from tests.serving import Server


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    with hosting(tmp_path_factory.mktemp("hosted"), "hosted") as running:
        yield running


@pytest_asyncio.fixture
async def http(server: Server) -> AsyncIterator[aiohttp.ClientSession]:
    async with aiohttp.ClientSession(server.url) as session:
        yield session


async def told(http: aiohttp.ClientSession, marker: str, flags: Any = None) -> tuple[str, Ear, Ear]:
    """What the client heard that queued a run of the telling node, and what somebody else heard."""
    prompt = {"7": {"class_type": "HostedTells", "inputs": {"marker": marker}}}
    async with listening(http, f"mine {marker}", flags) as mine, listening(http, "other") as other:
        await other.until("status")
        await mine.until("status")
        body = {"prompt": prompt, "client_id": f"mine {marker}"}
        async with http.post("/prompt", json=body) as answer:
            job = (await answer.json())["prompt_id"]
        await mine.until("executing", node=None, prompt_id=job)
        await other.until("hosted.all")
        return job, mine, other


def data(ear: Ear, type: str) -> dict[str, Any]:
    return next(message["data"] for message in ear.heard if message["type"] == type)


async def test_an_event_goes_to_all_or_to_one_and_names_who_runs(http: aiohttp.ClientSession):
    job, mine, other = await told(http, "a")
    who = {"marker": "a", "client": "mine a", "node": "7", "prompt": job}
    assert data(mine, "hosted.all") == data(other, "hosted.all") == who
    assert data(mine, "hosted.one") == {"marker": "a"}
    assert "hosted.one" not in other.types
    assert "hosted.nobody" not in mine.types + other.types


async def test_events_keep_their_order_and_come_while_the_node_runs(http: aiohttp.ClientSession):
    _, mine, _ = await told(http, "b")
    wanted = ["executing", "hosted.all", "hosted.one", "frame 1", "frame 1", "frame 4", "frame 3", "executed"]
    heard = [type for type in mine.types if type in wanted]
    assert heard == [*wanted, "executing"]


async def test_pictures_go_as_bytes_as_they_are_or_encoded(http: aiohttp.ClientSession):
    _, mine, _ = await told(http, "c")
    raw, encoded, described, _ = mine.frames
    assert raw == struct.pack(">II", 1, 1) + b"jpeg"
    assert encoded[:16] == struct.pack(">II", 1, 2) + b"\x89PNG\r\n\x1a\n"
    assert struct.unpack(">II", encoded[24:32]) == (16, 8), "made smaller to the longest side asked for"
    (length,) = struct.unpack(">I", described[4:8])
    assert json.loads(described[8 : 8 + length]) == {"node_id": "x", "image_type": "image/jpeg"}
    assert described[8 + length :][:2] == b"\xff\xd8"


async def test_a_line_of_text_is_framed_as_the_client_understands_it(http: aiohttp.ClientSession):
    _, old, _ = await told(http, "d")
    assert old.frames[-1] == struct.pack(">II", 3, 1) + b"7" + b"a line"
    job, new, _ = await told(http, "e", FLAGS)
    head = struct.pack(">II", 3, len(job)) + job.encode() + struct.pack(">I", 1)
    assert new.frames[-1] == head + b"7" + b"a line"

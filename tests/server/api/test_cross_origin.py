"""Pages from elsewhere that the person let in."""

from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from pathlib import Path

import aiohttp
import pytest

from server.app import Server
from server.config import Config
from tests.server.small_nodes import FACTORY

STUDIO = "https://studio.example"
Serve = Callable[[str], AbstractAsyncContextManager[aiohttp.ClientSession]]


@pytest.fixture
def serve(tmp_path: Path) -> Serve:
    @asynccontextmanager
    async def run(cors: str) -> AsyncIterator[aiohttp.ClientSession]:
        server = Server(Config(workspace=tmp_path, port=0, factory=FACTORY, cors=cors))
        async with aiohttp.ClientSession(await server.start()) as http:
            yield http
        await server.close()

    return run


async def test_every_page_may_when_none_is_named_but_it_gets_no_cookies(serve):
    async with serve("*") as http:
        for origin in (STUDIO, "null"):
            async with http.post("/interrupt", json={}, headers={"Origin": origin}) as answer:
                assert answer.status == 200
                assert answer.headers["Access-Control-Allow-Origin"] == "*"
                assert "Access-Control-Allow-Credentials" not in answer.headers
        async with http.ws_connect("/ws", headers={"Origin": STUDIO}) as socket:
            assert (await socket.receive_json())["type"] == "status"
        async with http.get("/prompt", headers={"Host": "evil.example"}) as answer:
            assert answer.status == 403  # who may ask is one thing, what we are called another


async def test_one_named_origin_may_and_no_other(serve):
    async with serve(STUDIO) as http:
        async with http.get("/nothing", headers={"Origin": STUDIO}) as answer:
            assert answer.status == 404
            assert answer.headers["Access-Control-Allow-Origin"] == STUDIO
            assert answer.headers["Access-Control-Allow-Credentials"] == "true"
        for origin in (
            "https://evil.example",
            "http://studio.example",
            "https://studio.example.evil.example",
            "null",
        ):
            async with http.post("/queue", json={"clear": True}, headers={"Origin": origin}) as answer:
                assert answer.status == 403, origin
                assert "Access-Control-Allow-Origin" not in answer.headers


async def test_a_browser_may_ask_before(serve):
    asked = {"Origin": STUDIO, "Access-Control-Request-Method": "POST"}
    async with serve(STUDIO) as http:
        async with http.options("/api/prompt", headers=asked) as answer:
            assert answer.status == 204
            assert "POST" in answer.headers["Access-Control-Allow-Methods"]
            assert "content-type" in answer.headers["Access-Control-Allow-Headers"].lower()
        async with http.options("/api/prompt", headers=asked | {"Origin": "https://evil.example"}) as answer:
            assert answer.status == 403

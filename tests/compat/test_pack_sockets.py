"""Websockets that packs answer: under the server's address, after its checks, as the pack's handler means them."""

import asyncio
from collections.abc import AsyncIterator, Iterator
from typing import Any

import aiohttp
import pytest
import pytest_asyncio
from aiohttp import WSMsgType

from tests.compat.hosted import hosting
from tests.serving import Server


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    with hosting(tmp_path_factory.mktemp("sockets"), "sockets") as running:
        yield running


@pytest_asyncio.fixture
async def http(server: Server) -> AsyncIterator[aiohttp.ClientSession]:
    async with aiohttp.ClientSession(server.url) as session:
        yield session


async def ended(http: aiohttp.ClientSession, count: int) -> list[int]:
    """Codes with which the handlers of so many echoes ended, at least."""
    async with asyncio.timeout(60):
        while True:
            async with http.get("/sockets/ended") as answer:
                codes = await answer.json()
            if len(codes) >= count:
                return codes
            await asyncio.sleep(0.02)


async def so_far(http: aiohttp.ClientSession) -> int:
    return len(await ended(http, 0))


@pytest.mark.parametrize("prefix", ["", "/api"])
async def test_text_and_bytes_go_there_and_back(http: aiohttp.ClientSession, prefix: str):
    async with http.ws_connect(f"{prefix}/sockets/echo?a=1%202", headers={"Cookie": "own=x"}) as socket:
        told = await socket.receive_json()
        assert (told["query"], told["cookies"]) == ({"a": "1 2"}, {"own": "x"})
        assert told["host"] == str(http._base_url.authority)  # type: ignore[union-attr]
        for _ in range(3):
            await socket.send_str("wörld")
            await socket.send_bytes(bytes(range(256)) * 4000)
            assert await socket.receive_str() == "WÖRLD"
            assert await socket.receive_bytes() == (bytes(range(256)) * 4000)[::-1]


async def test_the_protocol_is_the_one_that_the_pack_chose(http: aiohttp.ClientSession):
    async with http.ws_connect("/sockets/echo", protocols=("first", "third")) as socket:
        assert socket.protocol == "first"
    async with http.ws_connect("/sockets/echo", protocols=("third",)) as socket:
        assert socket.protocol is None


async def test_a_code_of_the_packs_reaches_the_client(http: aiohttp.ClientSession):
    async with http.ws_connect("/sockets/echo") as socket:
        await socket.receive()
        await socket.send_str("close 4007")
        last = await socket.receive()
        assert (last.type, last.data, last.extra) == (WSMsgType.CLOSE, 4007, "as asked")
    async with http.ws_connect("/sockets/goes") as socket:
        last = await socket.receive()
        assert (last.type, last.data) == (WSMsgType.CLOSE, 1000)


async def test_a_code_of_the_clients_reaches_the_pack(http: aiohttp.ClientSession):
    before = await so_far(http)
    async with http.ws_connect("/sockets/echo") as socket:
        await socket.receive()
        await socket.close(code=4321)
    assert (await ended(http, before + 1))[-1] == 4321


async def test_a_client_that_vanishes_ends_the_packs_side(http: aiohttp.ClientSession):
    before = await so_far(http)
    socket = await http.ws_connect("/sockets/echo")
    await socket.receive()
    socket._response.connection.transport.abort()  # type: ignore[union-attr]
    assert (await ended(http, before + 1))[-1] == 1001


async def test_a_ping_of_the_packs_asks_the_client_itself(http: aiohttp.ClientSession):
    async with http.ws_connect("/sockets/pings", autoping=False) as socket:
        asked = await socket.receive()
        assert (asked.type, asked.data) == (WSMsgType.PING, b"there?")
        await socket.pong(b"here")
        assert await socket.receive_json() == ["PONG", "here"]


async def test_a_message_is_as_large_as_the_handler_takes(http: aiohttp.ClientSession):
    async with http.ws_connect("/sockets/echo", max_msg_size=0) as socket:
        await socket.receive()
        await socket.send_str("large 6000000")
        assert len(await socket.receive_bytes()) == 6_000_000
        await socket.send_bytes(bytes(5 << 20))
        last = await socket.receive()
        assert (last.type, last.data) == (WSMsgType.CLOSE, 1009)


async def test_many_at_once_do_not_mix(http: aiohttp.ClientSession):
    async def one(name: str) -> list[str]:
        async with http.ws_connect("/sockets/echo") as socket:
            await socket.receive()
            for index in range(20):
                await socket.send_str(f"{name}{index}")
            return [await socket.receive_str() for _ in range(20)]

    for name, told in zip("abcdefgh", await asyncio.gather(*map(one, "abcdefgh")), strict=True):
        assert told == [f"{name.upper()}{index}" for index in range(20)]


async def test_a_handler_that_raises_ends_its_own_and_is_in_the_packs_report(
    http: aiohttp.ClientSession, server: Server
):
    async with http.ws_connect("/sockets/echo") as other:
        await other.receive()
        async with http.ws_connect("/sockets/fails") as socket:
            await socket.send_str("home")
            last = await socket.receive()
            assert (last.type, last.data) == (WSMsgType.CLOSE, 1011)
        await other.send_str("on")
        assert await other.receive_str() == "ON"
    before = await so_far(http)
    async with http.ws_connect("/sockets/strict") as socket:
        await socket.send_str("so")
        assert await socket.receive_str() == "so"
    await ended(http, before + 1)
    report = next(one for one in await asyncio.to_thread(packs, server) if one["name"] == "sockets")
    assert report["ok"] is True and "strict" not in report["error"]["message"]
    assert "GET /sockets/fails failed: LookupError: nobody home." in report["error"]["message"]
    assert any("raise LookupError" in line for line in report["error"]["traceback"])


def packs(server: Server) -> Any:
    return server.get("/api/weft/packs")


@pytest.mark.parametrize(
    ("path", "status"),
    [
        ("/sockets/forbids", 403),
        ("/sockets/plain", 400),
        ("/sockets/detour", 400),
        ("/sockets/nothing", 404),
        ("/queue", 200),
    ],
)
async def test_what_is_no_websocket_says_so(http: aiohttp.ClientSession, path: str, status: int):
    with pytest.raises(aiohttp.WSServerHandshakeError) as refused:
        await http.ws_connect(path)
    assert refused.value.status == status


@pytest.mark.parametrize(
    "headers", [{"Origin": "http://elsewhere.example"}, {"Host": "elsewhere.example"}], ids=["page", "name"]
)
async def test_other_pages_are_kept_out(http: aiohttp.ClientSession, headers: dict[str, str]):
    with pytest.raises(aiohttp.WSServerHandshakeError) as refused:
        await http.ws_connect("/sockets/echo", headers=headers)
    assert refused.value.status == 403


async def test_a_worker_that_dies_says_to_come_back_and_coming_back_works(
    http: aiohttp.ClientSession, server: Server
):
    kill = {"class_type": "Kill", "inputs": {"text": ""}}
    show = {"class_type": "Show", "inputs": {"value": ["1", 0]}}
    async with http.ws_connect("/sockets/echo") as socket:
        await socket.receive()
        async with http.post("/prompt", json={"prompt": {"1": kill, "2": show}}) as answer:
            job = (await answer.json())["prompt_id"]
        last = await socket.receive()
        assert (last.type, last.data) == (WSMsgType.CLOSE, 1012)
    await asyncio.to_thread(server.ended, job)
    async with http.ws_connect("/sockets/echo") as socket:
        await socket.receive()
        await socket.send_str("again")
        assert await socket.receive_str() == "AGAIN"

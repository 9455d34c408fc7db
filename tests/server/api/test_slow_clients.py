"""Clients that read slowly or not at all: nobody waits for them, and they cost little memory."""

import asyncio
import json
import socket
import uuid
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any

import aiohttp
import pytest
from aiohttp import web

from nodes.spec import Preview
from server.api.listeners import Patience
from server.api.messages import Picture, Words
from server.api.outbox import MANY, PICTURES, STATES, Outbox
from server.api.websocket import Hub
from server.events import (
    Bus,
    JobEnded,
    JobStarted,
    JobSucceeded,
    NodeDone,
    NodeProgressed,
    NodeStarted,
    Place,
)
from tests.server.api.asking import history, prompt, queue
from tests.server.api.listening import Ear, listening, steps

SID = "slow"
LONG = "x" * 100_000


def at(node: str) -> Place:
    return Place(node, node, node)


def drain(outbox: Outbox) -> list[Any]:
    found = []
    while (message := outbox.take()) is not None:
        found.append(message)
    return found


# --- the outbox -------------------------------------------------------------------------------------------------------


def test_a_newer_picture_of_a_node_takes_the_older_ones_turn_away():
    outbox = Outbox()
    for index in range(5):
        outbox.put(Picture("j", at("a"), Preview(bytes([index]))))
        outbox.put(Words("executed", {"node": str(index)}))
    found = drain(outbox)
    assert [message.data["node"] for message in found if isinstance(message, Words)] == list("01234")
    assert [message.preview.data for message in found if isinstance(message, Picture)] == [b"\4"]
    assert isinstance(found[-2], Picture)


def test_all_progress_is_sent_while_few_wait_and_the_newest_when_many_do():
    outbox = Outbox()
    for value in range(10 * MANY):
        outbox.put(Words("progress", {"value": value}, "j/a/progress"))
    values = [message.data["value"] for message in drain(outbox)]
    assert values[:MANY] == list(range(MANY))
    assert values[-1] == 10 * MANY - 1
    assert len(values) <= MANY + 2


def test_pictures_are_bounded_in_bytes():
    outbox = Outbox()
    for index in range(20):
        outbox.put(Picture("j", at(str(index)), Preview(bytes(PICTURES // 4))))
    assert [message.place.node for message in drain(outbox)] == ["16", "17", "18", "19"]


def test_states_are_never_dropped_until_it_is_overfull():
    outbox = Outbox()
    count = STATES // len(LONG) - 1
    for index in range(count):
        outbox.put(Words("executed", {"node": index, "text": LONG}))
        outbox.put(Picture("j", at("a"), Preview(bytes(1000))))
    assert not outbox.overfull
    assert sum(isinstance(message, Words) for message in drain(outbox)) == count
    for index in range(count + 2):
        outbox.put(Words("executed", {"node": index, "text": LONG}))
    assert outbox.overfull
    assert drain(outbox) == []


def test_what_is_told_again_may_be_as_long_as_it_is():
    outbox = Outbox()
    for index in range(2 * STATES // len(LONG)):
        outbox.put(Words("executed", {"node": index, "text": LONG}), again=True)
    assert not outbox.overfull


# --- real sockets -----------------------------------------------------------------------------------------------------


@asynccontextmanager
async def hub_at(bus: Bus, patience: Patience) -> AsyncIterator[aiohttp.ClientSession]:
    """A hub behind a real socket, and a client for it."""
    hub = Hub(bus, lambda: 0, {}, patience)

    async def listen(request: web.Request) -> web.WebSocketResponse:
        answer = web.WebSocketResponse()
        await answer.prepare(request)
        await hub.connect(answer, request.query["clientId"], request.transport)
        return answer

    app = web.Application()
    app.add_routes([web.get("/ws", listen)])
    runner = web.AppRunner(app, shutdown_timeout=1)
    await runner.setup()
    listener = socket.create_server(("127.0.0.1", 0))
    listener.setsockopt(
        socket.SOL_SOCKET, socket.SO_SNDBUF, 1 << 16
    )  # the system's own grow to what it likes
    await web.SockSite(runner, listener).start()
    serving = asyncio.create_task(hub.serve())
    async with aiohttp.ClientSession(f"http://127.0.0.1:{runner.addresses[0][1]}") as http:
        yield http
    await hub.close()
    serving.cancel()
    await asyncio.gather(serving, return_exceptions=True)
    await runner.cleanup()


async def until(true: Callable[[], bool], seconds: float = 20) -> None:
    async with asyncio.timeout(seconds):
        while not true():
            await asyncio.sleep(0.01)


async def raw(http: aiohttp.ClientSession, flags: dict) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
    """A bare socket that says hello and then reads nothing: its small buffer is soon full."""
    port = http._base_url.port
    reader, writer = await asyncio.open_connection("127.0.0.1", port, limit=1 << 12)
    writer.write(
        f"GET /ws?clientId={SID} HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
        "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n\r\n".encode()
    )
    await reader.readuntil(b"\r\n\r\n")
    text = json.dumps({"type": "feature_flags", "data": flags}).encode()
    mask = bytes(4)  # a client must mask; zeros change nothing
    writer.write(bytes([0x81, 0x80 | len(text)]) + mask + text)
    await writer.drain()
    return reader, writer


def run_of(bus: Bus, nodes: int) -> None:
    """The events of a job whose nodes show long texts."""
    bus.publish(JobStarted("j", 0), SID)
    for index in range(nodes):
        place = at(str(index))
        bus.publish(NodeStarted("j", place), SID)
        bus.publish(NodeProgressed("j", place, 1, 1, Preview(bytes(10_000))), SID)
        bus.publish(NodeDone("j", place, {"text": [f"{index}{LONG}"]}), SID)
    bus.publish(JobSucceeded("j", 0), SID)
    bus.publish(JobEnded("j"), SID)


@pytest.mark.parametrize("flags", [{}, {"weft_events": True}])
async def test_a_client_that_does_not_read_is_cut_off_when_too_much_waits(flags):
    bus = Bus()
    async with hub_at(bus, Patience()) as http:
        _, writer = await raw(http, flags)
        await asyncio.sleep(0.1)  # so that its flags are read first
        run_of(bus, 300)  # 30 MB: more than the buffers between us and the outbox hold
        await until(lambda: _reset(writer))
        writer.close()


async def test_a_client_that_takes_nothing_for_long_is_cut_off():
    bus = Bus()
    async with hub_at(bus, Patience(stalled=0.5)) as http:
        _, writer = await raw(http, {})
        run_of(bus, 70)  # 7 MB: less than may wait
        await until(lambda: _reset(writer))
        writer.close()


async def test_it_comes_back_with_its_number_and_hears_the_rest():
    bus = Bus()
    async with hub_at(bus, Patience()) as http:
        async with listening(http, SID, {"weft_events": True}) as ear:
            hello = await ear.agreed()
            run_of(bus, 120)  # while we do not read
            await asyncio.sleep(0.2)
            heard = await _all(ear)
        position = {"server": hello["server"], "seq": ear.last}
        async with listening(http, SID, {"weft_events": position}) as ear:
            assert (await ear.agreed())["resumed"] is True
            await ear.until("executing", node=None)
            heard += ear.heard
    shown = [message["data"]["node"] for message in heard if message["type"] == "executed"]
    assert list(dict.fromkeys(shown)) == [str(index) for index in range(120)]


async def test_quiet_lines_are_pinged():
    async with (
        hub_at(Bus(), Patience(quiet=0.05)) as http,
        http.ws_connect("/ws?clientId=q", autoping=False) as quiet,
    ):
        await quiet.receive()
        assert (await quiet.receive(timeout=10)).type is aiohttp.WSMsgType.PING


async def test_a_client_that_never_reads_delays_nobody(http):
    sid = uuid.uuid4().hex
    async with listening(http, sid):
        id = (await queue(http, steps(sid, 5000, 0.0), client_id=sid))["prompt_id"]
        entry = await history(http, id, 30)
    assert entry["status"]["status_str"] == "success"


async def test_long_texts_of_many_nodes_reach_a_client_that_reads(http):
    sid = uuid.uuid4().hex
    long = LONG[:30_000]
    nodes = prompt(
        **{f"n{index}": ("Note", {"text": f"{index}{long}", "seconds": 0.0}) for index in range(30)}
    )
    async with listening(http, sid) as ear:
        _, heard = await ear.job(http, nodes, client_id=sid)
    assert sum(message["type"] == "executed" for message in heard) == 30


def _reset(writer: asyncio.StreamWriter) -> bool:
    """Whether the other side ended it: writing fails then."""
    if not writer.transport.is_closing():
        writer.write(b"\x8a\x80\0\0\0\0")  # an empty pong
    return writer.transport.is_closing()


async def _all(ear: Ear) -> list[dict]:
    """What was on its way to a client when it was cut off."""
    while True:
        message = await ear.socket.receive()
        if message.type is not aiohttp.WSMsgType.TEXT:
            if message.type is aiohttp.WSMsgType.BINARY:
                continue
            return ear.heard
        ear.heard.append(json.loads(message.data))
        if ear.heard[-1]["type"] == "executing":
            return ear.heard

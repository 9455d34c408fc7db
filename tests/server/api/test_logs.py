"""The log is there for clients: what the server says, the worker, and what packs print."""

import asyncio
import logging
import sys
import threading
import uuid

import aiohttp

from server.api.logs import KEPT, LogBook
from server.backends.printed import Printed
from tests.server.api.asking import get, history, prompt, queue
from tests.server.small_nodes import FACTORY
from tests.serving import serving


async def shout(http, text: str) -> None:
    """Let a node in the worker print a line."""
    id = (await queue(http, prompt(a=("Shout", {"text": text}))))["prompt_id"]
    await history(http, id)


async def lines(http) -> list[str]:
    return [entry["m"] for entry in (await get(http, "/internal/logs/raw"))["entries"]]


async def test_what_a_pack_prints_is_in_the_log(http):
    text = uuid.uuid4().hex
    await shout(http, text)
    async with asyncio.timeout(10):
        while f"{text}\n" not in await lines(http):
            await asyncio.sleep(0.02)
    assert f" - {text}\n" in await get(http, "/internal/logs")
    told = await get(http, "/internal/logs/raw")
    assert told["size"].keys() == {"cols", "rows"} and told["entries"][-1].keys() == {"t", "m"}


async def test_who_subscribes_hears_new_lines_until_it_has_enough(http):
    text, client = uuid.uuid4().hex, uuid.uuid4().hex
    async with http.ws_connect(f"/ws?clientId={client}") as socket:
        async with http.patch(
            "/internal/logs/subscribe", json={"enabled": True, "clientId": client}
        ) as answer:
            assert answer.status == 200
        await shout(http, text)
        async with asyncio.timeout(10):
            while (message := await socket.receive_json())["type"] != "logs" or text not in str(message):
                pass
        assert {"m": f"{text}\n"}.items() <= message["data"]["entries"][-1].items()
        async with http.patch(
            "/internal/logs/subscribe", json={"enabled": False, "clientId": client}
        ) as answer:
            assert answer.status == 200
        await shout(http, "unheard")
        await http.post("/queue", json={"clear": True})
        seen: list[str] = []
        with_end = prompt(a=("Show", {"value": "end"}))
        await queue(http, with_end, client_id=client)
        async with asyncio.timeout(10):
            while "execution_success" not in seen:
                seen.append((await socket.receive_json())["type"])
        assert "logs" not in seen


async def test_a_long_log_is_cut_at_its_old_end_and_told_in_few_messages():
    told: list[int] = []
    book = LogBook(lambda clients, type, data: told.append(len(data["entries"])))
    book.open()
    book.subscribe("me", enabled=True)
    try:
        for index in range(2 * KEPT):
            logging.getLogger("weft.worker").info("line %d", index)
        async with asyncio.timeout(10):
            while not told:
                await asyncio.sleep(0.01)
    finally:
        book.shut()
    entries = book.whole()["entries"]
    assert (len(entries), entries[-1]["m"]) == (KEPT, f"line {2 * KEPT - 1}\n")
    assert len(told) <= 2


async def test_what_a_node_prints_in_a_thread_of_the_server_is_in_the_log_too(tmp_path):
    with serving(tmp_path / "workspace", "--factory", FACTORY, "--backend", "thread") as server:
        async with aiohttp.ClientSession(server.url) as http:
            text = uuid.uuid4().hex
            await shout(http, text)
            async with asyncio.timeout(10):
                while f"{text}\n" not in await lines(http):
                    await asyncio.sleep(0.02)
            assert not [line for line in await lines(http) if server.url in line], (
                "what the server says is no node's"
            )


async def test_lines_of_threads_are_not_mixed_and_the_stream_comes_back(caplog):
    before, printed = sys.stdout, Printed("stdout")
    barrier = threading.Barrier(2)

    def chat(name: str) -> None:
        for part in (f"{name} one ", f"{name} two\n", f"{name} three\r"):
            barrier.wait(10)
            print(part, end="")

    printed.open()
    try:
        with caplog.at_level(logging.INFO, "weft.worker"):
            print("the main thread's")
            await asyncio.gather(*(asyncio.to_thread(chat, name) for name in "ab"))
    finally:
        printed.close()
    assert sys.stdout is before
    said = sorted(record.message for record in caplog.records if record.name == "weft.worker")
    assert said == ["a one a two", "a three", "b one b two", "b three"]

"""The database cannot be written: nothing is lost, the server lives, and the message says what to do.

The database is held to a number of pages, which is what a full disk looks like to SQLite.
"""

import asyncio
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any

import aiohttp
import pytest

from server.app import Server
from server.config import Config
from server.jobs.job import State
from tests.server.api.asking import get, history, queue, shown
from tests.server.small_nodes import FACTORY

PAGES = 60  # of 4096 bytes
LARGE = "x" * 300_000  # bytes: more than all pages hold


@pytest.fixture
async def weft(tmp_path: Path) -> AsyncIterator[tuple[Server, aiohttp.ClientSession]]:
    server = Server(Config(workspace=tmp_path, port=0, factory=FACTORY, database_pages=PAGES))
    url = await server.start()
    async with aiohttp.ClientSession(url) as http:
        yield server, http
    await server.close()


async def until(what: Callable[[], Any], seconds: float = 60) -> None:
    async with asyncio.timeout(seconds):
        while not await what():
            await asyncio.sleep(0.02)


async def refused(http: aiohttp.ClientSession, path: str, body: Any) -> str:
    async with http.post(path, json=body) as answer:
        assert answer.status == 507, await answer.text()
        error = (await answer.json())["error"]
    assert error["type"] == "disk_full"
    return error["message"]


def grown(text: str) -> dict[str, Any]:
    """A small prompt whose outputs are large: what it says is said very often."""
    nodes: dict[str, Any] = {"a": {"class_type": "Say", "inputs": {"text": text * 200}}}
    for index in range(300):
        nodes[f"s{index}"] = {"class_type": "Show", "inputs": {"value": ["a", 0]}}
    return nodes


async def test_a_prompt_that_cannot_be_kept_is_refused_and_the_next_one_runs(weft):
    _, http = weft
    body = {"prompt": shown("x"), "extra_data": {"extra_pnginfo": {"text": LARGE}}}
    assert "Free some space" in await refused(http, "/prompt", body)
    assert await get(http, "/prompt") == {"exec_info": {"queue_remaining": 0}}
    id = (await queue(http, shown("small")))["prompt_id"]
    assert (await history(http, id))["status"]["status_str"] == "success"


async def test_how_a_job_went_is_kept_until_there_is_room_and_then_written_by_itself(weft):
    server, http = weft
    id = (await queue(http, grown("y" * 10)))["prompt_id"]
    entry = await history(http, id)
    assert len(entry["outputs"]) == 300
    assert (await get(http, f"/api/jobs/{id}"))["status"] == "completed"
    assert [job["status"] for job in (await get(http, "/api/jobs"))["jobs"]] == ["completed"]
    assert (await server._store.get(id)).state is State.RUNNING
    following = (await queue(http, shown("z")))["prompt_id"]
    assert (await history(http, following))["status"]["status_str"] == "success"
    await server._store._database.do(lambda db: db.execute("PRAGMA max_page_count = 100000").fetchone())

    async def written() -> bool:
        return (await server._store.get(id)).state is State.COMPLETED

    await until(written)
    assert (await history(http, id)) == entry


async def test_what_was_refused_once_is_written_when_the_server_closes(tmp_path: Path):
    config = Config(workspace=tmp_path, port=0, factory=FACTORY, database_pages=PAGES)
    server = Server(config)
    url = await server.start()
    async with aiohttp.ClientSession(url) as http:
        id = (await queue(http, grown("w" * 10)))["prompt_id"]
        entry = await history(http, id)
        await server._store._database.do(lambda db: db.execute("PRAGMA max_page_count = 100000").fetchone())
    await server.close()
    server = Server(Config(workspace=tmp_path, port=0, factory=FACTORY))
    url = await server.start()
    async with aiohttp.ClientSession(url) as http:
        assert await history(http, id) == entry  # it did not run again
        assert await get(http, "/prompt") == {"exec_info": {"queue_remaining": 0}}
    await server.close()


async def test_a_job_that_the_store_still_takes_for_running_can_be_forgotten(weft):
    server, http = weft
    id = (await queue(http, grown("v" * 10)))["prompt_id"]
    await history(http, id)
    async with http.post("/history", json={"delete": [id]}) as answer:
        assert answer.status == 200
    assert await get(http, f"/history/{id}") == {}
    assert await server._store.get(id) is None

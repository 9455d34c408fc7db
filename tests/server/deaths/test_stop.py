"""Stop ends everything: what listens, at once; what does not, with its worker, and then the queue goes on."""

import asyncio
import os
import time
import uuid

import aiohttp
import pytest

from tests.server.api.asking import history, prompt, queue, shown
from tests.server.api.listening import listening

GRACE = 5  # seconds without a sign of life
posix = pytest.mark.skipif(os.name == "nt", reason="calls POSIX's sleep")


def hanging(way: str) -> dict:
    return prompt(
        a=("Say", {"text": way}), d=(f"Die.{way}", {"value": ["a", 0]}), s=("Show", {"value": ["d", 0]})
    )


async def stopped(http: aiohttp.ClientSession, nodes: dict) -> tuple[dict, float]:
    """Start it, press Stop once node `d` runs; the interruption as it was told, and how long it took."""
    async with listening(http, uuid.uuid4().hex) as ear:
        sid = (await ear.until("status"))["sid"]
        id = (await queue(http, nodes, client_id=sid))["prompt_id"]
        last = (await queue(http, shown(id)))["prompt_id"]
        await ear.until("executing", node="d", prompt_id=id)
        await asyncio.sleep(0.2)
        asked = time.monotonic()
        async with http.post("/interrupt") as answer:
            assert answer.status == 200
        told = await ear.until("execution_interrupted", prompt_id=id)
        took = time.monotonic() - asked
        assert (await history(http, last))["status"]["status_str"] == "success", "what waited behind it runs"
        return told, took


async def test_a_loop_that_reports_stops_at_once(http):
    told, took = await stopped(http, hanging("polite_loop"))
    assert (told["node_id"], told["node_type"]) == ("d", "Die.polite_loop")
    assert took < GRACE


@pytest.mark.parametrize(
    "way",
    ["loop", pytest.param("native_block", marks=posix), "lock", "async_loop", "swallows_stop"],
)
async def test_what_does_not_listen_is_ended_after_a_while_without_progress(http, way):
    told, took = await stopped(http, hanging(way))
    assert (told["node_id"], told["node_type"]) == ("d", f"Die.{way}")
    assert GRACE - 0.5 < took < 3 * GRACE

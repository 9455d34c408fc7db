"""The largest seed comes back to the digit from everywhere: routes, websocket, the database, the command line."""

import asyncio
import json
import sqlite3
from pathlib import Path
from typing import Any

import aiohttp
import pytest

from server.cli import main
from tests.server.api.asking import get, history, prompt, queue
from tests.server.seed_nodes import FACTORY
from tests.serving import serving

LARGEST = 0xFFFFFFFFFFFFFFFF
BEYOND = (2**53 + 1, 2**63, LARGEST - 1, LARGEST)
DIGITS = str(LARGEST)
SLOW = prompt(
    a=("Steps", {"total": 5000, "seconds": 0.02, "label": ""}),
    b=("Show", {"value": ["a", 0]}),
)


def shown(seed: Any) -> dict[str, Any]:
    return prompt(a=("Seed", {"seed": seed}), b=("Show", {"value": ["a", 0]}))


async def heard(socket: aiohttp.ClientWebSocketResponse, job: str) -> list[str]:
    """All that is said of a job, as it came over the wire."""
    lines: list[str] = []
    async for message in socket:
        if message.type is aiohttp.WSMsgType.TEXT and job in message.data:
            lines.append(message.data)
            if json.loads(message.data)["type"] in ("execution_success", "execution_error"):
                return lines
    raise AssertionError(lines)


async def text(http: aiohttp.ClientSession, path: str) -> str:
    async with http.get(path) as answer:
        assert answer.status == 200
        return await answer.text()


async def test_the_largest_seed_passes_the_api_and_a_restart(tmp_path: Path):
    workflow = {"nodes": [{"id": 1, "widgets_values": [LARGEST, "fixed"]}]}
    extra = {"extra_pnginfo": {"workflow": workflow}}
    with serving(tmp_path, "--factory", FACTORY) as server:
        async with aiohttp.ClientSession(server.url) as http, http.ws_connect("/ws?clientId=me") as socket:
            slow = (await queue(http, SLOW))["prompt_id"]
            asked = await queue(http, shown(LARGEST), client_id="me", extra_data=extra)
            job = asked["prompt_id"]
            assert (await text(http, "/queue")).count(DIGITS) == 2  # the prompt's and the workflow's
            async with http.post("/interrupt", json={"prompt_id": slow}):
                pass
            said = await asyncio.wait_for(heard(socket, job), 60)
            assert any(DIGITS in line for line in said if '"executed"' in line)
            await history(http, job)
            before = await text(http, f"/history/{job}")
            assert before.count(DIGITS) == 3  # and the shown one
            assert (await text(http, f"/api/jobs/{job}")).count(DIGITS) == 3
    kept = sqlite3.connect(tmp_path / "user" / "weft.db")
    try:
        assert any(DIGITS in line for line in kept.iterdump())
    finally:
        kept.close()
    with serving(tmp_path, "--factory", FACTORY) as server:
        async with aiohttp.ClientSession(server.url) as http:
            assert await text(http, f"/history/{job}") == before
            assert (await get(http, f"/history/{job}"))[job]["prompt"][2] == shown(LARGEST)


@pytest.mark.parametrize("seed", BEYOND)
@pytest.mark.parametrize("form", ["prompt", "set", "text"])
def test_a_seed_passes_the_command_line(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], seed: int, form: str
):
    file = tmp_path / "prompt.json"
    file.write_text(json.dumps(shown({"prompt": seed, "set": 1, "text": str(seed)}[form])))
    change = ("--set", f"a.seed={seed}") if form == "set" else ()
    place = ("--workspace", str(tmp_path), "--factory", FACTORY, "--backend", "thread")
    assert main(["run", str(file), "--json", *change, *place]) == 0
    result = json.loads(capsys.readouterr().out.splitlines()[-1])
    assert result["data"]["outputs"]["b"]["text"] == [str(seed)]


def test_one_beyond_the_largest_is_refused(tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    file = tmp_path / "prompt.json"
    file.write_text(json.dumps(shown(LARGEST + 1)))
    place = ("--workspace", str(tmp_path), "--factory", FACTORY, "--backend", "thread")
    assert main(["run", str(file), *place]) == 2
    assert "bigger than max" in capsys.readouterr().err

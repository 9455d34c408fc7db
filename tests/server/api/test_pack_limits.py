"""What a pack may do is said over HTTP, by the person's own page; canvases hear when packs' files are edited."""

import asyncio
import json
from collections.abc import AsyncIterator, Coroutine
from pathlib import Path
from typing import Any

import aiohttp
import pytest

from server.app import Server
from server.config import Config
from server.pack_limits import LimitsKept
from server.trust import Trust
from tests.server.api.listening import listening
from tests.server.small_nodes import FACTORY

ELSEWHERE = {"Origin": "https://studio.example"}
USUAL = {"apart": False, "network": True, "writes": []}


@pytest.fixture
def pack(tmp_path: Path) -> Path:
    folder = tmp_path / "custom_nodes" / "my pack.é"
    (folder / "web").mkdir(parents=True)
    (folder / "__init__.py").write_text("NODE_CLASS_MAPPINGS = {}\n")
    (folder / "web" / "say.js").write_text("1;\n")
    return folder


@pytest.fixture
async def http(tmp_path: Path, pack: Path) -> AsyncIterator[aiohttp.ClientSession]:
    kept, trust = (
        LimitsKept(tmp_path / "user" / "pack_limits.json"),
        Trust(tmp_path / "user" / "trusted.json"),
    )
    server = Server(Config(workspace=tmp_path, port=0, factory=FACTORY, cors="*", limits=kept, trust=trust))
    async with aiohttp.ClientSession(await server.start()) as session:
        yield session
    await server.close()


async def put(
    http: aiohttp.ClientSession, body: Any, name: str = "my pack.é", **more: Any
) -> tuple[int, Any]:
    async with http.put(f"/api/weft/packs/{name}/limits", json=body, **more) as answer:
        return answer.status, await answer.json()


async def test_limits_are_kept_and_packs_are_loaded_anew_for_them(http, tmp_path: Path):
    (tmp_path / "given").mkdir()
    wanted = {"apart": True, "network": False, "writes": [str(tmp_path / "given")]}
    told = {"name": "my pack.é", **wanted}
    assert await put(http, wanted) == (200, {**told, "restarting": True})
    assert await put(http, wanted) == (200, {**told, "restarting": False})  # as it was: nobody need wait
    assert json.loads((tmp_path / "user" / "pack_limits.json").read_text()) == {"my pack.é": wanted}
    assert (await put(http, USUAL))[0] == 200
    assert json.loads((tmp_path / "user" / "pack_limits.json").read_text()) == {}


@pytest.mark.parametrize(
    ("body", "what"),
    [
        ({}, "Limits are an object"),
        ([], "Limits are an object"),
        ({**USUAL, "apart": "yes"}, "Limits are an object"),
        ({**USUAL, "writes": [7]}, "Limits are an object"),
        ({**USUAL, "writes": ["there"]}, "no whole path"),
        ({**USUAL, "writes": ["WORK/missing"]}, "There is no folder"),
        ({**USUAL, "writes": ["/"]}, "holds the user data of Weft"),
        ({**USUAL, "writes": ["WORK"]}, "holds the user data of Weft"),
        ({**USUAL, "writes": ["WORK/user"]}, "holds the user data of Weft"),
    ],
)
async def test_what_makes_no_sense_is_refused_in_words(http, tmp_path: Path, body: Any, what: str):
    told = json.loads(json.dumps(body).replace("WORK", str(tmp_path)))
    status, answer = await put(http, told)
    assert (status, what in answer["error"]["message"]) == (400, True), answer
    assert not (tmp_path / "user" / "pack_limits.json").exists()


async def test_a_pack_that_is_not_there_has_none(http):
    assert (await put(http, USUAL, name="nobody"))[0] == 404


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("PUT", "/api/weft/packs/my pack.é/limits"),
        ("POST", "/api/weft/packs/my pack.é/trust"),
        ("DELETE", "/api/weft/packs/my pack.é/trust"),
    ],
)
async def test_pages_that_are_let_in_from_elsewhere_say_nothing_of_packs(
    http, tmp_path, method: str, path: str
):
    wanted = {**USUAL, "network": False}
    async with http.request(method, path, json=wanted, headers=ELSEWHERE) as answer:
        assert (answer.status, "Only the page of Weft" in (await answer.json())["error"]["message"]) == (
            403,
            True,
        )
    assert not (tmp_path / "user" / "pack_limits.json").exists()


async def test_canvases_hear_of_edited_files(http, pack: Path):
    async with listening(http, "ear") as ear:
        await ear.until("status")
        heard = await while_editing(pack / "__init__.py", ear.until("weft_packs"))
        assert heard == {"edited": ["my pack.é"], "waiting": [], "scripts": []}
        heard = await while_editing(pack / "web" / "say.js", ear.until("weft_packs", edited=[]))
        assert heard == {"edited": [], "waiting": [], "scripts": ["my pack.é"]}


async def while_editing(file: Path, heard: Coroutine[Any, Any, Any]) -> Any:
    """What is heard while somebody saves a file again and again: the first look only sees what there is."""
    waits = asyncio.create_task(heard)
    for number in range(100):
        file.write_text(f"number = {number}\n")
        done, _ = await asyncio.wait([waits], timeout=1.0)
        if done:
            break
    return await waits

"""A pack's file is edited and the next run uses it: no new worker, no job lost, nothing piles up."""

import asyncio
import sys
from collections.abc import Iterator
from pathlib import Path

import aiohttp
import pytest

from tests.serving import Server, serving

FACTORY = "tests.server.small_nodes:build_with_packs"
INIT = """
import os
from server import PromptServer, web
from .inner import VALUE, MORE

BALLAST = bytearray(200_000)  # a leak of modules would show

@PromptServer.instance.routes.get("/edited/value")
async def value(request):
    return web.json_response(VALUE)

@PromptServer.instance.routes.get("/edited/open")
async def open_socket(request):
    socket = web.WebSocketResponse()
    await socket.prepare(request)
    await socket.send_json(VALUE)
    async for _ in socket:
        pass
    return socket

class Edited:
    INPUT_TYPES = classmethod(lambda cls: {"required": {"at": ("INT", {"default": 0, "max": 1 << 30})}})
    RETURN_TYPES, FUNCTION, CATEGORY, OUTPUT_NODE = (), "go", "edited", True
    def go(self, at):
        from .late import LATE
        with open("/proc/self/statm" if os.path.exists("/proc/self/statm") else os.devnull) as file:
            held = int((file.read().split() or [0, 0])[1]) * 4096
        return {"ui": {"text": [f"{VALUE} {LATE} {os.getpid()} {held}"]}}

NODE_CLASS_MAPPINGS = {"Edited": Edited, **{f"Edited{each}": Edited for each in MORE}}
"""


class Pack:
    """A pack in a workspace, which is edited."""

    def __init__(self, work: Path) -> None:
        self.folder = work / "custom_nodes" / "edited"
        self.folder.mkdir(parents=True)
        (self.folder / "__init__.py").write_text(INIT)
        self.edit(0)

    def edit(self, value: int, more: tuple[str, ...] = (), rest: str = "") -> None:
        """As editors save: another file takes the name. Text of the same length, so that only its time tells."""
        inner = f"VALUE = int('{value:06}')\nMORE = {more!r}\n{rest}"
        for name, content in (("inner", inner), ("late", f"LATE = int('{value:06}')\n")):
            new = self.folder / f"{name}.new"
            new.write_text(content)
            new.replace(self.folder / f"{name}.py")


@pytest.fixture(scope="module")
def edited(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Pack, Server]]:
    work = tmp_path_factory.mktemp("edited")
    pack = Pack(work)
    with serving(work, "--factory", FACTORY) as server:
        server.get("/object_info")
        yield pack, server


def asked(server: Server, at: int = 0, kind: str = "Edited") -> list[int]:
    entry = server.run({"1": {"class_type": kind, "inputs": {"at": at}}})
    assert entry["status"]["status_str"] == "success", entry["status"]["messages"]
    return [int(word) for word in entry["outputs"]["1"]["text"][0].split()]


def test_the_next_run_uses_an_edited_file_in_the_same_worker(edited: tuple[Pack, Server]):
    pack, server = edited
    first = asked(server)
    pack.edit(7, more=("More",))
    then = asked(server)
    assert (first[:2], then[:2]) == ([0, 0], [7, 7])
    assert first[2] == then[2]  # the same process
    assert asked(server, kind="EditedMore")[0] == 7
    assert server.get("/edited/value") == 7
    pack.edit(8)
    assert "EditedMore" not in server.get("/object_info")
    assert asked(server)[0] == 8


def test_a_file_that_cannot_be_imported_leaves_what_was_there(edited: tuple[Pack, Server]):
    pack, server = edited
    pack.edit(9)
    assert asked(server)[0] == 9
    pack.edit(10, rest="this is no Python\n")
    assert asked(server, at=1)[0] == 9
    (report,) = [one for one in server.get("/api/weft/packs") if one["name"] == "edited"]
    assert report["ok"] and "what was there before is still used" in report["error"]["message"]
    assert server.get("/edited/value") == 9
    pack.edit(11)
    assert asked(server)[0] == 11
    (report,) = [one for one in server.get("/api/weft/packs") if one["name"] == "edited"]
    assert report["error"] is None


async def test_a_websocket_of_an_edited_pack_ends_and_the_next_one_is_the_edited_packs(
    edited: tuple[Pack, Server],
):
    pack, server = edited
    pack.edit(12)
    await asyncio.to_thread(asked, server)
    async with aiohttp.ClientSession(server.url) as http:
        async with http.ws_connect("/edited/open") as socket:
            assert await socket.receive_json() == 12
            pack.edit(13)
            await asyncio.to_thread(asked, server)
            last = await socket.receive()
            assert (last.type, last.data) == (aiohttp.WSMsgType.CLOSE, 1012)
        async with http.ws_connect("/edited/open") as socket:
            assert await socket.receive_json() == 13


def under_load(pack: Pack, server: Server, edits: int) -> list[list[int]]:
    """Edit again and again while jobs run and wait; what each of them saw."""
    jobs: list[str] = []
    for number in range(1000, 1000 + edits):
        pack.edit(number)
        for more in range(2):
            prompt = {"1": {"class_type": "Edited", "inputs": {"at": 2 * number + more}}}
            jobs.append(server.post("/prompt", {"prompt": prompt})["prompt_id"])
    seen: list[list[int]] = []
    for number, job in enumerate(jobs):
        entry = server.ended(job)
        assert entry["status"]["status_str"] == "success", entry["status"]["messages"]
        seen.append([int(word) for word in entry["outputs"]["1"]["text"][0].split()])
        assert seen[-1][0] >= 1000 + number // 2  # as the file was when it was queued, or later
    assert [one[0] for one in seen] == sorted(one[0] for one in seen)
    assert seen[-1][0] == 1000 + edits - 1
    assert len({one[2] for one in seen}) == 1
    return seen


def test_ten_edits_under_load_lose_no_job(edited: tuple[Pack, Server]):
    assert len(under_load(*edited, edits=10)) == 20


@pytest.mark.packs
def test_two_hundred_edits_under_load_lose_no_job_and_no_memory(edited: tuple[Pack, Server]):
    seen = under_load(*edited, edits=200)
    assert len(seen) == 400
    if sys.platform == "linux":
        early, late = seen[100][3], seen[-1][3]
        assert late <= 1.05 * early, f"{early / 1e6:.1f} MB became {late / 1e6:.1f} MB"

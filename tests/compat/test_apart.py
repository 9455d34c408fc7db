"""A pack in a process of its own is a pack like others: routes, folders, events, handlers, edits, objects of its own."""

import asyncio
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.error import HTTPError
from urllib.request import Request, urlopen

import aiohttp
import pytest

from tests.server.api.listening import listening
from tests.serving import Server, serving

FACTORY = "tests.server.small_nodes:build_with_packs"
PACK = """
import os
from pathlib import Path
from comfy_execution.graph import ExecutionBlocker
from server import PromptServer, web
from .inner import VALUE, MORE

server = PromptServer.instance

@server.routes.get("/alone/value/{name}")
async def value(request):
    return web.json_response([VALUE, request.match_info["name"], os.getpid()])

@server.routes.post("/alone/echo")
async def echo(request):
    return web.Response(body=await request.read(), status=201)

@server.routes.get("/alone/open")
async def open_socket(request):
    socket = web.WebSocketResponse()
    await socket.prepare(request)
    async for message in socket:
        if message.type == web.WSMsgType.BINARY:
            await socket.send_bytes(message.data * 2)
        elif message.data == "raise":
            raise LookupError("nobody is here")
        else:
            await socket.send_str(f"{message.data} {os.getpid()}")
    return socket

@server.routes.post("/prompt")
async def prompt(request):
    return web.json_response("taken over")

server.app.add_routes([web.static("/alone/files", Path(__file__).parent / "files")])

def see(body):
    for node in body["prompt"].values():
        if node["class_type"] == "Tells":
            node["inputs"]["text"] = node["inputs"]["text"].upper()
    return body

server.add_on_prompt_handler(see)

class Thing:
    def __init__(self, value):
        self.value = value

class Makes:
    INPUT_TYPES = classmethod(lambda cls: {"required": {"at": ("INT", {})}})
    RETURN_TYPES, FUNCTION, CATEGORY = ("THING",), "go", "alone"
    def go(self, at):
        return (Thing(at),)

class Tells:
    INPUT_TYPES = classmethod(lambda cls: {"required": {"text": ("STRING", {}), "thing": ("THING",)}})
    RETURN_TYPES, FUNCTION, CATEGORY, OUTPUT_NODE = (), "go", "alone", True
    IS_CHANGED = classmethod(lambda cls, **_: float("nan"))
    def go(self, text, thing):
        if text == "DIE":
            os._exit(3)
        server.send_sync("alone.told", {"text": text})
        waits = server.prompt_queue.get_tasks_remaining()
        return {"ui": {"text": [f"{text} {VALUE} {thing.value} {waits} {os.getpid()}"]}}

class Blocks:
    INPUT_TYPES = classmethod(lambda cls: {"required": {"words": ("STRING", {})}})
    RETURN_TYPES, FUNCTION, CATEGORY = ("STRING", "STRING"), "go", "alone"
    def go(self, words):
        return (ExecutionBlocker(words), "open")

NODE_CLASS_MAPPINGS = {"Blocks": Blocks, "Makes": Makes, "Tells": Tells, **{f"Tells{each}": Tells for each in MORE}}
"""


class World:
    """A workspace whose only pack has a process of its own, without network."""

    def __init__(self, work: Path) -> None:
        self.folder = work / "custom_nodes" / "alone"
        (self.folder / "files").mkdir(parents=True)
        (self.folder / "files" / "words.txt").write_text("from a folder")
        (self.folder / "__init__.py").write_text(PACK)
        (work / "user").mkdir()
        limits = {"alone": {"apart": True, "network": False}}
        (work / "user" / "pack_limits.json").write_text(json.dumps(limits))
        self.edit(0)
        self.server: Server

    def edit(self, value: int, more: tuple[str, ...] = (), rest: str = "") -> None:
        """Another file takes the name, as editors save."""
        new = self.folder / "inner.new"
        new.write_text(f"VALUE = int('{value:06}')\nMORE = {more!r}\n{rest}")
        new.replace(self.folder / "inner.py")

    def tells(self, text: str, at: int = 1) -> Any:
        """The job's entry: a thing is made, and told of."""
        return self.server.run(
            {
                "1": {"class_type": "Makes", "inputs": {"at": at}},
                "2": {"class_type": "Tells", "inputs": {"text": text, "thing": ["1", 0]}},
            }
        )

    def said(self, text: str, at: int = 1) -> list[str]:
        entry = self.tells(text, at)
        assert entry["status"]["status_str"] == "success", entry["status"]["messages"]
        return entry["outputs"]["2"]["text"][0].split()

    def report(self) -> Any:
        return next(one for one in self.server.get("/api/weft/packs") if one["name"] == "alone")


def answered(server: Server, path: str) -> Any:
    """What a route answers, once the process is there again."""
    for _ in range(20):
        try:
            return server.get(path)
        except HTTPError as error:
            if error.code != 503:
                raise
    raise TimeoutError(path)


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    made = World(tmp_path_factory.mktemp("alone"))
    with serving(made.folder.parents[1], "--factory", FACTORY) as server:
        made.server = server
        server.get("/object_info")
        yield made


@pytest.mark.parametrize("prefix", ["", "/api"])
def test_its_routes_answer_under_our_address_without_any_network_for_the_pack(world: World, prefix: str):
    value, name, process = world.server.get(f"{prefix}/alone/value/w%C3%B6rld")
    assert (value, name) == (0, "wörld")
    assert str(process) == world.said("hello")[-1]
    assert world.report()["network"] is False


def test_bodies_and_folders_of_it_too(world: World):
    body = bytes(range(256)) * 500
    with urlopen(Request(world.server.url + "/alone/echo", body)) as answer:
        assert (answer.status, answer.read()) == (201, body)
    with urlopen(world.server.url + "/alone/files/words.txt") as answer:
        assert answer.read() == b"from a folder"


def test_what_is_ours_or_nobodys_is_not_its_own(world: World):
    assert "POST /prompt" in world.report()["error"]["message"]
    for path in ("/alone/nothing", "/alone/value/a/b"):
        with pytest.raises(HTTPError, match="404"):
            world.server.get(path)


async def test_what_it_says_is_heard_what_it_asks_is_answered_and_it_sees_prompts(world: World):
    async with aiohttp.ClientSession(world.server.url) as http, listening(http, "ear") as ear:
        await ear.until("status")
        text, value, thing, waits, _ = await asyncio.to_thread(world.said, "hello")
        assert await ear.until("alone.told") == {"text": "HELLO"}
    assert (text, value, thing, waits) == ("HELLO", "0", "1", "1")


async def test_its_blockers_block_with_their_words(world: World):
    nodes = {
        "a": {"class_type": "Blocks", "inputs": {"words": "closed today"}},
        "shut": {"class_type": "Show", "inputs": {"value": ["a", 0]}},
        "open": {"class_type": "Show", "inputs": {"value": ["a", 1]}},
    }
    async with aiohttp.ClientSession(world.server.url) as http, listening(http, "shut") as ear:
        await ear.until("status")
        _, heard = await ear.job(http, nodes, client_id="shut")
    (told,) = (message["data"] for message in heard if message["type"] == "execution_error")
    assert (told["node_id"], told["exception_message"]) == ("shut", "Execution Blocked: closed today")
    assert [message["data"]["node"] for message in heard if message["type"] == "executed"] == ["open"]


def test_an_edited_file_counts_for_the_next_run_in_a_new_process_beside_the_same_worker(world: World):
    before = world.said("hello")
    world.edit(7, more=("More",))
    assert world.report()["edited"] is True
    after = world.said("hello")
    assert (before[1], after[1]) == ("0", "7")
    assert before[-1] != after[-1]
    assert world.server.get("/alone/value/x")[0] == 7
    assert "TellsMore" in world.server.get("/object_info")
    assert world.report()["edited"] is False


def test_an_edit_that_cannot_be_loaded_leaves_what_was_there(world: World):
    kept = world.said("hello")
    world.edit(11, rest="import os\nos._exit(1)\n")
    assert world.said("hello")[1:] == kept[1:]
    assert "what was there before is still used" in world.report()["error"]["message"]
    world.edit(12)
    assert world.said("hello")[1] == "12"
    assert "TellsMore" not in world.server.get("/object_info")
    assert "still used" not in world.report()["error"]["message"]


def test_a_process_that_ends_takes_its_objects_along_and_the_next_run_makes_them_anew(world: World):
    before = world.said("hello", at=5)
    failed = world.tells("die", at=5)
    assert failed["status"]["status_str"] == "error"
    assert "process of the pack alone ended" in json.dumps(failed["status"]["messages"])
    value = answered(world.server, "/alone/value/again")
    after = world.said("hello", at=5)
    assert (after[2], before[2]) == ("5", "5")
    assert str(value[2]) == after[-1] != before[-1]


async def test_its_websockets_answer_and_tell_that_its_process_ended(world: World):
    async with aiohttp.ClientSession(world.server.url) as http:
        async with http.ws_connect("/alone/open") as socket:
            await socket.send_bytes(b"ab")
            assert await socket.receive_bytes() == b"abab"
            await socket.send_str("raise")
            assert (await socket.receive()).data == 1011
        message = (await asyncio.to_thread(world.report))["error"]["message"]
        assert "GET /alone/open failed: LookupError: nobody is here." in message
        async with http.ws_connect("/alone/open") as socket:
            await socket.send_str("hello")
            said, process = (await socket.receive_str()).split()
            assert (said, process) == ("hello", (await asyncio.to_thread(world.said, "hello"))[-1])
            await asyncio.to_thread(world.tells, "die", 6)
            last = await socket.receive()
            assert (last.type, last.data) == (aiohttp.WSMsgType.CLOSE, 1012)

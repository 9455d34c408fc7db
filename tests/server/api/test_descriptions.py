"""/object_info is made once for each content, is never of yesterday, and is there before the worker is."""

import asyncio
import gzip
import json
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path

import pytest

from nodes.spec import Choices, InputSpec, Json, NodeSpec, OutputSpec, Replacement, Section
from server.api.descriptions import Descriptions
from server.api.kept import Answer, Kept
from server.api.versions import etag
from tests.server.api.asking import get
from tests.serving import serving

PICK = NodeSpec(
    id="Pick",
    display_name="Pick one",
    inputs=(
        InputSpec("image", "COMBO", Section.REQUIRED, Choices((), "input")),
        InputSpec(
            "mode", "COMBO", Section.OPTIONAL, Choices(("a", 2), bare=False), {"tooltip": "how", "lazy": True}
        ),
        InputSpec("prompt", "PROMPT", Section.HIDDEN),
    ),
    outputs=(OutputSpec("STRING", "text", is_list=True), OutputSpec("COMBO", "kind", choices=("x", "y"))),
    is_output=True,
    validates=("*",),
    search_aliases=("choose",),
    replaces=(Replacement(old="Choose", inputs={"image": "file"}, outputs={1: 0}, widgets=("file",)),),
    extra={"price_badge": {"expr": "1"}},
)


class Nodes:
    """A backend with nodes that a test sets, which counts how often it was asked."""

    def __init__(self, *specs: NodeSpec, ready: bool = True) -> None:
        self.known: Mapping[str, NodeSpec] = {spec.id: spec for spec in specs}
        self.ready = ready
        self.asked = 0

    async def specs(self, *, refresh: bool = False) -> Mapping[str, NodeSpec]:
        assert refresh, "packs must be asked anew"
        self.asked += 1
        await asyncio.sleep(0.01)
        return self.known


class Folders:
    """Lists of files that a test changes."""

    def __init__(self, **files: list[str]) -> None:
        self.files = files

    def __call__(self, key: str) -> Sequence[str]:
        return self.files[key]


def told(answer: Answer) -> dict[str, Json]:
    return json.loads(gzip.decompress(answer.packed))


async def test_the_same_content_is_made_once():
    found = Descriptions(Nodes(PICK), Folders(input=["a.png"]))
    first = await found.answer()
    assert await found.answer() is first


async def test_a_new_file_is_in_the_next_answer():
    folders = Folders(input=["a.png"])
    found = Descriptions(Nodes(PICK), folders)
    first = await found.answer()
    folders.files["input"] = ["a.png", "b.png"]
    second = await found.answer()
    assert told(second)["Pick"]["input"]["required"]["image"][0] == ["a.png", "b.png"]
    assert second.etag != first.etag


async def test_a_changed_node_is_in_the_next_answer():
    nodes = Nodes(PICK)
    found = Descriptions(nodes, Folders(input=[]))
    await found.answer()
    nodes.known = {"Pick": replace(PICK, description="new")}
    assert told(await found.answer())["Pick"]["description"] == "new"


async def test_who_asks_while_the_worker_is_asked_gets_an_answer_from_after_the_question():
    nodes = Nodes(PICK)
    found = Descriptions(nodes, Folders(input=[]))
    await asyncio.gather(*(found.answer() for _ in range(20)))
    assert nodes.asked <= 2


async def test_the_next_start_answers_before_its_worker_does_but_not_against_it(tmp_path: Path):
    first = Descriptions(Nodes(PICK), Folders(input=["a.png"]), Kept(tmp_path, lambda: "packs as they are"))
    answer = await first.answer()
    while len(list(tmp_path.glob("*.gz"))) < 2:
        await asyncio.sleep(0.01)
    nodes = Nodes(ready=False)
    folders = Folders(input=["a.png"])
    second = Descriptions(nodes, folders, Kept(tmp_path, lambda: "packs as they are"))
    assert (await second.answer()).etag == answer.etag
    folders.files["input"] = []
    assert told(await second.answer())["Pick"]["input"]["required"]["image"][0] == [], "lists are of now"
    nodes.ready = True
    assert told(await second.answer()) == {}, "the worker's word counts as soon as there is one"


async def test_other_packs_other_descriptions(tmp_path: Path):
    old, new = Kept(tmp_path, lambda: "old"), Kept(tmp_path, lambda: "new")
    old.write({"Pick": PICK})
    old.write_answer(Answer(b"packed", etag(b"packed")), {"input": ["a.png"]})
    assert new.read() is None and new.read_answer(Folders(input=["a.png"])) is None
    assert old.read() is not None and old.read_answer(Folders(input=["a.png"])) is not None
    assert old.read_answer(Folders(input=[])) is None, "and other files, another answer"


def test_what_is_kept_comes_back_whole(tmp_path: Path):
    kept = Kept(tmp_path, lambda: "")
    kept.write({"Pick": PICK})
    assert kept.read() == {"Pick": PICK}


@pytest.mark.parametrize(
    "damage",
    [
        b"",
        b"no gzip",
        gzip.compress(b"{", mtime=0),
        gzip.compress(b"[]", mtime=0),
        gzip.compress(b"{}", mtime=0),
    ],
)
def test_a_damaged_file_is_no_file(tmp_path: Path, damage: bytes):
    for name in ("nodes.json.gz", "object_info.gz"):
        (tmp_path / name).write_bytes(damage)
    kept = Kept(tmp_path, lambda: "")
    assert kept.read() is None and kept.read_answer(Folders()) is None


def test_half_an_answer_is_none(tmp_path: Path):
    kept = Kept(tmp_path, lambda: "")
    kept.write_answer(Answer(b"packed", etag(b"packed")), {})
    path = tmp_path / "object_info.gz"
    path.write_bytes(path.read_bytes()[:-1])
    assert kept.read_answer(Folders()) is None


async def test_an_answer_that_the_client_has_is_not_sent_again(http):
    async with http.get("/object_info") as answer:
        tag = answer.headers["ETag"]
        assert answer.headers["Content-Encoding"] == "gzip"
        packed = await answer.json()
    async with http.get("/object_info", headers={"Accept-Encoding": "identity"}) as answer:
        assert "Content-Encoding" not in answer.headers
        assert await answer.json() == packed
    async with http.get("/api/object_info", headers={"If-None-Match": tag}) as answer:
        assert (answer.status, await answer.read()) == (304, b"")


async def test_an_upload_is_offered_at_once(http, workspace):
    assert "late.png" not in (await get(http, "/object_info"))["Pick"]["input"]["required"]["image"][0]
    (workspace / "input" / "late.png").write_bytes(b"")
    assert "late.png" in (await get(http, "/object_info"))["Pick"]["input"]["required"]["image"][0]


def test_a_second_start_describes_its_nodes_while_its_worker_starts(tmp_path: Path):
    go = tmp_path / "go"
    factory = ("--factory", "tests.server.small_nodes:build_slowly")
    go.touch()
    with serving(tmp_path, *factory) as first:
        described = first.get("/object_info")
        while not (tmp_path / "user" / "described" / "object_info.gz").is_file():
            first.get("/prompt")
    go.unlink()
    with serving(tmp_path, *factory) as second:
        assert second.get("/object_info", timeout=20) == described
        assert not second.get("/api/weft/status")["ready"]
        go.touch()
        assert second.get("/api/weft/packs") == []
        assert second.get("/object_info") == described

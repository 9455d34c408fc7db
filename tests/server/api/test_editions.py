"""Saved workflows have a history: whatever was saved can be listed, read and seen again."""

import json
import os
import signal
from http.client import HTTPException
from pathlib import Path
from threading import Thread
from urllib.parse import quote
from urllib.request import Request, urlopen

import pytest

from server.editions import Editions
from server.store import Store
from tests.server.api.asking import get
from tests.server.small_nodes import FACTORY
from tests.serving import serving


def workflow(*names: str) -> bytes:
    nodes = [
        {"id": at, "type": name, "pos": [0, 90 * at], "size": [200, 60]} for at, name in enumerate(names)
    ]
    return json.dumps({"nodes": nodes, "links": [], "foreign": {"kept": names}}).encode()


def path(file: str) -> str:
    return f"/userdata/{quote(file, safe='')}"


async def save(http, file: str, body: bytes) -> str:
    async with http.post(path(file), data=body) as answer:
        assert answer.status == 200
        return answer.headers["ETag"]


async def versions(http, file: str):
    return await get(http, f"/api/weft/versions?file={quote(file, safe='')}")


async def test_each_save_is_a_version_and_reads_back_byte_for_byte(http):
    file, saved = "workflows/editions.json", [workflow("A"), workflow("A", "B"), workflow("C")]
    tags = [await save(http, file, body) for body in saved]
    listed = await versions(http, file)
    assert [(each["etag"], each["nodes"]) for each in listed] == list(zip(tags[::-1], (1, 2, 1), strict=True))
    assert listed[0]["saved"] >= listed[2]["saved"]
    for each, body in zip(listed, saved[::-1], strict=True):
        async with http.get(f"/api/weft/versions/{each['id']}") as answer:
            assert await answer.read() == body
            assert "immutable" in answer.headers["Cache-Control"]
        async with http.get(f"/api/weft/versions/{each['id']}/thumbnail") as answer:
            picture = await answer.read()
            assert (answer.content_type, picture[8:12]) == ("image/webp", b"WEBP")


async def test_what_is_saved_again_unchanged_is_one_version_and_coming_back_is_another(http):
    file = "workflows/again.json"
    for body in (workflow("A"), workflow("A"), workflow("B"), workflow("A")):
        await save(http, file, body)
    assert len({each["etag"] for each in await versions(http, file)}) == 2
    assert len(await versions(http, file)) == 3


async def test_what_another_program_wrote_is_kept_before_it_is_written_over(http, workspace: Path):
    file = "workflows/outside.json"
    await save(http, file, workflow("A"))
    (workspace / "user" / "default" / file).write_bytes(workflow("theirs"))
    await save(http, file, workflow("B"))
    newest = [each["id"] for each in await versions(http, file)]
    assert len(newest) == 3
    assert await get(http, f"/api/weft/versions/{newest[1]}") == json.loads(workflow("theirs"))


async def test_versions_move_with_their_file_and_stay_when_it_is_deleted(http):
    await save(http, "workflows/old name.json", workflow("A"))
    await http.post(f"{path('workflows/old name.json')}/move/{quote('workflows/new.json', safe='')}")
    assert await versions(http, "workflows/old name.json") == []
    assert len(await versions(http, "workflows/new.json")) == 1
    await http.delete(path("workflows/new.json"))
    assert len(await versions(http, "workflows/new.json")) == 1


async def test_deleted_workflows_are_listed_while_they_have_versions_and_no_longer_once_they_are_back(http):
    name = "workflows/taken away.json"
    for body in (workflow("A"), workflow("B")):
        await save(http, name, body)
    listed = [each["file"] for each in await get(http, "/api/weft/versions/deleted")]
    assert name not in listed
    await http.delete(path(name))
    (gone,) = [each for each in await get(http, "/api/weft/versions/deleted") if each["file"] == name]
    assert gone["versions"] == 2
    assert gone["saved"] == (await versions(http, name))[0]["saved"]
    await save(http, name, workflow("A"))
    assert name not in [each["file"] for each in await get(http, "/api/weft/versions/deleted")]


async def test_other_files_have_none_and_what_is_not_there_is_not_found(http):
    await save(http, "settings/weft.json", b"{}")
    assert await versions(http, "settings/weft.json") == []
    for id in ("999999999", "999999999999999/thumbnail", "9" * 30, "x"):
        async with http.get(f"/api/weft/versions/{id}") as answer:
            assert answer.status == 404
    async with http.get("/api/weft/versions") as answer:
        assert answer.status == 400


async def test_what_is_no_workflow_has_a_version_and_an_empty_drawing(http):
    await save(http, "workflows/odd.json", b"[1, NaN")
    (only,) = await versions(http, "workflows/odd.json")
    assert only["nodes"] is None
    async with http.get(f"/api/weft/versions/{only['id']}/thumbnail") as answer:
        assert answer.status == 200


@pytest.fixture
async def store(tmp_path: Path):
    opened = await Store.open(tmp_path / "weft.db")
    yield opened
    await opened.close()


async def test_the_oldest_go_when_there_are_too_many_or_too_large_ones(store: Store):
    few = Editions(store._database, of_one_file=3)
    for name in "ABCDE":
        await few.keep("me", "workflows/a.json", [workflow(name)])
    kept = await few.of("me", "workflows/a.json")
    assert [json.loads(await few.read("me", each.id) or b"")["nodes"][0]["type"] for each in kept] == list(
        "EDC"
    )
    assert await few.read("you", kept[0].id) is None, "they are another's"
    small = Editions(store._database, in_all=3000)
    for _ in range(4):
        await small.keep("me", "workflows/large.json", [os.urandom(1000)])
    assert len(await small.of("me", "workflows/large.json")) == 2  # random bytes do not pack
    assert await small.of("me", "workflows/a.json") == [], "the oldest of all"
    contents = await store._database.do(lambda db: db.execute("SELECT COUNT(*) FROM contents").fetchone()[0])
    assert contents == 2


def test_versions_that_were_answered_survive_a_kill(tmp_path: Path):
    answered: list[str] = []
    with serving(tmp_path, "--factory", FACTORY) as server:

        def saving() -> None:
            try:
                for at in range(10_000):
                    body = workflow(f"node {at}")
                    with urlopen(Request(server.url + path("workflows/k.json"), body), timeout=60) as answer:
                        answered.append(answer.headers["ETag"])
            except (OSError, HTTPException):
                return  # it was killed

        thread = Thread(target=saving)
        thread.start()
        while len(answered) < 20:
            thread.join(0.01)
        os.kill(server.process.pid, signal.SIGKILL)
        server.process.wait(20)
        thread.join()
    with serving(tmp_path, "--factory", FACTORY) as server:
        listed = {each["etag"] for each in server.get("/api/weft/versions?file=workflows/k.json")}
        assert set(answered[-90:]) <= listed

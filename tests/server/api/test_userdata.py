"""A person's files: nothing that a client has not seen is written over, if it says what it has seen."""

import json

import pytest

from tests.server.api.asking import get

FILE = "/userdata/workflows%2Fversions.json"


async def write(http, body: bytes, **headers: str) -> tuple[int, str, dict]:
    """Write the file; status, ETag and answer."""
    async with http.post(FILE, data=body, headers=headers) as answer:
        return answer.status, answer.headers.get("ETag", ""), await answer.json()


async def test_who_read_the_current_version_may_write(http):
    _, first, _ = await write(http, b'{"v": 1}')
    async with http.get(FILE) as answer:
        assert (answer.headers["ETag"], await answer.json()) == (first, {"v": 1})
    status, second, _ = await write(http, b'{"v": 2}', **{"If-Match": first})
    assert (status, second != first) == (200, True)
    assert await get(http, FILE) == {"v": 2}


async def test_who_read_an_older_version_gets_both(http):
    _, old, _ = await write(http, b'{"v": "old"}')
    _, new, _ = await write(http, b'{"v": "new"}')
    status, _, answer = await write(http, b'{"v": "mine"}', **{"If-Match": old})
    assert status == 409
    assert answer["error"]["type"] == "version_conflict"
    assert (answer["current"]["etag"], json.loads(answer["current"]["content"])) == (new, {"v": "new"})
    assert json.loads(answer["sent"]["content"]) == {"v": "mine"}
    assert await get(http, FILE) == {"v": "new"}, "the kept version stays"
    assert (await write(http, b'{"v": "mine"}', **{"If-Match": new}))[0] == 200


async def test_who_names_no_version_writes_as_overwrite_says(http):
    await write(http, b"{}")
    async with http.post(FILE + "?overwrite=false", data=b"[]") as answer:
        assert answer.status == 409
    async with http.post(FILE + "?overwrite=true", data=b"[1]") as answer:
        assert answer.status == 200
    async with http.post(FILE, data=b"[2]") as answer:
        assert answer.status == 200, "writing over is what most clients mean"


async def test_a_version_of_a_file_that_is_gone_is_old(http):
    _, tag, _ = await write(http, b"{}")
    await http.delete(FILE)
    status, _, answer = await write(http, b"[]", **{"If-Match": tag})
    assert (status, answer["current"]) == (409, None)
    assert (await write(http, b"[]", **{"If-Match": "*"}))[0] == 409, "* means: any that is there"


async def test_deleting_and_moving_mind_the_version_too(http):
    _, old, _ = await write(http, b"[1]")
    _, new, _ = await write(http, b"[2]")
    async with http.delete(FILE, headers={"If-Match": old}) as answer:
        assert (answer.status, (await answer.json())["current"]["etag"]) == (409, new)
    goal = "/userdata/workflows%2Fversions.json/move/workflows%2Fmoved.json"
    async with http.post(goal, headers={"If-Match": old}) as answer:
        assert answer.status == 409
    async with http.post(goal, headers={"If-Match": new}) as answer:
        assert (answer.status, answer.headers["ETag"]) == (200, new)
    async with http.delete(
        "/userdata/workflows%2Fmoved.json", headers={"If-Match": f'W/{new}, "x"'}
    ) as answer:
        assert answer.status == 204


async def test_a_version_that_the_client_has_is_not_sent_again(http):
    _, tag, _ = await write(http, b'{"v": 3}')
    async with http.get(FILE, headers={"If-None-Match": tag}) as answer:
        assert (answer.status, await answer.read(), answer.headers["ETag"]) == (304, b"", tag)
    async with http.get(FILE, headers={"If-None-Match": '"other"'}) as answer:
        assert answer.status == 200


@pytest.mark.parametrize("way", ["/userdata/{}", "/userdata/some.json/move/{}"])
async def test_a_file_is_no_folder_and_a_folder_no_file(http, way):
    await http.post("/userdata/some.json", data=b"{}")
    await http.post("/userdata/folder%2Fx.json", data=b"{}")
    for name in ("some.json%2Finner.json", "folder"):
        async with http.post(way.format(name), data=b"{}") as answer:
            assert answer.status == 400
            assert (await answer.json())["error"]["message"]


async def test_a_page_among_the_files_does_not_run_as_ours(http):
    await http.post("/userdata/page.html", data=b"<script>alert(1)</script>")
    async with http.get("/userdata/page.html") as answer:
        assert answer.content_type == "application/octet-stream"
        assert answer.headers["X-Content-Type-Options"] == "nosniff"

"""Where several people show tokens, each sees and changes their own files; what was put into input by hand, all see."""

from pathlib import Path

import aiohttp
import pytest
from PIL import Image

from tests.server.api.asking import get, history, prompt, queue
from tests.server.api.test_owners import People, people, status_of  # noqa: F401


async def upload(http: aiohttp.ClientSession, content: bytes, name: str, **fields: str) -> str:
    form = aiohttp.FormData({**fields, "type": "input"})
    form.add_field("image", content, filename=name)
    async with http.post("/upload/image", data=form) as answer:
        assert answer.status == 200
        return (await answer.json())["name"]


async def names(http: aiohttp.ClientSession, place: str) -> tuple[set[str], set[str]]:
    assets = (await get(http, f"/api/assets?include_tags={place}"))["assets"]
    return {asset["name"] for asset in assets}, set(await get(http, f"/internal/files/{place}"))


async def test_a_picture_that_a_job_saved_is_seen_by_its_person_alone(people: People):  # noqa: F811
    id = (await queue(people.anna, prompt(s=("Save", {"side": 3, "filename_prefix": "hers"}))))["prompt_id"]
    (picture,) = (await history(people.anna, id))["outputs"]["s"]["images"]
    view = f"/view?filename={picture['filename']}&type=output"
    for http in (people.anna, people.owner, people.admin):
        assert await status_of(http, "GET", view) == 200
        assert await names(http, "output") == ({picture["filename"]}, {picture["filename"]})
    assert await status_of(people.bob, "GET", view) == 404
    assert await names(people.bob, "output") == (set(), set())
    (asset,) = (await get(people.anna, f"/api/jobs/{id}/assets"))["assets"]
    for method, path in (
        ("GET", ""),
        ("GET", "/content"),
        ("DELETE", ""),
    ):
        assert await status_of(people.bob, method, f"/api/assets/{asset['id']}{path}") == 404
    whole = await get(people.anna, f"/api/assets/{asset['id']}")
    assert await status_of(people.bob, "GET", f"/api/assets/hash/{whole['hash']}") == 404
    assert await status_of(people.anna, "GET", f"/api/assets/hash/{whole['hash']}") == 200


async def test_an_upload_is_its_persons_and_another_of_the_name_gets_a_number(people: People):  # noqa: F811
    assert await upload(people.anna, b"hers", "one.png") == "one.png"
    assert await upload(people.bob, b"hers", "one.png") == "one (1).png", "not even the content is told"
    assert await upload(people.bob, b"his", "one.png", overwrite="true") == "one (2).png"
    assert await upload(people.anna, b"new", "one.png", overwrite="true") == "one.png"
    assert await names(people.bob, "input") == ({"one (1).png", "one (2).png"},) * 2
    assert await status_of(people.bob, "GET", "/view?filename=one.png&type=input") == 404
    async with people.anna.get("/view?filename=one.png&type=input") as answer:
        assert await answer.read() == b"new"


async def test_what_was_put_there_by_hand_all_see_and_only_who_looks_after_the_server_changes(
    people: People,  # noqa: F811
    tmp_path: Path,
):
    Image.new("RGB", (2, 2)).save(tmp_path / "input" / "shared.png")
    (asset,) = (await get(people.bob, "/api/assets?include_tags=input"))["assets"]
    assert await status_of(people.bob, "GET", "/view?filename=shared.png&type=input") == 200
    assert await upload(people.bob, b"x", "shared.png", overwrite="1") == "shared (1).png"
    for method, body in (("DELETE", None), ("PUT", {"name": "mine"})):
        assert await status_of(people.bob, method, f"/api/assets/{asset['id']}", body) == 403
    form = aiohttp.FormData({"tags": "models,loras"})
    form.add_field("file", b"x", filename="x.safetensors")
    async with people.bob.post("/api/assets", data=form) as answer:
        assert answer.status == 403
    assert await status_of(people.admin, "DELETE", f"/api/assets/{asset['id']}") == 204


@pytest.mark.parametrize("name", ["secret.png", "./secret.png", "secret.png [input]", ["secret.png"]])
async def test_no_prompt_loads_anothers_file(people: People, name: object):  # noqa: F811
    await upload(people.anna, b"secret", "secret.png")
    nodes = prompt(a=("Say", {"text": name}), b=("Show", {"value": ["a", 0]}))
    async with people.bob.post("/prompt", json={"prompt": nodes}) as answer:
        assert answer.status == 400
        assert "of yours" in (await answer.json())["error"]["message"]
    if isinstance(name, str):
        await queue(people.anna, nodes)

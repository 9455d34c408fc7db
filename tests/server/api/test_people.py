"""With `--multi-user`, everybody has their own settings and files, and nobody reads those of another."""

from collections.abc import AsyncIterator, Iterator

import aiohttp
import pytest

from tests.server.api.asking import get
from tests.server.small_nodes import FACTORY
from tests.serving import Server, serving


@pytest.fixture(scope="module")
def shared_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    with serving(tmp_path_factory.mktemp("people"), "--factory", FACTORY, "--multi-user") as running:
        yield running


@pytest.fixture
async def many(shared_server: Server) -> AsyncIterator[aiohttp.ClientSession]:
    async with aiohttp.ClientSession(shared_server.url) as session:
        yield session


async def take_in(many: aiohttp.ClientSession, name: str) -> dict[str, str]:
    """The header of a new person."""
    async with many.post("/users", json={"username": name}) as answer:
        assert answer.status == 200
        return {"Comfy-User": await answer.json()}


async def test_people_are_listed_by_id_and_no_name_is_given_twice(many):
    header = await take_in(many, "Ada Löve/../lace")
    listed = await get(many, "/users")
    assert listed["storage"] == "server"
    assert listed["users"][header["Comfy-User"]] == "Ada Löve/../lace"
    assert "/" not in header["Comfy-User"] and "." not in header["Comfy-User"]
    async with many.post("/users", json={"username": "Ada Löve/../lace"}) as answer:
        assert (answer.status, await answer.json()) == (400, {"error": "Duplicate username."})


@pytest.mark.parametrize(
    "body", [{}, {"username": ""}, {"username": "  "}, {"username": 5}, {"username": "x" * 101}]
)
async def test_a_person_needs_a_name(many, body):
    async with many.post("/users", json=body) as answer:
        assert answer.status == 400


async def test_settings_and_files_are_each_persons_own(many):
    one, other = await take_in(many, "one"), await take_in(many, "other")
    async with many.post("/settings/Test.A", json=1, headers=one) as answer:
        assert answer.status == 200
    async with many.post("/userdata/workflows%2Fa.json", data=b"{}", headers=one) as answer:
        assert answer.status == 200
    assert await get(many, "/settings", headers=one) == {"Test.A": 1}
    assert await get(many, "/settings", headers=other) == {}
    async with many.get("/userdata/workflows%2Fa.json", headers=other) as answer:
        assert answer.status == 404
    for way in (f"../{one['Comfy-User']}/workflows/a.json", f"/{one['Comfy-User']}/workflows/a.json"):
        async with many.get("/userdata/" + way.replace("/", "%2F"), headers=other) as answer:
            assert answer.status in (400, 404)


@pytest.mark.parametrize(
    "header", [{}, {"Comfy-User": ""}, {"Comfy-User": "default"}, {"Comfy-User": "../x"}]
)
@pytest.mark.parametrize(
    "route", ["/settings", "/settings/a", "/userdata?dir=workflows", "/v2/userdata", "/userdata/a"]
)
async def test_who_names_nobody_is_asked_to_log_in(many, header, route):
    async with many.get(route, headers=header) as answer:
        assert answer.status == 401
        assert (await answer.json())["error"]["type"] == "unknown_user"


async def test_one_user_needs_no_name_and_gets_no_other(http):
    assert await get(http, "/users") == {"storage": "server", "migrated": True}
    assert isinstance(await get(http, "/settings", headers={"Comfy-User": "whoever"}), dict)
    async with http.post("/users", json={"username": "second"}) as answer:
        assert answer.status == 400
        assert "--multi-user" in (await answer.json())["error"]

"""HOST_API.md section 3, `routes` and `app`: what packs answer over HTTP, under the server's own address."""

import asyncio
from collections.abc import AsyncIterator, Iterator

import aiohttp
import pytest
import pytest_asyncio

from tests.compat.hosted import hosting
from tests.compat.test_on_prompt import logged
from tests.server.api.listening import listening
from tests.serving import Server, serving


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    with hosting(tmp_path_factory.mktemp("hosted"), "hosted") as running:
        yield running


@pytest_asyncio.fixture
async def http(server: Server) -> AsyncIterator[aiohttp.ClientSession]:
    async with aiohttp.ClientSession(server.url) as session:
        yield session


@pytest.mark.parametrize("prefix", ["", "/api"])
async def test_a_route_answers_bare_and_under_api(http: aiohttp.ClientSession, prefix: str):
    async with http.get(f"{prefix}/hosted/hello/w%C3%B6rld", params={"a": "1 2"}) as answer:
        told = await answer.json()
        assert answer.status == 200 and answer.headers["X-Content-Type-Options"] == "nosniff"
    assert (told["hello"], told["query"]) == ("wörld", {"a": "1 2"})
    assert told["host"] == str(http._base_url.authority)  # type: ignore[union-attr]


async def test_a_body_goes_there_and_back_with_status_and_headers(http: aiohttp.ClientSession):
    body = bytes(range(256)) * 2000
    sent = {"X-Asked": "so", "Content-Type": "application/x-own"}
    async with http.post("/hosted/echo", data=body, headers=sent) as answer:
        assert (answer.status, answer.headers["X-Hosted"], answer.content_type) == (
            201,
            "so",
            "application/x-own",
        )
        assert await answer.read() == body
    async with http.get("/hosted/bit_by_bit") as answer:
        assert await answer.text() == "0,1,2,"


async def test_a_folder_and_what_is_added_to_the_app_itself(http: aiohttp.ClientSession):
    async with http.get("/hosted/files/words.txt") as answer:
        assert await answer.text() == "from a folder\n"
    async with http.get("/hosted/files/words.txt", headers={"Range": "bytes=5-7"}) as answer:
        assert (answer.status, await answer.text()) == (206, "a f")
    async with http.get("/hosted/added") as answer:
        assert await answer.text() == "added to the app"


async def test_a_route_that_fails_or_sends_elsewhere_does_so(http: aiohttp.ClientSession):
    async with http.get("/hosted/fails") as answer:
        assert answer.status == 500
    async with http.get("/hosted/elsewhere", allow_redirects=False) as answer:
        assert (answer.status, answer.headers["Location"]) == (302, "/hosted/hello/you")
    async with http.get("/hosted/hello/still") as answer:
        assert answer.status == 200


@pytest.mark.parametrize(
    ("method", "path", "status"),
    [
        ("GET", "/hosted/nothing", 404),
        ("GET", "/api/hosted/nothing", 404),
        ("GET", "/extensions/hosted/nothing.js", 404),
        ("DELETE", "/history", 405),
        ("POST", "/hosted/nothing", 405),
    ],
)
async def test_what_nobody_answers_is_refused_as_ever(
    http: aiohttp.ClientSession, method: str, path: str, status: int
):
    async with http.request(method, path) as answer:
        assert (answer.status, (await answer.json())["error"]["type"]) == (status, f"http_{status}")


async def test_a_route_of_the_server_stays_the_servers(http: aiohttp.ClientSession):
    async with http.get("/queue") as answer:
        assert (await answer.json()).keys() == {"queue_running", "queue_pending"}


async def test_other_pages_are_kept_out_of_them_too(http: aiohttp.ClientSession):
    async with http.get("/hosted/hello/you", headers={"Origin": "http://elsewhere.example"}) as answer:
        assert answer.status == 403


async def test_a_route_reaches_clients(http: aiohttp.ClientSession):
    async with listening(http, "r") as ear:
        await ear.until("status")
        async with http.get("/hosted/tells", params={"to": "r"}) as answer:
            assert answer.status == 200
        assert await ear.until("hosted.route") == {"client": "r"}


def test_a_route_that_cannot_be_is_left_out_alone(server: Server):
    logged(server, "A route of hosted is left out")


async def test_routes_answer_again_after_the_worker_died(server: Server, http: aiohttp.ClientSession):
    kill = {"class_type": "Kill", "inputs": {"text": ""}}
    show = {"class_type": "Show", "inputs": {"value": ["1", 0]}}
    async with asyncio.timeout(60):
        async with http.post("/prompt", json={"prompt": {"1": kill, "2": show}}) as answer:
            job = (await answer.json())["prompt_id"]
        await asyncio.to_thread(server.ended, job)
        async with http.get("/hosted/hello/again") as answer:
            assert (await answer.json())["hello"] == "again"


async def test_without_packs_nothing_is_asked_of_anybody(tmp_path):
    with serving(tmp_path, "--factory", "tests.server.small_nodes:build") as plain:
        async with aiohttp.ClientSession(plain.url) as http, http.get("/hosted/hello/you") as answer:
            assert answer.status == 404

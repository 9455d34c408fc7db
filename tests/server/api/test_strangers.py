"""Other pages and other names: neither may use this server."""

import aiohttp
import pytest

from server.app import Server
from server.config import Config
from tests.server.api.asking import shown
from tests.server.small_nodes import FACTORY


def port(http: aiohttp.ClientSession) -> str:
    return str(http._base_url).rstrip("/").rsplit(":", 1)[1]


OURS = ["127.0.0.1", "localhost", "LocalHost", "[::1]", "weft.localhost", "127.0.0.2", "weft.example"]
THEIRS = [
    "evil.example",
    "localhost.evil.example",
    "127.0.0.1.evil.example",
    "192.168.0.5",
    "8.8.8.8",
    "",
    "a@b",
    "[::",
    "%",
]


@pytest.mark.parametrize("name", OURS)
async def test_our_own_names_are_served(http, name):
    async with http.get("/prompt", headers={"Host": f"{name}:{port(http)}"}) as answer:
        assert answer.status == 200


@pytest.mark.parametrize("name", THEIRS)
async def test_a_rebound_name_is_refused(http, name):
    for route in ("/prompt", "/", "/view?filename=x", "/api/history", "/nothing/here"):
        async with http.get(route, headers={"Host": f"{name}:{port(http)}"}) as answer:
            assert answer.status == 403, route
            assert (await answer.json())["error"]["type"] == "host_not_allowed"


ORIGINS = ["https://evil.example", "http://evil.example:{port}", "null", "http://127.0.0.1:1", "http://localhost:{port}",
           "file://", "http://[", ""]  # fmt: skip


@pytest.mark.parametrize("origin", ORIGINS)
async def test_a_page_from_elsewhere_can_do_nothing(http, origin):
    headers = {"Origin": origin.format(port=port(http))}
    async with http.post("/prompt", json={"prompt": shown("x")}, headers=headers) as answer:
        assert answer.status == 403
        assert "Access-Control-Allow-Origin" not in answer.headers
    async with http.get("/history", headers=headers) as answer:
        assert answer.status == 403
    with pytest.raises(aiohttp.WSServerHandshakeError) as refused:
        await http.ws_connect("/ws", headers=headers)
    assert refused.value.status == 403


async def test_our_own_page_can(http):
    headers = {"Origin": f"http://127.0.0.1:{port(http)}"}
    async with http.post("/interrupt", json={}, headers=headers) as answer:
        assert answer.status == 200
    async with http.ws_connect("/ws", headers=headers) as socket:
        assert (await socket.receive_json())["type"] == "status"


async def test_a_form_that_hides_its_origin_is_refused(http):
    for site in ("cross-site", "same-site"):
        async with http.post("/queue", data=b'{"clear": true}', headers={"Sec-Fetch-Site": site}) as answer:
            assert answer.status == 403
    async with http.post(
        "/queue", data=b'{"clear": true}', headers={"Sec-Fetch-Site": "same-origin"}
    ) as answer:
        assert answer.status == 200


async def test_no_answer_may_be_guessed_or_framed(http):
    for route in ("/", "/api/prompt", "/nothing"):
        async with http.get(route) as answer:
            assert answer.headers["X-Content-Type-Options"] == "nosniff"
            assert answer.headers["X-Frame-Options"] == "SAMEORIGIN"


async def test_a_server_for_the_whole_network_is_called_by_address_not_by_name(tmp_path):
    server = Server(
        Config(
            workspace=tmp_path,
            hosts=("0.0.0.0",),
            port=0,
            factory=FACTORY,
            allow_hosts=("Studio",),
            token=False,
        )
    )
    url = await server.start()
    async with aiohttp.ClientSession(url) as http:
        for name, status in (
            ("192.168.0.5", 200),
            ("studio", 200),
            ("[2001:db8::1]", 200),
            ("evil.example", 403),
        ):
            async with http.get("/prompt", headers={"Host": f"{name}:{port(http)}"}) as answer:
                assert answer.status == status, name
    await server.close()

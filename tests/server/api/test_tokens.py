"""A server that others can reach lets in whoever shows a token, and nobody else."""

import json
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

import aiohttp
import pytest

from server.api.doorkeeper import WRONG_TOKENS, WrongTokens
from server.app import Server
from server.config import Config
from server.tokens import Tokens
from tests.server.api.asking import shown
from tests.server.small_nodes import FACTORY

PAGE = {"Accept": "text/html,application/xhtml+xml,*/*;q=0.8"}
ROUTES = [
    "/",
    "/prompt",
    "/api/object_info",
    "/view?filename=x.png",
    "/settings",
    "/internal/logs",
    "/none",
    "/assets/x.js",
]


@dataclass(frozen=True)
class Site:
    """A server on all addresses, its first token, and a client that shows none."""

    url: str
    token: str
    folder: Path
    http: aiohttp.ClientSession

    def bearer(self, token: str | None = None) -> dict[str, str]:
        return {"Authorization": f"Bearer {token or self.token}"}


@pytest.fixture
async def site(tmp_path: Path) -> AsyncIterator[Site]:
    server = Server(Config(workspace=tmp_path, hosts=("0.0.0.0",), port=0, factory=FACTORY))
    address = urlsplit(await server.start())
    url = f"http://{address.netloc}"
    # The jar is unsafe as it keeps cookies of addresses, as browsers do.
    async with aiohttp.ClientSession(url, cookie_jar=aiohttp.CookieJar(unsafe=True)) as http:
        yield Site(url, address.query.removeprefix("token="), tmp_path / "user", http)
    await server.close()


@pytest.mark.parametrize("route", ROUTES)
async def test_without_a_token_nothing_is_told_but_what_to_do(site, route):
    async with site.http.get(route) as answer:
        text = await answer.text()
        assert answer.status == 401
        assert answer.headers["WWW-Authenticate"].startswith("Bearer")
    error = json.loads(text)["error"]
    assert error["type"] == "token_missing"
    for word in ("weft token add", "--no-token", "Authorization: Bearer", "?token="):
        assert word in error["details"]
    assert str(site.folder.parent) not in text


async def test_a_person_sees_a_page_that_asks(site):
    async with site.http.get("/", headers=PAGE) as answer:
        assert (answer.status, answer.content_type) == (401, "text/html")
        text = await answer.text()
    assert 'name="token"' in text
    assert "weft token add" in text


async def test_header_and_query_let_in_the_websocket_too(site):
    async with site.http.get("/prompt", headers=site.bearer()) as answer:
        assert answer.status == 200
    async with site.http.post(f"/prompt?token={site.token}", json={"prompt": shown("x")}) as answer:
        assert answer.status == 200
    async with site.http.ws_connect(f"/ws?clientId=a&token={site.token}") as socket:
        assert (await socket.receive_json())["type"] == "status"
    async with site.http.ws_connect("/ws", headers=site.bearer()) as socket:
        assert (await socket.receive_json())["type"] == "status"
    with pytest.raises(aiohttp.WSServerHandshakeError) as refused:
        await site.http.ws_connect("/ws")
    assert refused.value.status == 401


async def test_a_first_visit_leaves_a_cookie_and_takes_the_token_out_of_the_address(site):
    first = f"/?token={site.token}&name=b"
    async with site.http.get(first, headers=PAGE, allow_redirects=False) as answer:
        assert (answer.status, answer.headers["Location"]) == (303, "/?name=b")
        cookie = answer.headers["Set-Cookie"]
    assert cookie.startswith("weft_token_")
    assert "HttpOnly" in cookie
    assert "SameSite=Lax" in cookie
    async with site.http.get("/prompt") as answer:
        assert answer.status == 200
    async with site.http.ws_connect("/ws") as socket:
        assert (await socket.receive_json())["type"] == "status"
    # A client's own bearer, for another service, does not shut out the cookie.
    async with site.http.get("/prompt", headers=site.bearer("of-another-service")) as answer:
        assert answer.status == 200


async def test_a_first_visit_leads_nowhere_else(site):
    url = f"{site.url}//evil.example/?token={site.token}"
    async with site.http.get(url, headers=PAGE, allow_redirects=False) as answer:
        assert answer.status == 303
        assert urlsplit(answer.headers["Location"]).netloc == ""
        assert answer.headers["Location"].startswith("/evil.example")


async def test_a_token_does_not_open_the_door_to_other_pages(site):
    headers = site.bearer() | {"Origin": "https://evil.example"}
    async with site.http.post("/queue", json={"clear": True}, headers=headers) as answer:
        assert answer.status == 403
    async with site.http.get("/prompt", headers=site.bearer() | {"Host": "evil.example"}) as answer:
        assert answer.status == 403


async def test_wrong_tokens_are_refused_and_soon_slowed_but_a_right_one_still_opens(site):
    for _ in range(WRONG_TOKENS):
        async with site.http.get("/prompt", headers=site.bearer("wrong")) as answer:
            assert answer.status == 401
            assert (await answer.json())["error"]["type"] == "token_wrong"
    async with site.http.get("/prompt?token=wrong") as answer:
        assert answer.status == 429
        assert int(answer.headers["Retry-After"]) > 0
    async with site.http.get("/prompt", headers=site.bearer()) as answer:
        assert answer.status == 200


async def test_a_new_token_works_at_once_and_a_removed_one_no_more(site):
    tokens = Tokens(site.folder)  # as another process would
    text = tokens.add("anna")
    async with site.http.get("/prompt", headers=site.bearer(text)) as answer:
        assert answer.status == 200
    assert tokens.remove("anna")
    async with site.http.get("/prompt", headers=site.bearer(text)) as answer:
        assert answer.status == 401


async def test_each_token_has_files_and_settings_of_its_own(site):
    anna = Tokens(site.folder).add("anna")
    for token, value in ((site.token, "mine"), (anna, "hers")):
        headers = site.bearer(token)
        async with site.http.post("/api/settings/colour", json=value, headers=headers) as answer:
            assert answer.status == 200
        async with site.http.post("/api/userdata/a.json", data=value, headers=headers) as answer:
            assert answer.status == 200
    for token, value in ((site.token, "mine"), (anna, "hers")):
        # Whose token it is decides, not what the header says.
        headers = site.bearer(token) | {"Comfy-User": "default"}
        async with site.http.get("/api/settings/colour", headers=headers) as answer:
            assert await answer.json() == value
        async with site.http.get("/api/userdata/a.json", headers=headers) as answer:
            assert await answer.text() == value
    assert (site.folder / "default" / "a.json").read_text() == "mine"


async def test_a_damaged_list_lets_nobody_in(site):
    (site.folder / "tokens.json").write_text("{}")
    async with site.http.get("/prompt", headers=site.bearer()) as answer:
        assert answer.status == 503
        assert (await answer.json())["error"]["type"] == "tokens_unreadable"


@pytest.mark.parametrize(
    ("hosts", "token", "asks"),
    [
        (("127.0.0.1",), None, False),
        (("localhost", "::1", "127.0.0.2"), None, False),
        (("0.0.0.0",), None, True),
        (("127.0.0.1", "::"), None, True),
        (("192.168.0.5",), None, True),
        (("studio.example",), None, True),
        (("0.0.0.0",), False, False),
        (("127.0.0.1",), True, True),
    ],
)
def test_a_token_is_asked_for_where_others_can_come(hosts, token, asks, tmp_path):
    assert Config(workspace=tmp_path, hosts=hosts, token=token).asks_token is asks


def test_wrong_tokens_are_forgotten_after_a_minute_and_counted_for_each_address():
    now = [0.0]
    wrong = WrongTokens(lambda: now[0])
    assert not any(wrong.too_many("a") for _ in range(WRONG_TOKENS))
    assert wrong.too_many("a")
    assert not wrong.too_many("b")
    now[0] = 61.0
    assert not wrong.too_many("a")

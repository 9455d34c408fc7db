"""The editor's own files, and those that packs bring."""

from collections.abc import AsyncIterator
from pathlib import Path

import aiohttp
import pytest

from server.api.listings import PackJson
from server.app import Server
from server.config import Config, web_folder
from server.trust import Trust
from tests.server.api.asking import get
from tests.server.small_nodes import FACTORY


@pytest.fixture
async def site(tmp_path: Path) -> AsyncIterator[aiohttp.ClientSession]:
    web = tmp_path / "web"
    (web / "assets").mkdir(parents=True)
    (web / "index.html").write_text("<title>Weft</title>")
    (web / "assets" / "main-3f2a.js").write_text("export {}")
    (web / "plain.css").write_text("a{}")
    (web / ".stamp").write_text("hidden")
    (tmp_path / "secret.txt").write_text("secret")
    server = Server(Config(workspace=tmp_path / "w", port=0, factory=FACTORY, web=web))
    async with aiohttp.ClientSession(await server.start()) as session:
        yield session
    await server.close()


async def test_the_editor_is_served_fresh_and_its_assets_are_kept(site):
    async with site.get("/") as answer:
        assert (answer.status, answer.content_type, answer.headers["Cache-Control"]) == (
            200,
            "text/html",
            "no-cache",
        )
    async with site.get("/assets/main-3f2a.js") as answer:
        assert (answer.content_type, await answer.text()) == ("text/javascript", "export {}")
        assert "immutable" in answer.headers["Cache-Control"]
    async with site.get("/plain.css") as answer:
        assert (answer.content_type, answer.headers["Cache-Control"]) == ("text/css", "no-cache")


@pytest.mark.parametrize(
    "path", ["/.stamp", "/..%2fsecret.txt", "/assets/..%2f..%2fsecret.txt", "/assets", "/none.js", "/api/x"]
)
async def test_nothing_else_is(site, path):
    async with site.get(path) as answer:
        assert answer.status in (400, 404)
        assert "secret" not in (await answer.text()).replace("secret.txt", "")


async def test_a_pack_brings_scripts_and_says_how_it_fared(tmp_path: Path):
    pack = tmp_path / "custom_nodes" / "my pack"
    (pack / "js").mkdir(parents=True)
    (pack / "js" / "main.js").write_text("export const pack = 1")
    (pack / "__init__.py").write_text("NODE_CLASS_MAPPINGS = {}\nWEB_DIRECTORY = './js'\n")
    broken = tmp_path / "custom_nodes" / "broken.py"
    broken.write_text("import nothing_of_that_name\n")
    server = Server(
        Config(
            workspace=tmp_path,
            port=0,
            factory="tests.server.small_nodes:build_with_packs",
            web=None,
            trust=Trust(everything=True),
        )
    )
    async with aiohttp.ClientSession(await server.start()) as http:
        (script,) = await get(http, "/api/extensions")
        async with http.get(script) as answer:
            assert (answer.content_type, await answer.text()) == ("text/javascript", "export const pack = 1")
        reports = {report["name"]: report for report in await get(http, "/api/weft/packs")}
        async with http.get("/") as answer:
            assert "not built yet" in await answer.text()
    await server.close()
    assert reports["my pack"].keys() == PackJson.__annotations__.keys()
    assert (reports["my pack"]["ok"], reports["my pack"]["error"]) == (True, None)
    assert reports["broken"]["ok"] is False
    assert reports["broken"]["error"].keys() == {"message", "hint", "type", "traceback"}
    assert "nothing_of_that_name" in reports["broken"]["error"]["message"]


def test_the_editor_is_found_in_a_wheel_before_a_checkout(tmp_path: Path):
    assert web_folder(tmp_path) is None
    for place in ("web/dist", "server/_web"):
        (tmp_path / place).mkdir(parents=True)
        (tmp_path / place / "index.html").touch()
        assert web_folder(tmp_path) == tmp_path / place

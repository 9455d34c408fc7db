"""Models for people: what each file tells, and files that are brought from a site (a real one, on this machine)."""

import asyncio
import hashlib
import json
import struct
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import aiohttp
import pytest

from tests.server.small_nodes import FACTORY
from tests.serving import Server, serving
from tests.sites import CONTENT, SHA256, Site, giving


@pytest.fixture(scope="module")
def site() -> Iterator[Site]:
    with giving() as site:
        yield site


@pytest.fixture(scope="module")
def workspace(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("shelves")


@pytest.fixture(scope="module")
def running(site: Site, workspace: Path) -> Iterator[Server]:
    with serving(workspace, "--factory", FACTORY, "--download-from", site.url) as server:
        yield server


@pytest.fixture
async def http(running: Server) -> AsyncIterator[aiohttp.ClientSession]:
    async with aiohttp.ClientSession(running.url) as session:
        yield session


async def bring(http: aiohttp.ClientSession, **body: object) -> tuple[int, dict]:
    async with http.post("/api/weft/downloads", json=body) as answer:
        return answer.status, await answer.json()


async def until(http: aiohttp.ClientSession, id: str, *states: str, got: int = 0) -> dict:
    while True:
        async with http.get("/api/weft/downloads") as answer:
            told = next(one for one in (await answer.json())["downloads"] if one["id"] == id)
        if told["state"] in states and told["got"] >= got:
            return told
        await asyncio.sleep(0.02)


async def test_a_file_comes_whole_with_its_hash_and_through_a_redirect(http, site: Site, workspace: Path):
    status, begun = await bring(
        http,
        url=f"{site.url}/moved/one.safetensors",
        folder="loras",
        name="new/one.safetensors",
        sha256=SHA256,
    )
    assert status == 200
    done = await until(http, begun["id"], "done", "failed")
    assert (done["state"], done["got"], done["size"]) == ("done", len(CONTENT), len(CONTENT))
    assert (workspace / "models" / "loras" / "new" / "one.safetensors").read_bytes() == CONTENT
    assert [path.name for path in (workspace / "models" / "loras" / "new").iterdir()] == ["one.safetensors"]
    status, refused = await bring(
        http, url=f"{site.url}/one.safetensors", folder="loras", name="new/one.safetensors"
    )
    assert status == 400
    assert "already" in refused["error"]["message"]


async def test_a_cancelled_file_goes_on_where_it_was(http, site: Site, workspace: Path):
    site.gate.clear()
    _, begun = await bring(http, url=f"{site.url}/two.safetensors", folder="vae", name="two.safetensors")
    half = len(CONTENT) // 2
    await until(http, begun["id"], "running", got=half)
    async with http.delete(f"/api/weft/downloads/{begun['id']}") as answer:
        assert (await answer.json())["state"] == "cancelled"
    assert not (workspace / "models" / "vae" / "two.safetensors").exists()
    site.gate.set()
    _, again = await bring(
        http, url=f"{site.url}/two.safetensors", folder="vae", name="two.safetensors", sha256=SHA256.upper()
    )
    await until(http, again["id"], "done")
    assert site.asked[-1] == f"bytes={half}-"
    assert (workspace / "models" / "vae" / "two.safetensors").read_bytes() == CONTENT


async def test_another_content_than_named_is_thrown_away(http, site: Site, workspace: Path):
    _, begun = await bring(
        http, url=f"{site.url}/three.safetensors", folder="vae", name="three.safetensors", sha256="0" * 64
    )
    failed = await until(http, begun["id"], "failed", "done")
    assert "hash" in failed["words"]
    assert not list((workspace / "models" / "vae").glob("*three*"))


@pytest.mark.parametrize(
    ("url", "words"),
    [
        ("http://huggingface.co/a.safetensors", "https"),
        ("https://example.com/a.safetensors", "known sites"),
        ("https://huggingface.co.example.com/a.safetensors", "known sites"),
        ("file:///etc/passwd", "https"),
        ("http://127.0.0.1:1/a.safetensors", "https"),
        ("https://[", "address"),
    ],
)
async def test_addresses_of_other_sites_are_refused(http, url: str, words: str):
    status, refused = await bring(http, url=url, folder="loras", name="a.safetensors")
    assert status == 400
    assert words in refused["error"]["message"]


@pytest.mark.parametrize(
    "place",
    [
        {"folder": "loras", "name": "../../evil.safetensors"},
        {"folder": "loras", "name": "evil.exe"},
        {"folder": "nothing", "name": "a.safetensors"},
        {"folder": "loras", "name": "a.safetensors", "sha256": "xyz"},
        {"folder": "loras"},
    ],
)
async def test_places_that_are_none_are_refused(http, site: Site, place: dict):
    status, _ = await bring(http, url=f"{site.url}/a.safetensors", **place)
    assert status == 400


async def test_a_site_that_sends_elsewhere_or_has_it_no_more_says_so(http, site: Site, workspace: Path):
    for path, words in (
        ("away/10.0.0.1/", "inner network"),
        ("gone.bin", "no such file"),
    ):
        _, begun = await bring(http, url=f"{site.url}/{path}", folder="loras", name="elsewhere.safetensors")
        failed = await until(http, begun["id"], "failed", "done")
        assert words in failed["words"]


async def test_a_site_that_does_not_answer_is_told_of(http):
    # No name of this top-level domain is ever an address (RFC 6761).
    _, begun = await bring(
        http,
        url="https://nowhere.invalid.huggingface.co/a.safetensors",
        folder="loras",
        name="off.safetensors",
    )
    failed = await until(http, begun["id"], "failed")
    assert "online" in failed["words"]


async def test_models_tell_family_words_and_hash(http, workspace: Path):
    header = {
        "__metadata__": {
            "ss_tag_frequency": json.dumps({"5_cats": {"whiskers": 3, "paws": 9}}),
            "modelspec.title": "Cats",
        },
        "lora_unet_input_blocks_4_1_transformer_blocks_0_attn2_to_k.lora_down.weight": {
            "dtype": "F32", "shape": [4, 2048], "data_offsets": [0, 0],
        },
    }  # fmt: skip
    text = json.dumps(header).encode()
    body = struct.pack("<Q", len(text)) + text
    file = workspace / "models" / "loras" / "pets" / "cats.safetensors"
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_bytes(body)
    (workspace / "models" / "loras" / "broken.safetensors").write_bytes(b"no")

    async def listed(name: str) -> dict:
        async with http.get("/api/weft/models") as answer:
            return next(one for one in await answer.json() if (one["folder"], one["name"]) == ("loras", name))

    cats = await listed("pets/cats.safetensors")
    assert (cats["family"], cats["words"], cats["title"]) == ("SDXL", ["paws", "whiskers"], "Cats")
    assert (cats["size"], cats["sha256"], cats["root"]) == (len(body), None, 0)
    assert (await listed("broken.safetensors"))["family"] is None
    async with http.post(
        "/api/weft/models/hash", json={"folder": "loras", "name": "pets/cats.safetensors"}
    ) as answer:
        assert (await answer.json())["sha256"] == hashlib.sha256(body).hexdigest()
    assert (await listed("pets/cats.safetensors"))["sha256"] == hashlib.sha256(body).hexdigest()
    async with http.post(
        "/api/weft/models/hash", json={"folder": "loras", "name": "no.safetensors"}
    ) as answer:
        assert answer.status == 404
    async with http.get("/api/weft/models") as answer:
        starter = next(one for one in await answer.json() if one["name"] == "weft-starter-v0")
    assert (starter["family"], starter["shipped"]) == ("Weft starter", True)
    assert starter["size"] > 20_000_000

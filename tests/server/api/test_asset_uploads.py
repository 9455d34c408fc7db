"""Assets are uploaded, named, tagged, found by the hash of their content, and deleted."""

import asyncio
import hashlib
import json
import time
from pathlib import Path

import aiohttp
import pytest

from tests.server.api.asking import get
from tests.server.api.listening import listening
from tests.server.small_nodes import FACTORY
from tests.serving import serving


def digest(content: bytes) -> str:
    return f"sha256:{hashlib.sha256(content).hexdigest()}"


async def upload(
    http, content: bytes | None, filename: str = "x.png", status: int = 201, **fields: str
) -> dict:
    form = aiohttp.FormData(quote_fields=False, default_to_multipart=True)
    for name, value in fields.items():
        form.add_field(name, value)
    if content is not None:
        form.add_field("file", content, filename=filename)
    async with http.post("/api/assets", data=form) as answer:
        assert answer.status == status, await answer.text()
        return await answer.json()


async def asked(http, method: str, path: str, body: object = None, status: int = 200) -> dict:
    async with http.request(method, f"/api/assets{path}", json=body) as answer:
        assert answer.status == status, await answer.text()
        return await answer.json() if answer.content_type == "application/json" else {}


async def test_an_upload_is_an_asset_with_the_hash_of_its_content(http, workspace):
    told = await upload(http, b"up", "up.png", tags="input,mine", name="A cat", user_metadata='{"stars": 5}')
    assert (workspace / "input/up.png").read_bytes() == b"up"
    assert (told["name"], told["hash"], told["created_new"]) == ("A cat", digest(b"up"), True)
    assert (told["tags"], told["user_metadata"]) == (["input", "mine"], {"filename": "up.png", "stars": 5})
    (listed,) = (await get(http, "/api/assets?include_tags=mine&name_contains=a%20CAT"))["assets"]
    assert listed == {key: value for key, value in told.items() if key != "created_new"}


async def test_the_same_content_is_kept_once_and_other_content_gets_a_number(http, workspace):
    first = await upload(http, b"one", "again.png", tags="input")
    same = await upload(http, b"one", "again.png", status=200, tags="input")
    other = await upload(http, b"two", "again.png", tags="input")
    assert (same["id"], same["created_new"]) == (first["id"], False)
    assert other["name"] == "again (1).png"
    assert (workspace / "input/again.png").read_bytes() == b"one"


async def test_a_model_goes_to_the_folder_of_its_kind_and_stays_there(http, workspace):
    content = b"weights of a lora"
    told = await upload(http, content, "new.safetensors", tags='["models", "loras", "style"]')
    assert (workspace / "models/loras/new.safetensors").read_bytes() == content
    assert told["tags"] == ["models", "loras", "style"]
    assert "new.safetensors" in await get(http, "/models/loras")
    for path in (f"/{told['id']}/content", f"/hash/{digest(content)}/content"):
        await asked(http, "GET", path, status=403)
    body = {"hash": digest(content), "tags": ["input"], "name": "stolen.png"}
    await asked(http, "POST", "/from-hash", body, status=404)
    copied = await asked(
        http, "POST", "/from-hash", body | {"tags": ["models", "vae"], "name": "v.pt"}, status=201
    )
    assert (workspace / "models/vae/v.pt").read_bytes() == content
    assert copied["hash"] == told["hash"]


async def test_content_is_found_by_its_hash(http, workspace):
    content = b"by hash"
    await asked(http, "HEAD", f"/hash/{digest(content)}", status=404)
    await upload(http, content, "by hash.png", tags="output", hash=digest(content))
    await asked(http, "HEAD", f"/hash/{digest(content)}")
    assert (await asked(http, "GET", f"/hash/{digest(content)}"))["name"] == "by hash.png"
    async with http.get(f"/api/assets/hash/{digest(content)}/content") as answer:
        assert await answer.read() == content
    copied = await upload(http, None, tags="input", hash=digest(content), name="copy.png")
    assert copied["created_new"]
    assert (workspace / "input/copy.png").read_bytes() == content
    (workspace / "output/by hash.png").write_bytes(b"another")
    (workspace / "input/copy.png").unlink()
    await asked(http, "HEAD", f"/hash/{digest(content)}", status=404)
    assert not list((workspace / "temp").glob(".upload-*"))


async def test_an_asset_is_named_and_tagged_anew_and_its_file_stays(http, workspace):
    id = (await upload(http, b"edited", "edited.png", tags="input,old"))["id"]
    now = await asked(
        http, "PUT", f"/{id}", {"name": "New", "tags": ["input", "b"], "user_metadata": {"k": [1]}}
    )
    assert (now["name"], now["tags"], now["user_metadata"]) == (
        "New",
        ["input", "b"],
        {"filename": "edited.png", "k": [1]},
    )
    added = await asked(http, "POST", f"/{id}/tags", {"tags": ["b", "zebra"]})
    assert added == {"added": ["zebra"], "already_present": ["b"], "total_tags": ["input", "b", "zebra"]}
    removed = await asked(http, "DELETE", f"/{id}/tags", {"tags": ["b", "z"]})
    assert removed == {"removed": ["b"], "not_present": ["z"], "total_tags": ["input", "zebra"]}
    await asked(http, "DELETE", f"/{id}/tags", {"tags": ["input"]}, status=400)
    (tag,) = (await get(http, "/api/tags?prefix=zeb"))["tags"]
    assert tag == {"name": "zebra", "type": "user", "count": 1}
    assert (workspace / "input/edited.png").read_bytes() == b"edited"


async def test_deleting_an_asset_deletes_its_file_unless_only_the_list_is_to_forget_it(http, workspace):
    gone, hidden = [
        (await upload(http, name, f"{name.decode()}.png", tags="input,d"))["id"]
        for name in (b"gone", b"hidden")
    ]
    await asked(http, "DELETE", f"/{gone}", status=204)
    await asked(http, "DELETE", f"/{hidden}?delete_content=false", status=204)
    assert not (workspace / "input/gone.png").exists()
    assert (workspace / "input/hidden.png").exists()
    assert (await get(http, "/api/assets?include_tags=d"))["total"] == 0
    for id in (gone, hidden):
        await asked(http, "GET", f"/{id}", status=404)
    assert (await upload(http, b"hidden", "hidden.png", status=200, tags="input"))["tags"] == ["input", "d"]
    assert (await get(http, "/api/assets?include_tags=d"))["total"] == 1


@pytest.mark.parametrize(
    ("filename", "fields"),
    [
        ("a.png", {}),
        ("a.png", {"tags": "temp"}),
        ("a.png", {"tags": "nowhere"}),
        ("a.safetensors", {"tags": "models"}),
        ("a.safetensors", {"tags": "models,../../user"}),
        ("a.exe", {"tags": "models,loras"}),
        (".hidden", {"tags": "input"}),
        ("a.png", {"tags": "input", "hash": digest(b"other bytes")}),
        ("a.png", {"tags": "input", "hash": "blake3:00"}),
        ("a.png", {"tags": "input", "user_metadata": "[1]"}),
        ("a.png", {"tags": '["input", 3]'}),
        ("a.png", {"tags": "input", "name": "x" * 300}),
    ],
)
async def test_an_odd_upload_is_refused_and_leaves_nothing(http, workspace, filename, fields):
    before = sorted(path for path in workspace.rglob("*") if path.is_file() and path.parent.name != "user")
    await upload(http, b"bytes of odd", filename, status=400, **fields)
    assert (
        sorted(path for path in workspace.rglob("*") if path.is_file() and path.parent.name != "user")
        == before
    )


async def test_no_name_leads_out_of_the_folder(http, workspace):
    told = await upload(http, b"outside", "../../outside.png", tags="input")
    assert (workspace / "input/outside.png").read_bytes() == b"outside"
    assert told["name"] == "outside.png"


async def test_hashing_all_files_is_told_when_it_is_done(http, workspace):
    (workspace / "models/vae/seeded.safetensors").write_bytes(b"seeded")
    async with listening(http, "seeder") as ear:
        told = await asked(http, "POST", "/seed", {"roots": ["models"]}, status=202)
        assert told["roots"] == ["models"]
        await ear.until("assets.seed.completed", roots=["models"])
    status = await get(http, "/api/assets/seed/status")
    assert (status["status"], status["hashed"]) == ("completed", status["total"])
    found = await asked(http, "GET", f"/hash/{digest(b'seeded')}")
    assert found["name"] == "seeded.safetensors"
    assert (await asked(http, "POST", "/seed?wait=true"))["status"] == "completed"
    await asked(http, "POST", "/seed", {"roots": ["temp"]}, status=400)


async def test_a_hash_is_taken_from_a_worker_that_computed_it_and_forgotten_when_the_file_changes(
    http, workspace
):
    path = workspace / "models/vae/by worker.safetensors"
    path.write_bytes(b"large")
    stat = path.stat()
    key = f"{path.resolve()}|{stat.st_size}|{stat.st_mtime_ns}|{stat.st_ctime_ns}|{stat.st_ino}"
    kept = workspace / "user/hashes.json"
    kept.write_text(json.dumps({key: "ab" * 32}))
    await asked(http, "POST", "/seed?wait=1", {"roots": ["models"]})
    assert (await asked(http, "GET", f"/hash/{'ab' * 32}"))["name"] == path.name
    path.write_bytes(b"changed")
    await asked(http, "POST", "/seed?wait=1", {"roots": ["models"]})
    await asked(http, "GET", f"/hash/{'ab' * 32}", status=404)
    assert (await asked(http, "GET", f"/hash/{digest(b'changed')}"))["name"] == path.name


async def test_the_server_answers_while_it_hashes_and_keeps_what_is_known_over_a_restart(tmp_path: Path):
    workspace = tmp_path / "workspace"
    large = workspace / "models/vae/large.safetensors"
    large.parent.mkdir(parents=True)
    with large.open("wb") as file:
        file.truncate(3 << 30)  # no such bytes lie on the disk, but hashing reads them all
    for turn in range(2):
        with serving(workspace, "--factory", FACTORY) as server:
            async with aiohttp.ClientSession(server.url) as http:
                if turn == 1:
                    (kept,) = (await get(http, "/api/assets?include_tags=d"))["assets"]
                    assert kept["hash"] == digest(b"kept")
                    return
                await upload(http, b"kept", "kept.png", tags="input,d")
                await asked(http, "POST", "/seed", {"roots": ["models"]}, status=202)
                await asked(http, "POST", "/seed", {"roots": ["models"]}, status=409)
                began = time.monotonic()
                await asyncio.gather(*(get(http, "/api/assets") for _ in range(20)))
                assert (await get(http, "/api/assets/seed/status"))["status"] == "running"
                assert (await asked(http, "POST", "/seed/cancel"))["status"] == "cancelled"
                assert time.monotonic() - began < 10

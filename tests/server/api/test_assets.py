"""Files of the workspace are assets with tags; those of a job are found through it."""

from pathlib import Path

import pytest

from tests.server.api.asking import get, history, prompt, queue


@pytest.fixture(scope="module")
def files(workspace: Path) -> Path:
    for name in ("input/assets/cat.png", "input/assets/deep/dog.png", "input/assets/page.html", "output/assets/cat.png",
                 "models/checkpoints/assets/big.safetensors", "temp/assets/gone.png"):  # fmt: skip
        (workspace / name).parent.mkdir(parents=True, exist_ok=True)
        (workspace / name).write_bytes(b"x" * len(name))
    return workspace


@pytest.mark.parametrize(
    ("query", "names"),
    [
        (
            "include_tags=assets",
            {"assets/cat.png", "assets/deep/dog.png", "assets/page.html", "assets/big.safetensors"},
        ),
        ("include_tags=input,assets", {"assets/cat.png", "assets/deep/dog.png", "assets/page.html"}),
        ("include_tags=assets&exclude_tags=input,models", {"assets/cat.png"}),
        ("include_tags=models,checkpoints,assets", {"assets/big.safetensors"}),
        ("include_tags=assets&name_contains=DOG", {"assets/deep/dog.png"}),
        ("include_tags=nothing-has-it", set()),
    ],
)
async def test_assets_are_found_by_tags_and_names(http, files, query, names):
    told = await get(http, f"/api/assets?{query}")
    assert {asset["name"] for asset in told["assets"]} == names
    assert told["has_more"] is False


async def test_assets_come_in_pages_in_the_order_that_is_asked(http, files):
    base = "/api/assets?include_tags=assets,input&sort=name&order=asc"
    first, second = await get(http, f"{base}&limit=2"), await get(http, f"{base}&limit=2&offset=2")
    names = [asset["name"] for asset in (*first["assets"], *second["assets"])]
    assert names == ["assets/cat.png", "assets/deep/dog.png", "assets/page.html"]
    assert (first["total"], first["has_more"], second["has_more"]) == (3, True, False)


async def test_an_asset_has_an_id_that_stays_and_a_picture_to_show(http, files):
    (asset,) = (await get(http, "/api/assets?include_tags=output,assets"))["assets"]
    assert (await get(http, f"/api/assets/{asset['id']}"))["name"] == asset["name"]
    assert (asset["mime_type"], asset["size"], asset["tags"]) == ("image/png", 21, ["output", "assets"])
    assert asset["preview_url"].startswith("/api/view?filename=cat.png&subfolder=assets&type=output")
    async with http.get(f"/api/assets/{asset['id']}/content") as answer:
        assert (answer.content_type, len(await answer.read())) == ("image/png", 21)


async def test_what_could_run_is_only_saved_and_models_are_not_given_out(http, files):
    (page,) = (await get(http, "/api/assets?include_tags=assets&name_contains=page.html"))["assets"]
    async with http.get(f"/api/assets/{page['id']}/content") as answer:
        assert answer.content_type == "application/octet-stream"
        assert answer.headers["Content-Disposition"].startswith("attachment")
    (model,) = (await get(http, "/api/assets?include_tags=models,assets"))["assets"]
    async with http.get(f"/api/assets/{model['id']}/content") as answer:
        assert answer.status == 403
    async with http.get("/api/assets/nobody/content") as answer:
        assert answer.status == 404


async def test_tags_are_counted(http, files):
    told = {tag["name"]: tag["count"] for tag in (await get(http, "/api/tags?prefix=assets"))["tags"]}
    assert told == {"assets": 5}
    assert (await get(http, "/api/tags?limit=1"))["has_more"] is True


async def test_the_files_of_a_job_are_found_through_it(http):
    id = (await queue(http, prompt(s=("Save", {"side": 3, "filename_prefix": "of job/one"}))))["prompt_id"]
    (picture,) = (await history(http, id))["outputs"]["s"]["images"]
    told = await get(http, f"/api/jobs/{id}/assets?limit=5")
    (asset,) = told["assets"]
    assert (asset["name"], asset["node_id"], asset["output_key"], asset["output_index"]) == (
        f"{picture['subfolder']}/{picture['filename']}", "s", "images", 0,
    )  # fmt: skip
    assert told["pagination"] == {"offset": 0, "limit": 5, "total": 1, "has_more": False}
    assert (await get(http, f"/api/assets/{asset['id']}"))["name"] == asset["name"]
    async with http.get("/api/jobs/nobody/assets") as answer:
        assert (answer.status, await answer.json()) == (404, {"error": "Job not found"})


@pytest.mark.parametrize("query", ["sort=color", "order=up", "limit=x", "limit=0", "offset=-1"])
async def test_an_odd_query_is_refused(http, query):
    async with http.get(f"/api/assets?{query}") as answer:
        assert answer.status == 400

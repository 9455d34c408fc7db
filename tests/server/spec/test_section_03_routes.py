"""EXECUTOR.md section 3: each route as it says, bare and under /api."""

import asyncio
import io
import json
import uuid
from pathlib import Path

import aiohttp
import pytest
from PIL import Image

from tests.server.api.asking import get, history, prompt, queue, shown
from tests.server.api.conftest import http, server, workspace  # noqa: F401
from tests.server.spec.asked import Asked, asked, check, equals, is_a, keys

PNG = io.BytesIO()
Image.new("RGBA", (4, 4), (255, 0, 0, 128)).save(PNG, "PNG")
NOBODY = str(uuid.UUID(int=0))
NODE = ("input", "input_order", "is_input_list", "output", "output_is_list", "output_name", "name", "display_name",
        "description", "python_module", "category", "output_node", "has_intermediate_output", "search_aliases")  # fmt: skip


def job_of(told: dict) -> dict:
    return told["jobs"][0]


BOTH = [
    asked(
        "3 GET /prompt counts what waits and runs",
        "GET",
        "/prompt",
        says=equals({"exec_info": {"queue_remaining": 0}}),
    ),
    asked(
        "3 GET /queue has running and pending",
        "GET",
        "/queue",
        says=equals({"queue_running": [], "queue_pending": []}),
    ),
    asked("3 POST /queue clear", "POST", "/queue", json={"clear": True}, says=equals(b"")),
    asked(
        "3 POST /queue delete of what is not there",
        "POST",
        "/queue",
        json={"delete": [NOBODY]},
        says=equals(b""),
    ),
    asked("3 POST /interrupt without a body", "POST", "/interrupt", says=equals(b"")),
    asked("3 POST /interrupt of another", "POST", "/interrupt", json={"prompt_id": NOBODY}, says=equals(b"")),
    asked(
        "3 POST /free", "POST", "/free", json={"unload_models": True, "free_memory": True}, says=equals(b"")
    ),
    asked("3 GET /history", "GET", "/history?max_items=3", says=is_a(dict)),
    asked("3 GET /history of nobody is empty", "GET", f"/history/{NOBODY}", says=equals({})),
    asked("3 POST /history delete", "POST", "/history", json={"delete": [NOBODY]}, says=equals(b"")),
    asked(
        "3 GET /object_info has every field",
        "GET",
        "/object_info",
        says=lambda told: set(NODE) <= told["Number"].keys(),
    ),
    asked(
        "3 GET /object_info of one",
        "GET",
        "/object_info/Number",
        says=lambda told: set(NODE) <= told["Number"].keys(),
    ),
    asked("3 GET /object_info of nobody is empty", "GET", "/object_info/Nobody", says=equals({})),
    asked("3 GET /system_stats", "GET", "/system_stats", says=keys("system", "devices")),
    asked(
        "3 GET /features",
        "GET",
        "/features",
        says=keys("supports_preview_metadata", "max_upload_size", "extension"),
    ),
    asked("3 GET /models", "GET", "/models", says=lambda told: "checkpoints" in told),
    asked("3 GET /models of a folder", "GET", "/models/loras", says=is_a(list)),
    asked("3 GET /models of no folder", "GET", "/models/nothing", status=404),
    asked("3 GET /embeddings", "GET", "/embeddings", says=is_a(list)),
    asked("3 GET /extensions", "GET", "/extensions", says=is_a(list)),
    asked(
        "3 GET /view_metadata of no file", "GET", "/view_metadata/loras?filename=x.safetensors", status=404
    ),
    asked("3 GET /users", "GET", "/users", says=equals({"storage": "server", "migrated": True})),
    asked("3 GET /userdata of a folder that is not there", "GET", "/userdata?dir=nothing", status=404),
    asked("3 GET /v2/userdata of a folder that is not there", "GET", "/v2/userdata?path=nothing", status=404),
    asked("3 GET /settings", "GET", "/settings", says=is_a(dict)),
    asked(
        "3 GET /settings of one that was never set", "GET", "/settings/Never", says=lambda told: told is None
    ),
    asked("3 GET /global_subgraphs", "GET", "/global_subgraphs", says=is_a(dict)),
    asked("3 GET /workflow_templates", "GET", "/workflow_templates", says=is_a(dict)),
    asked("3 GET /i18n", "GET", "/i18n", says=is_a(dict)),
    asked(
        "3 GET /experiment/models",
        "GET",
        "/experiment/models",
        says=lambda told: {"name", "folders"} == told[0].keys(),
    ),
    asked("3 GET /view of an absolute name", "GET", "/view?filename=/etc/passwd", status=400),
    asked(
        "3 GET /view of a name that leads out", "GET", "/view?filename=..%2F..%2Fuser%2Fweft.db", status=400
    ),
    asked(
        "3 GET /view of a subfolder that leads out", "GET", "/view?filename=x.png&subfolder=..", status=400
    ),
    asked("3 GET /view of no file", "GET", "/view?filename=nothing.png", status=404),
    asked("3 POST /upload/image without a file", "POST", "/upload/image", data={"type": "input"}, status=400),
]
ONCE = [
    asked("3 GET /api/jobs", "GET", "/api/jobs", says=keys("jobs", "pagination")),
    asked(
        "3 GET /api/jobs with a cancelled state",
        "GET",
        "/api/jobs?status=pending,in_progress,completed,failed,cancelled",
    ),
    asked(
        "3 GET /api/jobs of an unknown state",
        "GET",
        "/api/jobs?status=odd",
        status=400,
        says=lambda told: isinstance(told["error"], str),
    ),
    asked(
        "3 GET /api/jobs in an unknown order",
        "GET",
        "/api/jobs?sort_by=color",
        status=400,
        says=lambda told: isinstance(told["error"], str),
    ),
    asked(
        "3 GET /api/jobs of nobody",
        "GET",
        f"/api/jobs/{NOBODY}",
        status=404,
        says=equals({"error": "Job not found"}),
    ),
    asked("3 GET /jobs is not there", "GET", "/jobs", status=404),
    asked(
        "3 POST /api/jobs cancel of one is idempotent",
        "POST",
        f"/api/jobs/{NOBODY}/cancel",
        says=equals({"cancelled": False}),
    ),
    asked(
        "3 POST /api/jobs cancel of several",
        "POST",
        "/api/jobs/cancel",
        json={"job_ids": [NOBODY]},
        says=equals({"cancelled": False}),
    ),
    asked("3 GET /internal/logs", "GET", "/internal/logs", says=is_a(str)),
    asked("3 GET /internal/folder_paths", "GET", "/internal/folder_paths", says=keys("checkpoints", "loras")),
    asked("3 GET /internal/files of input", "GET", "/internal/files/input", says=is_a(list)),
    asked("3 GET /internal/files of output", "GET", "/internal/files/output", says=is_a(list)),
    asked("3 GET /internal/files of temp", "GET", "/internal/files/temp", says=is_a(list)),
    asked("3 GET /internal/files of nothing", "GET", "/internal/files/nothing", status=400),
]


@pytest.mark.parametrize("prefix", ["", "/api"])
@pytest.mark.parametrize("row", BOTH)
async def test_a_row_holds_bare_and_under_api(http, prefix: str, row: Asked):  # noqa: F811
    await check(http, row, prefix)


@pytest.mark.parametrize("row", ONCE)
async def test_a_row_holds_where_it_is(http, row: Asked):  # noqa: F811
    await check(http, row)


async def test_3_items_of_the_queue_have_five_parts_and_only_waiting_ones_are_deleted(http):  # noqa: F811
    held = prompt(
        a=("Steps", {"total": 2000, "seconds": 0.01, "label": uuid.uuid4().hex}),
        b=("Show", {"value": ["a", 0]}),
    )
    running = (await queue(http, held))["prompt_id"]
    waiting = (await queue(http, shown("waits"), extra_data={"api_key_comfy_org": "secret", "more": 1}))[
        "prompt_id"
    ]
    async with asyncio.timeout(20):
        while not (seen := await get(http, "/queue"))["queue_running"]:
            await asyncio.sleep(0.02)
    ((number, id, nodes, extra, targets),) = seen["queue_pending"]
    assert (id, nodes, extra["more"], targets) == (waiting, shown("waits"), 1, ["b"])
    assert isinstance(number, int) and "secret" not in json.dumps(seen)
    await http.post("/queue", json={"delete": [running, waiting]})
    seen = await get(http, "/queue")
    assert ([item[1] for item in seen["queue_running"]], seen["queue_pending"]) == ([running], [])
    await http.post("/interrupt", json={"prompt_id": waiting})
    assert (await get(http, "/queue"))["queue_running"], "only the one that is named is stopped"
    await http.post("/interrupt", json={"prompt_id": running})
    assert (await history(http, running))["status"]["status_str"] == "error"


async def test_3_history_gives_the_last_ones_and_forgets(http):  # noqa: F811
    ids = [(await queue(http, shown(f"section 3: {index}")))["prompt_id"] for index in range(3)]
    for id in ids:
        await history(http, id)
    assert list(await get(http, "/history?max_items=2")) == ids[1:]
    assert list(await get(http, f"/history/{ids[0]}")) == [ids[0]]
    await http.post("/history", json={"delete": [ids[0]]})
    assert await get(http, f"/history/{ids[0]}") == {}
    await http.post("/history", json={"clear": True})
    assert await get(http, "/history") == {}


async def test_3_a_job_says_what_is_known_and_leaves_out_what_is_not(http):  # noqa: F811
    extra = {"extra_pnginfo": {"workflow": {"id": "w3"}}}
    id = (await queue(http, prompt(a=("Save", {"side": 2, "filename_prefix": "s3"})), extra_data=extra))[
        "prompt_id"
    ]
    await history(http, id)
    listed = job_of(await get(http, "/api/jobs?workflow_id=w3&limit=1"))
    assert listed.keys() == {"id", "status", "priority", "create_time", "execution_start_time", "execution_end_time",
                             "outputs_count", "preview_output", "workflow_id"}  # fmt: skip
    whole = await get(http, f"/api/jobs/{id}")
    assert whole.keys() >= listed.keys() | {"outputs", "execution_status", "workflow"}
    assert whole["workflow"]["prompt"]["a"]["class_type"] == "Save"
    assert whole["workflow"]["extra_data"]["extra_pnginfo"] == extra["extra_pnginfo"]


async def test_3_object_info_says_of_a_node_what_its_spec_says(http):  # noqa: F811
    told = (await get(http, "/object_info"))["Save"]
    assert (told["name"], told["display_name"], told["output_node"]) == ("Save", "Save a square", True)
    assert (told["output"], told["output_is_list"], told["is_input_list"]) == ([], [], False)
    assert told["input_order"] == {"required": ["side", "filename_prefix"]}
    assert (told["has_intermediate_output"], told["search_aliases"]) == (False, [])
    assert not told.keys() & {"deprecated", "experimental", "dev_only", "api_node", "essentials_category"}, (
        "only if set"
    )


async def test_3_view_gives_a_picture_whole_or_redrawn(http, workspace: Path):  # noqa: F811
    (workspace / "output" / "section3.png").write_bytes(PNG.getvalue())
    kinds = {
        "": "image/png",
        "&preview=webp;90": "image/webp",
        "&preview=jpeg": "image/jpeg",
        "&channel=a": "image/png",
    }
    for query, kind in kinds.items():
        async with http.get(f"/view?filename=section3.png{query}") as answer:
            assert (answer.status, answer.content_type) == (200, kind)
            picture = Image.open(io.BytesIO(await answer.read()))
    assert picture.convert("RGBA").getpixel((0, 0)) == (0, 0, 0, 128), "the alpha alone"


@pytest.mark.parametrize("suffix", ["html", "js", "css", "svg", "xml", "xhtml"])
async def test_3_view_lets_nothing_run(http, workspace: Path, suffix: str):  # noqa: F811
    (workspace / "output" / f"section3.{suffix}").write_text("<script>alert(1)</script>")
    async with http.get(f"/view?filename=section3.{suffix}") as answer:
        assert answer.content_type == "application/octet-stream"
        assert answer.headers["Content-Disposition"].startswith("attachment")
        assert answer.headers["X-Content-Type-Options"] == "nosniff"
    if suffix == "svg":
        async with http.get(
            f"/view?filename=section3.{suffix}", headers={"Sec-Fetch-Dest": "image"}
        ) as answer:
            assert answer.content_type == "image/svg+xml"


async def test_3_view_follows_no_link_that_leads_out(http, workspace: Path):  # noqa: F811
    (workspace / "output" / "section3.link.png").symlink_to(workspace / "user" / "weft.db")
    async with http.get("/view?filename=section3.link.png") as answer:
        assert answer.status == 400


async def test_3_an_upload_of_the_same_bytes_is_kept_once_and_of_others_gets_a_number(http):  # noqa: F811
    async def upload(content: bytes, **fields: str) -> dict:
        form = aiohttp.FormData(fields)
        form.add_field("image", content, filename="section3.png")
        async with http.post("/upload/image", data=form) as answer:
            assert answer.status == 200
            return await answer.json()

    place = {"subfolder": "s3", "type": "input"}
    assert await upload(b"one", **place) == {"name": "section3.png", **place}
    assert (await upload(b"one", **place))["name"] == "section3.png"
    assert (await upload(b"two", **place))["name"] == "section3 (1).png"
    assert (await upload(b"three", overwrite="true", **place))["name"] == "section3.png"


async def test_3_a_mask_brings_its_alpha_to_the_original(http, workspace: Path):  # noqa: F811
    Image.new("RGB", (4, 4), "green").save(workspace / "input" / "section3.green.png")
    form = aiohttp.FormData({"original_ref": json.dumps({"filename": "section3.green.png", "type": "input"})})
    form.add_field("image", PNG.getvalue(), filename="section3.mask.png")
    async with http.post("/api/upload/mask", data=form) as answer:
        saved = await answer.json()
    picture = Image.open(workspace / saved["type"] / saved["subfolder"] / saved["name"])
    assert picture.getpixel((1, 1)) == (0, 128, 0, 128)

"""Every route that clients ask is there, bare and under /api, and answers in the shape they know."""

import asyncio
import json
import struct
import uuid

import pytest
from yarl import URL

from tests.server.api.asking import get, history, prompt, queue, shown

PLAIN = [
    ("/prompt", dict), ("/queue", dict), ("/history", dict), ("/history/nobody", dict), ("/object_info", dict),
    ("/object_info/Say", dict), ("/users", dict), ("/settings", dict), ("/extensions", list), ("/embeddings", list),
    ("/models", list), ("/models/loras", list), ("/experiment/models", list), ("/experiment/models/loras", list),
    ("/i18n", dict), ("/workflow_templates", dict), ("/global_subgraphs", dict), ("/system_stats", dict),
    ("/features", dict), ("/v2/userdata?path=", list),
]  # fmt: skip
API_ONLY = [("/api/jobs", dict), ("/api/weft/packs", list), ("/api/weft/default_workflow", dict), ("/api/weft/status", dict),
            ("/internal/folder_paths", dict), ("/internal/files/output", list), ("/internal/logs", str),
            ("/internal/logs/raw", dict)]  # fmt: skip


@pytest.mark.parametrize("prefix", ["", "/api"])
@pytest.mark.parametrize(("route", "kind"), PLAIN)
async def test_a_route_answers_bare_and_under_api(http, prefix, route, kind):
    if "userdata" in route:
        await http.post("/userdata/any.json", data=b"{}")
    assert isinstance(await get(http, prefix + route), kind)


@pytest.mark.parametrize(("route", "kind"), API_ONLY)
async def test_a_route_answers_where_it_is(http, route, kind):
    assert isinstance(await get(http, route), kind)


@pytest.mark.parametrize(
    "route", ["/nothing", "/api/nothing", "/api/history/a/b", "/models/nothing", "/jobs", "/assets/x"]
)
async def test_what_is_not_there_is_a_404_in_json(http, route):
    async with http.get(route) as answer:
        assert answer.status == 404
        assert (await answer.json())["error"]["type"] == "http_404"


async def test_a_wrong_method_is_a_405_in_json(http):
    async with http.delete("/prompt") as answer:
        assert answer.status == 405
        assert (await answer.json())["error"]["type"] == "http_405"
        assert {"GET", "POST"} <= {way.strip() for way in answer.headers["Allow"].split(",")}


MISSING = [
    ("/view?filename=nobody.png&type=input", "no file 'nobody.png' in that folder of input"),
    ("/userdata?dir=nowhere", "no folder nowhere yet"),
    ("/userdata/no.json", "no file of that name"),
    ("/models/nothing", "/models lists them"),
    ("/ws", "open it with ws://"),
]


@pytest.mark.parametrize(("route", "words"), MISSING)
async def test_what_is_refused_says_what_is_wrong(http, route: str, words: str):
    async with http.get(route) as answer:
        assert answer.status in (400, 404)
        assert words in (await answer.json())["error"]["message"]


@pytest.mark.parametrize("given", [5, "", "x", [], "A0000000-0000-4000-8000-000000000000"])
async def test_a_prompt_id_of_another_shape_is_named(http, given: object):
    async with http.post("/prompt", json={"prompt": {}, "prompt_id": given}) as answer:
        assert answer.status == 400
        assert (await answer.json())["error"]["type"] == "invalid_prompt_id"


async def test_a_head_is_answered_like_a_get(http):
    for route in ("/", "/api/prompt", "/object_info"):
        async with http.head(route) as answer:
            assert answer.status == 200


POSTS = [
    "/prompt",
    "/queue",
    "/interrupt",
    "/free",
    "/history",
    "/settings",
    "/settings/x",
    "/api/jobs/cancel",
]
BODIES = [b"{", b"\xff", b"[" * 50_000, b'"x"', b"5", b"[1]", b'{"clear": 1}', b'{"delete": "x"}', b'{"delete": [{}]}',
          b'{"unload_models": "no"}', b'{"job_ids": 5}', b'{"prompt_id": []}']  # fmt: skip


@pytest.mark.parametrize("route", POSTS)
@pytest.mark.parametrize("body", BODIES, ids=[repr(body[:20]) for body in BODIES])
async def test_no_body_is_a_server_error(http, route, body):
    async with http.post(route, data=body) as answer:
        assert answer.status in (200, 400)
        if answer.status == 400:
            assert (await answer.json())["error"]["message"]


async def test_the_description_of_a_node_is_the_fields(http):
    described = (await get(http, "/object_info/Number"))["Number"]
    assert described["input"] == {
        "required": {
            "value": ["INT", {"default": 1, "min": 0, "max": 10}],
            "weight": ["FLOAT", {"default": 0.5, "min": -1.0, "max": 1.0, "step": 0.1}],
            "on": ["BOOLEAN", {"default": True}],
        }
    }
    assert described["input_order"] == {"required": ["value", "weight", "on"]}
    assert (described["output"], described["output_is_list"], described["output_name"]) == (
        ["INT"],
        [False],
        ["INT"],
    )
    assert (described["name"], described["output_node"], described["category"]) == ("Number", False, "test")
    assert await get(http, "/object_info/Nobody") == {}


async def test_what_waits_can_be_seen_and_removed(http):
    held = prompt(
        a=("Steps", {"total": 1000, "seconds": 0.01, "label": uuid.uuid4().hex}),
        b=("Show", {"value": ["a", 0]}),
    )
    running = (await queue(http, held))["prompt_id"]
    waiting = [(await queue(http, shown(str(index))))["prompt_id"] for index in range(4)]
    first = await queue(http, shown("front"), front=True)
    second = await queue(http, shown("front"), front=True)
    assert second["number"] < first["number"] < 0
    while not (seen := await get(http, "/queue"))["queue_running"]:
        await asyncio.sleep(0.01)
    assert [item[1] for item in seen["queue_running"]] == [running]
    assert [item[1] for item in seen["queue_pending"]] == [second["prompt_id"], first["prompt_id"], *waiting]
    assert all(len(item) == 5 for item in seen["queue_pending"])
    assert await get(http, "/prompt") == {"exec_info": {"queue_remaining": 7}}
    listed = await get(http, "/api/jobs?status=pending,in_progress&limit=3&sort_order=asc")
    assert listed["pagination"] == {"offset": 0, "limit": 3, "total": 7, "has_more": True}
    async with http.post("/queue", json={"delete": [waiting[0], running, "nobody"]}) as answer:
        assert (answer.status, await answer.read()) == (200, b"")
    async with http.post(f"/api/jobs/{waiting[1]}/cancel") as answer:
        assert await answer.json() == {"cancelled": True}
    async with http.post(f"/api/jobs/{waiting[1]}/cancel") as answer:
        assert await answer.json() == {"cancelled": False}
    assert len((await get(http, "/queue"))["queue_pending"]) == 4
    async with http.post("/queue", json={"clear": True}) as answer:
        assert answer.status == 200
    assert await get(http, "/prompt") == {"exec_info": {"queue_remaining": 1}}
    async with http.post("/api/jobs/cancel", json={"job_ids": [running, "nobody"]}) as answer:
        assert await answer.json() == {"cancelled": True}
    assert (await history(http, running))["status"]["status_str"] == "error"


async def test_an_interrupt_without_a_body_is_taken(http):
    async with http.post("/interrupt") as answer:
        assert (answer.status, await answer.read()) == (200, b"")


async def test_free_is_taken(http):
    async with http.post("/free", json={"unload_models": True, "free_memory": True}) as answer:
        assert answer.status == 200


async def test_history_pages_and_forgets(http):
    ids = [(await queue(http, shown(f"page {index}")))["prompt_id"] for index in range(3)]
    for id in ids:
        await history(http, id)
    assert list(await get(http, "/history?max_items=2")) == ids[1:]
    assert len(await get(http, "/history?max_items=1&offset=0")) == 1
    entry = (await get(http, f"/history/{ids[0]}"))[ids[0]]
    assert entry.keys() == {"prompt", "outputs", "status", "meta"}
    assert entry["status"].keys() == {"status_str", "completed", "messages"}
    assert [name for name, _ in entry["status"]["messages"]] == [
        "execution_start",
        "execution_cached",
        "execution_success",
    ]
    assert entry["meta"]["b"] == {
        "node_id": "b",
        "display_node": "b",
        "parent_node": None,
        "real_node_id": "b",
    }
    async with http.post("/history", json={"delete": [ids[0]]}) as answer:
        assert answer.status == 200
    assert await get(http, f"/history/{ids[0]}") == {}
    async with http.post("/history", json={"clear": True}) as answer:
        assert answer.status == 200
    assert await get(http, "/history") == {}


async def test_a_job_is_described_with_its_picture(http):
    extra = {"extra_pnginfo": {"workflow": {"id": "my-workflow"}}}
    nodes = prompt(a=("Save", {"side": 5, "filename_prefix": "jobs/seen"}))
    id = (await queue(http, nodes, extra_data=extra))["prompt_id"]
    entry = await history(http, id)
    (picture,) = entry["outputs"]["a"]["images"]
    assert picture == {"filename": "seen_00001_.png", "subfolder": "jobs", "type": "output"}
    job = await get(http, f"/api/jobs/{id}")
    assert (job["status"], job["outputs_count"], job["workflow_id"]) == ("completed", 1, "my-workflow")
    assert job["preview_output"] == {**picture, "nodeId": "a", "mediaType": "images"}
    assert job["workflow"]["prompt"] == nodes
    assert job["workflow"]["extra_data"]["extra_pnginfo"] == extra["extra_pnginfo"]
    assert job["execution_status"] == entry["status"]
    assert job["execution_start_time"] <= job["execution_end_time"]
    listed = await get(
        http, "/api/jobs?status=completed,failed,cancelled&workflow_id=my-workflow&limit=200&offset=0"
    )
    assert [found["id"] for found in listed["jobs"]] == [id]
    async with http.get("/view", params=picture) as answer:
        assert answer.content_type == "image/png"
    async with http.get("/api/jobs/nobody") as answer:
        assert (answer.status, await answer.json()) == (404, {"error": "Job not found"})


@pytest.mark.parametrize(
    "query",
    ["status=nothing", "limit=x", "limit=0", "limit=-1", "offset=1.5", "sort_by=size", "sort_order=up"],
)
async def test_a_wrong_query_of_jobs_is_a_400(http, query):
    async with http.get(f"/api/jobs?{query}") as answer:
        assert answer.status == 400
        assert isinstance((await answer.json())["error"], str)


async def test_a_worker_that_dies_fails_its_job_and_the_next_runs(http):
    nodes = prompt(a=("Kill", {"text": ""}), b=("Show", {"value": ["a", 0]}))
    killed = (await queue(http, nodes))["prompt_id"]
    after = (await queue(http, shown("after")))["prompt_id"]
    entry = await history(http, killed)
    assert entry["status"]["status_str"] == "error"
    name, data = entry["status"]["messages"][-1]
    assert (name, data["node_id"], data["node_type"]) == ("execution_error", "a", "Kill")
    assert data["exception_message"].strip()
    assert (await history(http, after))["status"]["status_str"] == "success"


async def test_settings_are_merged_and_kept(http):
    async with http.post("/settings", json={"Test.A": 1, "Test.B": {"x": [1]}}) as answer:
        assert answer.status == 200
    async with http.post("/settings/Test.A", data=b"false") as answer:
        assert answer.status == 200
    settings = await get(http, "/settings")
    assert (settings["Test.A"], settings["Test.B"]) == (False, {"x": [1]})
    assert await get(http, "/settings/Test.B") == {"x": [1]}
    assert await get(http, "/settings/Test.Never") is None


async def test_own_files_are_written_listed_moved_and_deleted(http):
    base = "/userdata/workflows%2Fdeep%2Fmine.json"
    async with http.post(f"{base}?overwrite=false&full_info=true", data=b'{"a": 1}') as answer:
        assert answer.status == 200
        assert (await answer.json())["path"] == "workflows/deep/mine.json"
    async with http.post(f"{base}?overwrite=false", data=b"{}") as answer:
        assert answer.status == 409
    assert await get(http, base) == {"a": 1}
    (info,) = await get(http, "/userdata?dir=workflows&recurse=true&split=false&full_info=true")
    assert info.keys() == {"path", "size", "modified", "created"}
    assert (info["path"], info["size"]) == ("deep/mine.json", 8)
    assert await get(http, "/userdata?dir=workflows&recurse=true") == ["deep/mine.json"]
    async with http.post(f"{base}/move/workflows%2Fother.json?overwrite=false") as answer:
        assert await answer.json() == "workflows/other.json"
    entries = await get(http, "/v2/userdata?path=workflows")
    assert {(entry["name"], entry["type"]) for entry in entries} == {
        ("deep", "directory"),
        ("other.json", "file"),
    }
    async with http.delete("/userdata/workflows%2Fother.json") as answer:
        assert answer.status == 204
    async with http.get("/userdata/workflows%2Fother.json") as answer:
        assert answer.status == 404
    async with http.get("/userdata?dir=nothing") as answer:
        assert answer.status == 404


@pytest.mark.parametrize("name", ["..%2Fx", "%2Fetc%2Fpasswd", "%252e%252e%2Fx", "a%2F..%2F..%2Fx", "%00"])
async def test_own_files_stay_in_their_folder(http, workspace, name):
    before = set(workspace.rglob("*"))
    async with http.post(f"/userdata/{name}", data=b"x") as answer:
        assert answer.status in (400, 404)
    async with http.get(f"/userdata/{name}") as answer:
        assert answer.status in (400, 404)
    assert {path for path in workspace.rglob("*") if "user" not in path.parts} <= before


async def test_what_a_model_says_of_itself_is_shown(http, workspace):
    header = json.dumps({"__metadata__": {"trained": "yes"}}).encode()
    (workspace / "models/loras/said.safetensors").write_bytes(struct.pack("<Q", len(header)) + header)
    assert await get(http, "/view_metadata/loras?filename=said.safetensors") == {"trained": "yes"}
    for content in (b"", b"short", struct.pack("<Q", 1 << 60), struct.pack("<Q", 9) + b"{nothing}"):
        (workspace / "models/loras/odd.safetensors").write_bytes(content)
        async with http.get("/view_metadata/loras?filename=odd.safetensors") as answer:
            assert answer.status == 404
    async with http.get("/view_metadata/loras?filename=../../x.safetensors") as answer:
        assert answer.status == 400
    assert "said.safetensors" in await get(http, "/models/loras")


async def test_the_default_workflow_is_one(http):
    workflow = await get(http, "/api/weft/default_workflow")
    assert workflow["version"] == 0.4
    assert {node["type"] for node in workflow["nodes"]} >= {"CheckpointLoaderSimple", "KSampler", "SaveImage"}


async def test_without_a_built_editor_the_first_page_says_what_to_do(http):
    async with http.get("/") as answer:
        assert (answer.status, answer.content_type) == (200, "text/html")
        assert "Weft" in await answer.text()


ODD = [
    "%ff",
    "%ED%A0%80",
    "%00",
    "%F0%9F%8E%A8",
    "'%20OR%201=1",
    "..%2f..",
    "a" * 3000,
    "%2e%2e",
    "%0d%0aX:1",
    "{}",
    "%25",
    "-1",
]
TAKING = ["/history/{}", "/object_info/{}", "/models/{}", "/experiment/models/{}",
          "/view_metadata/{}?filename=x.safetensors",
          "/view_metadata/loras?filename={}.safetensors", "/view?filename={}", "/view?filename=x&subfolder={}",
          "/view?filename=x&type={}", "/userdata/{}", "/userdata?dir={}", "/v2/userdata?path={}", "/settings/{}",
          "/api/jobs/{}", "/api/jobs?workflow_id={}", "/api/jobs?limit={}", "/history?max_items={}", "/internal/files/{}",
          "/extensions/{}/x.js", "/extensions/weft/{}", "/{}", "/assets/{}", "/api/assets/{}", "/api/assets/{}/content",
          "/api/assets?include_tags={}", "/api/tags?prefix={}", "/api/jobs/{}/assets", "/workflow_templates/{}/x.json",
          "/workflow_templates/weft_example_pack/{}", "/global_subgraphs/{}", "/templates/{}.json", "/templates/{}-1.webp",
          "/docs/{}/en.md", "/docs/Say/{}.md", "/experiment/models/preview/{}/0/x", "/experiment/models/preview/loras/{}/x",
          "/experiment/models/preview/loras/0/{}"]  # fmt: skip


@pytest.mark.parametrize("route", TAKING)
async def test_no_odd_name_is_a_server_error(http, route):
    for name in ODD:
        url = URL(str(http._base_url).rstrip("/") + route.format(name), encoded=True)
        async with http.get(url) as answer:
            assert answer.status in (200, 400, 404), (name, await answer.text())
            assert "X" not in answer.headers


@pytest.mark.parametrize("name", ODD)
async def test_no_odd_name_is_a_server_error_when_written(http, name):
    base = str(http._base_url).rstrip("/")
    for route, body in ((f"/settings/{name}", b"1"), (f"/api/jobs/{name}/cancel", b""), (f"/userdata/odd-{name}", b"x"),
                        (f"/userdata/odd-{name}/move/other-{name}", b"")):  # fmt: skip
        async with http.post(URL(base + route, encoded=True), data=body) as answer:
            assert answer.status in (200, 400, 404, 405, 409), (route, await answer.text())
    async with http.ws_connect(URL(f"{base}/ws?clientId={name}", encoded=True)) as socket:
        assert (await socket.receive_json())["data"]["sid"]

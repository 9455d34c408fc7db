"""API.md section 3: each row that a local server has (E, R and O), as it says."""

import io
from pathlib import Path
from urllib.parse import quote

import pytest
from PIL import Image

from tests.server.api.asking import get, shown
from tests.server.api.conftest import http, server, workspace  # noqa: F401
from tests.server.spec.asked import Asked, asked, check, equals, is_a, is_error, keys

ROWS = [
    # Core: what jobs, queue and history answer is told by EXECUTOR.md section 3, and tested there.
    asked("API 3 core E GET object_info", "GET", "/api/object_info", says=keys("Say", "Number")),
    asked(
        "API 3 core R POST prompt",
        "POST",
        "/api/prompt",
        json={"client_id": "rows", "prompt": shown("rows"), "extra_data": {}},
        says=lambda told: told.keys() == {"prompt_id", "number", "node_errors"} and told["node_errors"] == {},
    ),
    asked(
        "API 3 core R POST prompt without one",
        "POST",
        "/api/prompt",
        json={},
        status=400,
        says=is_error("no_prompt"),
    ),
    asked(
        "API 3 core R POST prompt of an unknown class",
        "POST",
        "/api/prompt",
        json={"prompt": {"1": {"class_type": "Nobody", "inputs": {}}}},
        status=400,
        says=is_error("missing_node_type"),
    ),
    asked(
        "API 3 core R POST prompt without outputs",
        "POST",
        "/api/prompt",
        json={"prompt": {"1": {"class_type": "Say", "inputs": {}}}},
        status=400,
        says=is_error("prompt_no_outputs"),
    ),
    asked(
        "API 3 core R POST prompt with a wrong input",
        "POST",
        "/api/prompt",
        json={"prompt": {"1": {"class_type": "Save", "inputs": {"side": 99, "filename_prefix": "x"}}}},
        status=400,
        says=lambda told: told["node_errors"]["1"]["errors"][0]["extra_info"]["input_name"] == "side",
    ),
    asked("API 3 core O POST free", "POST", "/api/free", json={"unload_models": True}),
    asked(
        "API 3 core R GET jobs has pages",
        "GET",
        "/api/jobs?status=in_progress,pending&limit=200&offset=0",
        says=lambda told: told["pagination"].keys() == {"offset", "limit", "total", "has_more"},
    ),
    asked(
        "API 3 core O GET jobs assets of nobody",
        "GET",
        "/api/jobs/nobody/assets?limit=500",
        status=404,
        says=keys("error"),
    ),
    # Files, media
    asked("API 3 files O GET internal files", "GET", "/internal/files/output", says=is_a(list)),
    asked(
        "API 3 files O GET internal folder_paths",
        "GET",
        "/internal/folder_paths",
        says=lambda told: Path(told["vae"][0]).is_absolute(),
    ),
    asked(
        "API 3 files O GET docs",
        "GET",
        "/docs/Say/en.md",
        kind="text/markdown",
        says=lambda told: told.startswith(b"# Say"),
    ),
    asked(
        "API 3 files O GET video_metadata of no film",
        "GET",
        "/api/video_metadata?filename=no.mp4",
        status=404,
    ),
    asked("API 3 files O GET viewvideo of no film", "GET", "/api/viewvideo?filename=no.mp4", status=404),
    asked(
        "API 3 files O GET mask-layers of none", "GET", "/api/files/mask-layers?filename=no.png", status=404
    ),
    asked("API 3 files O GET docs in another language", "GET", "/docs/Say/fr.md", status=404),
    # Settings, users, userdata
    asked(
        "API 3 users E GET users", "GET", "/api/users", says=equals({"storage": "server", "migrated": True})
    ),
    asked(
        "API 3 users O POST users where there is one",
        "POST",
        "/api/users",
        json={"username": "x"},
        status=400,
        says=lambda told: isinstance(told["error"], str),
    ),
    asked("API 3 settings E GET settings", "GET", "/api/settings", says=is_a(dict)),
    asked("API 3 settings R POST settings", "POST", "/api/settings", json={"Rows.A": [1]}),
    asked("API 3 settings R POST of one, any JSON", "POST", "/api/settings/Rows.B", data=b"null"),
    asked(
        "API 3 settings R POST of one, no JSON",
        "POST",
        "/api/settings/Rows.B",
        data=b"nul",
        status=400,
        says=is_error("invalid_json"),
    ),
    asked(
        "API 3 userdata R GET of a missing folder",
        "GET",
        "/api/userdata?dir=rows-nothing&recurse=true&split=false&full_info=true",
        status=404,
    ),
    asked("API 3 userdata R GET without dir", "GET", "/api/userdata", status=400),
    asked("API 3 userdata R GET of a missing file", "GET", "/api/userdata/comfy.templates.json", status=404),
    # Catalogues
    asked(
        "API 3 catalogue E GET extensions",
        "GET",
        "/api/extensions",
        says=lambda told: all(isinstance(item, str) for item in told),
    ),
    asked("API 3 catalogue O GET embeddings", "GET", "/api/embeddings", says=is_a(list)),
    asked("API 3 catalogue O GET models", "GET", "/api/models", says=lambda told: "checkpoints" in told),
    asked("API 3 catalogue O GET models of a folder", "GET", "/api/models/vae", says=is_a(list)),
    asked(
        "API 3 catalogue O GET experiment models",
        "GET",
        "/api/experiment/models",
        says=lambda told: told[0].keys() == {"name", "folders"},
    ),
    asked(
        "API 3 catalogue O GET experiment models of a folder",
        "GET",
        "/api/experiment/models/loras",
        says=is_a(list),
    ),
    asked(
        "API 3 catalogue O GET experiment models preview of none",
        "GET",
        "/api/experiment/models/preview/loras/0/none.safetensors",
        status=404,
    ),
    asked(
        "API 3 catalogue O GET view_metadata of no model",
        "GET",
        "/api/view_metadata/loras?filename=x.png",
        status=404,
    ),
    asked("API 3 catalogue O GET i18n", "GET", "/api/i18n", says=is_a(dict)),
    asked("API 3 catalogue O GET workflow_templates", "GET", "/api/workflow_templates", says=is_a(dict)),
    asked(
        "API 3 catalogue O GET templates index",
        "GET",
        "/templates/index.json",
        says=lambda told: told[0]["templates"][0]["name"],
    ),
    asked(
        "API 3 catalogue O GET templates index of a locale",
        "GET",
        "/templates/index.de.json",
        says=is_a(list),
    ),
    asked(
        "API 3 catalogue O GET view_metadata of a missing model",
        "GET",
        "/api/view_metadata/loras?filename=no.safetensors",
        status=404,
    ),
    asked("API 3 catalogue O GET templates index_logo", "GET", "/templates/index_logo.json", says=equals({})),
    asked(
        "API 3 catalogue O GET templates of one",
        "GET",
        "/templates/default.json",
        says=keys("nodes", "links"),
    ),
    asked("API 3 catalogue O GET templates picture", "GET", "/templates/default-1.webp", kind="image/webp"),
    asked("API 3 catalogue O GET global_subgraphs", "GET", "/api/global_subgraphs", says=is_a(dict)),
    asked("API 3 catalogue O GET global_subgraphs of none", "GET", "/api/global_subgraphs/none", status=404),
    asked("API 3 catalogue O GET node_replacements", "GET", "/api/node_replacements", says=keys("OldRepeat")),
    asked(
        "API 3 catalogue O GET system_stats",
        "GET",
        "/api/system_stats",
        says=lambda told: (
            {
                "os",
                "ram_total",
                "ram_free",
                "comfyui_version",
                "python_version",
                "pytorch_version",
                "embedded_python",
                "argv",
            }
            <= told["system"].keys()
        ),
    ),
    asked(
        "API 3 catalogue O GET features",
        "GET",
        "/api/features",
        says=lambda told: told["supports_preview_metadata"] is True,
    ),
    asked("API 3 catalogue O GET internal logs", "GET", "/internal/logs", says=is_a(str)),
    asked(
        "API 3 catalogue O GET internal logs raw",
        "GET",
        "/internal/logs/raw",
        says=lambda told: told["size"].keys() == {"cols", "rows"},
    ),
    asked(
        "API 3 catalogue O PATCH internal logs subscribe",
        "PATCH",
        "/internal/logs/subscribe",
        json={"enabled": True, "clientId": "rows"},
    ),
    asked(
        "API 3 catalogue O GET assets",
        "GET",
        "/api/assets?limit=5",
        says=lambda told: told.keys() == {"assets", "total", "has_more"},
    ),
    asked(
        "API 3 catalogue O POST assets seed",
        "POST",
        "/api/assets/seed?wait=true",
        json={},
        says=lambda told: told["status"] == "completed",
    ),
    asked("API 3 catalogue O GET tags", "GET", "/api/tags", says=keys("tags", "total", "has_more")),
]


@pytest.mark.parametrize("row", ROWS)
async def test_a_row_holds(http, row: Asked):  # noqa: F811
    await check(http, row)


@pytest.mark.parametrize(
    "route", ["/api/auth/x", "/api/user", "/api/workspace/x", "/api/secrets", "/api/hub/x", "/api/providers"]
)
async def test_what_only_the_cloud_has_is_not_there(http, route: str):  # noqa: F811
    async with http.get(route) as answer:
        assert answer.status == 404
        assert (await answer.json())["error"]["type"] == "http_404"


async def test_view_gives_parts_of_a_film(http, workspace: Path):  # noqa: F811
    (workspace / "output" / "rows.mp4").write_bytes(bytes(range(100)))
    for route in ("/api/view", "/viewvideo"):
        async with http.get(f"{route}?filename=rows.mp4", headers={"Range": "bytes=10-19"}) as answer:
            assert (answer.status, answer.content_type) == (206, "video/mp4")
            assert answer.headers["Content-Range"] == "bytes 10-19/100"
            assert await answer.read() == bytes(range(10, 20))
        async with http.get(f"{route}?filename=rows.mp4", headers={"Range": "bytes=200-"}) as answer:
            assert answer.status == 416


async def test_a_filename_may_say_its_place(http, workspace: Path):  # noqa: F811
    Image.new("RGB", (2, 2)).save(workspace / "temp" / "rows.png")
    async with http.get(f"/api/view?filename={quote('rows.png [temp]')}&type=output&rand=0.5") as answer:
        assert (answer.status, answer.content_type) == (200, "image/png")
        assert Image.open(io.BytesIO(await answer.read())).size == (2, 2)


async def test_userdata_is_written_listed_moved_and_deleted(http):  # noqa: F811
    file = "/api/userdata/rows%2Fflows%2Fa.json"
    async with http.post(f"{file}?overwrite=false&full_info=true", data=b'{"a": 1}') as answer:
        told = await answer.json()
        assert (answer.status, told["path"], told["size"]) == (200, "rows/flows/a.json", 8)
    async with http.post(f"{file}?overwrite=false&full_info=true", data=b"{}") as answer:
        assert answer.status == 409
    assert await get(http, file) == {"a": 1}
    base = "/api/userdata?dir=rows"
    assert await get(http, f"{base}&recurse=true") == ["flows/a.json"]
    assert await get(http, f"{base}&recurse=false") == []
    assert await get(http, f"{base}&recurse=true&split=true") == [["flows/a.json", "flows", "a.json"]]
    (info,) = await get(http, f"{base}&recurse=true&split=false&full_info=true")
    assert (
        (info["path"], info["size"]) == ("flows/a.json", 8)
        and info["modified"] > 1e9
        and info["created"] > 1e9
    )
    entries = await get(http, "/api/v2/userdata?path=rows")
    assert [(entry["path"], entry["type"]) for entry in entries] == [
        ("rows/flows", "directory"),
        ("rows/flows/a.json", "file"),
    ]
    async with http.post(f"{file}/move/rows%2Fb.json?overwrite=false") as answer:
        assert (answer.status, await answer.json()) == (200, "rows/b.json")
    async with http.delete("/api/userdata/rows%2Fb.json") as answer:
        assert answer.status == 204


async def test_settings_are_merged_and_read_one_by_one(http):  # noqa: F811
    await http.post("/api/settings", json={"Rows.C": {"x": 1}, "Rows.D": 2})
    await http.post("/api/settings", json={"Rows.D": 3})
    told = await get(http, "/api/settings")
    assert (told["Rows.C"], told["Rows.D"]) == ({"x": 1}, 3)
    assert await get(http, "/api/settings/Rows.D") == 3


async def test_a_combo_may_be_fed_by_a_route(http):  # noqa: F811
    described = (await get(http, "/api/object_info"))["PickLater"]["input"]["required"]["image"]
    assert described[0] == "COMBO" and described[1]["remote"]["route"] == "/internal/files/output"
    assert isinstance(await get(http, described[1]["remote"]["route"]), list)
    nodes = {
        "1": {"class_type": "PickLater", "inputs": {"image": "made since.png"}},
        "2": {"class_type": "Show", "inputs": {"value": ["1", 0]}},
    }
    async with http.post("/api/prompt", json={"prompt": nodes}) as answer:
        assert answer.status == 200, "what a route offers is not held against a list"


async def test_pages_and_scripts_are_asked_anew(http):  # noqa: F811
    async with http.get("/") as answer:
        assert (answer.content_type, answer.headers["Cache-Control"]) == ("text/html", "no-cache")
    for path in ("/user.css", "/api/userdata/user.css"):
        async with http.get(path) as answer:
            assert answer.status == 404

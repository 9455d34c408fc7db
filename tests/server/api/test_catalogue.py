"""What packs bring beside nodes is found, and leads nowhere else."""

import json
from pathlib import Path

import pytest
from PIL import Image

from server.api import wares
from tests.server.api.asking import get

PACK = "pack of wares"
NODES_IN_GERMAN = {
    "Say": {"display_name": "Sag"},
    "Number": {"display_name": "Zahl", "inputs": {"value": {"tooltip": "Welche"}}},
}
WORKFLOW = {"nodes": [{"id": 1, "type": "Say", "pos": [0, 0], "size": [100, 50]}], "links": []}


@pytest.fixture(scope="module")
def pack(workspace: Path) -> Path:
    """A folder of a pack; no code in it needs to run."""
    folder = workspace / "custom_nodes" / PACK
    files: dict[str, object] = {
        "locales/de/main.json": {"dataTypes": {"IMAGE": "Bild"}},
        "locales/de/nodeDefs.json": NODES_IN_GERMAN,
        "locales/de/commands.json": {"run": {"label": "Los"}},
        "locales/fr/settings.json": {"theme": {"name": "Thème"}},
        "example_workflows/first.json": WORKFLOW,
        "workflows/second.json": WORKFLOW,
        "subgraphs/blur and mask.json": WORKFLOW,
    }
    for name, content in files.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(json.dumps(content), encoding="utf-8")
    (folder / "locales" / "de" / "settings.json").write_text("{ broken")
    (folder / "example_workflows" / "page.html").write_text("<script>alert(1)</script>")
    Image.new("RGB", (4, 4)).save(folder / "example_workflows" / "first.jpg")
    (folder / "secret.json").write_text('{"secret": true}')
    (folder / "subgraphs" / "out.json").symlink_to(folder / "secret.json")
    (folder.with_name("off.disabled") / "example_workflows").mkdir(parents=True)
    (folder.with_name("off.disabled") / "example_workflows" / "x.json").write_text("{}")
    return folder


async def test_translations_of_a_pack_come_by_language_and_a_broken_file_takes_none_along(http, pack):
    told = await get(http, "/api/i18n")
    assert told["de"] == {
        "dataTypes": {"IMAGE": "Bild"},
        "nodeDefs": NODES_IN_GERMAN,
        "commands": {"run": {"label": "Los"}},
    }
    assert told["fr"] == {"settings": {"theme": {"name": "Thème"}}}


async def test_later_packs_add_to_what_earlier_ones_translate(http, pack):
    other = pack.with_name("pack second") / "locales" / "de"
    other.mkdir(parents=True)
    (other / "nodeDefs.json").write_text('{"Say": {"description": "sagt"}, "Show": {}}')
    told = await get(http, "/i18n")
    assert told["de"]["nodeDefs"]["Say"] == {"display_name": "Sag", "description": "sagt"}
    assert told["de"]["nodeDefs"]["Show"] == {}


async def test_workflows_of_packs_are_listed_and_given(http, pack):
    assert await get(http, "/api/workflow_templates") == {PACK: ["first", "second"]}
    for name in ("first", "second"):
        async with http.get(f"/api/workflow_templates/{PACK}/{name}.json") as answer:
            assert (answer.content_type, await answer.json()) == ("application/json", WORKFLOW)
    async with http.get(f"/api/workflow_templates/{PACK}/first.jpg") as answer:
        assert answer.content_type == "image/jpeg"
    async with http.get(f"/api/workflow_templates/{PACK}/page.html") as answer:
        assert answer.content_type == "application/octet-stream"
        assert "sandbox" in answer.headers["Content-Security-Policy"]


@pytest.mark.parametrize("name", ["..%2Fsecret.json", "%2Fetc%2Fpasswd", "nothing.json", "..%5Csecret.json"])
async def test_a_workflow_leads_nowhere_else(http, pack, name):
    async with http.get(f"/api/workflow_templates/{PACK}/{name}") as answer:
        assert answer.status in (400, 404)
    async with http.get(f"/api/workflow_templates/..%2F{PACK}/{name}") as answer:
        assert answer.status in (400, 404)


async def test_subgraphs_of_packs_are_told_in_short_and_given_whole(http, pack):
    told = await get(http, "/api/global_subgraphs")
    ((id, entry),) = told.items()
    assert entry == {
        "source": "custom_node",
        "name": "blur and mask",
        "info": {"node_pack": f"custom_nodes.{PACK}"},
    }
    whole = await get(http, f"/global_subgraphs/{id}")
    assert json.loads(whole["data"]) == WORKFLOW
    async with http.get("/global_subgraphs/nobody") as answer:
        assert answer.status == 404


def test_packs_that_are_left_out_bring_nothing(pack):
    folders = [pack.parent, pack.parent / "nothing"]
    assert PACK in wares.packs(folders)
    assert "off.disabled" not in wares.packs(folders)
    assert wares.packs(folders, frozenset({"other"})) == {}
    assert list(wares.packs(folders, frozenset({PACK}))) == [PACK]


async def test_templates_hold_our_own_workflow_and_a_picture_of_it(http):
    groups = await get(http, "/templates/index.json")
    told = groups[0]["templates"][0]
    workflow = await get(http, f"/templates/{told['name']}.json")
    assert workflow == await get(http, "/api/weft/default_workflow")
    async with http.get(f"/templates/{told['name']}-1.{told['mediaSubtype']}") as answer:
        assert answer.content_type == "image/webp"
        assert (await answer.read())[8:12] == b"WEBP"
    assert await get(http, "/templates/index_logo.json") == {}
    for path in ("/templates/nothing.json", "/templates/nothing-1.webp"):
        async with http.get(path) as answer:
            assert answer.status == 404


async def test_templates_stand_by_what_one_wants_and_are_told_in_the_languages_of_the_canvas(http):
    english, german, japanese, other = [
        await get(http, f"/templates/index{language}.json") for language in ("", ".de", ".ja", ".xx")
    ]
    assert english == other
    assert len(english) == 4
    assert sum(len(group["templates"]) for group in english) >= 15
    for told in (german, japanese):
        assert [[one["name"] for one in group["templates"]] for group in told] == [
            [one["name"] for one in group["templates"]] for group in english
        ]
        for mine, theirs in zip(told, english, strict=True):
            assert mine["title"] != theirs["title"]
            for one, other_one in zip(mine["templates"], theirs["templates"], strict=True):
                assert one["title"] != other_one["title"]
                assert one["description"] != other_one["description"]


async def test_every_template_is_there_with_a_picture_of_its_own(http):
    templates = [one for group in await get(http, "/templates/index.json") for one in group["templates"]]
    ids, pictures = set(), set()
    for told in templates:
        ids.add((await get(http, f"/templates/{told['name']}.json"))["id"])
        async with http.get(f"/templates/{told['name']}-1.webp") as answer:
            pictures.add(await answer.read())
    assert len(ids) == len(pictures) == len(templates)


async def test_every_node_has_a_page_of_help(http):
    async with http.get("/docs/Number/en.md") as answer:
        assert answer.content_type == "text/markdown"
        page = await answer.text()
    assert page.startswith("# Number\n\nGive a number.")
    assert "| `value` | INT | default 1, at least 0, at most 10 |" in page
    assert "| `INT` | INT |" in page
    for path in ("/docs/Nobody/en.md", "/docs/Number/xx.md"):
        async with http.get(path) as answer:
            assert answer.status == 404


async def test_a_page_of_help_is_in_a_language_into_which_a_pack_translates_the_node(http, pack):
    async with http.get("/docs/Number/de.md") as answer:
        page = await answer.text()
    assert page.startswith("# Zahl\n\nGive a number.")
    assert "| `value` | INT | Welche. default 1, at least 0, at most 10 |" in page
    for path in ("/docs/Save/de.md", "/docs/Number/fr.md"):
        async with http.get(path) as answer:
            assert answer.status == 404, "there clients ask for the English one"

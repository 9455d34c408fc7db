"""Scripts of real packs: each loads without an error, and its main widgets do what people use them for.

The packs are archives in the folder that `WEFT_TEST_PACKS` names, or in `../shared/packs`. Custom-Scripts and
rgthree are there whole, since their Python needs nothing more; of the others, scripts run against definitions here.
"""

import json
import os
import tarfile
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Page, expect

from tests.e2e.canvas import Canvas
from tests.e2e.test_extensions import FACTORY, opened, scripted, view
from tests.serving import Server, serving

ARCHIVES = Path(os.environ.get("WEFT_TEST_PACKS", Path(__file__).resolve().parents[3] / "shared" / "packs"))
pytestmark = [
    pytest.mark.packs,
    pytest.mark.skipif(not ARCHIVES.is_dir(), reason="the real packs are not here: set WEFT_TEST_PACKS"),
]
# Where the scripts of each lie.
FOLDERS = {
    "ComfyUI_essentials": "js",
    "ComfyUI-KJNodes": "web",
    "ComfyUI-VideoHelperSuite": "web",
    "ComfyUI-Impact-Pack": "js",
}
TEXT = ["STRING", {"default": "", "multiline": True}]
DEFINITIONS: Mapping[str, Any] = {
    "DisplayAny": [
        "essentials/utilities", {"required": {"input": ["*", {}], "mode": [["raw value", "tensor shape"]]}}, ["STRING"],
    ],
    "JoinStringMulti": [
        "KJNodes/text",
        {"required": {"inputcount": ["INT", {"default": 2, "min": 2, "max": 1000, "step": 1}],
                      "string_1": ["STRING", {"forceInput": True}], "string_2": ["STRING", {"forceInput": True}],
                      "delimiter": ["STRING", {"default": " "}]}},
        ["STRING"],
    ],
    "VHS_LoadVideoPath": [
        "Video Helper Suite",
        {"required": {"video": ["STRING", {"placeholder": "X://insert/path/here.mp4", "vhs_path_extensions": ["mp4"]}],
                      "force_rate": ["FLOAT", {"default": 0, "min": 0, "max": 60, "step": 1, "disable": 0}],
                      "frame_load_cap": ["INT", {"default": 0, "min": 0, "max": 1000, "step": 1, "disable": 0}]}},
        ["IMAGE"],
    ],
    "ImpactWildcardProcessor": [
        "ImpactPack/Prompt",
        {"required": {"wildcard_text": TEXT, "populated_text": TEXT, "mode": [["populate", "fixed", "reproduce"]],
                      "seed": ["INT", {"default": 0, "min": 0, "max": 2**50}],
                      "Select to add Wildcard": [["Select the Wildcard to add to the text"]]}},
        ["STRING"],
    ],
}  # fmt: skip


@pytest.fixture(scope="module")
def scripts(chromium: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """A server that gives the scripts of four packs, and definitions to them."""
    workspace = scripted(tmp_path_factory.mktemp("packs"), "definitions")
    for pack, web in FOLDERS.items():
        unpacked(pack, workspace / "unpacked")
        (workspace / "unpacked" / pack / web).rename(workspace / "scripts" / pack)
    with serving(workspace, "--factory", FACTORY) as server:
        yield server


@pytest.fixture(scope="module")
def whole(chromium: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """A server with two packs whole."""
    workspace = scripted(tmp_path_factory.mktemp("whole"))
    for pack in ("rgthree-comfy", "ComfyUI-Custom-Scripts"):
        unpacked(pack, workspace / "custom_nodes")
    with serving(workspace) as server:
        yield server


def unpacked(pack: str, folder: Path) -> None:
    """A pack's archive as a folder."""
    with tarfile.open(ARCHIVES / f"{pack}.tar.gz") as archive:
        archive.extractall(folder, filter="data")


def begun(page: Page, server: Server) -> Canvas:
    """An empty canvas with the packs' scripts at work."""
    page.add_init_script(f"window.definitions = {json.dumps(DEFINITIONS)}")
    canvas = opened(page, server)
    page.wait_for_function("() => app.graph._nodes.length > 0")
    page.evaluate("() => void window.__weft.app.newTab()")
    page.wait_for_function("() => app.graph._nodes.length === 0")
    canvas.settle()
    return canvas


@pytest.fixture
def canvas(page: Page, scripts: Server) -> Canvas:
    """The canvas with four packs."""
    return begun(page, scripts)


def placed(canvas: Canvas, kind: str, at: tuple[float, float] = (200, 150)) -> int:
    """A node of that type, as a script adds it."""
    made = "([kind, at]) => { const node = LiteGraph.createNode(kind); node.pos = at; app.graph.add(node); return node.id; }"
    node = canvas.page.evaluate(made, [kind, list(at)])
    expect(canvas.node(node)).to_be_visible()
    canvas.settle()
    return node


def failures(canvas: Canvas) -> dict[str, list[str]]:
    """What went wrong, by pack."""
    reports = canvas.page.evaluate("() => window.__weft.app.extensions.reports")
    return {pack: report["failures"] for pack, report in reports.items() if report["failures"]}


def test_all_scripts_of_four_packs_load_without_an_error(canvas: Canvas):
    assert failures(canvas) == {}
    reports = canvas.page.evaluate("() => window.__weft.app.extensions.reports")
    assert set(reports) >= set(FOLDERS)


def test_every_node_type_can_be_made_saved_and_opened(canvas: Canvas):
    for index, kind in enumerate(DEFINITIONS):
        placed(canvas, kind, (100 + 350 * (index % 3), 100 + 330 * (index // 3)))
    saved = canvas.page.evaluate("() => app.graph.serialize()")
    canvas.page.evaluate("(saved) => app.loadGraphData(saved)", saved)
    canvas.page.wait_for_function("(count) => app.graph._nodes.length === count", arg=len(DEFINITIONS))
    assert {node["type"] for node in canvas.nodes()} == set(DEFINITIONS)
    assert failures(canvas) == {}


def test_essentials_shows_what_it_was_given(canvas: Canvas):
    node = placed(canvas, "DisplayAny")
    view(canvas, node, "(node.onExecuted({ text: ['a thing'] }), null)")
    expect(canvas.field(node, "displaytext").locator("textarea")).to_have_value("a thing")


def test_custom_scripts_load_and_show_texts(page: Page, whole: Server):
    canvas = begun(page, whole)
    assert failures(canvas) == {}
    node = placed(canvas, "ShowText|pysssss")
    view(canvas, node, "(node.onExecuted({ text: ['first', 'second'] }), null)")
    expect(canvas.node(node).locator("textarea")).to_have_count(2)
    expect(canvas.node(node).locator("textarea").nth(1)).to_have_value("second")
    function = placed(canvas, "StringFunction|pysssss", (700, 150))
    view(canvas, function, "(node.onExecuted({ text: ['made'] }), null)")
    expect(canvas.node(function).locator("textarea").last).to_have_value("made")


def test_kjnodes_make_inputs_as_many_as_asked_and_carry_values_without_wires(canvas: Canvas):
    node = placed(canvas, "JoinStringMulti")
    view(canvas, node, "(node.widgets.find(({ name }) => name === 'inputcount').value = 4, null)")
    canvas.node(node).get_by_role("button", name="Update inputs").click()
    names = "node.inputs.map(({ name }) => name).filter((name) => name.startsWith('string_'))"
    assert view(canvas, node, names) == ["string_1", "string_2", "string_3", "string_4"]
    source = placed(canvas, "Say", (650, 120))
    setter, getter = placed(canvas, "SetNode", (1000, 120)), placed(canvas, "GetNode", (650, 420))
    show = placed(canvas, "Show", (1000, 420))
    view(canvas, source, f"(node.connect(0, {setter}, 0), null)")
    view(canvas, setter, "(node.widgets[0].value = 'kept', node.widgets[0].callback?.('kept'), null)")
    view(
        canvas,
        getter,
        f"(node.setName?.('kept'), node.widgets[0].value = 'kept', node.onRename?.(), node.connect(0, {show}, 0), null)",
    )
    canvas.settle()
    output = canvas.page.evaluate("() => app.graphToPrompt()")["output"]
    assert output[str(show)]["inputs"]["value"] == [str(source), 0]
    assert not {str(setter), str(getter)} & set(output)


def test_video_helpers_draw_their_numbers_and_save_them_by_name(canvas: Canvas):
    node = placed(canvas, "VHS_LoadVideoPath")
    row = canvas.field(node, "force_rate")
    expect(row.locator("canvas")).to_be_visible()
    row.click(position={"x": 24, "y": 10})
    row.click(position={"x": (row.bounding_box() or {})["width"] - 24, "y": 10})
    canvas.page.wait_for_function(
        "(id) => app.graph.getNodeById(id).widgets.find(({ name }) => name === 'force_rate').value > 0",
        arg=node,
    )
    canvas.page.wait_for_function(
        "() => window.__weft.state().workflow.nodes[0].widgets_values?.force_rate > 0"
    )


def test_impact_follows_what_a_person_chooses(canvas: Canvas):
    node = placed(canvas, "ImpactWildcardProcessor")
    assert view(canvas, node, "node.widgets.length") >= 5
    assert failures(canvas) == {}


def test_rgthree_loads_and_its_seed_and_lora_nodes_work(page: Page, whole: Server):
    canvas = begun(page, whole)
    assert failures(canvas) == {}
    seed = placed(canvas, "Seed (rgthree)")
    canvas.node(seed).get_by_role("button", name="New Fixed Random").click()
    canvas.page.wait_for_function("(id) => app.graph.getNodeById(id).widgets[0].value > 0", arg=seed)
    canvas.node(seed).get_by_role("button", name="Randomize Each Time").click()
    canvas.page.wait_for_function("(id) => app.graph.getNodeById(id).widgets[0].value === -1", arg=seed)
    loras = placed(canvas, "Power Lora Loader (rgthree)", (700, 150))
    expect(canvas.node(loras).locator("canvas").first).to_be_visible()
    muter = placed(canvas, "Fast Groups Muter (rgthree)", (200, 500))
    assert view(canvas, muter, "node.isVirtualNode") is True
    comparer = placed(canvas, "Image Comparer (rgthree)", (700, 500))
    assert view(canvas, comparer, "node.widgets.length") >= 1
    assert failures(canvas) == {}

"""Scripts of packs on the canvas: own small probes for each hook, and one pack that throws wherever it can."""

import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Browser, Page, expect

from tests.e2e.canvas import Canvas
from tests.e2e.conftest import FIRST
from tests.serving import Server, serving
from web.build import build

SCRIPTS = Path(__file__).resolve().parent.parent / "data" / "script_packs"
FACTORY = "tests.server.small_nodes:build_with_scripts"


def scripted(folder: Path, *packs: str) -> Path:
    """A workspace whose packs are these folders of scripts."""
    for pack in packs:
        shutil.copytree(SCRIPTS / pack, folder / "scripts" / pack)
    build()
    return folder


def opened(page: Page, server: Server) -> Canvas:
    """The canvas once scripts are at work."""
    page.goto(server.url)
    page.wait_for_function("() => window.__weft?.app.ready && window.__weft.app.extensions", timeout=FIRST)
    return Canvas(page)


@pytest.fixture(scope="module")
def probed(chromium: Path, tmp_path_factory: pytest.TempPathFactory, browser: Browser) -> Iterator[Server]:
    """A server with the probe pack."""
    with serving(scripted(tmp_path_factory.mktemp("probe"), "probe"), "--factory", FACTORY) as server:
        yield server


@pytest.fixture
def probe(page: Page, probed: Server) -> Canvas:
    """The canvas with the probe pack, empty."""
    canvas = opened(page, probed)
    page.wait_for_function("() => probe.calls.includes('afterConfigureGraph')")
    page.evaluate("() => void window.__weft.app.newTab()")
    page.wait_for_function("() => probe.app.graph._nodes.length === 0")
    canvas.settle()
    return canvas


def view(canvas: Canvas, node: int, expression: str) -> Any:
    """What the pack sees of a node."""
    return canvas.page.evaluate(
        f"(id) => {{ const node = app.graph.getNodeById(id); return {expression}; }}", node
    )


def calls(canvas: Canvas) -> list[str]:
    """Which hooks were called."""
    return canvas.page.evaluate("() => probe.calls")


def test_scripts_find_what_they_import_before_there_is_a_graph(probe: Canvas):
    assert probe.page.evaluate("() => probe.atTop") == {
        "litegraph": "function", "node": "function", "canvas": "function", "graph": True, "comfyAPI": True,
    }  # fmt: skip
    names = ["ComfyApp", "$el", "ComfyDialog", "applyTextReplacements", "setWidgetConfig", "ClipspaceDialog"]
    assert (
        probe.page.evaluate("(names) => names.map((name) => typeof probe[name])", names) == ["function"] * 6
    )
    assert probe.page.evaluate("() => typeof probe.ComfyWidgets.STRING") == "function"
    assert probe.page.evaluate("() => app === probe.app && graph === probe.app.graph")


def test_hooks_are_called_in_the_fields_order(probe: Canvas):
    order = [name for name in calls(probe) if " " not in name]
    wanted = ["init", "addCustomNodeDefs", "getCustomWidgets", "beforeRegisterNodeDef", "registerCustomNodes"]
    wanted += ["setup", "beforeConfigureGraph", "afterConfigureGraph"]
    assert [name for name in order if name in wanted][: len(wanted)] == wanted
    assert "setting true undefined" in calls(probe)


def test_a_node_that_a_person_adds_is_made_as_packs_expect(probe: Canvas):
    node = probe.add("Say", probe.ground(300, 200))
    assert "nodeCreated Say 1 true" in calls(probe)
    assert view(probe, node, "node.constructor.comfyClass") == "Say"
    probe.field(node, "text").locator("textarea").fill("quiet")
    probe.node(node).get_by_role("button", name="Shout").click()
    expect(probe.field(node, "text").locator("textarea")).to_have_value("QUIET")
    assert probe.node_of("Say")["widgets_values"][0] == "QUIET"
    probe.blur()
    probe.page.keyboard.press("Control+z")
    expect(probe.field(node, "text").locator("textarea")).to_have_value("quiet")
    assert view(probe, node, "node.widgets[0].value") == "quiet"


def test_wires_are_told_and_can_be_made_by_scripts(probe: Canvas):
    say = probe.add("Say", probe.ground(200, 200))
    show = probe.add("Show", probe.ground(750, 200))
    probe.wire(say, 0, show, "value")
    assert "onConnectionsChange 2 0 true" in calls(probe)
    assert view(probe, say, f"node.getOutputNodes(0)[0].id === {show}")
    view(probe, show, "node.disconnectInput(0)")
    probe.settle()
    assert probe.links() == []
    view(probe, say, f"node.connect(0, {show}, 'value')?.id")
    probe.settle()
    assert len(probe.links()) == 1
    assert "onConnectionsChange 2 0 false" in calls(probe)


def test_slots_widgets_places_and_properties_that_scripts_write_are_the_documents(probe: Canvas):
    node = probe.add("Say", probe.ground(300, 200))
    view(probe, node, """(node.addInput('extra', 'IMAGE'), node.pos[0] = 50, node.properties.kept = [1], node.title = 'Mine',
      node.addWidget('number', 'loud', 3, () => {}, { min: 0, max: 9, precision: 0, step: 10 }),
      node.size = [340, 300], null)""")  # fmt: skip
    probe.settle()
    kept = probe.node_of("Say")
    assert [slot["name"] for slot in kept["inputs"]] == ["text", "extra"]
    assert (kept["pos"][0], kept["size"], kept["title"], kept["properties"]["kept"]) == (
        50,
        [340, 300],
        "Mine",
        [1],
    )
    assert kept["widgets_values"][-1] == 3
    probe.type_number(node, "loud", "5")
    assert view(probe, node, "node.widgets.at(-1).value") == 5
    view(probe, node, "(node.widgets.length = 1, null)")
    probe.settle()
    expect(probe.field(node, "loud")).to_have_count(0)


def test_a_packs_own_type_of_widget_is_drawn_pressed_and_saved(probe: Canvas):
    node = probe.add("Echo", probe.ground(300, 200))
    row = probe.field(node, "dial")
    expect(row.locator("canvas")).to_be_visible()
    row.click(position={"x": 40, "y": 10})
    probe.settle()
    probe.page.wait_for_function("(id) => probe.app.graph.getNodeById(id).widgets[1].value === 5", arg=node)
    x, y = view(probe, node, "node.widgets[1].at")
    assert 30 <= x <= 60 and 5 <= y <= 15
    assert view(probe, node, "node.widgets[1].drawn") > 0
    probe.page.wait_for_function("() => window.__weft.state().workflow.nodes[0].widgets_values?.[1] === 5")


def test_elements_values_and_drawing_of_scripts(probe: Canvas):
    node = probe.add("Number", probe.ground(300, 200))
    slider = probe.node(node).get_by_label("probe slider")
    slider.fill("6")
    expect(probe.field(node, "on")).to_have_count(0)
    probe.page.wait_for_function("() => window.__weft.state().workflow.nodes[0].properties.probed === 4")
    assert probe.node_of("Number")["widgets_values"][-1] == "6"
    assert view(probe, node, "node.drawn") > 0
    made = probe.page.evaluate("() => app.graphToPrompt()")
    assert made["output"][str(node)]["inputs"] == {"value": 7, "weight": 0.5, "on": True, "level": "6"}
    assert made["workflow"]["extra"]["probed"] is True


def test_a_node_that_only_a_script_knows_is_a_wire_to_the_server(probe: Canvas):
    say = probe.add("Say", probe.ground(120, 200))
    counter = probe.add("Counter", probe.ground(680, 200))
    show = probe.add("Show", probe.ground(950, 200))
    probe.wire(say, 0, counter, "in")
    view(probe, counter, f"node.connect(0, {show}, 'value')?.id")
    probe.settle()
    output = probe.page.evaluate("() => app.graphToPrompt()")["output"]
    assert set(output) == {str(say), str(show)}
    assert output[str(show)]["inputs"]["value"] == [str(say), 0]
    probe.run()
    probe.page.wait_for_function("() => Object.keys(app.nodeOutputs).length > 0")


def test_what_a_pack_offers_stands_in_menus_and_among_commands(probe: Canvas):
    node = probe.add("Say", probe.ground(300, 200))
    probe.page.mouse.click(*probe.title(node), button="right")
    probe.page.get_by_role("menuitem", name="Probe Say").click()
    probe.page.mouse.click(*probe.ground(700, 600), button="right")
    probe.page.get_by_role("menuitem", name="Probe the canvas").click()
    probe.page.keyboard.press("Space")
    probe.page.keyboard.type("Greet from the probe")
    probe.page.keyboard.press("Enter")
    assert {"menu Say", "menu canvas", "command"} <= set(calls(probe))


def test_what_is_saved_is_told_when_it_is_opened_again(probe: Canvas):
    probe.add("Say", probe.ground(300, 200))
    probe.page.wait_for_timeout(100)
    probe.page.evaluate("() => app.loadGraphData(app.graph.serialize())")
    probe.page.wait_for_function("() => probe.calls.includes('loadedGraphNode Say')")
    probe.page.keyboard.press("r")
    probe.page.wait_for_function("() => probe.calls.includes('refreshComboInNodes')")


def test_settings_of_a_pack_stand_in_the_sheet_are_told_to_it_and_kept_by_the_server(
    probe: Canvas, probed: Server
):
    page = probe.page
    page.evaluate("() => app.ui.settings.show()")
    pack = page.get_by_test_id("settings-probe")
    expect(pack.locator("summary")).to_contain_text("7 settings")  # the hidden one is none
    pack.locator("summary").click()
    pack.get_by_label("Loud").uncheck()
    pack.get_by_label("Probed number").fill("40")
    pack.get_by_label("Probed number").press("Enter")
    pack.get_by_role("slider", name="Probed slider").fill("0.8")
    pack.get_by_label("Probed combo").select_option("a")
    pack.get_by_label("Probed text").fill("others")
    pack.get_by_label("Probed color").fill("#00ff00")
    pack.get_by_role("button", name="Was none").click()
    told = {"setting false true", "number 9 3", "slider 0.8 0.5", "combo a b", "text others words"}
    page.wait_for_function("(told) => told.every((each) => probe.calls.includes(each))", arg=sorted(told))
    assert "color 00ff00 ff0000" in calls(probe)
    page.wait_for_function("async () => (await probe.api.getSettings())['probe.own'] === 'pressed'")
    kept = probed.get("/api/settings")
    assert {name: kept[f"probe.{name}"] for name in ("loud", "number", "combo", "color")} == {
        "loud": False, "number": 9, "combo": "a", "color": "00ff00",
    }  # fmt: skip
    page.reload()
    page.wait_for_function("() => window.__weft?.app.ready && window.probe?.calls.includes('setup')")
    assert page.evaluate("() => app.extensionManager.setting.get('probe.text')") == "others"
    page.evaluate("() => probe.api.storeSettings({ 'probe.loud': true })")  # other tests begin with it


def test_our_own_interface_brings_widgets_looks_commands_panels_and_themes(probe: Canvas, probed: Server):
    assert probe.page.evaluate("() => [own.version, own.setup]") == [1, True]
    node = probe.add("Stars", probe.ground(300, 200))
    stars = probe.node(node).get_by_role("slider", name="stars")
    expect(stars).to_have_value("2")
    expect(probe.node(node).locator(".probe-look")).to_have_text(f"#{node}")
    stars.fill("4")
    probe.page.wait_for_function("() => window.__weft.state().workflow.nodes[0].widgets_values[0] === 4")
    probe.page.evaluate("(id) => own.weft.set(id, 'stars', 1)", node)
    expect(stars).to_have_value("1")
    probe.blur()
    for words in ("Count the nodes of the probe", "Probe at night"):
        probe.page.keyboard.press("Space")
        probe.page.keyboard.type(words)
        probe.page.keyboard.press("Enter")
    expect(probe.page.get_by_test_id("notice").filter(has_text="1 of the probe")).to_be_visible()
    accent = "() => document.documentElement.style.getPropertyValue('--accent')"
    assert probe.page.evaluate(accent) == "#58c4dd"
    probe.page.get_by_role("button", name="Packs").click()
    probe.page.get_by_text("Notes of the probe").click()
    expect(probe.page.get_by_text("Here they are.")).to_be_visible()
    probe.page.wait_for_timeout(1600)
    (report,) = [each["scripts"] for each in probed.get("/api/weft/packs") if each["name"] == "probe"]
    assert report == {"loaded": 3, "failures": [], "unsupported": ["sounds"]}


def test_a_pack_that_throws_everywhere_breaks_nothing_and_is_reported(page: Page, tmp_path: Path):
    said: list[str] = []
    page.on("console", lambda message: said.append(message.text))
    with serving(scripted(tmp_path, "throws", "probe"), "--factory", FACTORY) as server:
        canvas = opened(page, server)
        page.evaluate("() => void window.__weft.app.newTab()")
        page.wait_for_function("() => app.graph._nodes.length === 0")
        canvas.settle()
        say = canvas.add("Say", canvas.ground(200, 200))
        show = canvas.add("Show", canvas.ground(750, 200))
        canvas.wire(say, 0, show, "value")
        canvas.run()
        page.mouse.click(*canvas.title(say), button="right")
        page.get_by_role("menuitem", name="Probe Say").click()
        assert "setup" in calls(canvas)
        report = page.evaluate("() => window.__weft.app.extensions.reports.throws")
        assert report["unsupported"] == ["LGraphCanvas.drawNode"]
        assert any("module.js" in line for line in report["failures"])
        assert any("Pack throws uses LGraphCanvas.drawNode" in line for line in said)
        page.get_by_role("button", name="Packs").click()
        expect(page.get_by_test_id("pack-throws")).to_contain_text("LGraphCanvas.drawNode")

"""rgthree-comfy, whole, as a person uses it: seeds, LoRAs, muters, the comparer, menus, its bar."""

from pathlib import Path

from playwright.sync_api import Locator, expect

from tests.e2e.canvas import Canvas
from tests.e2e.packs.real import MARKS, failures, placed, setting
from tests.e2e.test_extensions import view

pytestmark = MARKS
EMPTY = (2).to_bytes(8, "little") + b"{}"  # a safetensors file without tensors

TOP = "document.querySelector('.shell').getBoundingClientRect().top"
GROUP = """() => {
  const group = new LiteGraph.LGraphGroup("First");
  group.pos = [20, 0];
  group.size = [400, 340];
  app.graph.add(group);
}"""
COLOUR = """([id, x]) => {
  const canvas = document.querySelector(`[data-testid=node-${id}] .weft-surface canvas`);
  const [r, , b] = canvas.getContext("2d").getImageData(canvas.width * x, canvas.height / 2, 1, 1).data;
  return r > b ? "red" : b > r ? "blue" : "";
}"""


def press(row: Locator, from_end: float) -> None:
    """Press a row that a pack draws, so many pixels before its end; before its beginning if negative."""
    box = row.bounding_box() or {}
    row.click(position={"x": box["width"] - from_end if from_end > 0 else -from_end, "y": box["height"] / 2})


def entry(canvas: Canvas, words: str) -> Locator:
    """An entry of the field's own menus."""
    return canvas.page.locator(".litecontextmenu .litemenu-entry", has_text=words).first


def test_seed_buttons_set_the_seed_and_a_run_fixes_what_it_used(two: Canvas):
    seed = placed(two, "Seed (rgthree)", (100, 100))
    show = placed(two, "PreviewAny", (560, 100))
    two.wire(seed, 0, show, "source")
    two.node(seed).get_by_role("button", name="New Fixed Random").click()
    two.page.wait_for_function("(id) => app.graph.getNodeById(id).widgets[0].value > 0", arg=seed)
    two.node(seed).get_by_role("button", name="Randomize Each Time").click()
    two.page.wait_for_function("(id) => app.graph.getNodeById(id).widgets[0].value === -1", arg=seed)
    two.run()
    used = two.page.evaluate("(id) => app.nodeOutputs[id].text[0]", show)
    assert int(used) > 0
    last = two.node(seed).get_by_role("button", name=used)
    last.click()
    two.page.wait_for_function(
        "([id, used]) => String(app.graph.getNodeById(id).widgets[0].value) === used", arg=[seed, used]
    )
    assert failures(two) == {}


def test_loras_are_chosen_weighed_switched_and_ordered(two: Canvas, whole_folder: Path):
    for name in ("ink", "styles/pastel"):
        file = whole_folder / "models" / "loras" / f"{name}.safetensors"
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(EMPTY)
    node = placed(two, "Power Lora Loader (rgthree)", (100, 100))
    for name in ("ink", "pastel"):
        two.node(node).locator("[data-field]").last.click()
        entry(two, name).click()
    first = two.field(node, "lora_1")
    press(first, 18)  # the arrow: a step more
    press(first, 38)  # the number itself
    two.page.locator(".graphdialog input").fill("0.5")
    two.page.keyboard.press("Enter")
    press(two.field(node, "lora_2"), -22)
    two.settle()
    sent = two.page.evaluate("() => app.graphToPrompt()")["output"][str(node)]["inputs"]
    assert sent["lora_1"] == {"on": True, "lora": "ink.safetensors", "strength": 0.5}
    assert sent["lora_2"] == {"on": False, "lora": "styles/pastel.safetensors", "strength": 1}
    two.field(node, "lora_2").click(button="right", position={"x": 100, "y": 8})
    expect(two.page.get_by_role("menuitem", name="Duplicate")).to_have_count(0)  # ours keeps away
    entry(two, "Move Up").click()
    names = "node.widgets.map(({ value }) => value?.lora).filter(Boolean)"
    assert view(two, node, names) == ["styles/pastel.safetensors", "ink.safetensors"]
    assert failures(two) == {}


def test_a_group_is_muted_by_its_switch_and_shown_by_its_arrow(two: Canvas):
    inside, outside = placed(two, "EmptyImage", (60, 60)), placed(two, "EmptyImage", (60, 460))
    two.page.evaluate(GROUP)
    muter = placed(two, "Fast Groups Muter (rgthree)", (500, 100))
    row = two.node(muter).locator("[data-field]").first
    expect(row).to_be_visible()
    press(row, 85)
    two.page.wait_for_function("(id) => app.graph.getNodeById(id).mode === 2", arg=inside)
    assert [two.node_of("EmptyImage", at)["mode"] for at in (0, 1)] == [2, 0]
    expect(two.page.get_by_test_id(f"status-{inside}")).to_have_text("muted")
    press(row, 85)
    two.page.wait_for_function("(id) => app.graph.getNodeById(id).mode === 0", arg=inside)
    scale = two.state()["camera"]["scale"]
    press(row, 20)
    two.settle()
    assert two.state()["camera"]["scale"] >= scale * 0.9  # the group fills the window, not less than it
    box = two.node(inside).bounding_box() or {}
    assert 300 < box["x"] < 900, "the group is in the middle"
    del outside


def test_two_pictures_are_compared_where_the_pointer_is(two: Canvas):
    red, blue = placed(two, "EmptyImage", (60, 60)), placed(two, "EmptyImage", (60, 360))
    comparer = placed(two, "Image Comparer (rgthree)", (480, 60))
    for node, color in ((red, 0xD02020), (blue, 0x2020D0)):
        view(two, node, f"(node.widgets.find(({{ name }}) => name === 'color').value = {color}, null)")
    view(two, comparer, "(node.setSize([400, 400]), null)")
    two.settle()
    two.wire(red, 0, comparer, "image_a")
    two.wire(blue, 0, comparer, "image_b")
    two.run()
    seen = f"([id, x, wanted]) => ({COLOUR})([id, x]) === wanted"
    two.page.wait_for_function(seen, arg=[comparer, 0.3, "red"])
    box = two.node(comparer).bounding_box() or {}
    two.page.mouse.move(box["x"] + box["width"] * 0.7, box["y"] + box["height"] * 0.6)
    two.page.wait_for_function(seen, arg=[comparer, 0.3, "blue"])
    assert two.page.evaluate(COLOUR, [comparer, 0.8]) == "red"
    assert failures(two) == {}


def test_its_menu_opens_its_settings_in_the_middle_and_its_bar_moves_the_window(two: Canvas):
    page = two.page
    bar = page.locator("rgthree-progress-bar")
    page.wait_for_function(f"() => {TOP} >= document.querySelector('rgthree-progress-bar').offsetHeight")
    expect(bar).to_be_visible()
    page.wait_for_timeout(1500)  # it puts its entry there a second after its script has run
    page.mouse.click(*two.ground(700, 300), button="right")
    page.get_by_role("menuitem", name="rgthree-comfy").click()
    entry(two, "Settings (rgthree-comfy)").click()
    dialog = page.locator(".rgthree-dialog")
    expect(dialog).to_contain_text("Prompt Progress Bar")
    box = dialog.bounding_box() or {}
    assert abs(box["x"] + box["width"] / 2 - 800) < 40
    dialog.locator("input[type=checkbox]").first.uncheck()
    dialog.get_by_role("button", name="Save").click()
    expect(bar).to_have_count(0)
    page.wait_for_function(f"() => {TOP} === 0")
    page.keyboard.press("Escape")
    with setting(two, "rgthree-comfy", "rgthree.config") as row:
        expect(row.get_by_role("button", name="rgthree-comfy settings")).to_be_visible()
    assert failures(two) == {}

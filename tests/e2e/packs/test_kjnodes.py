"""KJNodes' scripts on the canvas: inputs by count, Set and Get, the editors of splines and points."""

import json
from typing import Any

import pytest
from playwright.sync_api import Locator, expect

from tests.e2e.canvas import Canvas
from tests.e2e.packs.real import MARKS, failures, placed
from tests.e2e.test_extensions import view

pytestmark = MARKS


def test_kjnodes_make_inputs_as_many_as_asked_and_carry_values_without_wires(four: Canvas):
    node = placed(four, "JoinStringMulti")
    view(four, node, "(node.widgets.find(({ name }) => name === 'inputcount').value = 4, null)")
    four.node(node).get_by_role("button", name="Update inputs").click()
    names = "node.inputs.map(({ name }) => name).filter((name) => name.startsWith('string_'))"
    assert view(four, node, names) == ["string_1", "string_2", "string_3", "string_4"]
    source = placed(four, "Say", (650, 120))
    setter, getter = placed(four, "SetNode", (1000, 120)), placed(four, "GetNode", (650, 420))
    show = placed(four, "Show", (1000, 420))
    view(four, source, f"(node.connect(0, {setter}, 0), null)")
    view(four, setter, "(node.widgets[0].value = 'kept', node.widgets[0].callback?.('kept'), null)")
    view(
        four,
        getter,
        f"(node.setName?.('kept'), node.widgets[0].value = 'kept', node.onRename?.(), node.connect(0, {show}, 0), null)",
    )
    four.settle()
    output = four.page.evaluate("() => app.graphToPrompt()")["output"]
    assert output[str(show)]["inputs"]["value"] == [str(source), 0]
    assert not {str(setter), str(getter)} & set(output)


def at(editor: Locator, x: float, y: float) -> tuple[float, float]:
    """A place of an editor, in shares of its sides."""
    box = editor.bounding_box() or {}
    return box["x"] + box["width"] * x, box["y"] + box["height"] * y


def still(editor: Locator) -> None:
    """Wait until an editor stays where it is: its node grows once its script has drawn, and the view moves with it."""
    before = None
    while (now := editor.bounding_box()) != before:
        before = now
        editor.page.wait_for_timeout(300)


def stored(four: Canvas, node: int, name: str) -> Any:
    """What an editor has written into a field of its node."""
    return json.loads(view(four, node, f"node.widgets.find(({{ name }}) => name === '{name}').value"))


def test_points_and_rectangles_are_put_carried_and_sent(four: Canvas):
    page = four.page
    node = placed(four, "PointsEditor", (100, 40))
    page.evaluate("() => window.__weft.app.active.stage.fit()")
    editor = four.node(node).locator("[id^=points-editor] > canvas")
    expect(editor).to_be_visible()
    four.settle()
    still(editor)
    expect(page.get_by_test_id(f"in-{node}-coordinates")).to_have_count(0)  # hidden with its field
    page.keyboard.down("Shift")
    page.mouse.click(*at(editor, 0.25, 0.25))
    page.mouse.click(*at(editor, 0.75, 0.25), button="right")
    page.keyboard.up("Shift")
    four.drag(at(editor, 0.6, 0.6), at(editor, 0.9, 0.9), keys="Control")
    four.drag(at(editor, 0.25, 0.25), at(editor, 0.25, 0.5))
    points = stored(four, node, "points_store")
    assert points["positive"][1] == {"x": pytest.approx(128, abs=10), "y": pytest.approx(256, abs=10)}
    assert points["negative"] == [{"x": pytest.approx(384, abs=10), "y": pytest.approx(128, abs=10)}]
    (box,) = stored(four, node, "bboxes")
    assert box["endX"] - box["startX"] == pytest.approx(154, abs=12)
    sent = page.evaluate("() => app.graphToPrompt()")["output"][str(node)]["inputs"]
    assert json.loads(sent["coordinates"]) == points["positive"]
    assert failures(four) == {}


def test_a_spline_is_bent_by_its_points_and_its_menu_adds_another(four: Canvas):
    page = four.page
    node = placed(four, "SplineEditor", (100, 40))
    page.evaluate("() => window.__weft.app.active.stage.fit()")
    editor = four.node(node).locator("[id^=spline-editor] > canvas")
    expect(editor).to_be_visible()
    four.settle()
    still(editor)
    (spline,) = stored(four, node, "points_store")
    middle = spline["points"][1]
    four.drag(at(editor, middle["x"] / 512, middle["y"] / 512), at(editor, 0.5, 0.3))
    (spline,) = stored(four, node, "points_store")
    assert spline["points"][1] == {
        "x": pytest.approx(256, abs=20),
        "y": pytest.approx(154, abs=20),
    }  # held off its centre
    page.mouse.click(*at(editor, 0.2, 0.2), button="right")
    expect(page.get_by_role("menuitem", name="Duplicate")).to_have_count(0)
    page.locator("a[data-menu-id]", has_text="Add new spline").click()
    assert len(stored(four, node, "points_store")) == 2
    assert (
        len(view(four, node, "JSON.parse(node.widgets.find(({ name }) => name === 'coordinates').value)"))
        == 2
    )
    assert failures(four) == {}

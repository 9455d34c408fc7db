"""KJNodes' scripts on the canvas: inputs by count, Set and Get, the editors of splines and points."""

from tests.e2e.canvas import Canvas
from tests.e2e.packs.real import MARKS, placed
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

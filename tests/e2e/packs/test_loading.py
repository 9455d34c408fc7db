"""Scripts of four packs load, and each of their node types is made, saved and opened."""

from playwright.sync_api import expect

from tests.e2e.canvas import Canvas
from tests.e2e.packs.real import DEFINITIONS, FOLDERS, MARKS, failures, placed
from tests.e2e.test_extensions import view

pytestmark = MARKS


def test_all_scripts_of_four_packs_load_without_an_error(four: Canvas):
    assert failures(four) == {}
    reports = four.page.evaluate("() => window.__weft.app.extensions.reports")
    assert set(reports) >= set(FOLDERS)


def test_every_node_type_can_be_made_saved_and_opened(four: Canvas):
    for index, kind in enumerate(DEFINITIONS):
        placed(four, kind, (100 + 350 * (index % 3), 100 + 330 * (index // 3)))
    saved = four.page.evaluate("() => app.graph.serialize()")
    four.page.evaluate("(saved) => app.loadGraphData(saved)", saved)
    four.page.wait_for_function("(count) => app.graph._nodes.length === count", arg=len(DEFINITIONS))
    assert {node["type"] for node in four.nodes()} == set(DEFINITIONS)
    assert failures(four) == {}


def test_essentials_shows_what_it_was_given(four: Canvas):
    node = placed(four, "DisplayAny")
    view(four, node, "(node.onExecuted({ text: ['a thing'] }), null)")
    expect(four.field(node, "displaytext").locator("textarea")).to_have_value("a thing")

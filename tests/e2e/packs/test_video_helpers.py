"""VideoHelperSuite's scripts on the canvas: numbers, previews, uploads."""

from playwright.sync_api import expect

from tests.e2e.canvas import Canvas
from tests.e2e.packs.real import MARKS, placed

pytestmark = MARKS


def test_video_helpers_draw_their_numbers_and_save_them_by_name(four: Canvas):
    node = placed(four, "VHS_LoadVideoPath")
    row = four.field(node, "force_rate")
    expect(row.locator("canvas")).to_be_visible()
    row.click(position={"x": 24, "y": 10})
    row.click(position={"x": (row.bounding_box() or {})["width"] - 24, "y": 10})
    four.page.wait_for_function(
        "(id) => app.graph.getNodeById(id).widgets.find(({ name }) => name === 'force_rate').value > 0",
        arg=node,
    )
    four.page.wait_for_function(
        "() => window.__weft.state().workflow.nodes[0].widgets_values?.force_rate > 0"
    )

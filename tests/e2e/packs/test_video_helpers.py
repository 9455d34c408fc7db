"""VideoHelperSuite's scripts on the canvas: numbers, previews, uploads."""

from pathlib import Path

from playwright.sync_api import expect

from tests.e2e.canvas import Canvas
from tests.e2e.packs.real import MARKS, failures, placed, setting
from tests.e2e.test_extensions import view
from tests.e2e.test_media import film_file

pytestmark = MARKS


def test_numbers_are_drawn_pressed_and_saved_by_name(four: Canvas):
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


def test_a_film_is_uploaded_chosen_and_plays_in_its_node(four: Canvas, scripts_folder: Path, tmp_path: Path):
    page = four.page
    with setting(four, "ComfyUI-VideoHelperSuite", "VHS.AdvancedPreviews") as row:
        row.locator("select").select_option("Never")  # the pack's own server is not here to cut films
    node = placed(four, "VHS_LoadVideo", (200, 60))
    height = (four.node(node).bounding_box() or {})["height"]
    with page.expect_file_chooser() as asked:
        four.node(node).get_by_role("button", name="choose video to upload").click()
    asked.value.set_files(film_file(tmp_path / "waves.webm"))
    expect(four.field(node, "video")).to_contain_text("waves.webm")
    assert (scripts_folder / "input" / "waves.webm").is_file()
    view(
        four,
        node,
        "(node.updateParameters({ filename: 'waves.webm', type: 'input', format: 'video/webm' }, true), null)",
    )
    film = four.node(node).locator(".vhs_preview video")
    expect(film).to_be_visible()
    page.wait_for_function("(film) => film.videoWidth === 64", arg=film.element_handle())
    page.wait_for_function(
        "([id, height]) => document.querySelector(`[data-testid=node-${id}]`).clientHeight > height + 40",
        arg=[node, height],
    )
    page.wait_for_function("(film) => film.currentTime > 0", arg=film.element_handle())
    page.mouse.click(*four.title(node), button="right")
    page.get_by_role("menuitem", name="Hide preview").click()
    expect(film).to_be_hidden()
    assert failures(four) == {}


def test_what_a_run_made_plays_in_the_node_that_made_it(four: Canvas, scripts_folder: Path):
    with setting(four, "ComfyUI-VideoHelperSuite", "VHS.AdvancedPreviews") as row:
        row.locator("select").select_option("Never")
    (scripts_folder / "output").mkdir(exist_ok=True)
    film_file(scripts_folder / "output" / "made.webm")
    node = placed(four, "VHS_VideoCombine", (200, 60))
    made = "{ gifs: [{ filename: 'made.webm', subfolder: '', type: 'output', format: 'video/webm', frame_rate: 10 }] }"
    view(four, node, f"(node.onExecuted({made}), null)")
    film = four.node(node).locator(".vhs_preview video")
    expect(film).to_be_visible()
    four.page.wait_for_function("(film) => film.currentTime > 0", arg=film.element_handle())
    assert failures(four) == {}

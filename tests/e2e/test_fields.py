"""Fields that are more than a line: curves, rectangles, the camera, the microphone."""

from pathlib import Path

import av
import pytest
from PIL import Image
from playwright.sync_api import Page, expect

from tests.e2e.canvas import Canvas
from tests.e2e.conftest import FIRST
from tests.serving import Server


@pytest.fixture
def small_canvas(page: Page, small_server: Server) -> Canvas:
    """An empty canvas of the server with small nodes."""
    page.goto(small_server.url)
    page.wait_for_function("() => window.__weft?.app.ready", timeout=FIRST)
    page.get_by_role("button", name="New workflow").click()
    page.get_by_text("A node", exact=True).wait_for()
    return Canvas(page)


def test_a_curve_is_drawn_point_by_point_and_a_rectangle_is_typed(small_canvas: Canvas, small_server: Server):
    canvas, page = small_canvas, small_canvas.page
    node = canvas.add("shape", canvas.ground(300, 160))
    room = canvas.field(node, "curve").locator(".room").bounding_box()
    assert room is not None

    def at(x: float, y: float) -> tuple[float, float]:
        return (room["x"] + x * room["width"], room["y"] + (1 - y) * room["height"])

    canvas.drag(at(0.5, 0.2), at(0.25, 0.75))  # pressed where none is: a point, carried on at once
    page.mouse.click(*at(0.75, 0.9))
    points = canvas.field(node, "curve").get_by_role("slider")
    expect(points).to_have_count(4)
    points.nth(2).dblclick()
    expect(points).to_have_count(3)
    points.last.press("Shift+ArrowDown")
    canvas.field(node, "box").get_by_role("spinbutton").nth(2).fill("96")
    page.keyboard.press("Tab")
    canvas.blur()
    job = canvas.run()
    curve, box = small_server.ended(job)["outputs"][str(node)]["text"]
    (left, middle, right) = eval(curve)
    assert (left, right) == ([0, 0], [1, 0.9])
    assert middle == pytest.approx([0.25, 0.75], abs=0.02)
    assert eval(box) == {"x": 0, "y": 0, "width": 96, "height": 512}
    page.keyboard.press("Control+z")
    page.keyboard.press("Control+z")
    expect(points.last).to_have_attribute("aria-valuenow", "1")


def test_the_camera_takes_a_picture_by_a_press_and_another_as_a_run_begins(
    empty_canvas: Canvas, workspace: Path
):
    canvas, page = empty_canvas, empty_canvas.page
    node = canvas.add("webcam", canvas.ground(200, 120))
    field = canvas.field(node, "image")
    field.get_by_role("button", name="Camera on").click()
    page.wait_for_function("() => document.querySelector('[data-testid=camera-live]')?.videoWidth > 0")
    canvas.type_number(node, "width", "64")
    canvas.blur()
    field.get_by_role("button", name="Take a picture").click()
    page.wait_for_function("() => window.__weft.state().workflow.nodes[0].widgets_values[0] !== ''")
    first = canvas.node_of("WebcamCapture")["widgets_values"][0]
    with Image.open(workspace / "input" / first) as taken:
        assert taken.width == 64
    preview = canvas.add("preview image", canvas.ground(560, 120))
    canvas.wire(node, 0, preview, "images")
    canvas.run()
    assert canvas.node_of("WebcamCapture")["widgets_values"][0] != first
    field.get_by_role("button", name="Camera off").click()
    expect(page.get_by_test_id("camera-taken")).to_be_visible()


def test_what_the_microphone_heard_is_kept_and_played(empty_canvas: Canvas, workspace: Path):
    canvas, page = empty_canvas, empty_canvas.page
    node = canvas.add("record audio", canvas.ground(200, 120))
    field = canvas.field(node, "audio")
    field.get_by_role("button", name="Record").click()
    expect(field.get_by_role("button", name="Stop")).to_contain_text("0:01")
    field.get_by_role("button", name="Stop").click()
    expect(page.get_by_test_id("sound-taken")).to_be_visible()
    with av.open(str(workspace / "input" / canvas.node_of("RecordAudio")["widgets_values"][0])) as heard:
        assert [stream.type for stream in heard.streams] == ["audio"]

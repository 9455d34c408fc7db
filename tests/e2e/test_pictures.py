"""What a person does with pictures: paint a mask on one that a node loads, hold two against each other."""

import re
from collections.abc import Callable
from pathlib import Path

from PIL import Image
from playwright.sync_api import expect

from tests.e2e.canvas import Canvas
from tests.serving import Server

FAR = 60_000  # ms; a machine that is busy


def test_a_mask_is_painted_undone_and_put_into_the_pictures_alpha(
    empty_canvas: Canvas, workspace: Path, tmp_path: Path
):
    canvas, page = empty_canvas, empty_canvas.page
    picture = tmp_path / "two halves.png"
    halves = Image.new("RGB", (64, 48), "red")
    halves.paste("blue", (32, 0, 64, 48))
    halves.save(picture)
    node = canvas.add("load image", canvas.ground(300, 160))
    page.locator(f"[data-testid=node-{node}] input[type=file]").set_input_files(picture)
    field = page.locator(f"[data-testid=node-{node}] [data-field=image]")
    expect(field).to_have_attribute("title", "two halves.png")
    page.get_by_role("button", name="Mask", exact=True).click()
    board = page.get_by_test_id("mask-board")
    expect(board).to_be_visible()
    canvas.settle()
    box = board.bounding_box()
    assert box is not None
    pixel = box["width"] / 64
    page.keyboard.press("g")
    page.mouse.click(box["x"] + 50 * pixel, box["y"] + 20 * pixel)  # the blue half
    page.keyboard.press("b")
    canvas.drag((box["x"] + 4 * pixel, box["y"] + 24 * pixel), (box["x"] + 20 * pixel, box["y"] + 24 * pixel))
    page.keyboard.press("Control+z")
    canvas.drag((box["x"] + 10 * pixel, box["y"] + 8 * pixel), (box["x"] + 11 * pixel, box["y"] + 8 * pixel))
    page.keyboard.press("Control+s")
    expect(page.get_by_test_id("mask")).to_have_count(0)
    name = canvas.node_of("LoadImage")["widgets_values"][0]
    assert name == "two halves masked.png"
    with Image.open(workspace / "input" / name) as written:
        alpha, colours = written.getchannel("A"), written.convert("RGB")
    assert [alpha.getpixel(at) for at in ((50, 20), (10, 8), (14, 24), (4, 40))] == [0, 0, 255, 255]
    assert colours.getpixel((50, 20)) == (0, 0, 255)

    page.get_by_role("button", name="Mask", exact=True).click()  # begins with the mask that it has
    expect(board).to_be_visible()
    page.keyboard.press("i")
    page.keyboard.press("Escape")
    page.get_by_role("button", name="Bring it back").click()
    expect(page.get_by_role("button", name="Undo", exact=True)).to_be_enabled()
    page.keyboard.press("Control+Enter")
    expect(page.get_by_test_id("mask")).to_have_count(0)
    inverted = canvas.node_of("LoadImage")["widgets_values"][0]
    with Image.open(workspace / "input" / inverted) as written:
        assert [written.getchannel("A").getpixel(at) for at in ((50, 20), (4, 40))] == [255, 0]
    page.keyboard.press("Control+z")
    page.keyboard.press("Control+z")
    assert canvas.node_of("LoadImage")["widgets_values"][0] == "two halves.png"


def loaded(canvas: Canvas, picture: Path) -> int:
    """A node that loads the picture, as a person adds it."""
    node = canvas.add("load image", canvas.ground(300, 160))
    canvas.page.locator(f"[data-testid=node-{node}] input[type=file]").set_input_files(picture)
    expect(canvas.field(node, "image")).to_have_attribute(
        "title", picture.name, timeout=FAR
    )  # it is sent first
    return node


def spot(canvas: Canvas, board: str, width: int) -> Callable[[float, float], tuple[float, float]]:
    """Where a pixel of the picture on the easel lies in the window."""
    area = canvas.page.get_by_test_id(board)
    expect(area).to_be_visible()
    canvas.settle()
    box = area.bounding_box()
    assert box is not None
    scale = box["width"] / width
    return lambda x, y: (box["x"] + x * scale, box["y"] + y * scale)


def test_a_mask_is_made_of_layers(empty_canvas: Canvas, workspace: Path, tmp_path: Path):
    canvas, page = empty_canvas, empty_canvas.page
    Image.new("RGB", (64, 48), "grey").save(tmp_path / "layered.png")
    loaded(canvas, tmp_path / "layered.png")
    page.get_by_role("button", name="Mask", exact=True).click()
    at = spot(canvas, "mask-board", 64)
    page.keyboard.press("g")
    page.mouse.click(*at(5, 5))  # all of it
    page.get_by_role("button", name="New layer").click()
    page.keyboard.press("b")
    canvas.drag(at(10, 10), at(50, 10))
    page.get_by_label("Takes away").check()
    page.get_by_role("button", name="Layer 1", exact=True).click()
    page.get_by_role("slider", name="Strength").fill("0.6")
    page.get_by_role("button", name="Show Layer 2").click()
    page.keyboard.press("Control+z")  # it shows again
    page.keyboard.press("Control+s")
    expect(page.get_by_test_id("mask")).to_have_count(0)
    with Image.open(workspace / "input" / canvas.node_of("LoadImage")["widgets_values"][0]) as written:
        alpha = written.getchannel("A")
    assert [alpha.getpixel(place) for place in ((30, 10), (30, 40))] == [255, 102]


def test_colours_are_painted_on_a_picture_and_a_part_is_cut_out_of_it(
    empty_canvas: Canvas, workspace: Path, tmp_path: Path
):
    canvas, page = empty_canvas, empty_canvas.page
    picture = Image.new("RGBA", (64, 48), (0, 0, 255, 255))
    picture.paste((10, 200, 30, 90), (40, 0, 64, 48))
    picture.save(tmp_path / "meadow.png")
    node = loaded(canvas, tmp_path / "meadow.png")
    page.get_by_role("button", name="Paint", exact=True).click()
    at = spot(canvas, "paint-board", 64)
    page.keyboard.press("i")
    page.mouse.click(*at(50, 20))  # takes the green, and paints with it
    page.keyboard.press("]")
    canvas.drag(at(4, 10), at(20, 10))
    page.get_by_label("Colour", exact=True).fill("#ff0000")
    canvas.drag(at(4, 40), at(20, 40))
    canvas.drag(at(4, 25), at(20, 25))
    page.keyboard.press("Control+z")
    page.keyboard.press("Control+s")
    expect(page.get_by_test_id("paint")).to_have_count(0, timeout=FAR)
    expect(canvas.field(node, "image")).to_have_attribute("title", "meadow painted.png", timeout=FAR)
    name = canvas.node_of("LoadImage")["widgets_values"][0]
    assert name == "meadow painted.png"
    with Image.open(workspace / "input" / name) as painted:
        found = [painted.getpixel(place) for place in ((12, 10), (12, 40), (12, 25), (60, 45))]
    assert found == [(10, 200, 30, 255), (255, 0, 0, 255), (0, 0, 255, 255), (10, 200, 30, 90)]

    page.get_by_role("button", name="Crop", exact=True).click()
    at = spot(canvas, "crop-frame", 64)
    page.get_by_label("Multiple of").select_option("1")
    canvas.drag(at(64, 48), at(30, 20))  # by the corner
    canvas.drag(at(10, 10), at(20, 30))  # carried, as far as it goes
    page.keyboard.press("Shift+ArrowRight")
    page.get_by_label("Shape").select_option("1:1")
    page.get_by_role("button", name="Undo", exact=True).click()
    page.keyboard.press("Control+Enter")
    expect(page.get_by_test_id("crop")).to_have_count(0, timeout=FAR)
    expect(canvas.field(node, "image")).to_have_attribute("title", "meadow cropped.png", timeout=FAR)
    name = canvas.node_of("LoadImage")["widgets_values"][0]
    assert name == "meadow cropped.png"
    with Image.open(workspace / "input" / name) as cropped:
        assert cropped.size == (30, 20)
        assert [cropped.getpixel(place) for place in ((0, 0), (29, 19))] == [
            (0, 0, 255, 255),
            (10, 200, 30, 90),
        ]
    page.keyboard.press("Control+z")
    assert canvas.node_of("LoadImage")["widgets_values"][0] == "meadow painted.png"


def test_two_pictures_are_held_against_each_other(canvas: Canvas, weft_server: Server):
    page = canvas.page
    for colour in (0xFF0000, 0xFE0000):
        empty = {"width": 32, "height": 32, "batch_size": 1, "color": colour}
        save = {"images": ["1", 0], "filename_prefix": "compared"}
        weft_server.run(
            {
                "1": {"class_type": "EmptyImage", "inputs": empty},
                "2": {"class_type": "SaveImage", "inputs": save},
            }
        )
    for place in (0, 1):
        expect(page.get_by_test_id("thumb").nth(place).locator("img")).to_have_attribute(
            "alt", re.compile("^compared_")
        )
    page.get_by_test_id("thumb").first.click()
    page.get_by_role("button", name="Compare", exact=True).click()
    sheet = page.get_by_test_id("compare")
    expect(sheet.get_by_role("application", name="Wipe at 50%")).to_be_focused()
    page.keyboard.press("ArrowRight")
    expect(sheet.get_by_role("application", name="Wipe at 52%")).to_be_visible()
    first = sheet.locator(".tag").first.inner_text()
    page.keyboard.press("x")
    expect(sheet.locator(".tag").last).to_have_text("B " + first.split(" ", 1)[1].strip())
    page.keyboard.press("2")
    expect(sheet.locator(".pane img")).to_have_count(2)
    page.keyboard.press("3")
    expect(sheet.locator("img.minus")).to_be_visible()
    page.keyboard.press("Escape")
    expect(sheet).to_have_count(0)

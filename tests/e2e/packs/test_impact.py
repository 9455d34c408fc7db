"""Impact Pack's scripts on the canvas: pickers that follow choices, pictures they put, a mask made by points."""

import io
from pathlib import Path

from PIL import Image
from playwright.sync_api import Page, Route, expect

from tests.e2e.canvas import Canvas
from tests.e2e.packs.real import MARKS, begun, failures, placed
from tests.e2e.test_extensions import view
from tests.serving import Server

pytestmark = MARKS


def picture(color: str, size: tuple[int, int] = (200, 100)) -> bytes:
    """A PNG of one colour."""
    out = io.BytesIO()
    Image.new("RGB", size, color).save(out, "PNG")
    return out.getvalue()


def half_mask(route: Route) -> None:
    """What the pack's own server gives for points: the left half."""
    mask = Image.new("RGB", (200, 100))
    mask.paste("white", (0, 0, 100, 100))
    out = io.BytesIO()
    mask.save(out, "PNG")
    route.fulfill(body=out.getvalue(), content_type="image/png")


def test_wildcards_are_chosen_into_the_text(page: Page, scripts: Server):
    page.route(
        "**/impact/wildcards/list*", lambda route: route.fulfill(json={"data": ["__mood__", "__place__"]})
    )
    canvas = begun(page, scripts)
    node = placed(canvas, "ImpactWildcardProcessor", (200, 60))
    text = canvas.field(node, "wildcard_text").locator("textarea")
    canvas.choose(node, "Select to add Wildcard", "mood")
    expect(text).to_have_value("__mood__")
    canvas.choose(node, "Select to add Wildcard", "place")
    expect(text).to_have_value("__mood__, __place__")
    expect(canvas.field(node, "Select to add Wildcard")).to_contain_text("Select the Wildcard")
    assert canvas.node_of("ImpactWildcardProcessor")["widgets_values"][0] == "__mood__, __place__"
    assert failures(canvas) == {}


def test_a_mask_made_by_points_goes_back_into_its_node(four: Canvas, scripts_folder: Path):
    page = four.page
    folder = scripts_folder / "input"
    folder.mkdir(exist_ok=True)
    (folder / "a.png").write_bytes(picture("red"))
    page.route("**/sam/prepare", lambda route: route.fulfill(status=200))
    page.route("**/sam/release", lambda route: route.fulfill(status=200))
    page.route("**/sam/detect", half_mask)
    node = placed(four, "LoadPicture", (200, 100))
    expect(four.node(node).locator("img").first).to_be_visible()
    page.mouse.click(*four.title(node), button="right")
    page.get_by_role("menuitem", name="Open in SAM Detector").click()
    points = page.locator("#pointsCanvas")
    expect(page.get_by_role("button", name="Save to node")).to_be_enabled()
    page.wait_for_function("() => document.querySelector('#pointsCanvas').width === 200")
    points.click(position={"x": 40, "y": 40})
    page.get_by_role("button", name="Detect").click()
    page.wait_for_function(
        "() => document.querySelector('#maskCanvas').getContext('2d').getImageData(20, 50, 1, 1).data.some(Boolean)"
    )
    page.get_by_role("button", name="Save to node").click()
    page.wait_for_function(
        "() => window.__weft.state().workflow.nodes[0].widgets_values[0].endsWith('.png [temp]')"
    )
    name = four.node_of("LoadPicture")["widgets_values"][0].removesuffix(" [temp]")
    (made,) = scripts_folder.rglob(name)
    with Image.open(made) as image:
        alpha = image.convert("RGBA").getchannel("A")
    assert (alpha.getpixel((20, 50)), alpha.getpixel((180, 50))) == (0, 255)
    assert failures(four) == {}


def test_pictures_that_a_script_puts_into_a_node_are_shown(four: Canvas, scripts_folder: Path):
    folder = scripts_folder / "input"
    folder.mkdir(exist_ok=True)
    (folder / "b.png").write_bytes(picture("blue", (64, 32)))
    node = placed(four, "DisplayAny", (200, 100))
    assert view(four, node, "node.imgs") is None
    view(
        four,
        node,
        "(node.imgs = [Object.assign(new Image(), { src: '/view?filename=b.png&type=input' })], null)",
    )
    shown = four.node(node).locator("img")
    expect(shown).to_be_visible()
    four.page.wait_for_function("(img) => img.naturalWidth === 64", arg=shown.element_handle())

"""The keyboard alone; a pointer is pressed in one test, to begin."""

from playwright.sync_api import Page, expect

from tests.e2e.canvas import Canvas
from tests.e2e.conftest import FIRST
from tests.serving import Server


def add(canvas: Canvas, words: str) -> int:
    """Space, type, Enter. Returns the new node's number; it is chosen."""
    before = {node["id"] for node in canvas.nodes()}
    canvas.page.keyboard.press("Space")
    expect(canvas.page.get_by_test_id("palette")).to_be_visible()
    canvas.page.keyboard.type(words)
    canvas.page.keyboard.press("Enter")
    canvas.settle()
    (new,) = {node["id"] for node in canvas.nodes()} - before
    return new


def wire(canvas: Canvas, socket: str, words: str) -> None:
    """From the chosen node: C, down to the socket of that name, Enter; letters of the other end, Enter."""
    page = canvas.page
    page.keyboard.press("c")
    for _ in range(20):
        if page.locator("[role=menuitem]:focus > span").inner_text() == socket:
            break
        page.keyboard.press("ArrowDown")
    else:
        raise AssertionError(page.get_by_role("menuitem").all_inner_texts())
    page.keyboard.press("Enter")
    expect(page.get_by_test_id("palette")).to_be_visible()
    page.keyboard.type(words)
    page.keyboard.press("Enter")
    canvas.settle()


def fresh(page: Page, server: Server) -> Canvas:
    """An empty canvas, made by keys."""
    page.goto(server.url)
    page.wait_for_function("() => window.__weft?.app.ready", timeout=FIRST)
    page.keyboard.press("Space")
    page.keyboard.type("New workflow")
    page.keyboard.press("Enter")
    page.get_by_text("A node", exact=True).wait_for()
    return Canvas(page)


def test_a_workflow_is_built_filled_in_and_run_from_an_empty_canvas(page: Page, weft_server: Server):
    canvas = fresh(page, weft_server)
    loader = add(canvas, "load checkpoint")
    wire(canvas, "From model", "ksampler")  # nothing here takes a model: it is added, wired and chosen
    sampler = canvas.node_of("KSampler")["id"]
    wire(canvas, "To positive", "clip text encode")
    positive = canvas.node_of("CLIPTextEncode")["id"]
    wire(canvas, "To clip", "load checkpoint")
    page.keyboard.press("Enter")
    page.keyboard.type("a red apple")
    page.keyboard.press("Escape")
    page.keyboard.press("Control+d")
    negative = canvas.node_of("CLIPTextEncode", 1)["id"]
    assert canvas.state()["selection"] == [negative]
    wire(canvas, "From conditioning", "ksampler negative")
    page.keyboard.press("Escape")
    page.keyboard.press("Space")
    page.keyboard.type("ksampler")
    expect(page.get_by_role("option", name="KSampler number")).to_be_visible()
    while "number" not in page.locator("[role=option][aria-selected=true]").inner_text():
        page.keyboard.press("ArrowDown")
    page.keyboard.press("Enter")
    assert canvas.state()["selection"] == [sampler]
    wire(canvas, "To latent_image", "empty latent image")
    page.keyboard.press("Enter")
    for _ in range(2):  # from the first field of the node to the next
        page.keyboard.type("128")
        page.keyboard.press("Enter")
        page.keyboard.press("Tab")
    page.keyboard.press("Escape")
    latent = canvas.node_of("EmptyLatentImage")
    assert latent["widgets_values"][:2] == [128, 128]
    wire(canvas, "From latent", "vae decode")
    wire(canvas, "To vae", "load checkpoint")
    wire(canvas, "From image", "save image")
    assert len(canvas.links()) == 9, canvas.links()
    assert canvas.run()
    assert canvas.node(loader).count() + canvas.node(positive).count() > 0


def test_alt_and_arrows_go_from_node_to_node_and_into_fields(canvas: Canvas):
    page = canvas.page
    page.keyboard.press("Alt+ArrowRight")
    (first,) = canvas.state()["selection"]
    page.keyboard.press("Alt+ArrowLeft")
    (second,) = canvas.state()["selection"]
    page.keyboard.press("Alt+ArrowRight")
    (third,) = canvas.state()["selection"]
    assert second not in {first, third}
    assert canvas.node(third).bounding_box() is not None


def test_each_panel_and_sheet_opens_and_closes_by_keys(canvas: Canvas):
    page = canvas.page
    for key, name in (("n", "Nodes"), ("m", "Models"), ("g", "Pictures"), ("w", "Workflows")):
        page.keyboard.press(key)
        panel = page.get_by_role("complementary", name=name, exact=True)
        expect(panel).to_be_visible()
        page.keyboard.press(key)
        expect(panel).to_have_count(0)
    side = page.get_by_role("complementary", name="Queue and pictures")
    expect(side).to_be_visible()
    page.keyboard.press("q")
    expect(side).to_be_hidden()
    sheets = (
        ("t", "Templates"),
        ("?", "Keys"),
        ("Shift+P", "Problems"),
        ("Shift+F", None),
        ("Control+,", "Settings"),
    )
    for key, name in sheets:
        page.keyboard.press(key)
        sheet = page.get_by_role("dialog", name=name) if name else page.get_by_role("dialog")
        expect(sheet).to_be_visible()
        page.keyboard.press("Escape")
        expect(sheet).to_have_count(0)


def test_settings_are_chosen_by_arrows_and_kept(canvas: Canvas):
    page = canvas.page
    page.keyboard.press("Control+,")
    sheet = page.get_by_test_id("settings")
    before = page.locator("html").get_attribute("data-theme")
    expect(sheet.get_by_role("radio", name="Dark" if before == "dark" else "Light")).to_be_focused()
    page.keyboard.press("ArrowRight" if before == "dark" else "ArrowLeft")
    other = "light" if before == "dark" else "dark"
    expect(page.locator("html")).to_have_attribute("data-theme", other)
    page.keyboard.press("Tab")
    page.keyboard.type("Deutsch")
    expect(page.locator(".run")).to_have_text("Ausführen")
    page.keyboard.press("Tab")
    page.keyboard.press("ArrowRight")
    page.keyboard.press("Escape")
    page.reload()
    expect(page.locator(".run")).to_have_text("Ausführen", timeout=FIRST)
    expect(page.locator("html")).to_have_attribute("data-theme", other)
    assert page.evaluate("() => window.__weft.app.preferences.threads") == "chosen"


def test_space_adds_a_node_to_a_workflow_that_a_press_has_just_begun(canvas: Canvas):
    page = canvas.page
    page.get_by_role("button", name="New workflow").click()
    page.keyboard.press("Space")
    expect(page.get_by_test_id("palette")).to_be_visible()
    expect(page.get_by_role("tab")).to_have_count(2)

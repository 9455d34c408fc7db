"""Threads are cut by a stroke, hidden behind names, kept when a node is replaced; keys are changed and remembered."""

from playwright.sync_api import expect

from tests.e2e.canvas import Canvas


def test_threads_are_cut_by_a_stroke_hidden_and_kept_by_the_node_in_anothers_place(canvas: Canvas):
    page, before = canvas.page, canvas.links()
    sampler, loader = canvas.node_of("KSampler")["id"], canvas.node_of("CheckpointLoaderSimple")["id"]
    box = canvas.node(sampler).bounding_box()
    assert box is not None
    canvas.drag((box["x"] - 16, box["y"] - 20), (box["x"] - 16, box["y"] + 140), keys="Alt")
    cut = set(before) - set(canvas.links())
    assert len(cut) > 1
    assert all("KSampler" in words or "VAE Decode" in words for words in cut)
    page.keyboard.press("Control+z")
    assert canvas.links() == before

    page.mouse.click(*canvas.title(loader))
    page.keyboard.press("Alt+h")
    assert len(canvas.state()["workflow"]["extra"]["linkPresentation"]) == 4
    assert canvas.links() == before
    page.mouse.click(*canvas.output(loader, 2), button="right")
    page.get_by_role("menuitem", name="Show these threads").click()
    assert len(canvas.state()["workflow"]["extra"]["linkPresentation"]) == 3

    page.mouse.click(*canvas.title(sampler))
    page.keyboard.press("Shift+s")
    expect(page.get_by_test_id("palette").get_by_role("option").first).to_contain_text("KSampler (Advanced)")
    page.keyboard.press("Enter")
    replaced = canvas.node_of("KSamplerAdvanced")
    assert replaced["id"] == sampler
    assert len(canvas.links()) == len(before)
    for _ in range(3):
        page.keyboard.press("Control+z")
    assert canvas.links() == before


def test_a_stroke_from_body_to_body_wires_what_fits_first_and_nothing_twice(empty_canvas: Canvas):
    canvas = empty_canvas
    text = canvas.add("clip text encode", canvas.ground(400, 300))
    loader = canvas.add("load checkpoint", canvas.ground(60, 80))
    for _ in range(2):
        canvas.drag(middle(canvas, text), middle(canvas, loader), keys="Alt", button="right")
        (made,) = canvas.state()["workflow"]["links"]
        assert made[1:6] == [loader, 1, text, 0, "CLIP"]
    canvas.page.keyboard.press("Control+z")
    assert not canvas.links()
    expect(canvas.page.get_by_role("menu")).to_have_count(0)


def middle(canvas: Canvas, node: int) -> tuple[float, float]:
    box = canvas.node(node).bounding_box()
    assert box is not None
    return box["x"] + box["width"] / 2, box["y"] + box["height"] / 2


def test_keys_are_given_to_another_action_and_remembered(canvas: Canvas):
    page = canvas.page
    page.keyboard.press("?")
    page.keyboard.type("mute")
    page.get_by_role("button", name="Mute: Ctrl + M. Change").click()
    page.keyboard.press("k")
    expect(page.get_by_role("button", name="Mute: K. Change")).to_be_focused()
    page.keyboard.press("Escape")
    page.reload()
    page.wait_for_function("() => document.querySelectorAll('section.node').length >= 7")
    page.mouse.click(*canvas.title(canvas.node_of("VAEDecode")["id"]))
    page.keyboard.press("Control+m")
    assert canvas.node_of("VAEDecode")["mode"] == 0
    page.keyboard.press("k")
    assert canvas.node_of("VAEDecode")["mode"] == 2
    page.keyboard.press("?")
    page.get_by_role("button", name="Reset all").click()
    expect(page.get_by_role("button", name="Mute: Ctrl + M. Change")).to_be_visible()

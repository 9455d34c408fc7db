"""Building and changing a workflow by mouse and keyboard alone."""

import json
import re

from playwright.sync_api import expect

from tests.e2e.canvas import Canvas

DIM = re.compile(r"(^|\s)dim(\s|$)")


def build_text_to_image(canvas: Canvas) -> dict[str, int]:
    """Seven nodes and their threads, on an empty canvas."""
    loader = canvas.add("checkpoint", canvas.ground(40, 90))
    positive = canvas.add("clip text", canvas.ground(380, 60))
    negative = canvas.add("clip text", canvas.ground(380, 330))
    latent = canvas.add("empty latent", canvas.ground(40, 420))
    sampler = canvas.add("ksampler", canvas.ground(830, 60))
    decode = canvas.add("vae decode", canvas.ground(830, 480))
    save = canvas.add("save image", canvas.ground(830, 620))
    canvas.wire(loader, 0, sampler, "model")
    canvas.wire(loader, 1, positive, "clip")
    canvas.wire(loader, 1, negative, "clip")
    canvas.wire(positive, 0, sampler, "positive")
    canvas.wire(negative, 0, sampler, "negative")
    canvas.wire(latent, 0, sampler, "latent_image")
    canvas.wire(loader, 2, decode, "vae")
    # From an input back to an output: the other way round.
    canvas.drag(canvas.input(decode, "samples"), canvas.output(sampler, 0))
    canvas.wire(decode, 0, save, "images")
    return {
        "loader": loader,
        "positive": positive,
        "negative": negative,
        "latent": latent,
        "sampler": sampler,
        "decode": decode,
        "save": save,
    }


def document_of(canvas: Canvas) -> str:
    workflow = canvas.state()["workflow"]
    return json.dumps({"nodes": workflow["nodes"], "links": workflow["links"]}, sort_keys=True)


def test_text_to_image_is_built_from_nothing_runs_and_is_undone_and_redone(empty_canvas: Canvas):
    canvas = empty_canvas
    nodes = build_text_to_image(canvas)
    assert len(canvas.links()) == 9
    prompt = canvas.field(nodes["positive"], "text").locator("textarea")
    prompt.click()
    canvas.page.keyboard.type("a red apple")
    canvas.blur()
    canvas.type_number(nodes["latent"], "width", "128")
    canvas.type_number(nodes["latent"], "height", "128")
    canvas.type_number(nodes["sampler"], "steps", "4")
    canvas.choose(nodes["sampler"], "seed:control", "fixed")
    canvas.blur()
    built = document_of(canvas)
    canvas.run()
    expect(canvas.page.get_by_test_id(f"picture-{nodes['save']}").first).to_be_visible()

    steps = 0
    while canvas.state()["canUndo"]:
        canvas.page.keyboard.press("Control+z")
        steps += 1
        assert steps < 200
    assert canvas.nodes() == []
    assert canvas.links() == []
    for _ in range(steps):
        canvas.page.keyboard.press("Control+Shift+z")
    assert document_of(canvas) == built
    assert not canvas.state()["canRedo"]


def test_a_thread_dropped_on_the_ground_offers_what_fits_and_wires_it(empty_canvas: Canvas):
    canvas = empty_canvas
    loader = canvas.add("checkpoint", canvas.ground(60, 200))
    canvas.drag(canvas.output(loader, 2), canvas.ground(560, 420))
    palette = canvas.page.get_by_test_id("palette")
    expect(palette).to_be_visible()
    assert "VAE Decode" in palette.inner_text()
    assert "Save Image" not in palette.inner_text()
    canvas.page.keyboard.type("vae encode")
    canvas.page.keyboard.press("Enter")
    assert canvas.links() == ["Load Checkpoint VAE to VAE Encode vae"]
    canvas.page.keyboard.press("Control+z")
    assert [node["type"] for node in canvas.nodes()] == ["CheckpointLoaderSimple"]


def test_misfits_dim_while_a_thread_is_drawn_and_cannot_be_wired(canvas: Canvas):
    loader, sampler = canvas.node_of("CheckpointLoaderSimple")["id"], canvas.node_of("KSampler")["id"]
    before = canvas.links()
    canvas.page.mouse.move(*canvas.output(loader, 2))
    canvas.page.mouse.down()
    canvas.page.mouse.move(*canvas.ground(500, 600), steps=4)
    canvas.settle()
    expect(canvas.page.get_by_test_id(f"in-{sampler}-latent_image")).to_have_class(DIM)
    decode = canvas.node_of("VAEDecode")["id"]
    expect(canvas.page.get_by_test_id(f"in-{decode}-vae")).not_to_have_class(DIM)
    canvas.page.mouse.move(*canvas.input(sampler, "latent_image"), steps=4)
    canvas.page.mouse.up()
    assert canvas.links() == before


def test_a_thread_is_taken_up_at_its_end_and_dropped(canvas: Canvas):
    save = canvas.node_of("SaveImage")["id"]
    count = len(canvas.links())
    canvas.drag(canvas.input(save, "images"), canvas.ground(700, 640))
    assert len(canvas.links()) == count - 1
    canvas.page.keyboard.press("Control+z")
    assert len(canvas.links()) == count


def test_nodes_are_dragged_and_escape_takes_a_drag_back(canvas: Canvas):
    node = canvas.node_of("EmptyLatentImage")
    start = canvas.title(node["id"])
    scale = canvas.state()["camera"]["scale"]
    canvas.drag(start, (start[0] + 40, start[1] + 120))
    moved = canvas.node_of("EmptyLatentImage")["pos"]
    assert abs(moved[1] - node["pos"][1] - 120 / scale) <= 2
    canvas.page.mouse.move(*canvas.title(node["id"]))
    canvas.page.mouse.down()
    canvas.page.mouse.move(400, 700, steps=4)
    canvas.page.keyboard.press("Escape")
    canvas.page.mouse.up()
    assert canvas.node_of("EmptyLatentImage")["pos"] == moved
    canvas.page.keyboard.press("Control+z")
    assert canvas.node_of("EmptyLatentImage")["pos"] == node["pos"]


def test_a_box_selects_and_what_is_copied_is_pasted_with_its_threads(canvas: Canvas):
    canvas.drag(canvas.ground(20, 20), canvas.ground(1240, 840), keys="Control")
    assert len(canvas.state()["selection"]) == len(canvas.nodes())
    links = len(canvas.links())
    canvas.page.keyboard.press("Control+c")
    canvas.page.keyboard.press("Control+v")
    canvas.page.wait_for_function("(count) => window.__weft.state().workflow.nodes.length === count", arg=14)
    assert len(canvas.links()) == 2 * links
    canvas.page.keyboard.press("Delete")
    assert len(canvas.nodes()) == 7
    canvas.page.keyboard.press("Control+a")
    canvas.page.keyboard.press("Control+d")
    assert len(canvas.nodes()) == 14


def test_keys_mute_bypass_and_collapse(canvas: Canvas):
    node = canvas.node_of("VAEDecode")["id"]
    canvas.page.mouse.click(*canvas.title(node))
    canvas.page.keyboard.press("Control+m")
    assert canvas.node_of("VAEDecode")["mode"] == 2
    canvas.page.keyboard.press("Control+b")
    assert canvas.node_of("VAEDecode")["mode"] == 4
    canvas.page.keyboard.press("Control+b")
    assert canvas.node_of("VAEDecode")["mode"] == 0
    canvas.page.keyboard.press("Alt+c")
    assert canvas.node_of("VAEDecode")["flags"]["collapsed"] is True
    for _ in range(4):
        canvas.page.keyboard.press("Control+z")
    assert canvas.node_of("VAEDecode")["flags"] == {}
    assert canvas.node_of("VAEDecode")["mode"] == 0


def test_the_ground_carries_the_canvas_and_the_wheel_zooms_to_the_pointer(canvas: Canvas):
    before = canvas.state()["camera"]
    canvas.drag(canvas.ground(600, 700), canvas.ground(700, 650))
    after = canvas.state()["camera"]
    assert abs((after["offset"][0] - before["offset"][0]) * before["scale"] - 100) < 4
    node = canvas.node_of("KSampler")["id"]
    canvas.page.mouse.move(*canvas.title(node))
    place = canvas.title(node)
    canvas.page.mouse.wheel(0, -240)
    canvas.settle()
    camera = canvas.state()["camera"]
    assert camera["scale"] > after["scale"]
    box = canvas.node(node).bounding_box()
    assert box is not None
    ratio = camera["scale"] / after["scale"]
    assert abs((place[0] - box["x"]) - 60 * ratio) < 2


def test_a_number_is_dragged_typed_and_reckoned(canvas: Canvas):
    sampler = canvas.node_of("KSampler")["id"]
    box = canvas.field(sampler, "denoise").bounding_box()
    assert box is not None
    middle = (box["x"] + box["width"] * 0.6, box["y"] + box["height"] / 2)
    canvas.drag(middle, (middle[0] - box["width"] / 2, middle[1]))
    value = canvas.page.evaluate(
        f"() => window.__weft.app.active.stage.graph.nodes.get({sampler}).widgets.denoise"
    )
    assert abs(value - 0.5) < 0.03
    canvas.type_number(sampler, "cfg", "2*3.5")
    assert canvas.field(sampler, "cfg").inner_text().endswith("7.0")
    canvas.page.keyboard.press("Control+z")
    canvas.page.keyboard.press("Control+z")
    assert canvas.field(sampler, "denoise").inner_text().endswith("1.00")


def test_a_node_is_renamed_coloured_and_woven_into_a_thread(canvas: Canvas):
    node = canvas.node_of("VAEDecode")["id"]
    canvas.page.mouse.dblclick(*canvas.title(node))
    canvas.page.keyboard.type("To pixels")
    canvas.page.keyboard.press("Enter")
    expect(canvas.node(node)).to_contain_text("To pixels")
    canvas.page.mouse.click(*canvas.title(node), button="right")
    canvas.page.get_by_role("menuitem", name="Colour: Green").click()
    assert canvas.node_of("VAEDecode")["bgcolor"].startswith("#")

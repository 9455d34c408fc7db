"""Everyday gestures: run a part, line up, paste with wires."""

import json
from pathlib import Path

from playwright.sync_api import expect

from tests.e2e.canvas import Canvas


def test_only_what_leads_to_the_chosen_node_runs(canvas: Canvas):
    save = canvas.node_of("SaveImage")["id"]
    latent = canvas.node_of("EmptyLatentImage")["id"]
    preview = canvas.add("PreviewImage", canvas.ground(650, 620))
    load = canvas.add("EmptyImage", canvas.ground(300, 620))
    canvas.wire(load, 0, preview, "images")
    canvas.page.mouse.click(*canvas.title(load), button="right")
    canvas.page.get_by_text("Run to what is chosen").click()
    expect(canvas.page.get_by_test_id(f"picture-{preview}").first).to_be_visible()
    assert canvas.status(load) != ""
    assert canvas.status(save) == canvas.status(latent) == ""


def test_chosen_nodes_line_up_by_what_is_seen_and_it_is_one_step(canvas: Canvas):
    page = canvas.page
    nodes = [canvas.node_of(kind)["id"] for kind in ("CheckpointLoaderSimple", "KSampler", "VAEDecode")]
    page.mouse.click(*canvas.title(nodes[0]))
    canvas.page.keyboard.press("Control+a")
    page.keyboard.press("Space")
    page.keyboard.type("align top")
    page.keyboard.press("Enter")
    canvas.settle()
    boxes = canvas.state()["boxes"]
    assert len({boxes[str(id)][1] for id in nodes}) == 1
    page.keyboard.press("Control+z")
    assert len({canvas.state()["boxes"][str(node["id"])][1] for node in canvas.nodes()}) > 1
    assert not canvas.state()["canUndo"]


def test_pasting_with_shift_keeps_the_wires_that_came_in(canvas: Canvas):
    page, count = canvas.page, len(canvas.links())
    decode = canvas.node_of("VAEDecode")["id"]
    page.mouse.click(*canvas.title(decode))
    page.keyboard.press("Control+c")
    page.keyboard.press("Control+v")
    canvas.settle()
    assert len(canvas.links()) == count
    page.keyboard.press("Control+Shift+V")
    canvas.settle()
    assert len(canvas.links()) == count + 2
    assert len([node for node in canvas.nodes() if node["type"] == "VAEDecode"]) == 3


def test_nodes_are_arranged_along_their_threads_in_one_step(canvas: Canvas):
    before = canvas.nodes()
    sampler = canvas.node_of("KSampler")["id"]
    start = canvas.title(sampler)
    canvas.drag(start, (start[0] - 500, start[1] + 250))
    canvas.blur()
    canvas.page.mouse.click(*canvas.ground(700, 30))
    canvas.page.keyboard.press("Shift+l")
    canvas.page.wait_for_function("() => window.__weft.app.active.document.undoLabel === 'Arrange'")
    ends = {box["id"]: box for box in canvas.nodes()}
    lefts = [
        ends[link[3]]["pos"][0] - ends[link[1]]["pos"][0] for link in canvas.state()["workflow"]["links"]
    ]
    assert min(lefts) > 100  # every thread goes to the right
    canvas.page.keyboard.press("Control+z")
    canvas.page.keyboard.press("Control+z")
    assert [node["pos"] for node in canvas.nodes()] == [node["pos"] for node in before]


def test_a_point_of_a_thread_is_carried_and_a_locked_canvas_lets_nothing_be(canvas: Canvas, tmp_path: Path):
    workflow = canvas.state()["workflow"]
    link = workflow["links"][0][0]
    points = [{"id": 1, "pos": [300, -20], "linkIds": [link]}]
    workflow["extra"] = {"reroutes": points, "linkExtensions": [{"id": link, "parentId": 1}]}
    file = tmp_path / "bent.json"
    file.write_text(json.dumps(workflow))
    canvas.drop(file, "application/json")
    canvas.page.wait_for_function("() => window.__weft.state().name === 'bent'")
    canvas.settle()
    camera = canvas.state()["camera"]
    x, y = canvas.ground(
        *((at + by) * camera["scale"] for at, by in zip((300, -20), camera["offset"], strict=True))
    )
    canvas.drag((x, y), (x + 60, y + 10))
    (moved,) = canvas.state()["workflow"]["extra"]["reroutes"]
    assert abs(moved["pos"][0] - 300 - 60 / camera["scale"]) <= 2
    canvas.page.keyboard.press("Control+z")
    assert canvas.state()["workflow"]["extra"]["reroutes"] == points

    node = canvas.node_of("VAEDecode")
    canvas.page.keyboard.press("h")
    start = canvas.title(node["id"])
    canvas.drag(start, (start[0] + 80, start[1] + 80))
    assert canvas.node_of("VAEDecode")["pos"] == node["pos"]
    canvas.page.get_by_role("button", name="Locked").click()
    start = canvas.title(node["id"])
    canvas.drag(start, (start[0] + 80, start[1] + 80))
    assert canvas.node_of("VAEDecode")["pos"] != node["pos"]

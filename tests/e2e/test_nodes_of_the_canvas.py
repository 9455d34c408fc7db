"""Nodes that live on the canvas alone, frames, files for nodes, fields of every kind."""

import struct
import zlib
from pathlib import Path

from playwright.sync_api import expect

from tests.e2e.canvas import Canvas


def png(path: Path, side: int = 8) -> Path:
    """A small red picture."""
    rows = b"".join(b"\x00" + b"\xc0\x20\x20" * side for _ in range(side))

    def chunk(kind: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    header = struct.pack(">IIBBBBB", side, side, 8, 2, 0, 0, 0)
    path.write_bytes(
        b"\x89PNG\r\n\x1a\n"
        + chunk(b"IHDR", header)
        + chunk(b"IDAT", zlib.compress(rows))
        + chunk(b"IEND", b"")
    )
    return path


def test_a_file_is_chosen_for_a_node_and_shown_on_it(empty_canvas: Canvas, tmp_path: Path, workspace: Path):
    canvas = empty_canvas
    node = canvas.add("load image", canvas.ground(300, 150))
    file = png(tmp_path / "red square.png")
    with canvas.page.expect_file_chooser() as chooser:
        canvas.field(node, ":upload").click()
    chooser.value.set_files(file)
    expect(canvas.field(node, "image")).to_contain_text("red square.png", timeout=60_000)
    canvas.page.wait_for_function(
        "(id) => document.querySelector(`[data-testid=picture-${id}]`)?.naturalWidth === 8", arg=node
    )
    assert (workspace / "input" / "red square.png").is_file()


def test_two_clicks_on_a_thread_put_a_knot_there_and_the_prompt_passes_through_it(canvas: Canvas):
    sampler, decode = canvas.node_of("KSampler")["id"], canvas.node_of("VAEDecode")["id"]
    start, end = canvas.output(sampler), canvas.input(decode, "samples")
    canvas.page.mouse.dblclick((start[0] + end[0]) / 2, (start[1] + end[1]) / 2)
    canvas.settle()
    assert canvas.node_of("Reroute")
    canvas.type_number(sampler, "steps", "2")
    canvas.blur()
    canvas.run()


def test_a_primitive_takes_the_place_of_a_fields_value(canvas: Canvas):
    sampler = canvas.node_of("KSampler")["id"]
    primitive = canvas.add("primitive", canvas.ground(330, 560))
    field = canvas.field(sampler, "steps").bounding_box()
    assert field is not None
    canvas.drag(canvas.output(primitive), (field["x"] + 2, field["y"] + field["height"] / 2))
    expect(canvas.field(sampler, "steps")).to_contain_text("linked")
    expect(canvas.field(primitive, "value")).to_contain_text("20")
    canvas.type_number(primitive, "value", "3")
    canvas.blur()
    run = canvas.run()
    steps = canvas.page.evaluate(
        "([run, id]) => window.__weft.app.active.prompts.get(run)[id].inputs.steps", [run, str(sampler)]
    )
    assert steps == 3


def test_a_frame_is_dragged_with_what_lies_in_it(canvas: Canvas):
    canvas.page.keyboard.press("Control+a")
    canvas.page.keyboard.press("Control+g")
    before = {node["id"]: node["pos"] for node in canvas.nodes()}
    frame = canvas.state()["workflow"]["groups"][0]["bounding"]
    camera = canvas.state()["camera"]
    grip = canvas.ground(
        (frame[0] + camera["offset"][0] + 200) * camera["scale"],
        (frame[1] + camera["offset"][1] + 16) * camera["scale"],
    )
    canvas.drag(grip, (grip[0] + 30, grip[1] + 45))
    moved = canvas.state()["workflow"]
    assert moved["groups"][0]["bounding"][1] > frame[1] + 30
    for node in moved["nodes"]:
        assert node["pos"][1] > before[node["id"]][1] + 30
    canvas.page.keyboard.press("Control+z")
    assert {node["id"]: node["pos"] for node in canvas.nodes()} == before


def test_alt_and_a_drag_carry_a_copy_in_one_step(canvas: Canvas):
    node = canvas.node_of("EmptyLatentImage")
    start = canvas.title(node["id"])
    canvas.drag(start, (start[0] + 20, start[1] + 240), keys="Alt")
    assert canvas.node_of("EmptyLatentImage", 0)["pos"] == node["pos"]
    copied = canvas.node_of("EmptyLatentImage", 1)["pos"]
    assert copied[1] > node["pos"][1] + 200
    canvas.page.keyboard.press("Control+z")
    assert len(canvas.nodes()) == 7


def test_a_free_node_dropped_on_a_thread_is_woven_in(canvas: Canvas):
    sampler, decode = canvas.node_of("KSampler")["id"], canvas.node_of("VAEDecode")["id"]
    node = canvas.add("upscale latent by", canvas.ground(560, 620))
    box = canvas.node(node).bounding_box()
    assert box is not None
    start, end = canvas.output(sampler), canvas.input(decode, "samples")
    middle = ((start[0] + end[0]) / 2, start[1])
    grip = canvas.title(node)
    canvas.drag(
        grip,
        (grip[0] + middle[0] - box["x"] - box["width"] / 2, grip[1] + middle[1] - box["y"] - 26),
        steps=20,
    )
    links = canvas.links()
    assert any(words.startswith("KSampler LATENT to Upscale Latent") for words in links)
    assert any("VAE Decode samples" in words and words.startswith("Upscale Latent") for words in links)


def test_a_controlnet_dropped_on_one_prompts_thread_takes_both(canvas: Canvas):
    sampler = canvas.node_of("KSampler")["id"]
    prompt = next(node["id"] for node in canvas.nodes() if node.get("title") == "Positive prompt")
    apply = canvas.add("apply controlnet", canvas.ground(330, 600))
    control = canvas.add("load controlnet", canvas.ground(60, 560))
    canvas.wire(control, 0, apply, "control_net")
    box = canvas.node(apply).bounding_box()
    assert box is not None
    start, end = canvas.output(prompt), canvas.input(sampler, "positive")
    grip = canvas.title(apply)
    canvas.drag(
        grip,
        (
            grip[0] + (start[0] + end[0]) / 2 - box["x"] - box["width"] / 2,
            grip[1] + (start[1] + end[1]) / 2 - box["y"] - 26,
        ),
        steps=20,
    )
    links = canvas.links()
    assert {
        "Positive prompt CONDITIONING to Apply ControlNet positive",
        "Apply ControlNet positive to KSampler positive",
    } <= {*links}, links
    assert {
        "Negative prompt CONDITIONING to Apply ControlNet negative",
        "Apply ControlNet negative to KSampler negative",
    } <= {*links}, links


def test_the_field_at_the_top_adds_finds_and_does(canvas: Canvas):
    canvas.page.keyboard.press("Space")
    canvas.page.keyboard.type("dark or light")
    before = canvas.page.evaluate("() => document.documentElement.dataset.theme")
    canvas.page.keyboard.press("Enter")
    assert canvas.page.evaluate("() => document.documentElement.dataset.theme") != before
    canvas.page.keyboard.press("Tab")
    canvas.page.keyboard.type("markdown note")
    canvas.page.keyboard.press("Enter")
    assert canvas.node_of("MarkdownNote")


def test_far_away_nodes_are_painted_and_near_ones_are_elements(canvas: Canvas):
    canvas.page.evaluate("() => window.__weft.app.active.view.setCamera({ scale: 0.2, offset: [600, 600] })")
    canvas.page.wait_for_function("() => window.__weft.state().mounted.length === 0")
    assert canvas.page.evaluate("() => window.__weft.locate(5)")
    expect(canvas.node(5)).to_be_visible()


def test_every_control_has_a_name(canvas: Canvas):
    nameless = canvas.page.evaluate(
        """() => [...document.querySelectorAll("button, input, textarea, [role=spinbutton], [role=switch]")]
          .filter((one) => !(one.getAttribute("aria-label") || one.textContent.trim() || one.labels?.length))
          .map((one) => one.outerHTML.slice(0, 120))"""
    )
    assert nameless == []

"""Films and sounds on the canvas: dropped on a node, loaded, saved, and played where they stand."""

from pathlib import Path

import av
import numpy as np
from playwright.sync_api import Locator, expect

from tests.e2e.canvas import Canvas

READ = "media => media.readyState >= 1"
FAR = 60_000  # ms; a machine that is busy


def film_file(path: Path) -> Path:
    """Half a second in VP9 and Opus, which every browser plays."""
    with av.open(str(path), "w", format="webm") as container:
        video, sound = (
            container.add_stream("libvpx-vp9", rate=10),
            container.add_stream("libopus", rate=48000),
        )
        video.width, video.height, video.pix_fmt = 64, 48, "yuv420p"
        for level in range(5):
            picture = np.full((48, 64, 3), 40 * level, np.uint8)
            container.mux(video.encode(av.VideoFrame.from_ndarray(picture, format="rgb24")))
        container.mux(video.encode())
        wave = np.sin(np.arange(24000) / 20).astype(np.float32)[None]
        frame = av.AudioFrame.from_ndarray(wave, format="fltp", layout="mono")
        frame.sample_rate = 48000
        container.mux(sound.encode(frame))
        container.mux(sound.encode())
    return path


def is_read(player: Locator) -> bool:
    expect(player).to_be_visible(timeout=FAR)
    player.page.wait_for_function(
        f"element => ({READ})(element) || element.error", arg=player.element_handle(), timeout=FAR
    )
    return bool(player.evaluate(READ))


def test_a_film_is_loaded_and_its_sound_is_heard_on_the_node(
    empty_canvas: Canvas, workspace: Path, tmp_path: Path
):
    canvas, page = empty_canvas, empty_canvas.page
    film = film_file(tmp_path / "a film.webm")
    load = canvas.add("load video", canvas.ground(80, 120))
    chooser = page.locator(f"[data-testid=node-{load}] input[type=file]")
    expect(chooser).to_have_attribute("accept", "video/*")
    chooser.set_input_files(film)
    player = page.get_by_test_id(f"media-{load}")
    assert is_read(player)
    # Asked of whichever element stands there: lists are read anew after an upload, and the player may be made again.
    expect(player).to_have_js_property("videoWidth", 64, timeout=FAR)
    expect(player).to_have_js_property("videoHeight", 48, timeout=FAR)
    assert canvas.node_of("LoadVideo")["widgets_values"][0] == "a film.webm"
    parts = canvas.add("get video components", canvas.ground(420, 120))
    preview = canvas.add("preview audio", canvas.ground(760, 120))
    save = canvas.add("save webm", canvas.ground(760, 320))
    canvas.wire(load, 0, parts, "video")
    canvas.wire(parts, 1, preview, "audio")
    canvas.wire(parts, 0, save, "images")
    canvas.run()
    heard = page.get_by_test_id(f"media-{preview}")
    assert is_read(heard)
    assert heard.evaluate("sound => sound.duration") > 0.4
    seen = page.get_by_test_id(f"media-{save}")
    assert is_read(seen)
    assert list((workspace / "output").glob("ComfyUI_*_.webm"))


TETRAHEDRON = """v 0 0 0
v 1 0 0
v 0 1 0
v 0 0 1
f 1 3 2
f 1 2 4
f 1 4 3
f 2 3 4
"""


def test_a_solid_is_seen_on_its_node_and_turned(empty_canvas: Canvas, workspace: Path):
    canvas, page = empty_canvas, empty_canvas.page
    (workspace / "output").mkdir(exist_ok=True)
    (workspace / "output" / "four sides.obj").write_text(TETRAHEDRON)
    node = canvas.add("preview 3d", canvas.ground(300, 120))
    canvas.field(node, "model_file").locator("input").fill("four sides.obj")
    canvas.blur()
    canvas.run()
    solid = page.get_by_test_id(f"solid-{node}")
    expect(solid).to_have_attribute("data-corners", "12", timeout=FAR)
    solid.focus()
    before = solid.screenshot()
    page.keyboard.press("ArrowLeft")
    canvas.settle()
    turned = solid.screenshot()
    assert turned != before
    page.keyboard.press("0")
    canvas.settle()
    assert solid.screenshot() != turned

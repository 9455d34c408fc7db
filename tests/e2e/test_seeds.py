"""The largest seed on the canvas: every digit of it lives through undo, reload, files, pictures and a run."""

import json
from pathlib import Path
from typing import Any

from PIL import Image
from playwright.sync_api import expect

from nodes.spec import RECORD
from tests.e2e.canvas import Canvas

LARGEST = 0xFFFFFFFFFFFFFFFF
DIGITS = str(LARGEST)


def seed_of(canvas: Canvas) -> Any:
    return canvas.node_of("KSampler")["widgets_values"][0]


def with_seed(canvas: Canvas, text: str, control: str) -> int:
    sampler = canvas.node_of("KSampler")["id"]
    canvas.type_number(sampler, "steps", "2")
    canvas.choose(sampler, "seed:control", control)
    canvas.type_number(sampler, "seed", text)
    canvas.blur()
    return sampler


def newest(workspace: Path) -> dict[str, str]:
    """The texts of the picture that was saved last."""
    path = max((workspace / "output").rglob("*.png"), key=lambda path: path.stat().st_mtime_ns)
    with Image.open(path) as opened:
        return {**opened.text, "path": str(path)}  # type: ignore[attr-defined]


def test_the_largest_seed_comes_back_to_the_digit(canvas: Canvas, workspace: Path):
    sampler = with_seed(canvas, DIGITS, "fixed")
    assert seed_of(canvas) == LARGEST
    canvas.type_number(sampler, "seed", "7")
    canvas.blur()
    assert seed_of(canvas) == 7
    canvas.page.keyboard.press("Control+z")
    assert seed_of(canvas) == LARGEST
    canvas.page.wait_for_timeout(800)  # the draft is kept a moment later
    canvas.page.reload()
    canvas.page.wait_for_function("() => window.__weft?.app.ready")
    assert seed_of(canvas) == LARGEST
    job = canvas.run()
    texts = newest(workspace)
    for chunk in ("prompt", "workflow", RECORD):
        assert DIGITS in texts[chunk], chunk
    for path in (f"history/{job}", f"api/jobs/{job}"):
        said = canvas.page.evaluate("(path) => fetch(path).then((answer) => answer.text())", path)
        assert said.count(DIGITS) >= 2, path
    canvas.page.keyboard.press("Control+s")
    canvas.page.get_by_role("textbox", name="Save as").fill("largest seed")
    canvas.page.keyboard.press("Enter")
    expect(canvas.page.get_by_test_id("unsaved")).to_have_count(0)
    (file,) = workspace.rglob("largest seed.json")
    assert DIGITS in file.read_text()
    canvas.page.get_by_role("button", name="New workflow").click()
    canvas.page.wait_for_function("() => window.__weft.state().workflow.nodes.length === 0")
    canvas.drop(file, "application/json")
    canvas.page.wait_for_function("() => window.__weft.state().workflow.nodes.length === 7")
    assert seed_of(canvas) == LARGEST


def test_a_seed_that_goes_up_by_one_after_each_run_goes_up_exactly(canvas: Canvas):
    with_seed(canvas, str(2**53 - 1), "increment")
    for seed in (2**53, 2**53 + 1):
        canvas.run()
        assert seed_of(canvas) == seed


def test_a_dropped_picture_saved_again_tells_the_same_of_its_making(canvas: Canvas, workspace: Path):
    with_seed(canvas, str(LARGEST - 1), "fixed")
    canvas.run()
    first = newest(workspace)
    canvas.page.get_by_role("button", name="New workflow").click()
    canvas.page.wait_for_function("() => window.__weft.state().workflow.nodes.length === 0")
    canvas.drop(Path(first["path"]), "image/png")
    canvas.page.wait_for_function("() => window.__weft.state().workflow.nodes.length === 7")
    assert seed_of(canvas) == LARGEST - 1
    canvas.type_number(canvas.node_of("EmptyLatentImage")["id"], "batch_size", "2")
    canvas.blur()
    canvas.run()
    second = newest(workspace)
    assert second["path"] != first["path"]
    before, after = json.loads(first[RECORD]), json.loads(second[RECORD])
    assert after["job"] != before["job"] and after["count"] == 2
    for part in ("versions", "machine", "dtypes", "nodes", "files", "seeds"):
        assert after[part] == before[part], part

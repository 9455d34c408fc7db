"""The page is loaded again: the nodes say what they said before, of runs that ended and of one that goes on."""

import json
import re
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Page, expect

from tests.e2e.canvas import Canvas
from tests.serving import Server

WAIT = 30_000  # ms


def opened(page: Page, server: Server, folder: Path, prompt: dict[str, Any]) -> Canvas:
    """The canvas with that prompt on it."""
    page.goto(server.url)
    page.wait_for_function("() => window.__weft?.app.ready")
    file = folder / "reload study.json"
    file.write_text(json.dumps(prompt))
    canvas = Canvas(page)
    canvas.drop(file, "application/json")
    page.wait_for_function("() => window.__weft.state().name === 'reload study'")
    return canvas


def reloaded(canvas: Canvas) -> None:
    canvas.page.wait_for_timeout(800)  # the workflow and its runs are written to the browser
    canvas.page.reload()
    canvas.page.wait_for_function("() => window.__weft?.app.ready")


def statuses(canvas: Canvas) -> dict[str, str]:
    """What each node's title says at its right."""
    return {node["type"]: canvas.status(node["id"]) for node in canvas.nodes()}


def say(canvas: Canvas, wanted: dict[str, str]) -> None:
    """Wait until the nodes say this."""
    for kind, words in wanted.items():
        node = canvas.node_of(kind)["id"]
        expect(canvas.page.get_by_test_id(f"status-{node}"), kind).to_have_text(words, timeout=WAIT)


def work(label: str, seconds: float = 0.3) -> dict[str, Any]:
    return {"class_type": "Work", "inputs": {"text": "", "label": label, "seconds": seconds}}


@pytest.mark.parametrize("forgetful", [False, True], ids=["same window", "nothing told again"])
def test_a_run_that_ended_shows_its_times_and_what_was_cached(
    page: Page, small_server: Server, tmp_path: Path, forgetful: bool
):
    show = {"class_type": "Show", "inputs": {"value": ["1", 0]}}
    canvas = opened(page, small_server, tmp_path, {"1": work(f"times {forgetful}"), "2": show})
    for words in (r"\d+ ms", "cached"):
        canvas.run()
        if forgetful:  # as after a restart of the server: it tells nothing again
            page.evaluate("() => sessionStorage.removeItem('weft.mark')")
        before = statuses(canvas)
        assert re.fullmatch(words, before["Work"])
        reloaded(canvas)
        say(canvas, before)


def test_the_run_that_goes_on_shows_how_far_it_is_and_what_was_before(
    page: Page, small_server: Server, tmp_path: Path
):
    steps = {
        "class_type": "Steps",
        "inputs": {"total": 120, "seconds": 0.05, "label": ""},
    }
    show = {"class_type": "Show", "inputs": {"value": ["1", 0]}}
    both = {"class_type": "Show", "inputs": {"value": ["2", 0]}}
    canvas = opened(page, small_server, tmp_path, {"1": work("first"), "2": steps, "3": show, "4": both})
    page.keyboard.press("Control+Enter")
    sampler = page.get_by_test_id(f"status-{canvas.node_of('Steps')['id']}")
    expect(sampler).to_contain_text("/ 120", timeout=WAIT)
    before = canvas.status(canvas.node_of("Work")["id"])
    reloaded(canvas)
    expect(sampler).to_contain_text("/ 120", timeout=WAIT)
    expect(page.get_by_test_id("job-running")).to_contain_text("of 120")
    say(canvas, {"Work": before})
    page.wait_for_function("() => window.__weft.state().run?.phase === 'done'", timeout=WAIT)
    expect(sampler).to_contain_text(" s")
    say(canvas, {"Work": before})


def test_the_picture_of_the_run_before_stays_while_the_next_one_runs(
    page: Page, small_server: Server, tmp_path: Path
):
    steps = {"class_type": "Steps", "inputs": {"total": 2, "seconds": 0.05, "label": "stays"}}
    save = {"class_type": "Save", "inputs": {"side": 8, "filename_prefix": ["1", 0]}}
    canvas = opened(page, small_server, tmp_path, {"1": steps, "2": save})
    canvas.run()
    picture = page.get_by_test_id(f"picture-{canvas.node_of('Save')['id']}").first
    expect(picture).to_be_visible()
    canvas.type_number(canvas.node_of("Steps")["id"], "total", "100")
    canvas.blur()
    page.keyboard.press("Control+Enter")
    expect(page.get_by_test_id(f"status-{canvas.node_of('Steps')['id']}")).to_contain_text(
        "/ 100", timeout=WAIT
    )
    reloaded(canvas)
    expect(page.get_by_test_id("job-running")).to_contain_text("of 100", timeout=WAIT)
    expect(picture).to_be_visible()
    page.wait_for_function("() => window.__weft.state().run?.phase === 'done'", timeout=WAIT)


def test_a_run_that_another_window_began_shows_how_it_ended(page: Page, small_server: Server, tmp_path: Path):
    steps = {"class_type": "Steps", "inputs": {"total": 60, "seconds": 0.05, "label": "other"}}
    show = {"class_type": "Show", "inputs": {"value": ["1", 0]}}
    canvas = opened(page, small_server, tmp_path, {"1": steps, "2": show})
    page.keyboard.press("Control+Enter")
    expect(page.get_by_test_id("job-running")).to_contain_text("of 60", timeout=WAIT)
    page.evaluate("() => sessionStorage.clear()")  # as after the browser was closed
    reloaded(canvas)
    page.wait_for_function("() => window.__weft.state().run?.phase === 'done'", timeout=WAIT)
    assert re.fullmatch(r"[\d.]+ s", canvas.status(canvas.node_of("Steps")["id"]))


def test_a_run_that_was_cancelled_before_it_began_leaves_the_times_of_the_one_before(
    page: Page, small_server: Server, tmp_path: Path
):
    show = {"class_type": "Show", "inputs": {"value": ["1", 0]}}
    canvas = opened(page, small_server, tmp_path, {"1": work("stay"), "2": show})
    canvas.run()
    before = statuses(canvas)
    small_server.post("/api/jobs/pause", {})
    page.keyboard.press("Control+Enter")
    row = page.get_by_test_id("job-waiting")
    expect(row).to_have_count(1, timeout=WAIT)
    row.hover()
    page.get_by_role("button", name="Cancel reload study, place 1").click()
    expect(row).to_have_count(0)
    small_server.post("/api/jobs/resume", {})
    assert statuses(canvas) == before
    reloaded(canvas)
    say(canvas, before)


def test_a_run_that_failed_shows_where_and_how_long_the_others_took(
    page: Page, small_server: Server, tmp_path: Path
):
    boom = {"class_type": "Boom", "inputs": {"text": ["1", 0]}}
    show = {"class_type": "Show", "inputs": {"value": ["2", 0]}}
    canvas = opened(page, small_server, tmp_path, {"1": work("before boom"), "2": boom, "3": show})
    canvas.run("failed")
    before = canvas.status(canvas.node_of("Work")["id"])
    page.evaluate("() => sessionStorage.removeItem('weft.mark')")
    reloaded(canvas)
    expect(canvas.node(canvas.node_of("Boom")["id"])).to_contain_text("It broke.", timeout=WAIT)
    say(canvas, {"Work": before})


def test_a_workflow_opened_from_its_picture_shows_the_times_of_that_run(
    page: Page, small_server: Server, tmp_path: Path
):
    save = {"class_type": "Save", "inputs": {"side": 8, "filename_prefix": "from history"}}
    canvas = opened(page, small_server, tmp_path, {"1": save})
    canvas.run()
    before = statuses(canvas)
    page.get_by_role("button", name="New workflow").click()
    page.get_by_role("button", name="Open from history").first.click()
    page.get_by_role("button", name="Open its workflow").click()
    page.wait_for_function("() => window.__weft.state().name === 'reload study'")
    say(canvas, before)
    expect(page.get_by_test_id(f"picture-{canvas.node_of('Save')['id']}").first).to_be_visible()


def test_after_a_run_of_one_part_the_pictures_of_the_whole_run_stay(
    page: Page, small_server: Server, tmp_path: Path
):
    one, other = (
        {"class_type": "Save", "inputs": {"side": 8, "filename_prefix": name}} for name in ("one", "other")
    )
    canvas = opened(page, small_server, tmp_path, {"1": one, "2": other})
    canvas.run()
    saves = [canvas.node_of("Save", index)["id"] for index in range(2)]
    canvas.type_number(saves[1], "side", "12")
    canvas.blur()
    page.mouse.click(*canvas.title(saves[1]), button="right")
    page.get_by_role("menuitem", name="Run to what is chosen").click()
    expect(canvas.node(saves[1])).to_contain_text("12 \N{MULTIPLICATION SIGN} 12", timeout=WAIT)
    reloaded(canvas)
    expect(canvas.node(saves[1])).to_contain_text("12 \N{MULTIPLICATION SIGN} 12", timeout=WAIT)
    expect(canvas.node(saves[0])).to_contain_text("8 \N{MULTIPLICATION SIGN} 8", timeout=WAIT)

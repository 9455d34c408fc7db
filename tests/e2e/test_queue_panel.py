"""What a person does with the queue: pause it, hold, move, cancel and retry jobs, one or several."""

import json
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Locator, Page, expect

from tests.e2e.canvas import Canvas
from tests.serving import Server

WAIT = 30_000  # ms


@dataclass(frozen=True, slots=True)
class Panel:
    """The queue beside the canvas, and the server behind it."""

    page: Page
    server: Server

    def put(self, name: str, total: int = 1, seconds: float = 0.0) -> str:
        """Another client queues a job of so many steps. Returns its id."""
        steps = {"class_type": "Steps", "inputs": {"total": total, "seconds": seconds, "label": name}}
        show = {"class_type": "Show", "inputs": {"value": ["1", 0]}}
        wanted = {"prompt": {"1": steps, "2": show}, "extra_data": {"weft_name": name}}
        return self.server.post("/prompt", wanted)["prompt_id"]

    def put_several(self, *names: str) -> list[str]:
        """Jobs that wait behind one that runs on until it is cancelled; ids of those that wait."""
        self.put("the long one", total=100_000, seconds=0.05)
        ids = [self.put(name) for name in names]
        expect(self.page.get_by_test_id("job-waiting")).to_have_count(len(names), timeout=WAIT)
        expect(self.page.get_by_test_id("job-running")).to_contain_text("the long one", timeout=WAIT)
        return ids

    def row(self, job: str) -> Locator:
        """The row of a job."""
        return self.page.locator(f"aside [data-job='{job}']")

    def press(self, name: str) -> None:
        """Press the button of that name."""
        self.page.get_by_role("button", name=name, exact=True).click()

    def shows(self, *names: str) -> None:
        """Wait until these jobs wait, in this order, here and on the server."""
        expect(self.page.locator("[data-testid=job-waiting] b")).to_have_text(list(names), timeout=WAIT)
        assert self.names() == list(names)

    def names(self) -> list[str]:
        """What waits, as the server has it."""
        return [entry[3]["weft_name"] for entry in self.server.get("/queue")["queue_pending"]]


@pytest.fixture
def panel(page: Page, small_server: Server) -> Iterator[Panel]:
    page.goto(small_server.url)
    page.wait_for_function("() => window.__weft?.app.ready")
    yield Panel(page, small_server)
    small_server.post("/api/jobs/cancel", {"all": True})
    small_server.post("/api/jobs/resume", {})
    until_idle(small_server)
    small_server.post("/history", {"clear": True})


def until_idle(server: Server) -> None:
    """Wait until nothing waits, runs, or is being written down."""
    deadline = time.monotonic() + WAIT / 1000
    while server.get("/api/weft/status")["queue_remaining"] > 0:
        assert time.monotonic() < deadline
        time.sleep(0.02)


def opened(panel: Panel, folder: Path, prompt: dict[str, Any]) -> Canvas:
    """The canvas with that prompt on it, in a workflow named `study`."""
    file = folder / "study.json"
    file.write_text(json.dumps(prompt))
    canvas = Canvas(panel.page)
    canvas.drop(file, "application/json")
    panel.page.wait_for_function("() => window.__weft.state().name === 'study'")
    return canvas


def test_a_paused_queue_begins_nothing_until_it_is_resumed_also_after_a_reload(panel: Panel, tmp_path: Path):
    opened(panel, tmp_path, {"1": {"class_type": "Note", "inputs": {"text": "paused"}}})
    panel.press("Pause the queue")
    expect(panel.page.get_by_test_id("paused")).to_be_visible()
    panel.page.keyboard.press("Control+Enter")
    expect(panel.page.get_by_test_id("notice")).to_contain_text("The queue is paused")
    expect(panel.page.get_by_test_id("job-waiting")).to_contain_text("study", timeout=WAIT)
    panel.page.reload()
    expect(panel.page.get_by_test_id("paused")).to_be_visible(timeout=WAIT)
    expect(panel.page.get_by_test_id("job-waiting")).to_contain_text("study", timeout=WAIT)
    assert panel.server.get("/api/weft/status")["running"] is None
    job = panel.page.get_by_test_id("job-waiting").get_attribute("data-job")
    assert job is not None
    panel.press("Resume")
    expect(panel.page.get_by_test_id("paused")).to_have_count(0)
    assert panel.server.ended(job)["status"]["completed"]


def test_that_another_client_paused_the_queue_is_seen_at_once(panel: Panel):
    panel.server.post("/api/jobs/pause", {})
    expect(panel.page.get_by_test_id("paused")).to_be_visible()
    panel.server.post("/api/jobs/resume", {})
    expect(panel.page.get_by_test_id("paused")).to_have_count(0)


def test_jobs_are_shown_in_the_order_in_which_they_run_and_moved_by_button_and_key(panel: Panel):
    ids = panel.put_several("one", "two", "three")
    panel.shows("one", "two", "three")
    panel.row(ids[2]).hover()
    panel.press("Move three, place 3, to the front")
    panel.shows("three", "one", "two")
    mark = panel.row(ids[2]).get_by_role("checkbox")
    mark.focus()
    panel.page.keyboard.press("Alt+ArrowDown")
    panel.shows("one", "three", "two")
    expect(mark).to_be_focused()
    panel.page.keyboard.press("Alt+End")
    panel.shows("one", "two", "three")
    expect(mark).to_be_focused()
    panel.page.keyboard.press("ArrowUp")
    expect(panel.row(ids[1]).get_by_role("checkbox")).to_be_focused()


def test_dragging_moves_all_that_are_selected(panel: Panel):
    ids = panel.put_several("one", "two", "three", "four")
    for job in ids[2:]:
        panel.row(job).hover()
        panel.row(job).get_by_role("checkbox").click()
    middle, goal = panel.row(ids[3]).bounding_box(), panel.row(ids[0]).bounding_box()
    assert middle is not None
    assert goal is not None
    start = (middle["x"] + 100, middle["y"] + middle["height"] / 2)
    Canvas(panel.page).drag(start, (goal["x"] + 100, goal["y"] + 6))
    panel.shows("three", "four", "one", "two")


def test_a_job_on_hold_lets_others_go_first(panel: Panel):
    first, _second = panel.put_several("first", "second")
    panel.row(first).hover()
    panel.press("Hold first, place 1")
    expect(panel.row(first)).to_contain_text("on hold")
    panel.press("Cancel the long one")
    expect(panel.page.get_by_test_id("job-waiting")).to_have_count(1, timeout=WAIT)
    panel.shows("first")
    panel.press("Release first, place 1")
    expect(panel.page.get_by_test_id("job-waiting")).to_have_count(0, timeout=WAIT)
    assert panel.server.ended(first)["status"]["completed"]


def test_a_running_job_that_is_held_waits_and_goes_on_when_released(panel: Panel):
    job = panel.put("held", total=100_000, seconds=0.05)  # it must not end before a busy machine has pressed
    running = panel.page.get_by_test_id("job-running")
    expect(running).to_contain_text("held", timeout=WAIT)
    panel.press("Hold held")
    expect(panel.row(job)).to_contain_text("on hold", timeout=WAIT)
    expect(running).to_have_count(0, timeout=WAIT)
    panel.row(job).hover()
    panel.press("Release held, place 1")
    expect(running).to_contain_text("held", timeout=WAIT)
    assert states(panel, [job]) == ["in_progress"]


def test_several_jobs_are_held_cancelled_and_put_back_at_once(panel: Panel):
    ids = panel.put_several("one", "two", "three", "four")
    panel.row(ids[1]).hover()
    panel.row(ids[1]).get_by_role("checkbox").click()
    panel.row(ids[3]).get_by_role("checkbox").click(modifiers=["Shift"])
    expect(panel.page.get_by_text("3 of 4 selected")).to_be_visible()
    panel.press("Hold the selected jobs")
    expect(panel.page.locator("aside").get_by_text("on hold")).to_have_count(3)
    panel.press("Cancel the selected jobs")
    panel.shows("one")
    assert not set(states(panel, ids[1:])) - {"cancelled"}
    panel.press("Put back")
    panel.shows("one", "two", "three", "four")
    expect(panel.page.get_by_test_id("job-unfinished")).to_have_count(0)


def test_cancelling_all_that_waits_leaves_what_runs(panel: Panel):
    ids = panel.put_several("one", "two")
    panel.press("More for the queue")
    panel.page.get_by_role("menuitem", name="Cancel everything that waits").click()
    expect(panel.page.get_by_test_id("job-waiting")).to_have_count(0)
    assert states(panel, ids) == ["cancelled", "cancelled"]
    expect(panel.page.get_by_test_id("job-running")).to_contain_text("the long one")


def test_a_failed_job_goes_on_at_the_node_that_failed(panel: Panel, tmp_path: Path):
    prompt = {
        "1": {"class_type": "Work", "inputs": {"text": "", "label": "before", "seconds": 0.5}},
        "2": {"class_type": "KillOnce", "inputs": {"text": ["1", 0]}},
        "3": {"class_type": "Show", "inputs": {"value": ["2", 0]}},
    }
    canvas = opened(panel, tmp_path, prompt)
    canvas.run("failed")
    expect(panel.page.get_by_test_id("job-unfinished")).to_contain_text("study", timeout=WAIT)
    panel.press("Retry study")
    panel.page.wait_for_function("() => window.__weft.state().run?.phase === 'done'", timeout=WAIT)
    assert canvas.status(canvas.node_of("Work")["id"]) == "cached"
    expect(panel.page.get_by_test_id("job-unfinished")).to_have_count(0)


def test_a_refusal_is_told_in_words_that_name_the_job(panel: Panel):
    job = panel.put("slow to end", total=3, seconds=4.0)
    expect(panel.page.get_by_test_id("job-running")).to_contain_text("slow to end", timeout=WAIT)
    panel.press("Cancel slow to end")
    panel.press("Put back")  # while its node has not ended yet
    refused = panel.page.get_by_test_id("notice").filter(has_text="is not over")
    expect(refused).to_contain_text("Job slow to end is not over")
    panel.server.ended(job)


def test_every_control_has_a_name_and_is_reached_by_keyboard(panel: Panel):
    panel.put_several("one")
    nameless = panel.page.evaluate(
        """() => [...document.querySelectorAll("aside button, aside input")]
          .filter((one) => !(one.getAttribute("aria-label") ?? one.textContent.trim()) || one.tabIndex < 0)
          .map((one) => one.outerHTML)"""
    )
    assert nameless == []
    panel.page.get_by_role("button", name="More for one, place 1").focus()
    panel.page.keyboard.press("Enter")
    expect(panel.page.get_by_role("menuitem", name="Hold")).to_be_visible()
    panel.page.keyboard.press("Escape")
    expect(panel.page.get_by_role("button", name="More for one, place 1")).to_be_focused()
    panel.page.keyboard.press("Delete")
    expect(panel.page.get_by_test_id("job-waiting")).to_have_count(0)


def states(panel: Panel, ids: Sequence[str]) -> list[str]:
    return [panel.server.get(f"/api/jobs/{job}")["status"] for job in ids]

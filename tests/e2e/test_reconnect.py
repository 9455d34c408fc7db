"""The line is cut, the server is killed: the canvas comes to the right state and picture all the same."""

import os
import re
import signal
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Page, expect

from tests.e2e.canvas import RUN_SECONDS, Canvas
from tests.e2e.line import Line, line_to
from tests.serving import Server, serving
from web.build import build

KINDS = ("CheckpointLoaderSimple", "CLIPTextEncode", "EmptyLatentImage", "KSampler", "VAEDecode", "SaveImage")
CACHED_OR_TIME = re.compile(r"^(cached|\d+ ms|[\d.]+ s|\d+ min \d+ s)$")


@pytest.fixture
def line(weft_server: Server) -> Iterator[Line]:
    with line_to(weft_server.url) as made:
        yield made


def opened(page: Page, address: str) -> Canvas:
    """The default workflow."""
    page.goto(address)
    page.set_default_timeout(60_000)
    page.wait_for_function("() => window.__weft?.app.ready")
    page.wait_for_function("() => document.querySelectorAll('section.node').length >= 7")
    page.wait_for_timeout(300)
    return Canvas(page)


def until_it_samples(canvas: Canvas, steps: int) -> None:
    """Run with so many steps, as nobody did before, and wait for the first."""
    sampler = canvas.node_of("KSampler")["id"]
    canvas.type_number(sampler, "steps", str(steps))
    canvas.blur()
    canvas.page.keyboard.press("Control+Enter")
    expect(canvas.page.get_by_test_id(f"status-{sampler}")).to_contain_text(
        f"/ {steps}", timeout=RUN_SECONDS * 1000
    )


def ends_well(canvas: Canvas) -> None:
    """The run is done, its picture is shown, and every node says how it went."""
    canvas.page.wait_for_function(
        "() => window.__weft.state().run?.phase === 'done'", timeout=RUN_SECONDS * 1000
    )
    save = canvas.node_of("SaveImage")["id"]
    canvas.page.wait_for_function(
        "(id) => document.querySelector(`[data-testid=picture-${id}]`)?.naturalWidth === 128", arg=save
    )
    for kind in KINDS:
        words = canvas.page.get_by_test_id(f"status-{canvas.node_of(kind)['id']}")
        expect(words, kind).to_have_text(CACHED_OR_TIME)
    expect(canvas.page.get_by_role("progressbar")).to_have_count(0)


def test_a_line_that_is_cut_in_a_run_and_mended_in_it_misses_nothing(page: Page, line: Line):
    canvas = opened(page, line.url)
    until_it_samples(canvas, 24)
    line.cut()
    page.wait_for_timeout(700)
    line.mend()
    ends_well(canvas)


def test_a_run_that_ended_while_the_line_was_down_is_told_in_full(
    page: Page, line: Line, weft_server: Server
):
    canvas = opened(page, line.url)
    until_it_samples(canvas, 25)
    line.cut()
    job = weft_server.get("/queue")["queue_running"][0][1]
    page.wait_for_timeout(100)
    weft_server.ended(job)
    line.mend()
    ends_well(canvas)


def test_a_server_that_is_killed_and_started_again_ends_the_run_on_the_same_canvas(
    page: Page, chromium: Path, tmp_path: Path
):
    build()
    with serving(tmp_path) as first, line_to(first.url) as line:
        canvas = opened(page, line.url)
        until_it_samples(canvas, 26)
        os.kill(first.process.pid, signal.SIGKILL)
        first.process.wait(20)
        line.cut()
        with serving(tmp_path) as second:
            line.mend(second.url)
            ends_well(canvas)
            assert len(second.get("/history")) == 1
    assert len(list((tmp_path / "output").rglob("*.png"))) == 1

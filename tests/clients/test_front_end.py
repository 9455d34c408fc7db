"""The field's own front end, a package from PyPI, runs on Weft: it is used through its page, never read or imported."""

import json
import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Page, expect, sync_playwright

from server.app import DEFAULT_WORKFLOW
from tests.installing import environment
from tests.serving import Server, serving

pytestmark = [pytest.mark.clients, pytest.mark.timeout(600)]
PACKAGE = "comfyui-frontend-package"
PATIENCE = 90_000  # milliseconds
# What the page tells in its title while a job runs; the last one of a step stays.
KEEP_TITLES = """() => {
  window.titles = [];
  new MutationObserver(() => window.titles.push(document.title))
    .observe(document.head, { subtree: true, childList: true, characterData: true });
}"""
SHOWN = "() => window.app.graph.nodes.find((node) => node.type === 'SaveImage')?.imgs?.[0]?.naturalWidth ?? 0"


@pytest.fixture(scope="module")
def front_end(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of the built pages, unpacked and not importable."""
    folder = tmp_path_factory.mktemp("front-end")
    environment(folder / "environment", "--no-deps", "--target", str(folder / "package"), PACKAGE)
    return next((folder / "package").glob("*/static/index.html")).parent


@pytest.fixture(scope="module")
def weft(front_end: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    with serving(tmp_path_factory.mktemp("weft"), "--cpu", "--front-end-root", str(front_end)) as server:
        server.get("/object_info")  # the worker is ready
        yield server


@pytest.fixture
def page(chromium: Path) -> Iterator[Page]:
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(
            executable_path=str(chromium), args=["--no-sandbox", "--disable-gpu"]
        )
        page = browser.new_page(viewport={"width": 1600, "height": 900})
        page.set_default_timeout(PATIENCE)
        errors: list[str] = []
        page.on("pageerror", lambda error: errors.append(str(error)))
        yield page
        browser.close()
        assert errors == []


def test_it_boots_runs_a_workflow_shows_the_picture_and_remembers_it(
    page: Page, weft: Server, tmp_path: Path
):
    heard: list[dict] = []
    page.on(
        "websocket", lambda socket: socket.on("framereceived", lambda frame: heard.append(_message(frame)))
    )
    page.goto(weft.url)
    run = page.get_by_role("button", name="Run", exact=True)
    # A new person is offered templates; while they are shown, all else is out of reach.
    offer = page.get_by_role("dialog").first
    offer.wait_for()
    page.keyboard.press("Escape")
    offer.wait_for(state="hidden")
    run.wait_for()
    page.wait_for_function("() => window.app?.graph !== undefined")

    # A workflow is loaded as an extension would do it.
    page.evaluate("(sheet) => window.app.loadGraphData(sheet)", json.loads(DEFAULT_WORKFLOW.read_text()))
    page.wait_for_function("() => window.app.graph.nodes.length === 7")
    page.evaluate(KEEP_TITLES)
    run.click()

    page.wait_for_function(SHOWN, timeout=PATIENCE)
    assert page.evaluate(SHOWN) == 128
    titles = page.evaluate("() => window.titles")
    shares = {
        share
        for title in titles
        if "KSampler" in title
        for share in re.findall(r"\[(\d+)%\] KSampler", title)
    }
    assert len(shares) >= 3, titles
    kinds = {message.get("type") for message in heard}
    assert {
        "status",
        "execution_start",
        "progress_state",
        "executing",
        "executed",
        "execution_success",
    } <= kinds
    page.screenshot(path=tmp_path / "ran.png")

    page.reload()
    run.wait_for()
    page.get_by_role("button", name="Assets").first.click()
    shown = page.locator("img[src*='/view?'][src*='weft_00001_.png']").first
    expect(shown).to_be_visible(timeout=PATIENCE)
    assert shown.evaluate("(image) => image.decode().then(() => image.naturalWidth)") == 128
    page.screenshot(path=tmp_path / "history.png")


def _message(frame: "str | bytes") -> dict:
    return json.loads(frame) if isinstance(frame, str) else {}

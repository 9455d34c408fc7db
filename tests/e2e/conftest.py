"""A real server, a real browser, and the canvas that was built from these sources."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page, sync_playwright

from tests.e2e.canvas import Canvas
from tests.server.small_nodes import FACTORY
from tests.serving import Server, serving
from tests.sites import Site, giving
from web.build import WEB, build, install

# A camera and a microphone that every machine has, and leave for pages to use them.
DEVICES = ("--use-fake-device-for-media-stream", "--use-fake-ui-for-media-stream")
SOLIDS = ("--enable-unsafe-swiftshader",)  # WebGL without a graphics card
FIRST = 90_000  # ms; the first page waits for the server's worker too, on a machine that may be busy


@pytest.fixture(scope="session")
def workspace(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder in which the server keeps files."""
    return tmp_path_factory.mktemp("workspace")


@pytest.fixture(scope="session")
def site() -> Iterator[Site]:
    """A site that gives models."""
    with giving() as site:
        yield site


@pytest.fixture(scope="session")
def weft_server(chromium: Path, workspace: Path, site: Site) -> Iterator[Server]:
    """A server as a person starts it, who trusts a site of this machine."""
    build()
    with serving(workspace, "--download-from", site.url) as server:
        yield server


@pytest.fixture(scope="session")
def small_server(chromium: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """A server whose nodes are small and take as long as they are told."""
    build()
    with serving(tmp_path_factory.mktemp("small"), "--factory", FACTORY) as server:
        yield server


# Playwright's loop must not outlive the module: other tests have loops of their own.
@pytest.fixture(scope="module")
def browser(chromium: Path) -> Iterator[Browser]:
    """The machine's Chromium, without a window."""
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(
            executable_path=str(chromium), args=["--no-sandbox", "--disable-gpu", *DEVICES, *SOLIDS]
        )
        yield browser
        browser.close()


@pytest.fixture
def page(browser: Browser) -> Iterator[Page]:
    """A fresh window, which remembers nothing. An error in the page fails the test."""
    context = browser.new_context(
        viewport={"width": 1600, "height": 900}, permissions=["clipboard-read", "clipboard-write"]
    )
    page = context.new_page()
    page.set_default_timeout(20_000)
    errors: list[str] = []
    page.on("pageerror", lambda error: errors.append(str(error)))
    yield page
    context.close()
    assert errors == []


@pytest.fixture
def canvas(page: Page, weft_server: Server) -> Canvas:
    """The canvas as a new person sees it: with the default workflow."""
    page.goto(weft_server.url)
    canvas = Canvas(page)
    page.wait_for_function("() => window.__weft?.app.ready", timeout=FIRST)
    page.wait_for_function("() => document.querySelectorAll('section.node').length >= 7", timeout=FIRST)
    page.wait_for_timeout(300)  # the camera finds its place after the first frame
    return canvas


@pytest.fixture
def empty_canvas(canvas: Canvas) -> Canvas:
    """A workflow with nothing in it."""
    canvas.page.get_by_role("button", name="New workflow").click()
    canvas.page.get_by_text("A node", exact=True).wait_for()
    return canvas


@pytest.fixture(scope="module")
def axe() -> str:
    """The script of axe-core."""
    install()
    return (WEB / "node_modules" / "axe-core" / "axe.min.js").read_text(encoding="utf-8")

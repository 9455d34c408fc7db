"""Memory over an hour at the canvas: `python -m tests.bench.canvas_hour [MINUTES] [--every MINUTES]`.

One window on a real server with the starter model, used without a pause by mouse and keyboard: prompts are typed, pictures
are made with previews, nodes dragged, added, wired, deleted, undone; templates and a workflow of 300 nodes are opened beside
it and closed, panels and a picture looked at. A line at each mark: JavaScript that is alive after a forced collection,
elements and listeners of the page, and memory of the page's process, the server and its workers.
"""

import argparse
import os
import random
import shutil
import sys
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import count
from pathlib import Path

from playwright.sync_api import Browser, CDPSession, Page, sync_playwright
from playwright.sync_api import TimeoutError as Late

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from tests.bench.canvas_fps import grid
from tests.e2e.canvas import Canvas
from tests.serving import Server, serving
from web.build import build

THINGS = ("apple", "fish", "bird", "tree", "cat", "boat", "house", "flower")
COLOURS = ("red", "blue", "yellow", "green", "orange", "white", "black")
TEMPLATES = ("guidance", "variations", "inpaint", "style_lora")
MEGA = 1e6


@dataclass(frozen=True, slots=True)
class Mark:
    """What was alive after so many minutes; memory in MB."""

    minutes: float
    runs: int
    heap: float
    elements: int
    listeners: int
    page: float
    server: float
    workers: float

    def __str__(self) -> str:
        return (
            f"{self.minutes:5.1f} min, {self.runs:4} runs: heap {self.heap:6.2f}, elements {self.elements}, listeners "
            f"{self.listeners}, page {self.page:.0f}, server {self.server:.0f}, workers {self.workers:.0f}"
        )


def resident(process: int) -> float:
    """Memory of a process, in MB; 0 where it is gone."""
    try:
        pages = int(Path(f"/proc/{process}/statm").read_text().split()[1])
    except (FileNotFoundError, ProcessLookupError):
        return 0.0
    return pages * os.sysconf("SC_PAGE_SIZE") / MEGA


def children(process: int) -> Iterator[int]:
    """Processes that descend from this one."""
    for path in Path(f"/proc/{process}/task").glob("*/children"):
        for child in map(int, path.read_text().split()):
            yield child
            yield from children(child)


def pages_of(browser: Browser) -> float:
    """Memory of the largest process that draws a page, in MB."""
    told = browser.new_browser_cdp_session().send("SystemInfo.getProcessInfo")["processInfo"]
    return max(resident(each["id"]) for each in told if each["type"] == "renderer")


def mark(browser: Browser, session: CDPSession, server: Server, minutes: float, runs: int) -> Mark:
    for _ in range(3):
        session.send("HeapProfiler.collectGarbage")
    found = {each["name"]: each["value"] for each in session.send("Performance.getMetrics")["metrics"]}
    return Mark(
        minutes,
        runs,
        found["JSHeapUsedSize"] / MEGA,
        int(found["Nodes"]),
        int(found["JSEventListeners"]),
        pages_of(browser),
        resident(server.process.pid),
        sum(resident(each) for each in children(server.process.pid)),
    )


def make_a_picture(canvas: Canvas, chance: random.Random) -> None:
    """Another prompt, then Run, watched until it is over."""
    prompt = canvas.node_of("CLIPTextEncode")["id"]
    canvas.node(prompt).locator("textarea").click()
    canvas.page.keyboard.press("Control+A")
    canvas.page.keyboard.type(f"a {chance.choice(COLOURS)} {chance.choice(THINGS)} on a table", delay=15)
    canvas.page.keyboard.press("Escape")
    canvas.run()


def edit(canvas: Canvas, chance: random.Random) -> None:
    """Drag, add, wire, delete, undo all of it, redo some, undo again."""
    page = canvas.page
    sampler = canvas.node_of("KSampler")["id"]
    x, y = canvas.title(sampler)
    canvas.drag((x, y), (x + chance.uniform(-60, 60), y + chance.uniform(-20, 20)))
    canvas.blur()
    added = canvas.add("vae decode", canvas.ground(120, 590))
    canvas.wire(sampler, 0, added, "samples")
    page.keyboard.press("Delete")
    for key in ("Control+z", "Control+z", "Control+y", "Control+z", "Control+z", "Control+z"):
        page.keyboard.press(key)
        canvas.settle()
    page.keyboard.press("Escape")


def look_around(canvas: Canvas, chance: random.Random) -> None:
    """Panels, the field at the top, zoom."""
    page = canvas.page
    for name in chance.sample(("Nodes", "Models", "Pictures", "Workflows"), 2):
        page.get_by_role("button", name=name, exact=True).click()
        page.wait_for_timeout(400)
        page.get_by_role("button", name=name, exact=True).click()
    page.keyboard.press("Shift+A")
    page.keyboard.type(chance.choice(("noise", "mask", "upscale", "sampler")), delay=30)
    page.keyboard.press("Escape")
    page.mouse.move(*canvas.ground(600, 700))
    for turn in (240, -120, -120):
        page.mouse.wheel(0, turn)
        canvas.settle()


def work_beside(canvas: Canvas, turn: int) -> None:
    """A second workflow: opened, changed, closed; its notice dismissed."""
    page = canvas.page
    if turn % 2:
        page.evaluate("([text, name]) => window.__weft.app.openText(text, name)", [grid(300), f"grid {turn}"])
    else:
        name = TEMPLATES[turn // 2 % len(TEMPLATES)]
        page.evaluate("(name) => window.__weft.app.openTemplate(name, name)", name)
    page.wait_for_timeout(1200)
    page.keyboard.press("Control+A")
    for key in ("ArrowRight", "ArrowRight", "Control+d", "Control+z", "Control+z"):
        page.keyboard.press(key)
        canvas.settle()
    page.evaluate(
        """async () => {
          const { app } = window.__weft;
          await app.closeTab(app.active);
          app.popups.notices.forEach(({ id }) => app.popups.dismiss(id));
        }"""
    )
    page.wait_for_timeout(300)


def see_a_picture(page: Page) -> None:
    """The newest picture of the panel, large, then away."""
    page.get_by_role("button", name="Pictures", exact=True).click()
    panel = page.get_by_role("complementary", name="Pictures", exact=True)
    panel.get_by_role("listitem").first.get_by_role("button").first.click()
    page.get_by_role("dialog").wait_for()
    page.wait_for_timeout(500)
    page.keyboard.press("Escape")
    page.get_by_role("button", name="Pictures", exact=True).click()


def hour(browser: Browser, server: Server, minutes: float, every: float) -> Iterator[Mark]:
    """Use the canvas so long; a mark each `every` minutes, the first as soon as all was done once."""
    page = browser.new_page(viewport={"width": 1600, "height": 900})
    page.goto(server.url)
    page.set_default_timeout(90_000)  # nobody else may be using the machine, or many
    page.wait_for_function("() => document.querySelectorAll('section.node').length >= 7")
    canvas, chance = Canvas(page), random.Random(6)
    session = page.context.new_cdp_session(page)
    session.send("Performance.enable")
    begun, next_mark = time.monotonic(), 0.0
    for turn in count():
        make_a_picture(canvas, chance)
        edit(canvas, chance)
        look_around(canvas, chance)
        if turn % 3 == 1:
            work_beside(canvas, turn // 3)
        if turn % 5 == 2:
            see_a_picture(page)
        gone = (time.monotonic() - begun) / 60
        if turn >= 4 and gone >= next_mark:
            yield mark(browser, session, server, gone, turn + 1)
            next_mark = every * (gone // every + 1)
        if gone >= minutes:
            break
    page.close()


def main() -> None:
    """Print a line for each mark."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("minutes", type=float, nargs="?", default=60)
    parser.add_argument("--every", type=float, default=5, help="minutes between two marks")
    asked = parser.parse_args()
    chromium = next(path for name in ("chromium", "google-chrome") if (path := shutil.which(name)))
    build()
    with tempfile.TemporaryDirectory() as folder, sync_playwright() as run:
        browser = run.chromium.launch(executable_path=chromium, args=["--no-sandbox", "--disable-gpu"])
        try:
            with serving(Path(folder)) as server:
                for each in hour(browser, server, asked.minutes, asked.every):
                    print(each, flush=True)
        except (Late, ValueError, AssertionError):
            browser.contexts[0].pages[0].screenshot(path=Path(tempfile.gettempdir()) / "canvas_hour.png")
            raise
        browser.close()


if __name__ == "__main__":
    main()

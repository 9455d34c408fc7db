"""How the canvas feels beside its frames: `python tests/bench/canvas_feel.py`.

First paint, scripts, opening, typing among 5,000 nodes, 200 pictures on nodes, 50 previews a second with edits
beside them, and what memory does over rounds of work. Chromium without a graphics card, 1600 x 900.
"""

import json
import shutil
import statistics
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

from playwright.sync_api import Browser, CDPSession, Page, sync_playwright

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from tests.bench.canvas_fps import grid, sweep
from tests.server.small_nodes import FACTORY
from tests.serving import Server, serving
from web.build import build

OPEN = """async ([text, name]) => {
  const start = performance.now();
  window.__weft.app.openText(text, name);
  await window.__weft.fps(1);
  await window.__weft.locate(1);
  return performance.now() - start;
}"""
# From the press of a key to the end of its work, and to the frame that shows it (the browser rounds that to 8 ms).
WATCH_KEYS = """() => {
  window.keys = [];
  new PerformanceObserver((list) => {
    for (const { name, startTime, processingEnd, duration } of list.getEntries())
      if (name === "keydown" || name === "input") window.keys.push([processingEnd - startTime, duration]);
  }).observe({ type: "event", durationThreshold: 0 });
}"""
ROUNDS = 12


def opened(browser: Browser, server: Server) -> Page:
    page = browser.new_page(viewport={"width": 1600, "height": 900})
    page.goto(server.url)
    page.wait_for_function("() => window.__weft?.app.ready", timeout=90_000)
    page.wait_for_timeout(500)
    return page


def share(values: list[float], part: float) -> float:
    return sorted(values)[min(len(values) - 1, int(len(values) * part))]


def first_paint(browser: Browser, server: Server) -> str:
    """With an empty cache; the server has answered before."""
    times: list[float] = []
    for _ in range(7):
        page = opened(browser, server)
        times.append(
            page.evaluate("() => performance.getEntriesByName('first-contentful-paint')[0].startTime")
        )
        page.close()
    return f"first paint: median {statistics.median(times):.0f} ms, best {min(times):.0f} ms"


def opening(browser: Browser, server: Server) -> str:
    times: list[float] = []
    for round_ in range(5):
        page = opened(browser, server)
        times.append(page.evaluate(OPEN, [grid(1000), f"grid {round_}"]))
        page.close()
    return f"open 1,000 nodes: median {statistics.median(times):.0f} ms, best {min(times):.0f} ms"


def typing(browser: Browser, server: Server, count: int) -> str:
    """Letters into a prompt among so many nodes, twelve a second."""
    workflow: Any = json.loads(grid(count))
    text = {"id": count + 1, "type": "CLIPTextEncode", "pos": [0, -400], "size": [400, 200]}
    workflow["nodes"].append({**text, "widgets_values": [""]})
    page = opened(browser, server)
    page.evaluate(OPEN, [json.dumps(workflow), "grid"])
    page.evaluate("(id) => window.__weft.locate(id)", count + 1)
    page.get_by_test_id(f"node-{count + 1}").locator("textarea").click()
    page.evaluate(WATCH_KEYS)
    page.keyboard.type("a red apple on a wooden table by the window " * 2, delay=80)
    page.wait_for_timeout(300)
    pairs: list[tuple[float, float]] = page.evaluate("() => window.keys")
    page.close()
    work, shown = [pair[0] for pair in pairs], [pair[1] for pair in pairs]
    return (
        f"typing among {count:,} nodes: work median {statistics.median(work):.1f} ms, 95 of 100 {share(work, 0.95):.1f} ms; "
        f"until shown median {statistics.median(shown):.0f} ms, 95 of 100 {share(shown, 0.95):.0f} ms ({len(pairs)} events)"
    )


def pictures(browser: Browser, server: Server) -> str:
    """Pan over 200 nodes, each with a picture of its own."""
    image = {
        "class_type": "EmptyImage",
        "inputs": {"width": 512, "height": 512, "batch_size": 1, "color": 255},
    }
    save = {"class_type": "SaveImage", "inputs": {"images": ["1", 0], "filename_prefix": "feel"}}
    server.run({"1": image, "2": save})
    nodes = [
        {"id": at + 1, "type": "PreviewImage", "pos": [at % 20 * 260, at // 20 * 330], "size": [240, 290]}
        for at in range(200)
    ]
    page = opened(browser, server)
    page.evaluate(OPEN, [json.dumps({"nodes": nodes, "links": [], "version": 0.4}), "pictures"])
    page.evaluate(
        """() => {
          const { active } = window.__weft.app;
          const file = { filename: "feel_00001_.png", subfolder: "", type: "output" };
          for (let id = 1; id <= 200; id += 1) active.shown.set(`${id}`, { files: [file], run: `r${id}` });
          active.stage.remeasure(Array.from({ length: 200 }, (_, at) => at + 1));
          active.view.setCamera({ scale: 0.5, offset: [100, 100] });
        }"""
    )
    page.wait_for_timeout(3000)
    seen = page.evaluate("() => document.querySelectorAll('section.node img').length")
    page.keyboard.down("Space")
    page.evaluate("() => { window.result = window.__weft.fps(2600); }")
    sweep(page, 2.6, (1000, 700))
    page.keyboard.up("Space")
    found = page.evaluate("() => window.result")
    page.close()
    return (
        f"200 pictures on nodes, {seen} in sight: {found['fps']:.1f} frames a second ({found['p95']:.0f} ms)"
    )


def previews(browser: Browser, folder: Path) -> str:
    """A node that sends a preview every 20 ms, and an edit at each 16 ms beside it."""
    steps = {"class_type": "Steps", "inputs": {"total": 300, "seconds": 0.02, "label": "x"}}
    prompt = {"1": steps, "2": {"class_type": "Show", "inputs": {"value": ["1", 0]}}}
    with serving(folder, "--factory", FACTORY) as server:
        page = opened(browser, server)
        page.evaluate(OPEN, [json.dumps(prompt), "previews"])
        page.keyboard.press("Control+Enter")
        page.wait_for_function("() => window.__weft.app.active.previews.size > 0", timeout=60_000)
        told: dict[str, float] = page.evaluate(
            """async () => {
              const { active } = window.__weft.app;
              let shown = 0, last, edits = 0;
              active.view.select([1]);
              const before = active.document.graph().nodes.get(1).pos[0];
              const frames = window.__weft.fps(4000);
              const start = performance.now();
              while (performance.now() - start < 4000) {
                active.nudge([1, 0]);
                edits += 1;
                const now = active.previews.get("1");
                if (now !== last) [last, shown] = [now, shown + 1];
                await new Promise((go) => setTimeout(go, 8));
              }
              const { fps, p95 } = await frames;
              return { fps, p95, edits, kept: active.document.graph().nodes.get(1).pos[0] - before, shown };
            }"""
        )
        page.close()
    return (
        f"previews: {told['shown'] / 4:.0f} seen a second at {told['fps']:.1f} frames a second ({told['p95']:.0f} ms), "
        f"{told['kept']:.0f} of {told['edits']:.0f} edits kept"
    )


def heap(session: CDPSession) -> tuple[float, float]:
    """Megabytes of JavaScript that are alive, and elements of the page."""
    session.send("HeapProfiler.collectGarbage")
    metrics = {each["name"]: each["value"] for each in session.send("Performance.getMetrics")["metrics"]}
    return metrics["JSHeapUsedSize"] / 1e6, metrics["Nodes"]


def memory(browser: Browser, server: Server) -> str:
    """Rounds of opening 1,000 nodes, panning, editing, undoing and closing."""
    page = opened(browser, server)
    session = page.context.new_cdp_session(page)
    session.send("Performance.enable")
    text, told = grid(1000), list[tuple[float, float]]()
    for round_ in range(ROUNDS):
        page.evaluate(OPEN, [text, f"round {round_}"])
        sweep(page, 1.5, (1100, 700))
        page.evaluate(
            """async () => {
              const { app } = window.__weft;
              const { active } = app;
              for (let at = 1; at < 200; at += 1) active.view.select([at]), active.nudge([3, 3]), active.document.seal();
              while (active.document.undo());
              await app.closeTab(active);
              app.popups.notices.forEach(({ id }) => app.popups.dismiss(id));
            }"""
        )
        page.wait_for_timeout(300)
        told.append(heap(session))
    page.close()
    (early, _), (late, nodes) = told[2], told[-1]
    return f"memory: {early:.1f} MB after 3 rounds, {late:.1f} MB after {ROUNDS}, {nodes:.0f} elements"


def main() -> None:
    """Print one line for each."""
    chromium = next(path for name in ("chromium", "google-chrome") if (path := shutil.which(name)))
    build()
    with tempfile.TemporaryDirectory() as folder, sync_playwright() as run:
        browser = run.chromium.launch(executable_path=chromium, args=["--no-sandbox", "--disable-gpu"])
        with serving(Path(folder) / "one") as server:
            opened(browser, server).close()
            time.sleep(3)  # the worker has read its classes
            print(first_paint(browser, server), flush=True)
            print(opening(browser, server), flush=True)
            for count in (100, 5000):
                print(typing(browser, server, count), flush=True)
            print(pictures(browser, server), flush=True)
            print(memory(browser, server), flush=True)
        print(previews(browser, Path(folder) / "two"), flush=True)
        browser.close()


if __name__ == "__main__":
    main()

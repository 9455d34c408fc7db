"""How smoothly the canvas moves: `python -m tests.bench.canvas_fps [--nodes 1000 5000]`.

A grid of nodes with seven fields each and 1.5 threads a node; real mouse events at 60 a second, in Chromium without
a graphics card (software raster), 1600 x 900. Printed: frames a second, and in brackets the frame time in ms that
95 of 100 frames keep.
"""

import argparse
import json
import shutil
import tempfile
import time
from pathlib import Path

from playwright.sync_api import Page, sync_playwright

from tests.serving import serving
from web.build import build

STEP_X, STEP_Y = 380, 480
MILLISECONDS = 2600


def grid(count: int) -> str:
    """A workflow of that many samplers in a square, each reading from one or two before it."""
    columns = max(1, round((count * STEP_Y / STEP_X) ** 0.5))
    nodes, links = [], []
    for number in range(1, count + 1):
        row, column = divmod(number - 1, columns)
        latent = next_link(links, number - 1, number, 0, 3, "LATENT") if column > 0 else None
        second = next_link(links, number - columns, number, 0, 0, "*") if row > 0 and number % 2 else None
        nodes.append(
            {
                "id": number,
                "type": "KSampler" if number % 3 else "LatentUpscale",
                "pos": [column * STEP_X, row * STEP_Y],
                "size": [300, 340],
                "inputs": inputs(number, latent, second),
                "outputs": [{"name": "LATENT", "type": "LATENT", "links": []}],
                "widgets_values": [number, "fixed", 20, 7.0, "euler", "normal", 1.0]
                if number % 3
                else ["nearest-exact", 512, 512, "disabled"],
            }
        )
    return json.dumps({"nodes": nodes, "links": links, "version": 0.4})


def next_link(links: list[list[object]], source: int, target: int, out: int, into: int, kind: str) -> int:
    """Add a thread; its number."""
    links.append([len(links) + 1, source, out, target, into, kind])
    return len(links)


def inputs(number: int, latent: int | None, second: int | None) -> list[dict[str, object]]:
    """The inputs of a node of the grid."""
    if number % 3 == 0:
        return [{"name": "samples", "type": "LATENT", "link": latent or second}]
    return [
        {"name": "model", "type": "MODEL", "link": None},
        {"name": "positive", "type": "CONDITIONING", "link": None},
        {"name": "negative", "type": "CONDITIONING", "link": None},
        {"name": "latent_image", "type": "LATENT", "link": latent},
    ]


def begin_counting(page: Page) -> None:
    """Count frames from now on."""
    page.evaluate("(ms) => { window.result = window.__weft.fps(ms); }", MILLISECONDS)


def measured(page: Page, move: str) -> str:
    """Frames while `move` (a name below) goes on."""
    MOVES[move](page, MILLISECONDS / 1000)
    answer = page.evaluate("() => window.result")
    return f"{answer['fps']:5.1f} ({answer['p95']:.0f})"


def sweep(page: Page, seconds: float, start: tuple[float, float]) -> None:
    """Press at a point and carry it to and fro."""
    page.mouse.move(*start)
    page.mouse.down()
    begin_counting(page)
    begin = time.monotonic()
    count = 0
    while time.monotonic() - begin < seconds:
        count += 1
        page.mouse.move(start[0] - (count * 4) % 500, start[1] - (count * 3) % 300)
        wait(begin, count)
    page.mouse.up()


def wait(begin: float, count: int) -> None:
    """Until the moment of the next of sixty events a second."""
    time.sleep(max(0.0, begin + count / 60 - time.monotonic()))


def pan(page: Page, seconds: float) -> None:
    """Carry the canvas, from a place between nodes."""
    page.evaluate("() => window.__weft.app.active.view.setCamera({ scale: 1, offset: [-2000, -2000] })")
    page.wait_for_timeout(600)
    page.keyboard.down("Space")
    sweep(page, seconds, (1100, 700))
    page.keyboard.up("Space")


def drag(page: Page, seconds: float) -> None:
    """Carry one node with its threads."""
    node = page.evaluate("() => window.__weft.state().mounted[10]")
    page.evaluate("(id) => window.__weft.locate(id)", node)
    page.wait_for_timeout(600)
    box = page.get_by_test_id(f"node-{node}").bounding_box()
    assert box is not None
    sweep(page, seconds, (box["x"] + 60, box["y"] + 10))


def zoom(page: Page, seconds: float) -> None:
    """From full size until all is seen, and back."""
    page.evaluate("() => window.__weft.app.active.view.setCamera({ scale: 1, offset: [-2000, -2000] })")
    page.wait_for_timeout(600)
    page.mouse.move(700, 450)
    begin_counting(page)
    begin = time.monotonic()
    count = 0
    while time.monotonic() - begin < seconds:
        count += 1
        page.mouse.wheel(0, 60 if count % 80 < 40 else -60)
        wait(begin, count)


def overview(page: Page, seconds: float) -> None:
    """Carry the canvas while every node is in sight."""
    page.evaluate("() => window.__weft.app.active.stage.fit()")
    page.wait_for_timeout(400)
    page.keyboard.down("Space")
    sweep(page, seconds, (1100, 700))
    page.keyboard.up("Space")


MOVES = {"pan": pan, "drag a node": drag, "wheel zoom": zoom, "overview pan": overview}


def main() -> None:
    """Print one line for each number of nodes."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--nodes", type=int, nargs="+", default=[1000, 5000])
    arguments = parser.parse_args()
    chromium = next(path for name in ("chromium", "google-chrome") if (path := shutil.which(name)))
    build()
    print("nodes | ready ms | elements | " + " | ".join(MOVES))
    with tempfile.TemporaryDirectory() as folder, serving(Path(folder)) as server, sync_playwright() as run:
        browser = run.chromium.launch(executable_path=chromium, args=["--no-sandbox", "--disable-gpu"])
        for count in arguments.nodes:
            page = browser.new_page(viewport={"width": 1600, "height": 900})
            page.goto(server.url)
            page.wait_for_function("() => window.__weft?.app.ready", timeout=90_000)
            ready = page.evaluate(
                """async (text) => {
                  const start = performance.now();
                  window.__weft.app.openText(text, "grid");
                  await window.__weft.fps(50);
                  await window.__weft.locate(1);
                  return performance.now() - start - 50;
                }""",
                grid(count),
            )
            page.wait_for_timeout(500)
            elements = page.evaluate("() => document.querySelectorAll('.world *').length")
            figures = [measured(page, move) for move in MOVES]
            print(f"{count} | {ready:.0f} | {elements} | " + " | ".join(figures), flush=True)
            page.close()
        browser.close()


if __name__ == "__main__":
    main()

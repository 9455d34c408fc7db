"""A page that is killed comes back as it was: graph, history, selection and view."""

import os
import random
import signal
from dataclasses import dataclass
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page

from tests.serving import Server

READY = "() => window.__weft?.app.ready"
# What a person could do next and see: compared before the kill and after.
WHOLE = """() => {
  const { document, view, scope } = window.__weft.app.active;
  const { past, future } = document.history;
  const steps = (list) => list.map(({ label }) => label);
  const { workflow, camera, selection } = window.__weft.state();
  return JSON.stringify({ workflow, camera, selection, scope, past: steps(past), future: steps(future) });
}"""
# Commands by dice: nodes pasted, moved, deleted, undone; some within a frame, some across.
# Each one's outcome is told at once (`window.done`), and in `window.painted` the last one before a frame.
PLAY = """async ([seed, count, pace]) => {
  const { app } = window.__weft;
  const { document, view } = app.active;
  let state = seed;
  const below = (end) => (state = (state * 48271) % 2147483647) % end;
  const key = (key) => window.dispatchEvent(new KeyboardEvent("keydown", { key, bubbles: true }));
  for (let done = 0; done < count; done += 1) {
    const nodes = [...document.graph().nodes.keys()];
    view.select(nodes.length ? [nodes[below(nodes.length)]] : []);
    const kind = below(10);
    if (kind < 2) document.undo();
    else if (kind < 3) document.redo();
    else if (kind < 7 && nodes.length) app.active.nudge([below(40), below(40)]), document.seal();
    else if (kind < 8 && nodes.length > 4) key("Delete");
    else {
      const note = { id: 1, type: "Note", pos: [0, 0], size: [200, 100], widgets_values: [`n${below(99)}`] };
      app.paste(JSON.stringify({ nodes: [note], links: [] }), [below(900), below(600)], false);
    }
    if (window.done) window.done(window.outcome());
    if (below(pace) > 0) continue;
    await new Promise(requestAnimationFrame);
    await new Promise(setTimeout); // the frame is there
    if (window.painted) window.painted(done);
  }
  await new Promise(requestAnimationFrame); // it is painted: now it must be kept
}"""
# The document and its steps, in a few letters.
OUTCOME = """() => {
  const { document } = window.__weft.app.active;
  const steps = (list) => list.map(({ label }) => label);
  const { nodes, links } = window.__weft.state().workflow;
  const text = JSON.stringify([nodes, links, steps(document.history.past), steps(document.history.future)]);
  let hash = 0n;
  for (const letter of text) hash = (hash * 1099511628211n + BigInt(letter.codePointAt(0))) % (1n << 64n);
  return `${text.length} ${hash}`;
}"""


@dataclass
class Told:
    """What a page said of itself before it was killed: how it stood, the last `painted` of them in a frame."""

    outcomes: list[str]
    painted: int = 0

    def done(self, outcome: str) -> None:
        self.outcomes.append(outcome)

    def seen(self, last: int) -> None:
        self.painted = last + 1


def renderers() -> set[int]:
    """Processes of this test's browser that hold a page."""
    found: set[int] = set()
    for place in Path("/proc").glob("[0-9]*"):
        try:
            words = (place / "cmdline").read_bytes()
        except OSError:
            continue
        if b"--type=renderer" in words and ancestor(int(place.name), os.getpid()):
            found.add(int(place.name))
    return found


def ancestor(process: int, wanted: int) -> bool:
    """Whether a process descends from another."""
    while process > 1:
        if process == wanted:
            return True
        try:
            process = int(Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()[1])
        except OSError:
            return False
    return False


@pytest.mark.skipif(not Path("/proc/self/stat").exists(), reason="finds the page's process in /proc")
def test_what_was_painted_before_a_kill_is_there_after_it(browser: Browser, small_server: Server):
    dice = random.Random(6)
    context = browser.new_context(viewport={"width": 1000, "height": 700})
    page = opened(context.new_page(), small_server.url)
    for _ in range(6):
        page.evaluate(PLAY, [dice.randrange(1, 10**6), dice.randrange(20, 60), 8])
        before = page.evaluate(WHOLE)
        kill(page)
        page = opened(context.new_page(), small_server.url)
        assert page.evaluate(WHOLE) == before
    context.close()


@pytest.mark.skipif(not Path("/proc/self/stat").exists(), reason="finds the page's process in /proc")
def test_a_page_killed_at_any_moment_comes_back_as_it_was_after_one_of_its_commands(
    browser: Browser, small_server: Server
):
    dice = random.Random(7)
    context = browser.new_context(viewport={"width": 1000, "height": 700})
    page = opened(context.new_page(), small_server.url)
    for _ in range(3):
        told = Told([page.evaluate(OUTCOME)])
        page.expose_function("done", told.done)
        page.expose_function("painted", told.seen)
        page.evaluate(
            f"(given) => {{ window.outcome = {OUTCOME}; void ({PLAY})(given); }}",
            [dice.randrange(1, 10**6), 10**6, 3],
        )
        page.wait_for_timeout(dice.randrange(50, 700))
        kill(page)
        page = opened(context.new_page(), small_server.url)
        kept = page.evaluate(OUTCOME)
        assert len(told.outcomes) > 2
        assert kept in told.outcomes[told.painted :], (len(told.outcomes), told.painted)
    context.close()


def kill(page: Page) -> None:
    """End the page's process as a crash of the machine would."""
    with page.expect_event("crash"):
        for process in renderers():
            os.kill(process, signal.SIGKILL)
    page.close()


def opened(page: Page, url: str) -> Page:
    page.goto(url)
    page.wait_for_function(READY)
    return page


def test_where_the_browser_keeps_nothing_one_is_told_and_goes_on(page: Page, small_server: Server):
    page.add_init_script(
        "IDBFactory.prototype.open = () => { throw new DOMException('shut', 'SecurityError'); };"
    )
    opened(page, small_server.url)
    page.get_by_text("save to the server").wait_for()
    before = page.evaluate("() => window.__weft.state().workflow.nodes.length")
    page.evaluate(PLAY, [7, 10, 8])
    assert page.evaluate("() => window.__weft.app.active.document.canUndo"), before

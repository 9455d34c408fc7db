"""The canvas by mouse and keyboard, as a person has it."""

import base64
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from playwright.sync_api import Locator, Page, TimeoutError, expect

Point = tuple[float, float]
RUN_SECONDS = 120
DROP = """async ([name, type, data]) => {
  const bytes = Uint8Array.from(atob(data), (letter) => letter.charCodeAt(0));
  const transfer = new DataTransfer();
  transfer.items.add(new File([bytes], name, { type }));
  const target = document.querySelector("[data-testid=canvas]");
  for (const kind of ["dragenter", "dragover", "drop"]) {
    target.dispatchEvent(new DragEvent(kind, { bubbles: true, cancelable: true, dataTransfer: transfer }));
  }
}"""


@dataclass(frozen=True, slots=True)
class Canvas:
    """What a person does on a canvas that is open in `page`. Points are pixels of the page."""

    page: Page

    def state(self) -> dict[str, Any]:
        """The workflow as a file would hold it, and how the view stands."""
        return self.page.evaluate("() => window.__weft.state()")

    def nodes(self) -> list[dict[str, Any]]:
        """The nodes of the workflow."""
        return self.state()["workflow"]["nodes"]

    def node_of(self, kind: str, index: int = 0) -> dict[str, Any]:
        """The node of that type; of several, the one with that index."""
        return [node for node in self.nodes() if node["type"] == kind][index]

    def links(self) -> list[str]:
        """The threads in words."""
        return sorted(link["text"] for link in self.page.evaluate("() => window.__weft.links()"))

    def node(self, node: int) -> Locator:
        """A node's element."""
        return self.page.get_by_test_id(f"node-{node}")

    def field(self, node: int, name: str) -> Locator:
        """A node's field."""
        return self.node(node).locator(f'[data-field="{name}"]')

    def title(self, node: int) -> Point:
        """A place on a node's title that is free to be taken hold of."""
        box = self.node(node).bounding_box()
        assert box is not None
        return (box["x"] + 60, box["y"] + 10)

    def output(self, node: int, slot: int = 0) -> Point:
        """The middle of an output."""
        return self._middle(self.page.get_by_test_id(f"out-{node}-{slot}"))

    def input(self, node: int, name: str) -> Point:
        """The middle of an input's socket."""
        return self._middle(self.page.get_by_test_id(f"in-{node}-{name}"))

    def ground(self, x: float, y: float) -> Point:
        """A point of the canvas, from its top left corner."""
        box = self.page.get_by_test_id("canvas").bounding_box()
        assert box is not None
        return (box["x"] + x, box["y"] + y)

    def drag(
        self,
        start: Point,
        end: Point,
        steps: int = 8,
        keys: str | None = None,
        button: Literal["left", "right"] = "left",
    ) -> None:
        """Press at one point, let go at another; `keys` is held meanwhile."""
        mouse = self.page.mouse
        mouse.move(*start)
        if keys:
            self.page.keyboard.down(keys)
        mouse.down(button=button)
        mouse.move(*end, steps=steps)
        mouse.up(button=button)
        if keys:
            self.page.keyboard.up(keys)
        self.settle()

    def wire(self, source: int, slot: int, target: int, name: str) -> None:
        """Draw a thread from an output to an input."""
        self.drag(self.output(source, slot), self.input(target, name))

    def add(self, words: str, at: Point) -> int:
        """Click twice on the ground, type, Enter. Returns the new node's number."""
        before = {node["id"] for node in self.nodes()}
        self.page.mouse.dblclick(*at)
        self.page.keyboard.type(words)
        self.page.keyboard.press("Enter")
        self.settle()
        (new,) = {node["id"] for node in self.nodes()} - before
        expect(self.node(new)).to_be_visible()
        return new

    def type_number(self, node: int, name: str, text: str) -> None:
        """Click a number, type, Enter."""
        self.field(node, name).locator(".value").click()
        self.page.keyboard.type(text)
        self.page.keyboard.press("Enter")

    def choose(self, node: int, name: str, letters: str) -> None:
        """Open a list, type a few letters, Enter."""
        self.field(node, name).click()
        self.page.keyboard.type(letters)
        self.page.keyboard.press("Enter")

    def drop(self, file: Path, kind: str) -> None:
        """Drop a file of that media type on the canvas."""
        self.page.evaluate(DROP, [file.name, kind, base64.b64encode(file.read_bytes()).decode()])

    def run(self, phase: str = "done") -> str:
        """Press Run and wait until that run is over. Returns its id.

        Raises:
            AssertionError: it ended in another way than `phase`, or not in time.
        """
        before = (self.state()["run"] or {}).get("id")
        self.page.keyboard.press("Control+Enter")
        try:
            self.page.wait_for_function(
                """(before) => {
                  const run = window.__weft.state().run;
                  return run && run.id !== before && ["done", "failed", "stopped"].includes(run.phase);
                }""",
                arg=before,
                timeout=RUN_SECONDS * 1000,
            )
        except TimeoutError as late:
            notices = self.page.get_by_test_id("notice").all_inner_texts()
            state = {key: value for key, value in self.state().items() if key not in ("workflow", "boxes")}
            raise AssertionError(f"The run did not end: {state}, {notices}") from late
        run = self.state()["run"]
        assert run["phase"] == phase, self.page.get_by_role("alert").all_inner_texts()
        return run["id"]

    def status(self, node: int) -> str:
        """What a node's title says at its right."""
        words = self.page.get_by_test_id(f"status-{node}")
        return words.inner_text() if words.count() else ""

    def blur(self) -> None:
        """Take the keyboard away from fields."""
        self.page.evaluate("() => document.activeElement?.blur()")

    def settle(self) -> None:
        """Let two frames pass: what was done is drawn."""
        self.page.evaluate(
            "() => new Promise((go) => requestAnimationFrame(() => requestAnimationFrame(go)))"
        )

    def _middle(self, place: Locator) -> Point:
        box = place.bounding_box()
        assert box is not None
        return (box["x"] + box["width"] / 2, box["y"] + box["height"] / 2)

"""Small habits of a node editor that have no other test: the map, pins, notes, the ways to the search, the grid."""

import json
from itertools import pairwise
from pathlib import Path

import pytest
from playwright.sync_api import expect

from tests.e2e.canvas import Canvas, Point

GRID = 12  # units of the canvas


def middle(canvas: Canvas, node: int) -> Point:
    """Where a node's middle is on the page."""
    box = canvas.node(node).bounding_box()
    assert box is not None
    return (box["x"] + box["width"] / 2, box["y"] + box["height"] / 2)


def say(canvas: Canvas, words: str) -> None:
    """Ask the field for everything to do something."""
    canvas.blur()
    canvas.page.keyboard.press("Space")
    canvas.page.keyboard.type(words)
    canvas.page.keyboard.press("Enter")
    canvas.settle()


def test_a_press_on_the_map_brings_that_place_into_sight(canvas: Canvas):
    map_ = canvas.page.get_by_test_id("minimap")
    box = map_.bounding_box()
    assert box is not None
    loader = canvas.node_of("CheckpointLoaderSimple")["id"]
    before = middle(canvas, loader)
    canvas.page.mouse.click(box["x"] + 14, box["y"] + box["height"] / 2)
    canvas.settle()
    after = middle(canvas, loader)
    assert after[0] > before[0] + 200  # the left end of the workflow came towards the middle
    canvas.drag((box["x"] + 14, box["y"] + 50), (box["x"] + box["width"] - 14, box["y"] + 50))
    canvas.page.wait_for_function(
        "([id, x]) => !document.querySelector(`[data-testid=node-${id}]`)"
        " || document.querySelector(`[data-testid=node-${id}]`).getBoundingClientRect().x < x",
        arg=[loader, before[0] - 200],
    )
    assert not canvas.state()["canUndo"]  # where one looks is no change


def test_a_pinned_node_is_not_dragged_until_it_is_let_go(canvas: Canvas):
    sampler = canvas.node_of("KSampler")["id"]
    place = canvas.node_of("KSampler")["pos"]
    start = canvas.title(sampler)
    canvas.page.mouse.click(*start)
    canvas.page.keyboard.press("p")
    canvas.settle()
    canvas.drag(start, (start[0] + 40, start[1] + 160))
    assert canvas.node_of("KSampler")["pos"] == place
    canvas.page.mouse.click(*canvas.title(sampler))
    canvas.page.keyboard.press("p")
    canvas.settle()
    canvas.drag(canvas.title(sampler), (start[0] + 40, start[1] + 160))
    assert canvas.node_of("KSampler")["pos"] != place


def test_a_notes_markdown_is_shown_as_what_it_means(canvas: Canvas, tmp_path: Path):
    file = tmp_path / "note.json"
    note = {
        "id": 1,
        "type": "MarkdownNote",
        "pos": [0, 0],
        "size": [320, 220],
        "widgets_values": ["## First\n\n- **bold** word\n\n<img src=x onerror=alert(1)>"],
    }
    file.write_text(json.dumps({"nodes": [note], "links": [], "version": 0.4}))
    canvas.drop(file, "application/json")
    node = canvas.node(1)
    expect(node.get_by_role("heading", name="First")).to_be_visible()
    expect(node.locator("li b, li strong")).to_have_text("bold")
    expect(node.locator("img")).to_have_count(0)  # HTML in a note is text
    expect(node).to_contain_text("onerror")


@pytest.mark.parametrize("way", ["two clicks", "Tab", "Space", "Shift+A"])
def test_the_search_opens_in_four_ways_and_adds_a_node(canvas: Canvas, way: str):
    count = len(canvas.nodes())
    canvas.page.mouse.click(*canvas.ground(420, 720))
    canvas.blur()
    if way == "two clicks":
        canvas.page.mouse.dblclick(*canvas.ground(420, 720))
    else:
        canvas.page.keyboard.press(way)
    expect(canvas.page.get_by_test_id("palette")).to_be_visible()
    canvas.page.keyboard.type("latent upscale by")
    canvas.page.keyboard.press("Enter")
    canvas.page.wait_for_function("(n) => window.__weft.state().workflow.nodes.length === n + 1", arg=count)
    assert canvas.node_of("LatentUpscaleBy")
    canvas.page.keyboard.press("Control+z")
    assert len(canvas.nodes()) == count


def test_carried_nodes_stick_to_the_grid_when_it_is_chosen(canvas: Canvas):
    sampler = canvas.node_of("KSampler")["id"]
    say(canvas, "stick to the grid")
    start = canvas.title(sampler)
    canvas.drag(start, (start[0] + 37, start[1] + 143))
    x, y = canvas.state()["boxes"][str(sampler)][:2]
    assert (x % GRID, y % GRID) == (0, 0)
    say(canvas, "stick to nothing")
    canvas.drag(canvas.title(sampler), (start[0] + 50, start[1] + 101))
    x, y = canvas.state()["boxes"][str(sampler)][:2]
    assert (x % GRID, y % GRID) != (0, 0)


def test_chosen_nodes_get_even_gaps_in_one_step(canvas: Canvas):
    canvas.page.mouse.click(*canvas.title(canvas.node_of("KSampler")["id"]))
    canvas.page.keyboard.press("Control+a")
    say(canvas, "even gaps across")
    state = canvas.state()
    boxes = sorted(state["boxes"].values())
    gaps = [right[0] - left[0] - left[2] for left, right in pairwise(boxes)]
    assert max(gaps) - min(gaps) < 1, gaps
    canvas.page.keyboard.press("Control+z")
    assert not canvas.state()["canUndo"]

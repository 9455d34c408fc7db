"""Saving a workflow that somebody else saved meanwhile: both are shown, and nothing is lost."""

import json
import time
from pathlib import Path
from typing import Any
from urllib.parse import quote
from urllib.request import Request, urlopen

import pytest
from playwright.sync_api import Locator, Page, expect

from tests.e2e.canvas import Canvas
from tests.serving import Server

NAME = "shared study"


def note(number: int, text: str) -> dict[str, Any]:
    return {
        "id": number,
        "type": "Note",
        "pos": [100, 200 * number],
        "size": [280, 140],
        "widgets_values": [text],
    }


def address(server: Server, name: str) -> str:
    return f"{server.url}/userdata/{quote(f'workflows/{name}.json', safe='')}"


def written(server: Server, name: str, *nodes: dict[str, Any]) -> None:
    """Somebody else saves a workflow of these nodes."""
    body = json.dumps({"nodes": nodes, "links": [], "version": 0.4}).encode()
    urlopen(Request(address(server, name), body), timeout=60).close()


def texts(server: Server, name: str) -> list[str]:
    """What the notes of a saved workflow say."""
    with urlopen(address(server, name), timeout=60) as answer:
        return [node["widgets_values"][0] for node in json.load(answer)["nodes"]]


def deleted(server: Server, name: str) -> None:
    urlopen(Request(address(server, name), method="DELETE"), timeout=60).close()


def change(canvas: Canvas, text: str) -> None:
    """Write into the first note, as a person does."""
    canvas.field(1, "text").locator("input").fill(text)
    canvas.blur()
    expect(canvas.page.get_by_test_id("unsaved")).to_be_visible()


@pytest.fixture
def mine(page: Page, small_server: Server, tmp_path: Path) -> Canvas:
    """A canvas with two notes, saved under `NAME`, then changed."""
    page.goto(small_server.url)
    page.wait_for_function("() => window.__weft?.app.ready")
    canvas = Canvas(page)
    file = tmp_path / "notes.json"
    file.write_text(json.dumps({"nodes": [note(1, "a"), note(2, "b")], "links": [], "version": 0.4}))
    canvas.drop(file, "application/json")
    page.wait_for_function("() => window.__weft.state().name === 'notes'")
    page.keyboard.press("Control+s")
    page.get_by_role("textbox", name="Save as").fill(NAME)
    page.keyboard.press("Enter")
    replace = page.get_by_role("button", name="Replace it")
    expect(page.get_by_test_id("notice").filter(has_text=NAME)).to_be_visible()
    if replace.count():  # of the test before
        replace.click()
    page.wait_for_function("(name) => window.__weft.state().name === name", arg=NAME)
    expect(page.get_by_test_id("unsaved")).to_have_count(0)
    change(canvas, "mine")
    return canvas


def refused(canvas: Canvas) -> Locator:
    """Save; the dialog that opens."""
    canvas.page.keyboard.press("Control+s")
    dialog = canvas.page.get_by_test_id("conflict")
    expect(dialog).to_be_visible()
    return dialog


def test_both_versions_are_shown_and_nothing_is_overwritten(mine: Canvas, small_server: Server):
    written(small_server, NAME, note(1, "theirs"), note(3, "new"))
    dialog = refused(mine)
    expect(dialog).to_contain_text("was changed on the server")
    rows = dialog.get_by_role("row")
    expect(rows.filter(has_text="Nodes").get_by_role("cell")).to_have_text(["2", "2"])
    expect(rows.filter(has_text="Saved")).to_contain_text("today")
    listed = dialog.get_by_role("list", name="Differences").get_by_role("listitem")
    expect(listed).to_have_count(3)
    expect(listed.filter(has_text="only in yours")).to_have_count(1)
    expect(listed.filter(has_text="only on the server")).to_have_count(1)
    mine.page.keyboard.press("Escape")
    expect(dialog).to_have_count(0)
    assert texts(small_server, NAME) == ["theirs", "new"]
    expect(mine.page.get_by_test_id("unsaved")).to_be_visible()


def shows(canvas: Canvas, texts: list[str]) -> None:
    """Wait until the canvas shows nodes with these texts."""
    until = time.monotonic() + 20
    while (found := [node["widgets_values"][0] for node in canvas.nodes()]) != texts:
        assert time.monotonic() < until, found
        time.sleep(0.05)


def test_keep_both_saves_mine_under_another_name(mine: Canvas, small_server: Server):
    written(small_server, NAME, note(1, "theirs"))
    dialog = refused(mine)
    dialog.get_by_label("Save yours as").fill("my study")
    mine.page.keyboard.press("Enter")
    mine.page.wait_for_function("() => window.__weft.state().name === 'my study'")
    assert texts(small_server, NAME) == ["theirs"]
    assert texts(small_server, "my study") == ["mine", "b"]
    deleted(small_server, "my study")


def test_overwrite_replaces_the_version_that_was_shown_and_no_later_one(mine: Canvas, small_server: Server):
    written(small_server, NAME, note(1, "theirs"))
    dialog = refused(mine)
    written(small_server, NAME, note(1, "later"))
    dialog.get_by_role("button", name="Overwrite theirs").click()
    expect(dialog).to_be_visible()
    assert texts(small_server, NAME) == ["later"]
    dialog.get_by_role("button", name="Overwrite theirs").click()
    expect(mine.page.get_by_test_id("unsaved")).to_have_count(0)
    assert texts(small_server, NAME) == ["mine", "b"]


def test_what_each_changed_alone_is_merged_and_undo_takes_it_back(mine: Canvas, small_server: Server):
    written(small_server, NAME, note(1, "a"), note(2, "theirs"), note(3, "new"))
    dialog = refused(mine)
    expect(dialog).to_contain_text("Takes 2 nodes as they have it")
    dialog.get_by_role("button", name="Merge and save").click()
    expect(mine.page.get_by_test_id("unsaved")).to_have_count(0)
    assert texts(small_server, NAME) == ["mine", "theirs", "new"]
    shows(mine, ["mine", "theirs", "new"])
    mine.page.keyboard.press("Control+z")
    shows(mine, ["mine", "b"])


def test_what_both_changed_stays_mine_in_a_merge_and_is_said(mine: Canvas, small_server: Server):
    written(small_server, NAME, note(1, "theirs"), note(2, "b"))
    dialog = refused(mine)
    expect(dialog).to_contain_text("What both changed stays yours: Note (text)")
    dialog.get_by_role("button", name="Merge and save").click()
    expect(mine.page.get_by_test_id("unsaved")).to_have_count(0)
    assert texts(small_server, NAME) == ["mine", "b"]


def test_open_theirs_leaves_mine_open_beside_it(mine: Canvas, small_server: Server):
    written(small_server, NAME, note(1, "theirs"))
    refused(mine).get_by_role("button", name="Open theirs").click()
    mine.page.wait_for_function("(name) => window.__weft.state().name === name", arg=NAME)
    shows(mine, ["theirs"])
    mine.page.get_by_role("tab", name=f"{NAME}, mine").click()
    shows(mine, ["mine", "b"])
    assert texts(small_server, NAME) == ["theirs"]


def test_a_workflow_that_was_deleted_is_saved_again_only_when_asked_to(mine: Canvas, small_server: Server):
    deleted(small_server, NAME)
    dialog = refused(mine)
    expect(dialog).to_contain_text("was deleted on the server")
    dialog.get_by_role("button", name="Save it again").click()
    expect(mine.page.get_by_test_id("unsaved")).to_have_count(0)
    assert texts(small_server, NAME) == ["mine", "b"]


def test_saving_again_and_after_a_reload_meets_no_conflict_with_oneself(mine: Canvas, small_server: Server):
    mine.page.keyboard.press("Control+s")
    expect(mine.page.get_by_test_id("unsaved")).to_have_count(0)
    mine.page.wait_for_timeout(800)  # what was saved is written to the browser
    mine.page.reload()
    mine.page.wait_for_function("() => window.__weft?.app.ready")
    change(mine, "after the reload")
    mine.page.keyboard.press("Control+s")
    expect(mine.page.get_by_test_id("unsaved")).to_have_count(0)
    assert texts(small_server, NAME) == ["after the reload", "b"]
    expect(mine.page.get_by_test_id("conflict")).to_have_count(0)


def test_the_dialog_keeps_the_keyboard_and_gives_it_back(mine: Canvas, small_server: Server):
    written(small_server, NAME, note(1, "theirs"))
    dialog = refused(mine)
    first = dialog.get_by_role("button", name="Merge and save")
    expect(first).to_be_focused()
    for _ in range(6):
        mine.page.keyboard.press("Tab")
    expect(first).to_be_focused()
    mine.page.keyboard.press("Shift+Tab")
    expect(dialog.get_by_role("button", name="Not now")).to_be_focused()

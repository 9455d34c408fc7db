"""Versions of a saved workflow: seen, compared, and brought back as one step that undo takes back."""

import json
from pathlib import Path

from playwright.sync_api import Page, expect

from tests.e2e.canvas import Canvas
from tests.e2e.test_conflicts import change, note, shows, written
from tests.serving import Server


def test_versions_are_browsed_compared_and_restored(page: Page, small_server: Server, tmp_path: Path):
    page.goto(small_server.url)
    page.wait_for_function("() => window.__weft?.app.ready")
    canvas = Canvas(page)
    file = tmp_path / "notes.json"
    file.write_text(json.dumps({"nodes": [note(1, "first"), note(2, "b")], "links": [], "version": 0.4}))
    canvas.drop(file, "application/json")
    page.wait_for_function("() => window.__weft.state().name === 'notes'")
    page.keyboard.press("Control+s")
    page.get_by_role("textbox", name="Save as").fill("study of versions")
    page.keyboard.press("Enter")
    expect(page.get_by_test_id("unsaved")).to_have_count(0)
    change(canvas, "second")
    page.keyboard.press("Control+s")
    expect(page.get_by_test_id("unsaved")).to_have_count(0)

    page.get_by_role("button", name="Workflows", exact=True).click()
    page.get_by_role("button", name="Versions of study of versions").click()
    listed = page.get_by_role("list", name="Versions").locator("> li")
    expect(listed).to_have_count(2)
    expect(listed.first).to_contain_text("the newest, 2 nodes")
    picture = listed.last.locator("img")
    page.wait_for_function("(picture) => picture.naturalWidth === 480", arg=picture.element_handle())

    listed.last.locator(".version").click()
    differences = page.get_by_role("list", name="Differences").get_by_role("listitem")
    expect(differences).to_have_text(["Notetext"])
    differences.first.get_by_role("button").click()
    assert canvas.state()["selection"] == [1]

    page.get_by_role("button", name="Restore", exact=True).click()
    shows(canvas, ["first", "b"])
    expect(page.get_by_test_id("unsaved")).to_be_visible()
    expect(differences).to_have_text(["The same nodes and threads"])
    page.get_by_test_id("canvas").focus()
    page.keyboard.press("Control+z")
    shows(canvas, ["second", "b"])
    page.get_by_role("button", name="Open beside").click()
    page.wait_for_function("() => window.__weft.state().name.startsWith('study of versions, today')")
    shows(canvas, ["first", "b"])


def test_what_a_deleted_workflow_was_is_found_and_opened(page: Page, small_server: Server):
    written(small_server, "thrown away", note(1, "precious"))
    page.goto(small_server.url)
    page.wait_for_function("() => window.__weft?.app.ready")
    page.keyboard.press("w")
    panel = page.get_by_role("complementary", name="Workflows")
    panel.get_by_role("button", name="Delete thrown away.json").click()
    panel.get_by_role("button", name="Versions of thrown away").click()
    listed = panel.get_by_role("list", name="Versions").locator("> li")
    expect(listed).to_have_count(1)
    listed.locator(".version").click()
    panel.get_by_role("button", name="Open beside").click()
    page.wait_for_function("() => window.__weft.state().name.startsWith('thrown away, today')")
    shows(Canvas(page), ["precious"])

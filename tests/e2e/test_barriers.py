"""axe-core where there is something to see: pictures that were made, jobs that wait, versions, a form."""

import json
from pathlib import Path
from urllib.parse import quote
from urllib.request import Request, urlopen

from playwright.sync_api import Page, expect

from tests.e2e.canvas import Canvas
from tests.e2e.conftest import FIRST
from tests.e2e.test_conflicts import note, written
from tests.e2e.test_everyone import barriers, close_sheet
from tests.e2e.test_gallery import made
from tests.e2e.test_queue_panel import WAIT, Panel, panel
from tests.serving import Server

__all__ = ["panel"]
THEMES = ("dark", "light")


def in_both_themes(page: Page, axe: str, where: str) -> dict[str, list[str]]:
    """What axe-core finds in a part of the page, by theme; themes without a finding are left out."""
    page.emulate_media(reduced_motion="reduce")  # what fades in has no contrast yet
    page.evaluate(axe)
    found: dict[str, list[str]] = {}
    for theme in THEMES:
        page.evaluate("(theme) => (document.documentElement.dataset.theme = theme)", theme)
        found[theme] = barriers(page, where)
    return {theme: each for theme, each in found.items() if each}


def test_pictures_what_changed_between_them_and_templates_have_none(
    canvas: Canvas, weft_server: Server, axe: str
):
    page = canvas.page
    made(weft_server, "a grey heron", 11, "barriers heron")
    made(weft_server, "a green parrot", 12, "barriers parrot")
    page.keyboard.press("g")
    pictures = page.get_by_role("complementary", name="Pictures", exact=True)
    pictures.get_by_role("textbox", name="Search prompts, models, seeds").fill("barriers")
    rows = pictures.get_by_role("listitem")
    expect(rows).to_have_count(2)
    for index in range(2):
        rows.nth(index).get_by_role("checkbox").check(force=True)
    assert in_both_themes(page, axe, "#app aside") == {}
    pictures.get_by_role("button", name="What changed").click()
    expect(page.get_by_test_id("differences")).to_contain_text("a grey heron")
    assert in_both_themes(page, axe, "[data-testid=popup-back]") == {}
    close_sheet(page)
    pictures.get_by_role("button", name="Open barriers heron_00001_.png", exact=True).click()
    expect(page.get_by_role("dialog", name="Picture")).to_contain_text("a grey heron")
    assert in_both_themes(page, axe, "[data-testid=popup-back]") == {}
    close_sheet(page)


def test_a_form_has_none_before_while_and_after_it_runs(page: Page, weft_server: Server, axe: str):
    workflow = weft_server.get("/api/weft/default_workflow")
    for node in workflow["nodes"]:
        if node["type"] == "KSampler":
            node["widgets_values"][2] = 2
    number = {node["type"]: node["id"] for node in workflow["nodes"]}
    inputs = [
        [number["CLIPTextEncode"], "text"],
        [number["KSampler"], "seed"],
        [number["KSampler"], "sampler_name"],
    ]
    workflow["extra"] = {
        **workflow.get("extra", {}),
        "linearData": {"inputs": inputs, "outputs": [number["SaveImage"]]},
    }
    address = f"{weft_server.url}/userdata/{quote('workflows/barriers.json', safe='')}"
    urlopen(Request(address, json.dumps(workflow).encode()), timeout=60).close()
    page.goto(f"{weft_server.url}/?form=barriers.json")
    form = page.get_by_role("form", name="barriers")
    expect(form.get_by_role("combobox")).to_have_count(1, timeout=FIRST)
    assert in_both_themes(page, axe, "html") == {}
    form.get_by_role("button", name="Run").press("Enter")
    result = page.get_by_role("region", name="Results").get_by_test_id("result")
    expect(result).to_have_count(1, timeout=120_000)
    assert in_both_themes(page, axe, "html") == {}
    page.goto(f"{weft_server.url}/?form=nothing.json")
    expect(page.get_by_role("alert")).to_be_visible()
    assert in_both_themes(page, axe, "html") == {}


def test_a_queue_with_jobs_of_every_state_has_none(panel: Panel, axe: str):
    failing = {
        "1": {"class_type": "Boom", "inputs": {"text": ""}},
        "2": {"class_type": "Show", "inputs": {"value": ["1", 0]}},
    }
    panel.server.post("/prompt", {"prompt": failing, "extra_data": {"weft_name": "one that fails"}})
    expect(panel.page.get_by_test_id("job-unfinished")).to_have_count(1, timeout=WAIT)
    panel.put_several("one", "two", "three")
    panel.server.post("/api/jobs/pause", {})
    expect(panel.page.get_by_test_id("paused")).to_be_visible(timeout=WAIT)
    panel.page.get_by_test_id("job-waiting").first.get_by_role("checkbox").check(force=True)
    assert in_both_themes(panel.page, axe, "#app aside") == {}


def test_versions_and_what_differs_have_none(page: Page, small_server: Server, axe: str, tmp_path: Path):
    written(small_server, "barriers", note(1, "first"))
    etag = urlopen(f"{small_server.url}/userdata/workflows%2Fbarriers.json", timeout=60).headers["ETag"]
    body = json.dumps({"nodes": [note(1, "second"), note(2, "b")], "links": [], "version": 0.4}).encode()
    address = f"{small_server.url}/userdata/workflows%2Fbarriers.json"
    urlopen(Request(address, body, {"If-Match": etag}), timeout=60).close()
    page.goto(small_server.url)
    page.wait_for_function("() => window.__weft?.app.ready")
    page.keyboard.press("w")
    page.get_by_role("button", name="barriers", exact=True).click()
    page.get_by_role("button", name="Versions of barriers").click()
    listed = page.get_by_role("list", name="Versions").locator("> li")
    expect(listed).to_have_count(2)
    listed.last.locator(".version").click()
    expect(page.get_by_role("list", name="Differences").get_by_role("listitem")).to_have_count(2)
    assert in_both_themes(page, axe, "#app aside") == {}

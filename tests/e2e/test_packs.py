"""A pack that cannot be imported says so on the canvas."""

import json
from pathlib import Path

import pytest
from playwright.sync_api import Page, expect

from tests.e2e.canvas import Canvas
from tests.e2e.conftest import FIRST
from tests.serving import serving
from web.build import build


def test_a_broken_pack_is_told_of_and_its_cause_stands_in_the_panel(page: Page, tmp_path: Path):
    pack = tmp_path / "custom_nodes" / "broken_pack"
    pack.mkdir(parents=True)
    (pack / "__init__.py").write_text("import a_module_that_nobody_has\n")
    build()
    with serving(tmp_path) as server:
        page.goto(server.url)
        page.wait_for_function("() => window.__weft?.app.ready", timeout=FIRST)
        notice = page.get_by_test_id("notice").filter(has_text="broken_pack could not be loaded")
        expect(notice).to_be_visible(timeout=FIRST)
        notice.get_by_role("button", name="Show packs").click()
        report = page.get_by_test_id("pack-broken_pack")
        expect(report).to_contain_text("a_module_that_nobody_has")
        assert len(Canvas(page).nodes()) == 7


def test_a_new_pack_is_trusted_on_the_canvas(page: Page, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.delenv("WEFT_TRUST_ALL")
    pack = tmp_path / "custom_nodes" / "new_pack"
    pack.mkdir(parents=True)
    (pack / "__init__.py").write_text("open(__file__ + '.ran', 'w').close()\nNODE_CLASS_MAPPINGS = {}\n")
    build()
    with serving(tmp_path) as server:
        page.goto(server.url)
        page.wait_for_function("() => window.__weft?.app.ready", timeout=FIRST)
        page.get_by_role("button", name="Show packs").click(timeout=FIRST)
        report = page.get_by_test_id("pack-new_pack")
        expect(report).to_contain_text("nothing of its Python (1 file) runs until you trust it")
        assert not (pack / "__init__.py.ran").exists()
        report.get_by_role("button", name="Trust it").click()
        expect(report).to_contain_text("0 nodes", timeout=FIRST)
        expect(report).to_contain_text("Wrote files while it was loaded")
        assert (pack / "__init__.py.ran").exists()
        (pack / "__init__.py").write_text("import a_module_that_nobody_has\n")
        page.get_by_role("button", name="Load packs again").click(
            timeout=FIRST
        )  # off while they are loaded already
        expect(report).to_contain_text("a_module_that_nobody_has", timeout=FIRST)


NODE = """
class {name}:
    INPUT_TYPES = classmethod(lambda cls: {{"required": {{}}}})
    RETURN_TYPES, FUNCTION, CATEGORY = ("INT",), "go", "test"
    def go(self):
        return (1,)
NODE_CLASS_MAPPINGS = {{"{name}": {name}}}
"""


def test_what_a_pack_may_do_is_said_on_the_canvas_and_edits_are_heard_of_there(page: Page, tmp_path: Path):
    pack = tmp_path / "work" / "custom_nodes" / "my pack"
    pack.mkdir(parents=True)
    (pack / "__init__.py").write_text(NODE.format(name="First"))
    (tmp_path / "given").mkdir()
    build()
    with serving(tmp_path / "work") as server:
        page.goto(server.url)
        page.wait_for_function("() => window.__weft?.app.ready", timeout=FIRST)
        page.evaluate("() => { window.__weft.app.preferences.drawer = 'packs' }")
        report = page.get_by_test_id("pack-my pack")
        expect(report).to_contain_text("1 node", timeout=FIRST)
        report.get_by_text("What it may do").click()
        report.get_by_label("It may use the network").uncheck()
        report.get_by_label("Whole path of a folder").fill(str(tmp_path / "work"))
        report.get_by_role("button", name="Allow").click()
        report.get_by_role("button", name="Apply").click()
        expect(page.get_by_test_id("notice").filter(has_text="holds the user data of Weft")).to_be_visible()
        report.get_by_role("button", name=f"Forbid {tmp_path / 'work'}").click()
        report.get_by_label("Whole path of a folder").fill(str(tmp_path / "given"))
        report.get_by_role("button", name="Allow").click()
        report.get_by_role("button", name="Apply").click()
        expect(report.locator("summary")).to_contain_text("no network", timeout=FIRST)
        kept = json.loads((tmp_path / "work" / "user" / "pack_limits.json").read_text())
        wanted = {"apart": False, "network": False, "writes": [str(tmp_path / "given")]}
        assert kept == {"my pack": wanted}
        page.evaluate("() => { window.stays = true }")
        (pack / "__init__.py").write_text(NODE.format(name="Second"))
        notice = page.get_by_test_id("notice").filter(has_text="my pack was edited: the next run uses it")
        expect(notice).to_be_visible(timeout=FIRST)
        page.wait_for_function("() => window.__weft.app.defs.get('Second') !== undefined", timeout=FIRST)
        assert page.evaluate("() => window.__weft.app.defs.get('First') === undefined")
        assert page.evaluate("() => window.stays")  # the page was not left for it

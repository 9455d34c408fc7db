"""For everyone: languages, right-to-left pages, names for screen readers, small windows and fingers."""

import re
from collections.abc import Iterator
from typing import Any

import pytest
from playwright.sync_api import Browser, CDPSession, Page, expect

from tests.e2e.canvas import Canvas
from tests.e2e.conftest import FIRST
from tests.serving import Server

# What opens above the canvas, as a script that opens it. Pictures are the page's icon: they need no run.
PICTURE = (
    "({ file: { filename: name, subfolder: '', type: 'output' }, url: `icon.svg?${name}`, words: name })"
)
SHEETS = {
    "palette": "show({ kind: 'palette', first: '' })",
    "menu": "document.querySelector('.logo').click()",
    "keys": "show({ kind: 'keys' })",
    "help": "show({ kind: 'help', def: app.defs.get('KSampler') })",
    "troubles": "show({ kind: 'troubles' })",
    "colours": "show({ kind: 'colours' })",
    "settings": "show({ kind: 'settings' })",
    "templates": "show({ kind: 'templates' })",
    "form": "show({ kind: 'form' })",
    "wire": "app.active.view.select([3]), document.querySelector('[data-testid=canvas]').focus(), "
    "window.dispatchEvent(new KeyboardEvent('keydown', { key: 'c', code: 'KeyC', bubbles: true }))",
    "choices": "app.popups.choose({ anchor: new DOMRect(200, 200, 200, 26), options: [...app.defs.get('KSampler').inputs"
    ".find(({ name }) => name === 'sampler_name').widget.options], chosen: ['euler'], name: 'sampler', pick() {} })",
    "line": "show({ kind: 'line', at: [200, 100], width: 200, label: 'Title', text: 'x', done() {} })",
    "picture": f"(name => show({{ kind: 'picture', ...{PICTURE}, open() {{}} }}))('a.png')",
    "compare": f"(one => show({{ kind: 'compare', left: one('a'), right: one('b'), all: [one('a'), one('b')] }}))"
    f"(name => {PICTURE})",
    "mask": "show({ kind: 'mask', name: 'a.png', url: 'icon.svg', alphaUrl: 'icon.svg', target: {} })",
    "paint": "show({ kind: 'paint', name: 'a.png', url: 'icon.svg', alphaUrl: 'icon.svg', target: {} })",
    "crop": "show({ kind: 'crop', name: 'a.png', url: 'icon.svg', alphaUrl: 'icon.svg', target: {} })",
    "rectangle": "show({ kind: 'rectangle', name: 'a.png', url: 'icon.svg', alphaUrl: 'icon.svg', from: [2, 2, 8, 8], "
    "use() {} })",
    "conflict": "(side => show({ kind: 'conflict', conflict: { name: 'x', mine: side, theirs: side, "
    "comparison: { differences: [], moved: 2 }, titleOf: String, freeName: 'x 2', merged: { taken: 2, clashes: [] } } }))"
    "({ saved: Date.now(), size: 4000, nodes: 7 })",
}
DRAWERS = ("nodes", "models", "pictures", "workflows", "packs")


def open_sheet(page: Page, name: str) -> None:
    """Open what lies above the canvas, and wait until it is there."""
    page.evaluate(
        f"() => {{ const {{ app }} = window.__weft; const show = (popup) => app.popups.show(popup); {SHEETS[name]}; }}"
    )
    page.locator("[data-testid=popup-back] > *").first.wait_for()


def close_sheet(page: Page) -> None:
    """Whatever is open, without the offer to bring it back."""
    page.evaluate("() => window.__weft.app.popups.close()")
    expect(page.get_by_test_id("popup-back")).to_have_count(0)


def barriers(page: Page, where: str) -> list[str]:
    """What axe-core finds in a part of the page: "rule: element, what is wrong"."""
    found: list[dict[str, Any]] = page.evaluate(
        "async (where) => (await axe.run(where, { resultTypes: ['violations'] })).violations", where
    )
    return [f"{each['id']}: {node['html'][:120]}" for each in found for node in each["nodes"]]


@pytest.mark.parametrize("theme", ["dark", "light"])
def test_axe_finds_no_barrier_on_any_screen(canvas: Canvas, axe: str, theme: str):
    page = canvas.page
    page.emulate_media(reduced_motion="reduce")  # what fades in has no contrast yet
    page.evaluate("(theme) => window.__weft.app.preferences.setTheme(theme)", theme)
    page.evaluate(
        "() => window.__weft.app.popups.tell('It failed', { bad: true, action: { label: 'Show', run() {} } })"
    )
    page.evaluate(axe)
    found = {"window": barriers(page, "html")}
    for name in DRAWERS:
        page.evaluate("(name) => (window.__weft.app.preferences.drawer = name)", name)
        page.locator("#app aside .body > *").first.wait_for()
        found[name] = barriers(page, ".body")
    page.evaluate("() => (window.__weft.app.preferences.drawer = undefined)")
    for name in SHEETS:
        open_sheet(page, name)
        found[name] = barriers(page, "[data-testid=popup-back]")
        close_sheet(page)
    assert {name: each for name, each in found.items() if each} == {}


def test_another_language_changes_what_is_shown_where_it_stands_and_stays(canvas: Canvas):
    page = canvas.page
    run = page.locator(".run")
    expect(run).to_have_text("Run")
    page.keyboard.press("Space")
    page.get_by_test_id("palette").locator("input").fill("Deutsch")
    page.keyboard.press("Enter")
    expect(run).to_have_text("Ausführen")
    expect(page.locator("html")).to_have_attribute("lang", "de")
    sampler = canvas.node_of("KSampler")["id"]
    expect(canvas.field(sampler, "seed:control")).to_contain_text("nach dem Lauf")
    canvas.page.mouse.click(*canvas.title(sampler))
    page.keyboard.press("Delete")
    page.mouse.click(700, 800, button="right")
    expect(page.get_by_role("menuitem", name="Rückgängig: Löschen")).to_be_visible()
    page.keyboard.press("Escape")
    page.reload()
    expect(run).to_have_text("Ausführen", timeout=FIRST)
    page.evaluate("() => window.__weft.app.speak('ja')")
    expect(run).to_have_text("実行")


def test_the_browsers_language_is_taken_where_nobody_chose(browser: Browser, weft_server: Server):
    context = browser.new_context(locale="de-AT")
    page = context.new_page()
    page.goto(weft_server.url)
    expect(page.locator(".run")).to_have_text("Ausführen", timeout=FIRST)
    context.close()


def test_a_page_from_right_to_left_keeps_the_canvas_as_files_have_it(canvas: Canvas):
    page = canvas.page
    before = [node["pos"] for node in canvas.nodes()]
    page.evaluate("() => (document.documentElement.dir = 'rtl')")
    rail, side = (
        page.locator("nav[aria-label=Panels]").bounding_box(),
        page.locator(".shell > aside").bounding_box(),
    )
    assert rail is not None
    assert side is not None
    assert side["x"] < rail["x"]
    prompt = canvas.field(canvas.node_of("CLIPTextEncode")["id"], "text").locator("textarea")
    prompt.fill("שלום")
    assert prompt.evaluate("(area) => getComputedStyle(area).direction") == "rtl"
    prompt.fill("a red apple")
    assert prompt.evaluate("(area) => getComputedStyle(area).direction") == "ltr"
    x, y = canvas.title(canvas.node_of("KSampler")["id"])
    page.mouse.click(x, y)
    expect(canvas.node(canvas.node_of("KSampler")["id"])).to_have_class(re.compile("selected"))
    assert [node["pos"] for node in canvas.nodes()] == before


def test_own_colours_are_worn_at_once_kept_and_taken_along(canvas: Canvas):
    page = canvas.page
    page.evaluate("() => window.__weft.app.preferences.setTheme('dark')")
    open_sheet(page, "colours")
    sheet = page.get_by_test_id("colours")
    sheet.get_by_label("accent", exact=True).fill("#58c4dd")
    assert page.evaluate("() => window.__weft.app.active.stage.palette.accent") == "#58c4dd"
    sheet.get_by_label("soft", exact=True).fill("#333333")
    expect(sheet.get_by_role("status")).to_contain_text("hard to read")
    with page.expect_download() as saved:
        sheet.get_by_role("button", name="Save to this computer").click()
    sheet.get_by_role("button", name="Reset all").click()
    assert page.evaluate("() => window.__weft.app.active.stage.palette.accent") == "#f0b35e"
    sheet.locator("input[type=file]").set_input_files(saved.value.path())
    expect(sheet.get_by_role("status")).to_contain_text("hard to read")
    page.reload()
    page.wait_for_function(
        "() => window.__weft?.app.active?.stage.palette?.accent === '#58c4dd'", timeout=FIRST
    )


def outside(page: Page, selector: str) -> list[str]:
    """Controls that lie outside of the window, or of what can be scrolled to."""
    return page.evaluate(
        """(selector) => [...document.querySelectorAll(selector)].filter((each) => {
          if (!each.checkVisibility() || each.closest('.unseen')) return false;
          const inner = each.getBoundingClientRect();
          if (inner.width === 0) return false;
          const cut = (outer) => inner.left < outer.left - 1 || inner.top < outer.top - 1
            || inner.right > outer.right + 1 || inner.bottom > outer.bottom + 1;
          for (let around = each.parentElement; around; around = around.parentElement) {
            const { overflowX, overflowY } = getComputedStyle(around);
            if (/auto|scroll/.test(overflowX + overflowY)) return false;
            if (/clip|hidden/.test(overflowX) && cut(around.getBoundingClientRect())) return true;
          }
          return cut({ left: 0, top: 0, right: innerWidth, bottom: innerHeight });
        }).map((each) => each.outerHTML.slice(0, 120))""",
        selector,
    )


@pytest.mark.parametrize("language", ["en", "de"])
def test_at_two_hundred_percent_nothing_is_lost(canvas: Canvas, language: str):
    page = canvas.page
    page.evaluate("(code) => window.__weft.app.speak(code)", language)
    page.set_viewport_size({"width": 800, "height": 450})  # a window of 1600 x 900 at 200 %
    assert outside(page, "header.top button, header.top input, nav button, footer button") == []
    for name in SHEETS:
        open_sheet(page, name)
        assert (name, outside(page, "[data-testid=popup-back] :is(button, input, a, dt, dd)")) == (name, [])
        close_sheet(page)


@pytest.fixture
def fingers(browser: Browser, weft_server: Server) -> Iterator[tuple[Canvas, CDPSession]]:
    """A tablet, and what touches its glass."""
    context = browser.new_context(viewport={"width": 820, "height": 1180}, has_touch=True, is_mobile=True)
    page = context.new_page()
    page.goto(weft_server.url)
    page.wait_for_function("() => document.querySelectorAll('section.node').length >= 7", timeout=FIRST)
    yield Canvas(page), context.new_cdp_session(page)
    context.close()


def touch(session: CDPSession, kind: str, *points: tuple[float, float]) -> None:
    """Fingers on the glass: at which points they are now."""
    fingers = [{"x": x, "y": y, "id": index} for index, (x, y) in enumerate(points)]
    session.send("Input.dispatchTouchEvent", {"type": f"touch{kind}", "touchPoints": fingers})


def camera(canvas: Canvas) -> dict[str, Any]:
    """How the canvas stands."""
    return canvas.page.evaluate("() => window.__weft.app.active.view.camera")


def test_fingers_carry_zoom_choose_and_ask(fingers: tuple[Canvas, CDPSession]):
    canvas, glass = fingers
    page = canvas.page
    before = camera(canvas)
    touch(glass, "Start", (400, 1000))
    for step in range(1, 6):
        touch(glass, "Move", (400 - 20 * step, 1000 - 10 * step))
    touch(glass, "End")
    moved = camera(canvas)
    assert moved["scale"] == before["scale"]
    assert moved["offset"][0] < before["offset"][0]
    touch(glass, "Start", (300, 900), (500, 900))
    for step in range(1, 6):
        touch(glass, "Move", (300 - 20 * step, 900), (500 + 20 * step, 900))
    touch(glass, "End")
    assert camera(canvas)["scale"] > 1.5 * moved["scale"]
    sampler = canvas.node_of("KSampler")["id"]
    page.evaluate("(id) => window.__weft.locate(id)", sampler)
    x, y = canvas.title(sampler)
    page.touchscreen.tap(x, y)
    page.wait_for_function("() => window.__weft.app.active.view.selection.nodes.size === 1")
    canvas.field(sampler, "sampler_name").tap()
    page.get_by_role("option", name="heun", exact=False).first.tap()
    expect(canvas.field(sampler, "sampler_name")).to_contain_text("heun")
    touch(glass, "Start", (x, y))
    menu = page.get_by_role("menu")
    expect(menu).to_be_visible()
    touch(glass, "End")
    expect(menu).to_be_visible()
    menu.get_by_role("menuitem", name="Duplicate").tap()
    page.wait_for_function(
        "() => window.__weft.app.active.document.state.graphs.values().next().value.nodes.size === 8"
    )


def test_a_phone_has_room_for_the_canvas_and_every_sheet(browser: Browser, weft_server: Server):
    context = browser.new_context(viewport={"width": 390, "height": 780}, has_touch=True, is_mobile=True)
    page = context.new_page()
    page.goto(weft_server.url)
    page.wait_for_function("() => window.__weft?.app.ready", timeout=FIRST)
    assert outside(page, "header.top button, nav button, footer button") == []
    page.locator(".logo").tap()
    page.get_by_role("menuitem", name="Keys").tap()
    expect(page.get_by_test_id("keys")).to_be_visible()
    assert outside(page, "[data-testid=popup-back] :is(button, input)") == []
    context.close()

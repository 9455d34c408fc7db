"""A workflow as a form: chosen on the canvas, with a link of its own, filled in and run on a phone."""

from playwright.sync_api import Browser, expect

from tests.e2e.canvas import Canvas
from tests.serving import Server


def test_a_form_is_made_on_the_canvas_and_run_on_a_phone(
    canvas: Canvas, weft_server: Server, browser: Browser
):
    page = canvas.page
    page.locator("main").click(position={"x": 500, "y": 40})
    page.keyboard.press("Shift+F")
    sheet = page.get_by_test_id("form-sheet")
    sheet.get_by_role("checkbox", name="Positive prompt: text").check()
    sheet.get_by_role("checkbox", name="KSampler: steps").focus()
    page.keyboard.press("Space")
    sheet.get_by_role("button", name="Show KSampler: steps earlier").click()
    sheet.get_by_role("checkbox", name="Save Image", exact=True).check()
    sheet.get_by_role("button", name="Save", exact=True).click()
    page.locator("input:focus").fill("a form")
    page.keyboard.press("Enter")
    page.wait_for_function(
        "() => window.__weft.app.active.path === 'a form.json' && !window.__weft.app.active.dirty"
    )
    page.keyboard.press("Shift+F")
    link = sheet.get_by_role("link", name="Open the form").get_attribute("href")
    assert link is not None
    assert link.startswith(weft_server.url)

    context = browser.new_context(viewport={"width": 390, "height": 780}, has_touch=True, is_mobile=True)
    phone = context.new_page()
    errors: list[str] = []
    phone.on("pageerror", lambda error: errors.append(str(error)))
    phone.goto(link)
    form = phone.get_by_role("form", name="a form")
    steps = form.get_by_role("textbox", name="KSampler: steps")
    expect(steps).to_have_value("20", timeout=60_000)
    steps.fill("2")
    form.get_by_role("textbox", name="Positive prompt: text").fill("a green frog")
    assert phone.evaluate("() => document.documentElement.scrollWidth <= innerWidth")
    form.get_by_role("button", name="Run").tap()
    result = phone.get_by_role("region", name="Results").get_by_test_id("result")
    expect(result).to_have_count(1, timeout=120_000)
    phone.wait_for_function("(image) => image.naturalWidth === 128", arg=result.element_handle())
    expect(form.get_by_role("status")).to_contain_text("Done in")
    history = weft_server.get("/history?max_items=1")
    (entry,) = history.values()
    prompt = entry["prompt"][2]
    assert any(node["inputs"].get("text") == "a green frog" for node in prompt.values())
    assert any(node["inputs"].get("steps") == 2 for node in prompt.values())
    phone.goto(f"{weft_server.url}/?form=nothing.json")
    expect(phone.get_by_role("alert")).to_contain_text("There is no workflow nothing")
    context.close()
    assert errors == []

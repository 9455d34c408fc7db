"""The gallery of workflows to begin with, by mouse and by keyboard."""

from playwright.sync_api import expect

from tests.e2e.canvas import Canvas


def test_an_empty_canvas_offers_templates_and_one_opens_by_mouse_and_another_by_keyboard(
    empty_canvas: Canvas,
):
    page = empty_canvas.page
    page.get_by_role("button", name="A template").click()
    sheet = page.get_by_role("dialog", name="Templates")
    cards = sheet.get_by_role("listitem").get_by_role("button")
    expect(sheet.get_by_role("heading", name="Make a picture")).to_be_visible()
    assert cards.count() >= 15
    picture = sheet.get_by_test_id("template-regions").locator("img")
    page.wait_for_function("(image) => image.naturalWidth > 100", arg=picture.element_handle())
    sheet.get_by_test_id("template-regions").click()
    expect(sheet).to_have_count(0)
    page.wait_for_function("() => window.__weft.app.active.name === 'Who goes where'")
    assert any(node["type"] == "ConditioningSetArea" for node in empty_canvas.nodes())

    page.locator("main").click(position={"x": 500, "y": 40})
    page.keyboard.press("t")
    field = sheet.get_by_role("textbox", name="Filter templates")
    expect(field).to_be_focused()
    page.keyboard.type("no such thing")
    expect(cards).to_have_count(0)
    field.fill("")
    expect(sheet.get_by_test_id("template-default")).to_be_visible()
    page.keyboard.press("ArrowDown")
    expect(sheet.get_by_test_id("template-default")).to_be_focused()
    page.keyboard.press("ArrowRight")
    expect(sheet.get_by_test_id("template-variations")).to_be_focused()
    page.keyboard.press("ArrowUp")
    expect(field).to_be_focused()
    page.keyboard.type("guidance")
    expect(sheet.get_by_test_id("template-guidance")).to_be_visible()
    page.keyboard.press("Enter")
    page.wait_for_function("() => window.__weft.app.active.name === 'Feel guidance'")

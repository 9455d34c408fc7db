"""Two windows of one browser on one server: each keeps its own workflows, and neither loses any."""

from playwright.sync_api import Page

from tests.e2e.canvas import Canvas


def opened(page: Page, url: str) -> Canvas:
    """The canvas in a window of its own."""
    page.goto(url)
    page.wait_for_function("() => window.__weft?.app.ready")
    return Canvas(page)


def kinds(canvas: Canvas) -> list[str]:
    return [node["type"] for node in canvas.nodes()]


def kept(canvas: Canvas) -> None:
    """Written to the browser."""
    canvas.page.evaluate("() => window.__weft.app.flush()")


def test_what_one_window_holds_another_never_overwrites_and_a_closed_ones_work_comes_back(canvas: Canvas):
    first, url = canvas, canvas.page.url
    second = opened(first.page.context.new_page(), url)
    assert kinds(second) == []  # not the first one's workflow again
    second.add("save image", second.ground(400, 300))
    first.add("note", first.ground(400, 600))
    both = kinds(first), kinds(second)
    assert "Note" in both[0]
    kept(first)
    kept(second)
    first.page.reload()
    first.page.wait_for_function("() => window.__weft?.app.ready")
    second.page.reload()
    second.page.wait_for_function("() => window.__weft?.app.ready")
    assert (kinds(first), kinds(second)) == both

    second.page.close()
    third = opened(first.page.context.new_page(), url)
    assert kinds(third) == both[1]
    assert kinds(first) == both[0]

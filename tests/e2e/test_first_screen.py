"""What the first screen costs: the scripts that a browser fetches until a person can begin."""

import gzip

from playwright.sync_api import Browser, expect

from tests.e2e.conftest import FIRST
from tests.serving import Server
from web.build import WEB

MOST = 250_000  # bytes, packed


def test_the_first_screen_fetches_at_most_250_kilobytes_of_packed_scripts(
    browser: Browser, weft_server: Server
):
    context = browser.new_context(locale="ja-JP")  # the longest of the languages is fetched too
    page = context.new_page()
    scripts: set[str] = set()
    page.on(
        "request",
        lambda request: scripts.add(request.url) if request.resource_type == "script" else None,
    )
    page.goto(weft_server.url)
    expect(page.locator(".run")).to_have_text("実行", timeout=FIRST)
    page.wait_for_function("() => document.querySelectorAll('section.node').length >= 7", timeout=FIRST)
    page.wait_for_load_state("networkidle")
    files = {url.removeprefix(weft_server.url).lstrip("/").partition("?")[0] for url in scripts}
    packed = {name: len(gzip.compress((WEB / "dist" / name).read_bytes())) for name in files}
    assert len(packed) > 3, packed
    assert any(name.startswith("assets/ja-") for name in packed), packed
    assert sum(packed.values()) <= MOST, packed
    context.close()

"""The line at the canvas' foot that says what memory the workflow will need."""

import re
from typing import Any

from playwright.sync_api import expect

from tests.e2e.canvas import Canvas
from tests.e2e.conftest import FIRST


def shown(plan: dict[str, Any]) -> str:
    """A size as English says it here."""
    size = plan["peak"]
    return f"{size / 1e9:.1f} GB" if size >= 1e9 else f"{size / 1e6:.0f} MB"


def test_the_foot_says_what_the_workflow_needs_and_follows_its_changes(canvas: Canvas):
    line, latent = canvas.page.get_by_test_id("memory-plan"), canvas.node_of("EmptyLatentImage")["id"]
    expect(line).to_contain_text(re.compile(r"^Memory: \d+ MB"), timeout=FIRST)
    before = line.inner_text()
    with canvas.page.expect_response("**/weft/plan", timeout=FIRST) as answered:
        canvas.type_number(latent, "width", "768")
        canvas.blur()
    plan = answered.value.json()
    expect(line).to_have_text(f"Memory: {shown(plan)}")  # the page has what the server said
    assert line.inner_text() != before
    told = line.get_attribute("title") or ""
    assert {f"#{node}" for node in plan["nodes"]} == set(re.findall(r"#\w+", told))
    assert f"#{canvas.node_of('KSampler')['id']}: models" in told

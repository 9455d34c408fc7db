"""Samplers are found by what they are for: in the lists of nodes, and in the field for everything."""

import pytest
from playwright.sync_api import expect

from tests.e2e.canvas import Canvas


def first_row(canvas: Canvas) -> str:
    """The first row of an open list or palette, in one line."""
    return " ".join(canvas.page.get_by_role("option").first.inner_text().split())


def sampler_of(canvas: Canvas, node: int) -> tuple[str, str]:
    """Sampler and schedule of a KSampler."""
    values = next(entry for entry in canvas.nodes() if entry["id"] == node)["widgets_values"]
    return values[4], values[5]


def test_a_list_of_samplers_answers_what_a_person_wants_and_says_what_each_costs(canvas: Canvas):
    sampler = canvas.node_of("KSampler")["id"]
    canvas.field(sampler, "sampler_name").click()
    for words, row in (
        ("few steps", "uni_pc Zhao et al. 2023 1 call no noise"),
        ("sharp", "dpmpp_2m Lu et al. 2022 1 call no noise The workhorse"),
        ("reproducible", "dpmpp_2m Lu"),
        ("fast", "euler Karras et al. 2022 1 call no noise"),
        ("LCM", "lcm Song et al. 2023 1 call adds noise For distilled models"),
        ("inpaint", "ddim Song et al. 2020 1 call no noise"),
        ("exact", "heun Karras et al. 2022 2 calls no noise Accurate and steady"),
    ):
        canvas.page.get_by_role("combobox", name="sampler_name: filter").fill(words)
        assert row in first_row(canvas), words
    expect(canvas.page.locator("footer code").first).to_contain_text("u = x + (sigma' - sigma) d")
    paper = canvas.page.get_by_role("link", name="Karras et al. 2022")
    assert paper.get_attribute("href") == "https://arxiv.org/abs/2206.00364"
    canvas.page.get_by_role("combobox", name="sampler_name: filter").fill("no noise")
    rows = canvas.page.get_by_role("option").all_inner_texts()
    assert "no noise" in rows[0]
    assert "no noise" in rows[9]
    canvas.page.keyboard.press("Enter")
    assert sampler_of(canvas, sampler)[0] == rows[0].split()[0] == "euler"
    canvas.choose(sampler, "scheduler", "detail")
    assert sampler_of(canvas, sampler) == ("euler", "karras")


def test_the_field_for_everything_sets_a_sampler_on_the_chosen_node_or_adds_one(canvas: Canvas):
    page, sampler = canvas.page, canvas.node_of("KSampler")["id"]
    before, count = sampler_of(canvas, sampler), len(canvas.nodes())
    page.mouse.click(*canvas.title(sampler))
    page.keyboard.press("Space")
    page.keyboard.type("few steps")
    expect(page.get_by_test_id("palette")).to_contain_text("Samplers, set on KSampler")
    page.keyboard.press("Enter")
    assert sampler_of(canvas, sampler) == ("uni_pc", before[1])
    page.keyboard.press("Control+z")
    assert sampler_of(canvas, sampler) == before

    page.mouse.click(*canvas.ground(700, 30))
    page.keyboard.press("Space")
    page.keyboard.type("few steps")
    expect(page.get_by_test_id("palette")).to_contain_text("Samplers, adds KSampler")
    page.keyboard.press("Enter")
    canvas.settle()
    added = canvas.node_of("KSampler", 1)
    assert sampler_of(canvas, added["id"])[0] == "uni_pc"
    page.keyboard.press("Control+z")
    assert len(canvas.nodes()) == count


@pytest.mark.parametrize("letters", ["save image", "load checkpoint"])
def test_words_for_nodes_still_find_nodes_first(canvas: Canvas, letters: str):
    canvas.page.keyboard.press("Space")
    canvas.page.keyboard.type(letters)
    assert first_row(canvas).lower().startswith(letters)


def test_where_something_waits_for_a_sampler_the_small_node_is_added_and_wired(empty_canvas: Canvas):
    canvas, page = empty_canvas, empty_canvas.page
    custom = canvas.add("SamplerCustomAdvanced", canvas.ground(600, 200))
    canvas.drag(canvas.input(custom, "sampler"), canvas.ground(350, 400))
    page.keyboard.type("sharp")
    expect(page.get_by_test_id("palette")).to_contain_text("Samplers, adds KSamplerSelect")
    page.get_by_role("option").filter(has_text="The workhorse").click()
    canvas.settle()
    assert canvas.node_of("KSamplerSelect")["widgets_values"] == ["dpmpp_2m"]
    assert any("KSamplerSelect" in link for link in canvas.links())
    page.keyboard.press("Control+z")
    assert [node["type"] for node in canvas.nodes()] == ["SamplerCustomAdvanced"]

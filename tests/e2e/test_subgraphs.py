"""Nodes become a subgraph, which one opens, changes, runs, leaves, and takes apart again."""

import json
from pathlib import Path

from playwright.sync_api import expect

from tests.e2e.canvas import Canvas


def types(canvas: Canvas) -> list[str]:
    return sorted(node["type"] for node in canvas.nodes())


def test_a_subgraph_is_made_opened_changed_run_and_unpacked(canvas: Canvas):
    page, before = canvas.page, types(canvas)
    sampler, latent = canvas.node_of("KSampler")["id"], canvas.node_of("EmptyLatentImage")["id"]
    canvas.type_number(sampler, "steps", "2")
    canvas.type_number(sampler, "seed", "310616")  # its own: nothing of it is in the cache
    page.mouse.click(*canvas.title(sampler))
    page.keyboard.down("Shift")
    page.mouse.click(*canvas.title(latent))
    page.keyboard.up("Shift")
    page.keyboard.press("Control+Shift+E")
    canvas.settle()
    (definition,) = canvas.state()["workflow"]["definitions"]["subgraphs"]
    assert [entry["name"] for entry in definition["inputs"]] == ["model", "positive", "negative"]
    assert [entry["name"] for entry in definition["outputs"]] == ["LATENT"]
    instance = canvas.node_of(definition["id"])["id"]
    assert len(canvas.nodes()) == len(before) - 1
    canvas.run()

    page.get_by_role("button", name="Open Subgraph").click()
    expect(page.get_by_test_id("trail")).to_contain_text("First picture")
    expect(canvas.node(sampler)).to_be_visible()
    expect(canvas.node(instance)).to_have_count(0)
    expect(page.get_by_test_id(f"status-{sampler}")).to_contain_text("s")  # its own time, of that run
    canvas.type_number(sampler, "steps", "3")
    canvas.blur()
    page.evaluate("() => window.__weft.app.flush()")
    page.reload()  # and one is where one was
    page.wait_for_function("() => window.__weft?.app.ready")
    expect(canvas.field(sampler, "steps")).to_contain_text("3")
    page.keyboard.press("Escape")
    expect(page.get_by_test_id("trail")).to_have_count(0)

    page.mouse.click(*canvas.title(instance))
    page.keyboard.press("Enter")
    expect(canvas.node(latent)).to_be_visible()
    page.get_by_test_id("trail").get_by_role("button", name="First picture").click()
    page.mouse.click(*canvas.title(instance), button="right")
    page.get_by_text("Unpack the subgraph").click()
    canvas.settle()
    assert types(canvas) == before
    assert canvas.node_of("KSampler")["widgets_values"][2] == 3
    assert "definitions" not in canvas.state()["workflow"]
    page.keyboard.press("Control+z")
    assert len(canvas.nodes()) == len(before) - 1


def test_fields_and_outputs_of_a_subgraph_are_made_inside_by_wiring_and_shown_outside(canvas: Canvas):
    page = canvas.page
    sampler = canvas.node_of("KSampler")["id"]
    page.mouse.click(*canvas.title(sampler))
    page.keyboard.press("Control+Shift+E")
    page.keyboard.press("Enter")
    expect(canvas.node(-10)).to_be_visible()
    canvas.settle()
    field = canvas.field(sampler, "steps").bounding_box()
    assert field is not None
    inputs = canvas.state()["workflow"]["definitions"]["subgraphs"][0]["inputs"]
    canvas.drag(canvas.output(-10, len(inputs)), (field["x"] + 2, field["y"] + field["height"] / 2))
    canvas.field(sampler, "cfg").click(button="right")
    page.get_by_role("menuitem", name="Show “cfg” on the subgraph").click()
    page.mouse.dblclick(*canvas.output(-10, len(inputs)))
    page.keyboard.type("how many")
    page.keyboard.press("Enter")
    page.keyboard.press("Escape")  # lets go of the node that was chosen
    page.keyboard.press("Escape")
    expect(page.get_by_test_id("trail")).to_have_count(0)
    instance = canvas.node_of(canvas.state()["workflow"]["definitions"]["subgraphs"][0]["id"])["id"]
    expect(canvas.field(instance, "steps")).to_contain_text("how many")
    canvas.type_number(instance, "cfg", "4.5")
    page.mouse.click(*canvas.title(instance))
    page.keyboard.press("Enter")
    canvas.settle()
    page.mouse.click(*canvas.output(-10, len(inputs)), button="right")
    page.get_by_role("menuitem", name="Remove the input").click()
    page.keyboard.press("Escape")
    expect(canvas.field(instance, "steps")).to_have_count(0)
    expect(canvas.field(instance, "cfg")).to_contain_text("4.5")


def test_a_subgraph_is_kept_as_a_blueprint_and_used_in_another_workflow(canvas: Canvas, workspace: Path):
    page = canvas.page
    page.mouse.click(*canvas.title(canvas.node_of("KSampler")["id"]))
    page.keyboard.press("Control+Shift+E")
    canvas.settle()
    made = canvas.state()["workflow"]["definitions"]["subgraphs"][0]["id"]
    page.mouse.click(*canvas.title(canvas.node_of(made)["id"]), button="right")
    page.get_by_role("menuitem", name="Keep as a blueprint").click()
    page.keyboard.type("Drawing twice")
    page.keyboard.press("Enter")
    page.get_by_role("button", name="Show it").click()
    kept = json.loads((workspace / "user/default/subgraphs/Drawing twice.json").read_text())
    assert [node["type"] for node in kept["nodes"]] == [made]

    page.get_by_role("button", name="New workflow").click()
    page.get_by_role("button", name="Blueprints").click()
    page.get_by_role("button", name="Drawing twice", exact=True).click()
    canvas.settle()
    (definition,) = canvas.state()["workflow"]["definitions"]["subgraphs"]
    assert [node["type"] for node in definition["nodes"]] == ["KSampler"]
    expect(canvas.node(canvas.nodes()[0]["id"])).to_contain_text("Drawing twice")
    page.keyboard.press("Control+z")
    assert canvas.nodes() == []
    page.mouse.dblclick(*canvas.ground(600, 300))
    page.keyboard.type("drawing tw")
    page.keyboard.press("Enter")
    page.wait_for_function("() => window.__weft.state().workflow.nodes.length === 1")

    row = page.locator(".own", has_text="Drawing twice")
    row.hover()
    row.get_by_role("button", name="Delete Drawing twice").click()
    expect(row).to_have_count(0)
    page.get_by_role("button", name="Put it back").click()
    expect(row).to_have_count(1)

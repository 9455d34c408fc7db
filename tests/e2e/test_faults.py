"""What is wrong stands on the node that it concerns, with what to do."""

import json
from pathlib import Path

from playwright.sync_api import expect

from tests.e2e.canvas import Canvas


def test_a_missing_thread_is_told_on_its_node_and_one_action_supplies_it(canvas: Canvas):
    save = canvas.node_of("SaveImage")["id"]
    canvas.drag(canvas.input(save, "images"), canvas.ground(700, 660))
    canvas.page.keyboard.press("Control+Enter")
    problem = canvas.page.get_by_test_id(f"problem-{save}")
    expect(problem).to_contain_text("images needs a thread")
    problem.get_by_role("button", name="Add a node for it").click()
    canvas.page.keyboard.type("load image")
    canvas.page.keyboard.press("Enter")
    assert any(words.endswith("to Save Image images") for words in canvas.links())
    expect(problem).to_have_count(0)


def test_a_value_that_is_not_in_the_list_offers_the_list(canvas: Canvas, tmp_path: Path):
    workflow = canvas.state()["workflow"]
    for node in workflow["nodes"]:
        if node["type"] == "CheckpointLoaderSimple":
            node["widgets_values"] = ["sd15-nobody-has.safetensors"]
    file = tmp_path / "other model.json"
    file.write_text(json.dumps(workflow))
    canvas.drop(file, "application/json")
    canvas.page.wait_for_function("() => window.__weft.state().name === 'other model'")
    loader = canvas.node_of("CheckpointLoaderSimple")["id"]
    canvas.page.keyboard.press("Control+Enter")
    problem = canvas.page.get_by_test_id(f"problem-{loader}")
    expect(problem).to_contain_text("sd15-nobody-has.safetensors is not in the list")
    problem.get_by_role("button", name="Choose another").click()
    canvas.page.keyboard.press("Enter")
    assert canvas.node_of("CheckpointLoaderSimple")["widgets_values"] != ["sd15-nobody-has.safetensors"]
    expect(problem).to_have_count(0)


def test_a_node_of_an_unknown_type_says_so_and_is_kept(canvas: Canvas, tmp_path: Path):
    file = tmp_path / "unknown.json"
    node = {
        "id": 5,
        "type": "NobodyHasThis",
        "pos": [300, 300],
        "size": [300, 100],
        "widgets_values": [1, "two"],
    }
    file.write_text(json.dumps({"nodes": [node], "links": [], "version": 0.4}))
    canvas.drop(file, "application/json")
    expect(canvas.page.get_by_test_id("problem-5")).to_contain_text(
        "There is no node of the type NobodyHasThis"
    )
    assert canvas.nodes()[0]["widgets_values"] == [1, "two"]


def test_an_error_while_running_stands_on_its_node_with_its_cause(canvas: Canvas, workspace: Path):
    (workspace / "input").mkdir(exist_ok=True)
    (workspace / "input" / "words.png").write_text("this is no picture")
    canvas.page.keyboard.press("r")
    expect(canvas.page.get_by_test_id("notice").first).to_be_visible()
    loader = canvas.add("load image", canvas.ground(500, 690))
    canvas.choose(loader, "image", "words")
    canvas.blur()
    save = canvas.node_of("SaveImage")["id"]
    canvas.wire(loader, 0, save, "images")
    canvas.run("failed")
    problem = canvas.page.get_by_test_id(f"problem-{loader}")
    expect(problem).to_be_visible()
    assert "words.png" in problem.inner_text()


def test_a_node_that_failed_says_so_while_others_still_run(canvas: Canvas, workspace: Path):
    (workspace / "input").mkdir(exist_ok=True)
    (workspace / "input" / "letters.png").write_text("this is no picture either")
    canvas.page.keyboard.press("r")
    expect(canvas.page.get_by_test_id("notice").first).to_be_visible()
    loader = canvas.add("load image", canvas.ground(300, 690))
    canvas.choose(loader, "image", "letters")
    canvas.blur()
    shower = canvas.add("preview image", canvas.ground(700, 690))
    canvas.blur()
    canvas.wire(loader, 0, shower, "images")
    canvas.type_number(canvas.node_of("KSampler")["id"], "steps", "31")
    canvas.blur()
    canvas.page.evaluate(
        """(id) => {
          window.seen = new Set();
          const look = () => {
            const run = window.__weft.state().run;
            if (run && document.querySelector(`[data-testid=problem-${id}]`)) window.seen.add(run.phase);
            requestAnimationFrame(look);
          };
          look();
        }""",
        loader,
    )
    canvas.run("failed")
    assert canvas.page.evaluate("() => [...window.seen]") == ["running", "failed"]
    save = canvas.node_of("SaveImage")["id"]
    expect(canvas.page.get_by_test_id(f"picture-{save}").first).to_be_visible()


def test_what_is_missing_is_listed_leads_to_its_place_and_is_mended(canvas: Canvas, tmp_path: Path):
    page = canvas.page
    strange = {"class_type": "FaceDetailer", "inputs": {}}
    sampler = {"class_type": "KSamplerSelect", "inputs": {"sampler_name": "eulerr"}}
    file = tmp_path / "strange.json"
    file.write_text(json.dumps({"1": strange, "2": sampler, "3": sampler}))
    canvas.drop(file, "application/json")
    notice = page.get_by_test_id("notice").filter(
        has_text="1 kind of node and 1 choice of strange are not here"
    )
    notice.get_by_role("button", name="Show").click()
    sheet = page.get_by_test_id("troubles")
    expect(sheet).to_contain_text("FaceDetailer")
    sheet.get_by_role("button", name="Use euler", exact=True).click()
    expect(sheet).not_to_contain_text("eulerr")
    assert [canvas.node_of("KSamplerSelect", at)["widgets_values"] for at in (0, 1)] == [["euler"]] * 2
    sheet.get_by_role("button", name="FaceDetailer").click()
    assert canvas.state()["selection"] == [canvas.node_of("FaceDetailer")["id"]]
    page.keyboard.press("Delete")
    page.keyboard.press("Control+z")  # the node is back
    page.keyboard.press("Control+z")  # both lists have the old choice: one step
    page.get_by_test_id("problems").click()
    sheet.get_by_role("button", name="2 nodes").last.click()
    expect(canvas.field(canvas.node_of("KSamplerSelect")["id"], "sampler_name")).to_be_focused()

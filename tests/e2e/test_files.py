"""Work that is kept: pictures that carry their workflow, files, tabs, reloads."""

import json
from pathlib import Path

from PIL import Image
from playwright.sync_api import expect

from tests.e2e.canvas import Canvas


def kinds(canvas: Canvas) -> list[str]:
    return sorted(node["type"] for node in canvas.nodes())


def test_a_picture_dropped_on_an_empty_canvas_gives_its_graph_back(canvas: Canvas, workspace: Path):
    sampler = canvas.node_of("KSampler")["id"]
    canvas.type_number(sampler, "steps", "3")
    canvas.choose(sampler, "seed:control", "fixed")
    canvas.type_number(sampler, "seed", "4711")
    canvas.blur()
    canvas.run()
    links, wanted = canvas.links(), kinds(canvas)
    picture = max((workspace / "output").rglob("*.png"), key=lambda path: path.stat().st_mtime_ns)
    canvas.page.get_by_role("button", name="New workflow").click()
    canvas.page.wait_for_function("() => window.__weft.state().workflow.nodes.length === 0")
    canvas.drop(picture, "image/png")
    canvas.page.wait_for_function("() => window.__weft.state().workflow.nodes.length === 7")
    assert kinds(canvas) == wanted
    assert canvas.links() == links
    expect(canvas.field(canvas.node_of("KSampler")["id"], "seed")).to_contain_text("4711")
    canvas.run()


def test_a_json_file_is_opened_and_a_broken_one_says_so(canvas: Canvas, tmp_path: Path):
    file = tmp_path / "two notes.json"
    nodes = [
        {
            "id": number,
            "type": "Note",
            "pos": [100, 200 * number],
            "size": [280, 140],
            "widgets_values": ["hello"],
        }
        for number in (1, 2)
    ]
    file.write_text(json.dumps({"nodes": nodes, "links": [], "version": 0.4}))
    canvas.drop(file, "application/json")
    canvas.page.wait_for_function("() => window.__weft.state().workflow.nodes.length === 2")
    assert canvas.state()["name"] == "two notes"
    broken = tmp_path / "broken.json"
    broken.write_text('{"nodes": [')
    canvas.drop(broken, "application/json")
    expect(canvas.page.get_by_test_id("notice").filter(has_text="not JSON")).to_be_visible()


def test_work_and_its_picture_are_kept_across_a_reload(canvas: Canvas):
    sampler, save = canvas.node_of("KSampler")["id"], canvas.node_of("SaveImage")["id"]
    canvas.type_number(sampler, "steps", "3")
    canvas.blur()
    canvas.run()
    canvas.drag(canvas.title(sampler), (canvas.title(sampler)[0], canvas.title(sampler)[1] + 60))
    before = canvas.state()
    canvas.page.wait_for_timeout(800)
    canvas.page.reload()
    canvas.page.wait_for_function("() => window.__weft?.app.ready")
    after = canvas.state()
    assert after["workflow"]["nodes"] == before["workflow"]["nodes"]
    assert after["camera"] == before["camera"]
    assert after["dirty"]
    expect(canvas.page.get_by_test_id(f"picture-{save}").first).to_be_visible()


def test_saving_takes_the_dot_away_and_the_workflow_can_be_opened_again(canvas: Canvas, workspace: Path):
    node = canvas.node_of("EmptyLatentImage")["id"]
    canvas.type_number(node, "batch_size", "2")
    canvas.blur()
    expect(canvas.page.get_by_test_id("unsaved")).to_be_visible()
    canvas.page.keyboard.press("Control+s")
    canvas.page.get_by_role("textbox", name="Save as").fill("apple study")
    canvas.page.keyboard.press("Enter")
    expect(canvas.page.get_by_test_id("unsaved")).to_have_count(0)
    saved = list(workspace.rglob("apple study.json"))
    assert len(saved) == 1
    assert len(json.loads(saved[0].read_text())["nodes"]) == 7
    canvas.page.get_by_role("button", name="Close apple study").click()
    canvas.page.get_by_role("button", name="Workflows", exact=True).click()
    canvas.page.get_by_role("button", name="apple study", exact=True).click()
    canvas.page.wait_for_function("() => window.__weft.state().name === 'apple study'")
    assert canvas.node_of("EmptyLatentImage")["widgets_values"][2] == 2


def test_untouched_nodes_keep_their_places_when_saved(canvas: Canvas):
    default = canvas.page.evaluate("() => fetch('api/weft/default_workflow').then((answer) => answer.json())")
    places = {node["id"]: (node["pos"], node["size"]) for node in default["nodes"]}
    assert {node["id"]: (node["pos"], node["size"]) for node in canvas.nodes()} == places


def test_a_workflow_to_learn_by_opens_from_the_palette(canvas: Canvas):
    canvas.page.keyboard.press("Space")
    canvas.page.get_by_role("combobox", name="Add a node, find, do").fill(
        "learn"
    )  # which many nodes have somewhere in their names
    canvas.page.keyboard.press("Enter")
    canvas.page.wait_for_function("() => window.__weft.state().name === 'Feel guidance'")
    assert kinds(canvas).count("KSampler") == 4
    expect(canvas.page.get_by_text("Write red into the negative prompt")).to_be_visible()


def test_a_film_gives_its_graph_back_and_a_plain_picture_becomes_a_node_that_loads_it(
    canvas: Canvas, tmp_path: Path
):
    film = Path(__file__).resolve().parents[2] / "web/tests/graph/carriers/film.mp4"
    canvas.drop(film, "video/mp4")
    canvas.page.wait_for_function("() => window.__weft.state().name === 'film'")
    assert canvas.node_of("Note")["widgets_values"] == ["carried ü"]
    picture = tmp_path / "plain.png"
    Image.new("RGB", (16, 16), "teal").save(picture)
    canvas.drop(picture, "image/png")
    canvas.page.wait_for_function("() => window.__weft.state().workflow.nodes.length === 2")
    loader = canvas.node_of("LoadImage")
    assert loader["widgets_values"][0] == "plain.png"
    expect(canvas.page.get_by_test_id(f"picture-{loader['id']}")).to_be_visible()
    canvas.page.keyboard.press("Control+z")
    assert [node["type"] for node in canvas.nodes()] == ["Note"]

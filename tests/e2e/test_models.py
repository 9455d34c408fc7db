"""Models on the canvas: found, read about, put there; those that a workflow misses are brought."""

import json
import struct
from pathlib import Path

from playwright.sync_api import expect

from tests.e2e.canvas import Canvas
from tests.sites import SHA256, Site

OPENED = """(text) => window.__weft.app.openText(text, 'Wants a model')"""


def lora(path: Path) -> None:
    header = {
        "__metadata__": {"modelspec.trigger_phrase": "whiskers, paws"},
        "lora_unet_mid_block_attentions_0_transformer_blocks_0_attn2_to_k.lora_down.weight": {
            "dtype": "F32", "shape": [4, 768], "data_offsets": [0, 0],
        },
    }  # fmt: skip
    text = json.dumps(header).encode()
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(struct.pack("<Q", len(text)) + text)


def test_a_model_is_found_read_about_and_put_on_the_canvas_by_click_and_by_drag(
    canvas: Canvas, workspace: Path
):
    page = canvas.page
    lora(workspace / "models" / "loras" / "pets" / "cats.safetensors")
    page.get_by_role("button", name="Models", exact=True).click()
    panel = page.get_by_role("complementary", name="Models")
    cats = panel.get_by_test_id("model-loras/pets/cats.safetensors")
    expect(cats).to_contain_text("Stable Diffusion 1")
    expect(cats).to_contain_text("pets")
    panel.get_by_role("textbox", name="Filter models").fill("whisk")
    expect(panel.get_by_role("listitem")).to_have_count(1)
    panel.get_by_role("textbox", name="Filter models").fill("")
    panel.get_by_role("combobox", name="Family").select_option("Weft starter")
    expect(cats).to_have_count(0)
    expect(panel.get_by_test_id("model-checkpoints/weft-starter-v0")).to_be_visible()
    panel.get_by_role("combobox", name="Family").select_option("")

    cats.get_by_role("button", name="About pets/cats.safetensors").press("Enter")
    expect(cats.get_by_role("button", name="Copy whiskers")).to_be_visible()
    cats.get_by_role("button", name="Compute the hash").click()
    expect(cats.get_by_title("Copy the hash")).to_have_text(r"" + _hash(workspace))

    before = len(canvas.nodes())
    cats.get_by_title("Add a node that loads pets/cats.safetensors").click()
    page.wait_for_function(
        "(count) => window.__weft.app.active.stage.graph.nodes.size === count", arg=before + 1
    )
    starter = panel.get_by_test_id("model-checkpoints/weft-starter-v0").get_by_title(
        "Add a node that loads weft-starter-v0"
    )
    starter.drag_to(page.locator("main"), target_position={"x": 500, "y": 60})
    page.wait_for_function(
        "(count) => window.__weft.app.active.stage.graph.nodes.size === count", arg=before + 2
    )
    assert sum(node["type"] == "CheckpointLoaderSimple" for node in canvas.nodes()) == 2
    page.keyboard.press("Control+z")
    page.wait_for_function(
        "(count) => window.__weft.app.active.stage.graph.nodes.size === count", arg=before + 1
    )


def test_a_lora_that_is_pressed_or_dropped_on_a_thread_is_woven_in_for_model_and_prompts(canvas: Canvas):
    page = canvas.page
    loader = canvas.node_of("CheckpointLoaderSimple")["id"]
    before = canvas.links()
    page.get_by_role("button", name="Models", exact=True).click()
    row = page.get_by_role("complementary", name="Models").get_by_title(
        "Add a node that loads weft-starter-ink.safetensors"
    )
    woven = {
        "Load Checkpoint MODEL to Load LoRA model",
        "Load Checkpoint CLIP to Load LoRA clip",
        "Load LoRA MODEL to KSampler model",
        "Load LoRA CLIP to Positive prompt clip",
        "Load LoRA CLIP to Negative prompt clip",
    }
    row.click()
    expect(canvas.node(canvas.node_of("LoraLoader")["id"])).to_be_visible()
    assert woven <= {*canvas.links()}
    canvas.blur()
    page.keyboard.press("Control+z")
    canvas.settle()
    assert canvas.links() == before
    x, y = canvas.output(loader)
    corner = canvas.ground(0, 0)
    row.drag_to(page.get_by_test_id("canvas"), target_position={"x": x + 18 - corner[0], "y": y - corner[1]})
    page.wait_for_function("() => window.__weft.app.active.stage.graph.nodes.size === 8")
    assert woven <= {*canvas.links()}


def _hash(workspace: Path) -> str:
    import hashlib

    return hashlib.sha256(
        (workspace / "models" / "loras" / "pets" / "cats.safetensors").read_bytes()
    ).hexdigest()


def test_a_model_that_a_workflow_misses_is_brought_with_progress_and_can_be_cancelled(
    canvas: Canvas, workspace: Path, site: Site
):
    page = canvas.page
    name = "wanted.safetensors"
    models = [
        {"name": name, "url": f"{site.url}/{name}", "directory": "vae", "hash": SHA256, "hash_type": "SHA256"}
    ]
    elsewhere = [
        {"name": "other.safetensors", "url": "https://example.com/other.safetensors", "directory": "vae"}
    ]
    nodes = [
        {
            "id": id, "type": "VAELoader", "pos": [40, 40 + 200 * id], "size": [260, 80], "flags": {}, "order": 0,
            "mode": 0, "inputs": [], "outputs": [{"name": "VAE", "type": "VAE", "links": []}],
            "properties": {"models": wanted}, "widgets_values": [wanted[0]["name"]],
        }
        for id, wanted in ((1, models), (2, elsewhere))
    ]  # fmt: skip
    workflow = {
        "nodes": nodes,
        "links": [],
        "groups": [],
        "version": 0.4,
        "last_node_id": 2,
        "last_link_id": 0,
    }
    page.evaluate(OPENED, json.dumps(workflow))
    page.get_by_test_id("notice").get_by_role("button", name="Show").click()
    sheet = page.get_by_test_id("troubles")
    expect(sheet.get_by_test_id("bring-other.safetensors")).to_contain_text(
        "Weft brings nothing from example.com"
    )
    bring = sheet.get_by_test_id(f"bring-{name}")
    site.gate.clear()
    try:
        bring.get_by_role("button", name=f"Download {name}").press("Enter")
        expect(bring.get_by_role("progressbar", name=name)).to_be_visible()
        bring.get_by_role("button", name=f"Cancel the download of {name}").click()
        expect(bring).to_contain_text("What came is kept")
    finally:
        site.gate.set()
    bring.get_by_role("button", name=f"Download {name}").click()
    expect(sheet).not_to_contain_text(name, timeout=60_000)
    assert (workspace / "models" / "vae" / name).is_file()

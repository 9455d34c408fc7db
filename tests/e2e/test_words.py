"""Words that help: names while a prompt is written, and what a node is for."""

from pathlib import Path

from playwright.sync_api import expect

from tests.e2e.canvas import Canvas


def test_names_of_embeddings_are_offered_at_the_caret_and_a_node_says_what_it_is_for(
    canvas: Canvas, workspace: Path
):
    page = canvas.page
    folder = workspace / "models" / "embeddings"
    folder.mkdir(parents=True, exist_ok=True)
    for name in ("easynegative", "ink wash"):
        (folder / f"{name}.safetensors").write_bytes(b"")
    prompt = canvas.field(canvas.node_of("CLIPTextEncode")["id"], "text").locator("textarea")
    prompt.fill("")
    page.keyboard.type("blurry, easyn")
    offered = page.get_by_test_id("completions").get_by_role("option")
    expect(offered).to_have_count(1)
    box, caret = offered.bounding_box(), prompt.bounding_box()
    assert box is not None
    assert caret is not None
    assert caret["y"] < box["y"] < caret["y"] + 80  # under the first line
    page.keyboard.press("Enter")
    expect(prompt).to_have_value("blurry, embedding:easynegative")
    page.keyboard.type(", embedding:")
    expect(offered).to_have_count(2)
    page.keyboard.press("ArrowDown")
    page.keyboard.press("Escape")
    expect(offered).to_have_count(0)
    expect(prompt).to_be_focused()
    canvas.blur()

    page.mouse.click(*canvas.title(canvas.node_of("KSampler")["id"]))
    page.keyboard.press("F1")
    sheet = page.get_by_test_id("help")
    expect(sheet).to_contain_text("latent_image")
    expect(sheet).to_contain_text("1 to 10000, 20 at first")
    page.keyboard.press("Escape")
    expect(sheet).to_have_count(0)

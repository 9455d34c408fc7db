"""Pictures that were made: found again, kept, sent on, and what changed between two."""

from playwright.sync_api import expect

from tests.e2e.canvas import Canvas
from tests.serving import Server

SLOW = 120_000


def made(server: Server, word: str, seed: int, prefix: str) -> None:
    """A picture as the canvas would ask for it: with the workflow that made it."""
    workflow = server.get("/api/weft/default_workflow")
    for node in workflow["nodes"]:
        if node["type"] == "CLIPTextEncode" and node["title"] == "Positive prompt":
            node["widgets_values"] = [word]
        if node["type"] == "KSampler":
            node["widgets_values"][0], node["widgets_values"][2] = seed, 1
        if node["type"] == "SaveImage":
            node["widgets_values"] = [prefix]
    extra = {"extra_pnginfo": {"workflow": workflow}, "weft_name": f"{prefix} study"}
    job = server.post("/prompt", {"prompt": workflow, "extra_data": extra})["prompt_id"]
    assert server.ended(job)["status"]["status_str"] == "success"


def test_pictures_are_found_kept_sent_on_and_their_workflows_compared(canvas: Canvas, weft_server: Server):
    page = canvas.page
    made(weft_server, "a blue whale", 7, "oceanic whale")
    made(weft_server, "a red crab", 8, "oceanic crab")
    page.get_by_role("button", name="Pictures", exact=True).click()
    panel = page.get_by_role("complementary", name="Pictures", exact=True)
    pictures = panel.get_by_role("listitem")
    search = panel.get_by_role("textbox", name="Search prompts, models, seeds")
    search.fill("oceanic study")
    expect(pictures).to_have_count(2)
    search.fill("WHALE starter")
    expect(pictures).to_have_count(1)
    name = "oceanic whale_00001_.png"
    pictures.get_by_role("button", name=f"Make {name} a favourite").press("Enter")
    expect(pictures.get_by_role("button", name=f"{name} is a favourite no longer")).to_be_visible()
    search.fill("oceanic study")
    panel.get_by_role("checkbox", name="Favourites only").check()
    expect(pictures).to_have_count(1)

    pictures.get_by_role("button", name=f"Open {name}").click()
    sheet = page.get_by_role("dialog", name="Picture")
    expect(sheet).to_contain_text("a blue whale")
    expect(sheet).to_contain_text("weft-starter-v0")
    expect(sheet.locator(".seed")).to_have_text("7")
    sheet.get_by_role("button", name="Send to input").click()
    expect(sheet).to_have_count(0)
    page.wait_for_function(
        "() => [...window.__weft.app.active.stage.graph.nodes.values()].some((node) => node.type === 'LoadImage')"
    )
    loader = canvas.node_of("LoadImage")
    assert "oceanic whale" in str(loader)

    panel.get_by_role("checkbox", name="Favourites only").uncheck()
    expect(pictures).to_have_count(2)
    for index in range(2):
        pictures.nth(index).get_by_role("checkbox").check(force=True)
    panel.get_by_role("button", name="What changed").click()
    changed = page.get_by_test_id("differences")
    expect(changed).to_contain_text("a blue whale")
    expect(changed).to_contain_text("a red crab")
    expect(changed.get_by_role("term").filter(has_text="seed")).to_have_count(1)
    changed.get_by_role("button", name=f"Open {name}'s workflow").click()
    page.wait_for_function("() => window.__weft.app.active.name === 'oceanic whale study'")

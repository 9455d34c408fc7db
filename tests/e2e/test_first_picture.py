"""From the first look at the canvas to a picture, and to the next."""

import json
from pathlib import Path
from urllib.request import urlopen

from playwright.sync_api import expect

from tests.e2e.canvas import Canvas
from tests.serving import Server


def outputs(workspace: Path) -> set[Path]:
    return set((workspace / "output").rglob("*.png"))


def test_run_puts_the_picture_on_the_node_and_into_the_output_folder(canvas: Canvas, workspace: Path):
    save, sampler = canvas.node_of("SaveImage")["id"], canvas.node_of("KSampler")["id"]
    before = outputs(workspace)
    canvas.type_number(sampler, "steps", "4")
    canvas.blur()
    canvas.run()
    picture = canvas.page.get_by_test_id(f"picture-{save}").first
    expect(picture).to_be_visible()
    canvas.page.wait_for_function(
        "(id) => document.querySelector(`[data-testid=picture-${id}]`)?.naturalWidth === 128", arg=save
    )
    assert len(outputs(workspace) - before) == 1
    expect(canvas.node(save)).to_contain_text("128 \N{MULTIPLICATION SIGN} 128")


def test_a_changed_seed_runs_the_sampler_again_and_nothing_before_it(canvas: Canvas):
    sampler = canvas.node_of("KSampler")["id"]
    canvas.type_number(sampler, "steps", "3")
    canvas.choose(sampler, "seed:control", "fixed")
    canvas.type_number(sampler, "seed", "100+1")
    canvas.run()
    canvas.type_number(sampler, "seed", "102")
    canvas.run()
    for kind in ("CheckpointLoaderSimple", "CLIPTextEncode", "EmptyLatentImage"):
        assert canvas.status(canvas.node_of(kind)["id"]) == "cached"
    for kind in ("KSampler", "VAEDecode", "SaveImage"):
        assert canvas.status(canvas.node_of(kind)["id"]) not in ("cached", "")
    expect(canvas.node(canvas.node_of("SaveImage")["id"])).to_contain_text("seed 102")


def test_another_file_name_saves_again_and_samples_nothing(canvas: Canvas, workspace: Path):
    sampler, save = canvas.node_of("KSampler")["id"], canvas.node_of("SaveImage")["id"]
    canvas.type_number(sampler, "steps", "3")
    canvas.choose(sampler, "seed:control", "fixed")
    canvas.run()
    canvas.field(save, "filename_prefix").locator("input").fill("apple")
    canvas.blur()
    canvas.run()
    assert canvas.status(sampler) == "cached"
    assert any(path.name.startswith("apple_") for path in outputs(workspace))


def test_progress_and_a_preview_stand_on_the_sampler_while_it_runs(canvas: Canvas):
    sampler = canvas.node_of("KSampler")["id"]
    canvas.type_number(sampler, "steps", "60")
    canvas.blur()
    canvas.page.evaluate(
        """(id) => {
          window.seen = { status: [], preview: false, thread: false };
          const look = () => {
            const node = document.querySelector(`[data-testid=node-${id}]`);
            const status = node?.querySelector("em")?.textContent;
            if (status) window.seen.status.push(status);
            window.seen.preview ||= !!node?.querySelector(`[data-testid=preview-${id}]`);
            window.seen.thread ||= !!node?.querySelector("[role=progressbar]");
            requestAnimationFrame(look);
          };
          look();
        }""",
        sampler,
    )
    canvas.run()
    seen = canvas.page.evaluate("() => window.seen")
    assert any(words.endswith("/ 60") for words in seen["status"])
    assert seen["thread"]
    assert seen["preview"]


def test_stop_ends_the_run_and_the_next_one_goes(canvas: Canvas):
    sampler = canvas.node_of("KSampler")["id"]
    canvas.type_number(sampler, "steps", "2000")
    canvas.blur()
    canvas.page.keyboard.press("Control+Enter")
    stop = canvas.page.get_by_role("button", name="Stop")
    stop.wait_for()
    canvas.page.wait_for_function(
        "(id) => document.querySelector(`[data-testid=status-${id}]`)?.textContent.endsWith('/ 2000')",
        arg=sampler,
        timeout=60_000,
    )
    stop.click()
    canvas.page.wait_for_function("() => window.__weft.state().run?.phase === 'stopped'", timeout=30_000)
    canvas.type_number(sampler, "steps", "2")
    canvas.blur()
    canvas.run()


def test_the_batch_count_queues_as_many_runs_with_seeds_of_their_own(canvas: Canvas, weft_server: Server):
    sampler = canvas.node_of("KSampler")["id"]
    canvas.type_number(sampler, "steps", "2")
    canvas.page.get_by_label("Number of runs").fill("3")
    canvas.page.keyboard.press("Enter")
    canvas.blur()
    canvas.page.keyboard.press("Control+Enter")
    canvas.page.wait_for_function(
        """() => {
          const { running, run } = window.__weft.state();
          return window.__weft.app.active.prompts.size === 3 && !running && run?.phase === "done";
        }""",
        timeout=60_000,
    )
    ids = canvas.page.evaluate("() => [...window.__weft.app.active.prompts.keys()]")
    seeds = set()
    for job in ids:
        with urlopen(f"{weft_server.url}/history/{job}") as answer:
            prompt = json.load(answer)[job]["prompt"][2]
        seeds.add(prompt[str(sampler)]["inputs"]["seed"])
    assert len(seeds) == 3

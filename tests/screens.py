"""Pictures of every screen: `python -m tests.screens [NAME ...]` writes `web/screens/NAME-THEME-WIDTH.webp`.

Each screen in both themes and at three widths (a desk, a tablet, a phone), on a real server with the starter model
that has run a few prompts, keeps workflows with versions, has packs (one broken) and jobs that wait. Look at them
after every change of the canvas; `web/DESIGN.md` says what they are to be.
"""

import argparse
import json
import random
import shutil
import sys
import tempfile
import time
from collections.abc import Callable, Mapping
from contextlib import suppress
from io import BytesIO
from itertools import product
from pathlib import Path
from typing import Any
from urllib.error import HTTPError
from urllib.parse import quote
from urllib.request import Request, urlopen

from PIL import Image
from playwright.sync_api import Browser, Error, Locator, Page, sync_playwright
from playwright.sync_api import TimeoutError as Late

from tests.serving import Server, serving
from web.build import WEB, build

THEMES = ("dark", "light")
SIZES = ((1600, 900), (1024, 768), (390, 844))
QUALITY = 58  # of 100: words are still sharp, and all of them together take some megabytes
PROMPTS = (
    "a red apple on a table",
    "a blue fish",
    "a yellow bird",
    "a green tree",
    "an orange cat",
    "a white boat",
)
Screen = Callable[[Page], object]


def act(script: str) -> Screen:
    """Run a script that has `app` and `show` (open what lies above the page)."""
    return lambda page: page.evaluate(
        f"async () => {{ const {{ app }} = window.__weft; const show = (popup) => app.popups.show(popup); {script} }}"
    )


def drawer(name: str) -> Screen:
    return act(f"app.preferences.drawer = '{name}';")


def sheet(fields: str) -> Screen:
    return act(f"show({{ {fields} }});")


def palette(page: Page) -> None:
    page.keyboard.press("Shift+A")
    page.keyboard.type("sam")


def samplers(page: Page) -> None:
    page.evaluate("() => window.__weft.locate(5)")
    page.get_by_test_id("node-5").locator('[data-field="sampler_name"]').click()
    page.keyboard.type("few")


def wire(page: Page) -> None:
    act("app.active.view.select([5]);")(page)
    page.keyboard.press("c")
    page.get_by_role("menu").wait_for()


def context_menu(page: Page) -> None:
    page.evaluate("() => window.__weft.locate(5)")
    page.get_by_test_id("node-5").locator("h3").click(button="right")


def subgraph(page: Page) -> None:
    act("app.active.view.select([3, 5]);")(page)
    page.keyboard.press("Control+Shift+E")
    page.keyboard.press("Enter")
    page.get_by_test_id("trail").wait_for()


def blueprints(page: Page) -> None:
    """A subgraph that was kept as a blueprint, in the list of nodes."""
    subgraph(page)
    page.get_by_test_id("trail").get_by_role("button").first.click()
    act(
        "const { document, scope } = app.active; const { graphs } = document.state;"
        "const { id } = [...graphs.get(scope).nodes.values()].find(({ type }) => graphs.has(type));"
        "app.blueprints.ask(app.active, scope, id, [300, 300]);"
    )(page)
    page.keyboard.type("Draw with a negative")
    page.keyboard.press("Enter")
    page.get_by_role("status").first.wait_for()
    act("app.popups.notices.forEach(({ id }) => app.popups.dismiss(id));")(page)
    drawer("nodes")(page)
    page.get_by_role("button", name="Blueprints").click()


def wrong(page: Page) -> None:
    """A workflow that the server refuses: a thread is missing, a name is in no list."""
    act(
        "const { document, view } = app.active; const [id] = [...document.graph().links.values()]"
        ".filter(({ to }) => to.input === 'vae').map((link) => link.to.node);"
        "view.select([id]);"
    )(page)
    page.keyboard.press("Delete")
    page.keyboard.press("Control+Enter")
    page.get_by_test_id("problems").wait_for()
    page.evaluate("() => innerWidth < 560 && window.__weft.locate(7)")
    page.evaluate(
        "() => window.__weft.app.popups.notices.forEach(({ id }) => window.__weft.app.popups.dismiss(id))"
    )


def missing(page: Page) -> None:
    nodes = {
        "1": {"class_type": "FaceDetailer", "inputs": {}},
        "2": {"class_type": "KSamplerSelect", "inputs": {"sampler_name": "eulerr"}},
        "3": {"class_type": "CheckpointLoaderSimple", "inputs": {"ckpt_name": "sd_xl_base_1.0.safetensors"}},
    }
    page.evaluate("(text) => window.__weft.app.openText(text, 'strange')", json.dumps(nodes))
    sheet("kind: 'troubles'")(page)


def queue(page: Page) -> None:
    act("app.preferences.side = true;")(page)
    page.get_by_test_id("job-waiting").first.wait_for()


def versions(page: Page) -> None:
    drawer("workflows")(page)
    panel = page.get_by_role("complementary", name="Workflows", exact=True)
    panel.get_by_role("button", name="portrait study", exact=True).click()
    panel.get_by_role("button", name="Versions of portrait study").click()
    page.get_by_role("list", name="Versions").locator(".version").last.click()
    page.get_by_role("list", name="Differences").wait_for()


def gallery(page: Page) -> Locator:
    return page.get_by_role("complementary", name="Pictures", exact=True)


def pictures(page: Page) -> None:
    drawer("pictures")(page)
    gallery(page).get_by_role("listitem").first.wait_for()


def picture(page: Page) -> None:
    pictures(page)
    gallery(page).get_by_role("button", name="Open study_00001_.png", exact=True).click()


def differences(page: Page) -> None:
    pictures(page)
    rows = gallery(page).get_by_role("listitem")
    for index in (0, 2):
        rows.nth(index).get_by_role("checkbox").check(force=True)
    gallery(page).get_by_role("button", name="What changed").click()
    page.get_by_test_id("differences").locator("dl").first.wait_for()


def compare(page: Page) -> None:
    act("const file = (n) => ({ filename: `study_0000${n}_.png`, subfolder: '', type: 'output' });"
        "const one = (n) => ({ file: file(n), url: app.client.viewUrl(file(n)), small: undefined, words: `study ${n}` });"
        "show({ kind: 'compare', left: one(1), right: one(2), all: [one(1), one(2), one(3)] });")(page)  # fmt: skip
    page.get_by_test_id("compare").locator("img").first.wait_for()


def easel(kind: str) -> Screen:
    """A picture on the easel, with a stroke across it where one paints."""

    def show(page: Page) -> None:
        act("const file = { filename: 'study_00001_.png', subfolder: '', type: 'output' };"
            "const url = app.client.viewUrl(file);"
            f"show({{ kind: '{kind}', name: 'study', url, alphaUrl: url, target: {{}} }});")(page)  # fmt: skip
        page.get_by_test_id(kind).wait_for()
        if kind == "crop":
            page.get_by_role("button", name="Cut").wait_for()
            return
        box = page.get_by_test_id(f"{kind}-board").bounding_box()
        assert box is not None
        page.mouse.move(box["x"] + box["width"] * 0.3, box["y"] + box["height"] * 0.5)
        page.mouse.down()
        page.mouse.move(box["x"] + box["width"] * 0.7, box["y"] + box["height"] * 0.4, steps=8)
        page.mouse.up()

    return show


def conflict(page: Page) -> None:
    act(
        "const side = (nodes) => ({ saved: Date.now() - 6e5 * nodes, size: 400 * nodes, nodes });"
        "show({ kind: 'conflict', conflict: { name: 'portrait study', mine: side(7), theirs: side(8), comparison:"
        " { differences: [], moved: 2 }, titleOf: String, freeName: 'portrait study 2', "
        "merged: { taken: 2, clashes: [] } } });"
    )(page)


def many(page: Page) -> None:
    """Two thousand nodes, seen from afar."""
    dice = random.Random(1)
    kinds = ("KSampler", "CLIPTextEncode", "VAEDecode", "LoraLoader", "PreviewImage")
    nodes = [
        {"id": at + 1, "type": dice.choice(kinds), "pos": [at % 50 * 380, at // 50 * 480], "size": [300, 300]}
        for at in range(2000)
    ]
    links = [[at, at, 0, at + 1, 0, "LATENT"] for at in range(1, 2000) if at % 50]
    text = json.dumps({"nodes": nodes, "links": links, "version": 0.4})
    page.evaluate("(text) => window.__weft.app.openText(text, 'many')", text)
    act("app.active.stage.fit();")(page)


def result(page: Page) -> None:
    """The workflow of a picture that was made, with the picture on its node."""
    pictures(page)
    gallery(page).get_by_role("button", name="Open study_00002_.png", exact=True).click()
    page.get_by_role("button", name="Open its workflow").click()
    page.get_by_test_id("popup-back").wait_for(state="detached")
    act("app.preferences.drawer = undefined;")(page)
    page.evaluate("() => (innerWidth < 560 ? window.__weft.locate(7) : window.__weft.app.active.stage.fit())")
    page.locator("[data-testid^=picture-]").first.wait_for()


def form(page: Page) -> None:
    base = page.url.partition("?")[0]
    page.goto(f"{base}?form=portrait study.json")
    page.get_by_role("form").wait_for()
    page.evaluate("() => document.activeElement?.blur()")


SCREENS: Mapping[str, Screen] = {
    "first": lambda _: None,
    "empty": act("app.newTab();"),
    "search": palette,
    "samplers": samplers,
    "wire": wire,
    "menu": context_menu,
    "result": result,
    "subgraph": subgraph,
    "blueprints": blueprints,
    "many": many,
    "wrong": wrong,
    "missing": missing,
    "queue": queue,
    "nodes": drawer("nodes"),
    "models": drawer("models"),
    "pictures": pictures,
    "workflows": drawer("workflows"),
    "versions": versions,
    "packs": drawer("packs"),
    "picture": picture,
    "compare": compare,
    "differences": differences,
    "mask": easel("mask"),
    "paint": easel("paint"),
    "crop": easel("crop"),
    "templates": sheet("kind: 'templates'"),
    "form-choose": sheet("kind: 'form'"),
    "form": form,
    "settings": sheet("kind: 'settings'"),
    "keys": sheet("kind: 'keys'"),
    "colours": sheet("kind: 'colours'"),
    "help": sheet("kind: 'help', def: app.defs.get('KSampler')"),
    "conflict": conflict,
}


def furnish(workspace: Path) -> None:
    """Packs, before the server starts."""
    packs = workspace / "custom_nodes"
    for name, text in {
        "tidy_pack": "NODE_CLASS_MAPPINGS = {}\n",
        "torn_pack": "import nobody_has_this\n",
    }.items():
        (packs / name).mkdir(parents=True)
        (packs / name / "__init__.py").write_text(text, encoding="utf-8")


def live(server: Server) -> None:
    """Pictures, workflows with versions, one that was deleted, jobs that wait."""
    workflow = server.get("/api/weft/default_workflow")
    for at, words in enumerate(PROMPTS):
        set_up(workflow, words, 100 + at)
        job = queued(server, workflow, "study")
        server.ended(job)
        if at < 4:
            save(server, "portrait study", workflow)
    save(server, "landscape", workflow)
    save(server, "thrown away", workflow)
    urlopen(Request(address(server, "thrown away"), method="DELETE"), timeout=60).close()
    torn = {
        "1": {"class_type": "LoadImage", "inputs": {"image": "gone.png"}},
        "2": {"class_type": "SaveImage", "inputs": {"images": ["1", 0], "filename_prefix": "x"}},
    }
    with suppress(HTTPError):  # refused at once, where the file is looked for before the run
        server.post("/prompt", {"prompt": torn, "extra_data": {"weft_name": "one that fails"}})
    server.post("/api/jobs/pause", {})
    for at, name in enumerate(("portrait study", "landscape", "portrait study")):
        set_up(workflow, PROMPTS[at], 900 + at)
        queued(server, workflow, name)


def set_up(workflow: Any, words: str, seed: int) -> None:
    """The default workflow with other words and another seed, and a form of three fields."""
    for node in workflow["nodes"]:
        if node.get("title") == "Positive prompt":
            node["widgets_values"] = [words]
        if node["type"] == "KSampler":
            node["widgets_values"][0] = seed
    number = {node["type"]: node["id"] for node in reversed(workflow["nodes"])}
    fields = [[number["CLIPTextEncode"], "text"]]
    fields += [[number["KSampler"], name] for name in ("seed", "steps", "sampler_name")]
    workflow.setdefault("extra", {})["linearData"] = {"inputs": fields, "outputs": [number["SaveImage"]]}


def queued(server: Server, workflow: Any, name: str) -> str:
    """Run it as the canvas does. Returns the job."""
    for node in workflow["nodes"]:
        if node["type"] == "SaveImage":
            node["widgets_values"] = ["study"]
    extra = {"extra_pnginfo": {"workflow": workflow}, "weft_name": name}
    return server.post("/prompt", {"prompt": workflow, "extra_data": extra})["prompt_id"]


def address(server: Server, name: str) -> str:
    return f"{server.url}/userdata/{quote(f'workflows/{name}.json', safe='')}?overwrite=true"


def save(server: Server, name: str, workflow: Any) -> None:
    urlopen(Request(address(server, name), json.dumps(workflow).encode()), timeout=60).close()


def shoot(browser: Browser, server: Server, name: str, theme: str, size: tuple[int, int]) -> Image.Image:
    """A screen in a fresh window, as a person finds it who opens Weft for the first time."""
    context = browser.new_context(
        viewport={"width": size[0], "height": size[1]}, locale="en-GB", reduced_motion="reduce",
        color_scheme="light" if theme == "light" else "dark", has_touch=size[0] < 500,
    )  # fmt: skip
    page = context.new_page()
    page.set_default_timeout(15_000)
    page.goto(server.url)
    page.wait_for_function("() => window.__weft?.app.ready", timeout=90_000)
    page.wait_for_function("() => document.querySelectorAll('section.node').length >= 3", timeout=90_000)
    page.wait_for_timeout(300)  # the camera finds its place after the first frame
    act("app.popups.notices.forEach(({ id }) => app.popups.dismiss(id));")(page)
    SCREENS[name](page)
    with suppress(Late):
        page.wait_for_load_state("networkidle", timeout=4000)
    page.wait_for_timeout(400)
    with Image.open(BytesIO(page.screenshot())) as shot:
        picture = shot.convert("RGB")
    context.close()
    return picture


def main() -> None:
    """Write the pictures, and say how much they take."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("names", nargs="*", help=f"screens, all if none: {', '.join(SCREENS)}")
    parser.add_argument("--folder", type=Path, default=WEB / "screens")
    arguments = parser.parse_args()
    names = arguments.names or list(SCREENS)
    chromium = next((path for name in ("chromium", "google-chrome") if (path := shutil.which(name))), None)
    if chromium is None:
        sys.exit(
            "There is no Chromium on this machine: install it (Debian: apt-get install chromium), then try again."
        )
    build()
    arguments.folder.mkdir(exist_ok=True)
    begun, failed = time.monotonic(), list[str]()
    with tempfile.TemporaryDirectory() as place, sync_playwright() as run:
        furnish(Path(place))
        with serving(Path(place)) as server:
            live(server)
            browser = run.chromium.launch(executable_path=chromium, args=["--no-sandbox", "--disable-gpu"])
            for name, theme, size in product(names, THEMES, SIZES):
                file = arguments.folder / f"{name}-{theme}-{size[0]}.webp"
                try:
                    shoot(browser, server, name, theme, size).save(file, quality=QUALITY, method=6)
                except Error as error:
                    failed.append(f"{file.stem}: {str(error).splitlines()[0]}")
            browser.close()
    total = sum(file.stat().st_size for file in arguments.folder.glob("*.webp"))
    print(*failed, sep="\n")
    print(f"{total / 1e6:.1f} MB in {arguments.folder}, {time.monotonic() - begun:.0f} s")


if __name__ == "__main__":
    main()

"""Scripts of real packs on the canvas: where the packs lie, and nodes of those whose Python is not at work.

The packs are archives in the folder that `WEFT_TEST_PACKS` names, or in `../shared/packs`.
"""

import json
import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Locator, Page, expect

from tests.e2e.canvas import Canvas
from tests.e2e.test_extensions import opened
from tests.installing import unpack
from tests.serving import Server

ARCHIVES = Path(os.environ.get("WEFT_TEST_PACKS", Path(__file__).resolve().parents[4] / "shared" / "packs"))
MARKS = [
    pytest.mark.packs,
    pytest.mark.skipif(not ARCHIVES.is_dir(), reason="the real packs are not here: set WEFT_TEST_PACKS"),
]
# Where the scripts of each lie.
FOLDERS = {
    "ComfyUI_essentials": "js",
    "ComfyUI-KJNodes": "web",
    "ComfyUI-VideoHelperSuite": "web",
    "ComfyUI-Impact-Pack": "js",
}
TEXT = ["STRING", {"default": "", "multiline": True}]
LINE = ["STRING", {"multiline": False}]
SIDE = ["INT", {"default": 512, "min": 8, "max": 4096, "step": 8}]
DEFINITIONS: Mapping[str, Any] = {
    "DisplayAny": [
        "essentials/utilities", {"required": {"input": ["*", {}], "mode": [["raw value", "tensor shape"]]}}, ["STRING"],
    ],
    "JoinStringMulti": [
        "KJNodes/text",
        {"required": {"inputcount": ["INT", {"default": 2, "min": 2, "max": 1000, "step": 1}],
                      "string_1": ["STRING", {"forceInput": True}], "string_2": ["STRING", {"forceInput": True}],
                      "delimiter": ["STRING", {"default": " "}]}},
        ["STRING"],
    ],
    "PointsEditor": [
        "KJNodes/experimental",
        {"required": {"points_store": LINE, "coordinates": LINE, "neg_coordinates": LINE, "bbox_store": LINE,
                      "bboxes": LINE, "bbox_format": [["xyxy", "xywh"]], "width": SIDE, "height": SIDE,
                      "normalize": ["BOOLEAN", {"default": False}]}},
        ["STRING", "STRING"],
    ],
    "SplineEditor": [
        "KJNodes/weights",
        {"required": {"points_store": LINE, "coordinates": LINE, "mask_width": SIDE, "mask_height": SIDE,
                      "points_to_sample": ["INT", {"default": 16, "min": 2, "max": 1000}],
                      "sampling_method": [["path", "time", "controlpoints", "speed"], {"default": "time"}],
                      "interpolation": [["cardinal", "monotone", "basis", "linear"], {"default": "cardinal"}],
                      "tension": ["FLOAT", {"default": 0.5, "min": 0, "max": 1, "step": 0.01}],
                      "repeat_output": ["INT", {"default": 1, "min": 1, "max": 4096}],
                      "float_output_type": [["list", "tensor"], {"default": "list"}]}},
        ["MASK", "STRING"],
    ],
    "VHS_LoadVideoPath": [
        "Video Helper Suite",
        {"required": {"video": ["STRING", {"placeholder": "X://insert/path/here.mp4", "vhs_path_extensions": ["mp4"]}],
                      "force_rate": ["FLOAT", {"default": 0, "min": 0, "max": 60, "step": 1, "disable": 0}],
                      "frame_load_cap": ["INT", {"default": 0, "min": 0, "max": 1000, "step": 1, "disable": 0}]}},
        ["IMAGE"],
    ],
    "VHS_LoadVideo": [
        "Video Helper Suite",
        {"required": {"video": [["none.webm"]],
                      "frame_load_cap": ["INT", {"default": 0, "min": 0, "max": 1000, "step": 1, "disable": 0}]}},
        ["IMAGE"],
    ],
    "VHS_VideoCombine": [
        "Video Helper Suite",
        {"required": {"images": ["IMAGE", {}], "frame_rate": ["FLOAT", {"default": 8, "min": 1, "step": 1}],
                      "filename_prefix": ["STRING", {"default": "made"}],
                      "format": [["image/gif", "video/webm"], {"formats": {}}],
                      "save_output": ["BOOLEAN", {"default": True}]}},
        [],
    ],
    "LoadPicture": ["image", {"required": {"image": [["a.png"], {"image_upload": True}]}}, ["IMAGE", "MASK"]],
    "ImpactWildcardProcessor": [
        "ImpactPack/Prompt",
        {"required": {"wildcard_text": TEXT, "populated_text": TEXT, "mode": [["populate", "fixed", "reproduce"]],
                      "seed": ["INT", {"default": 0, "min": 0, "max": 2**50}],
                      "Select to add Wildcard": [["Select the Wildcard to add to the text"]]}},
        ["STRING"],
    ],
}  # fmt: skip


def unpacked(pack: str, folder: Path) -> None:
    """A pack's archive as a folder."""
    unpack(ARCHIVES / f"{pack}.tar.gz", folder)


def begun(page: Page, server: Server) -> Canvas:
    """An empty canvas with the packs' scripts at work."""
    page.add_init_script(f"window.definitions = {json.dumps(DEFINITIONS)}")
    canvas = opened(page, server)
    page.wait_for_function("() => app.graph._nodes.length > 0")
    page.evaluate("() => void window.__weft.app.newTab()")
    page.wait_for_function("() => app.graph._nodes.length === 0")
    canvas.settle()
    return canvas


def placed(canvas: Canvas, kind: str, at: tuple[float, float] = (200, 150)) -> int:
    """A node of that type, as a script adds it."""
    made = "([kind, at]) => { const node = LiteGraph.createNode(kind); node.pos = at; app.graph.add(node); return node.id; }"
    node = canvas.page.evaluate(made, [kind, list(at)])
    expect(canvas.node(node)).to_be_visible()
    canvas.settle()
    return node


def failures(canvas: Canvas) -> dict[str, list[str]]:
    """What went wrong, by pack."""
    reports = canvas.page.evaluate("() => window.__weft.app.extensions.reports")
    return {pack: report["failures"] for pack, report in reports.items() if report["failures"]}


@contextmanager
def setting(canvas: Canvas, pack: str, name: str) -> Iterator[Locator]:
    """One of a pack's settings in the sheet, while it is open."""
    page = canvas.page
    page.evaluate("() => window.__weft.app.popups.show({ kind: 'settings' })")
    page.get_by_test_id(f"settings-{pack}").locator("summary").click()
    yield page.locator(f'[data-setting="{name}"]')
    page.get_by_role("dialog", name="Settings").get_by_role("button", name="Close").click()

"""Packs that save files by themselves: the host's record lies where they find the workflow."""

import json
from pathlib import Path
from typing import Any

import pytest
from PIL import Image
from PIL.PngImagePlugin import PngImageFile, PngInfo

from nodes.builtin.record import Recorder
from nodes.compat.adapt import adapt
from nodes.diffusion.models.files import ContentHashes
from nodes.diffusion.models.load import best_placement
from nodes.spec import RECORD, Lineage, Maker, Node
from server.workspace import Workspace
from tests.builtin.surroundings import Surroundings

WORKFLOW = {"nodes": [{"id": 9}]}
PROMPT = {"9": {"class_type": "PackSaver", "inputs": {}}}


class PackSaver:
    """Writes every entry it is given as a chunk, as most packs that save do."""

    RETURN_TYPES = ()
    FUNCTION = "save"
    OUTPUT_NODE = True

    @classmethod
    def INPUT_TYPES(cls) -> dict[str, Any]:  # noqa: N802 - the protocol's name
        return {
            "required": {"path": ("STRING", {})},
            "hidden": {"prompt": "PROMPT", "extra_pnginfo": "EXTRA_PNGINFO"},
        }

    def save(self, path: Any, prompt: Any = None, extra_pnginfo: Any = None) -> dict[str, Any]:
        chunks = PngInfo()
        if prompt is not None:
            chunks.add_text("prompt", json.dumps(prompt))
        for name, value in (extra_pnginfo or {}).items():
            chunks.add_text(name, json.dumps(value))
        if extra_pnginfo is not None and "workflow" in extra_pnginfo:
            extra_pnginfo["workflow"]["touched"] = True  # packs keep what they show in the workflow
        Image.new("RGB", (4, 4)).save(path, pnginfo=chunks)
        return {"ui": {}}


class ListSaver(PackSaver):
    """The same, called once with whole lists."""

    INPUT_IS_LIST = True

    def save(self, path: Any, prompt: Any = None, extra_pnginfo: Any = None) -> dict[str, Any]:
        return super().save(path[0], prompt and prompt[0], extra_pnginfo and extra_pnginfo[0])


def saved(
    saver: Node, tmp_path: Path, extra: Any, *, wanted: bool = True, lists: bool = False
) -> dict[str, Any]:
    workspace = Workspace(tmp_path / "work")
    recorder = Recorder(workspace, ContentHashes(), best_placement(), wanted=wanted)
    lineage = Lineage("job", "9", 0, (Maker("9", "PackSaver", {}),))
    path = tmp_path / "picture.png"
    given = {"path": str(path), "prompt": PROMPT, "extra_pnginfo": extra}
    inputs = {name: [value] for name, value in given.items()} if lists else given
    saver.run(Surroundings(workspace, {Recorder: recorder}, lineage=lineage), **inputs)
    with Image.open(path) as opened:
        assert isinstance(opened, PngImageFile)
        return {name: json.loads(text) for name, text in opened.text.items()}


@pytest.mark.parametrize("kind", [PackSaver, ListSaver])
def test_a_pack_that_writes_what_it_is_given_writes_the_record(tmp_path: Path, kind: type):
    workflow = dict(WORKFLOW)
    extra = {"workflow": workflow}
    chunks = saved(adapt("PackSaver", kind), tmp_path, extra, lists=kind is ListSaver)
    assert (chunks["prompt"], chunks["workflow"]) == (PROMPT, WORKFLOW)
    assert chunks[RECORD]["job"] == "job" and chunks[RECORD]["node"] == "9"
    assert workflow["touched"] is True, "the workflow is the one that all nodes share"
    assert RECORD not in extra


def test_a_pack_that_got_no_workflow_gets_none_now(tmp_path: Path):
    assert saved(adapt("PackSaver", PackSaver), tmp_path, None).keys() == {"prompt"}


@pytest.mark.parametrize("kind", [PackSaver, ListSaver])
def test_with_no_metadata_wanted_it_has_nothing_to_write(tmp_path: Path, kind: type):
    extra = {"workflow": dict(WORKFLOW)}
    assert saved(adapt("PackSaver", kind), tmp_path, extra, wanted=False, lists=kind is ListSaver) == {}

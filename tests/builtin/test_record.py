"""The record in a picture: what made it, and nothing that had no part in it."""

import hashlib
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image as Pillow
from PIL.PngImagePlugin import PngImageFile

from nodes.builtin.image import preview_image, save_image
from nodes.builtin.record import Recorder
from nodes.diffusion.models.files import ContentHashes
from nodes.diffusion.models.load import best_placement
from nodes.spec import RECORD, Lineage, Maker, RecordedFile, pixel_hash
from server.workspace import Workspace
from tests.builtin.surroundings import Surroundings

WEIGHTS = b"weights of a model"
LOADER = Maker("1", "Loader", {"name": "a.safetensors"}, {"name": "checkpoints"}, (), "nodes", "v1")
PROMPT = {"1": {"class_type": "Loader", "inputs": {"name": "a.safetensors"}}}


@pytest.fixture
def workspace(tmp_path: Path) -> Workspace:
    made = Workspace(tmp_path)
    (made.models / "checkpoints" / "a.safetensors").write_bytes(WEIGHTS)
    (made.models / "checkpoints" / "unused.safetensors").write_bytes(b"x")
    return made


def recorder(workspace: Workspace, *, wanted: bool = True) -> Recorder:
    folders = tuple(workspace.folders())
    return Recorder(workspace, ContentHashes(), best_placement(), folders, wanted=wanted)


def surroundings(workspace: Workspace, *makers: Maker, wanted: bool = True) -> Surroundings:
    lineage = Lineage("job", "9", 0, makers)
    return Surroundings(workspace, {Recorder: recorder(workspace, wanted=wanted)}, lineage=lineage)


def texts(path: Path) -> dict[str, Any]:
    with Pillow.open(path) as opened:
        assert isinstance(opened, PngImageFile)
        return {name: json.loads(text) for name, text in opened.text.items()}


def test_every_picture_of_a_batch_says_which_one_it_is_and_what_its_pixels_were(workspace: Workspace):
    pictures = torch.rand(3, 6, 5, 3)
    save_image.run(
        surroundings(workspace, LOADER),
        images=pictures,
        prompt=PROMPT,
        extra_pnginfo={"workflow": {}, RECORD: {"of": "another picture"}},
    )
    files = sorted((workspace.root / "output").iterdir())
    records = [texts(file)[RECORD] for file in files]
    assert [(said["index"], said["count"], said["job"], said["node"]) for said in records] == [
        (0, 3, "job", "9"), (1, 3, "job", "9"), (2, 3, "job", "9"),
    ]  # fmt: skip
    for file, said in zip(files, records, strict=True):
        with Pillow.open(file) as opened:
            assert said["pixels"] == pixel_hash(5, 6, opened.convert("RGBA").tobytes())
            assert (
                said["prompt"] == hashlib.sha256(opened.text["prompt"].encode()).hexdigest()  # type: ignore[attr-defined]
            )
    assert len({said["pixels"] for said in records}) == 3


def test_a_record_names_the_files_that_had_a_part_with_their_hashes(workspace: Workspace):
    said = recorder(workspace).record(Lineage("job", "9", 0, (LOADER,)))
    assert said["files"] == [
        {
            "folder": "checkpoints",
            "name": "a.safetensors",
            "nodes": ["1"],
            "size": len(WEIGHTS),
            "sha256": hashlib.sha256(WEIGHTS).hexdigest(),
        }
    ]
    assert said["nodes"] == {"Loader": {"module": "nodes", "version": "v1"}}
    assert said["versions"].keys() >= {"weft", "torch", "diffusers", "python"}  # type: ignore[union-attr]
    assert said["machine"]["device"] in ("cpu", "cuda")  # type: ignore[index, call-overload]


def test_the_hash_of_a_model_folder_covers_all_its_files(workspace: Workspace):
    folder = workspace.models / "diffusers" / "m"
    (folder / "unet").mkdir(parents=True)
    (folder / "model_index.json").write_bytes(b"{}")
    (folder / "unet" / "w.safetensors").write_bytes(WEIGHTS)
    maker = Maker("1", "Folder", {"path": "m"}, {"path": "diffusers"})
    (entry,) = recorder(workspace).record(Lineage("", "1", 0, (maker,)))["files"]  # type: ignore[misc]
    assert entry["size"] == 2 + len(WEIGHTS)  # type: ignore[index, call-overload]
    lines = "\n".join(
        f"{name} {hashlib.sha256(content).hexdigest()}"
        for name, content in (("model_index.json", b"{}"), ("unet/w.safetensors", WEIGHTS))
    )
    assert entry["sha256"] == hashlib.sha256(lines.encode()).hexdigest()  # type: ignore[index, call-overload]


def test_an_input_picture_is_a_file_too_and_a_packs_model_is_found_by_its_name(workspace: Workspace):
    Pillow.fromarray(np.zeros((2, 2, 3), np.uint8)).save(workspace.root / "input" / "a.png")
    (workspace.models / "loras" / "l.safetensors").write_bytes(b"l")
    makers = (
        Maker("1", "LoadImage", {"image": "a.png [input]"}, {"image": "input"}),
        Maker("2", "Pack", {"lora": "l.safetensors", "other": "nowhere.safetensors", "text": "a.png"}),
    )
    files = recorder(workspace).record(Lineage("", "2", 0, makers))["files"]
    assert [(entry["folder"], entry["name"]) for entry in files] == [  # type: ignore[index, call-overload, union-attr]
        ("input", "a.png [input]"),
        ("loras", "l.safetensors"),
    ]


def test_a_file_that_is_gone_has_no_hash(workspace: Workspace):
    (workspace.models / "checkpoints" / "a.safetensors").unlink()
    (entry,) = recorder(workspace).record(Lineage("", "1", 0, (LOADER,)))["files"]  # type: ignore[misc]
    assert entry == {"folder": "checkpoints", "name": "a.safetensors", "nodes": ["1"]}


def test_recorded_files_are_compared_with_those_of_today(workspace: Workspace):
    content = hashlib.sha256(WEIGHTS).hexdigest()
    told = recorder(workspace).standing(
        [
            RecordedFile("checkpoints", "a.safetensors", len(WEIGHTS), content),
            RecordedFile("checkpoints", "unused.safetensors", len(WEIGHTS), content),
            RecordedFile("checkpoints", "gone.safetensors", len(WEIGHTS), content),
            RecordedFile("checkpoints", "gone.safetensors", 3, content),
            RecordedFile("no such folder", "../x"),
        ]
    )
    assert [
        (entry.get("sha256"), entry["alike"])
        for entry in told["files"]  # type: ignore[union-attr]
    ] == [
        (content, []),
        (hashlib.sha256(b"x").hexdigest(), ["a.safetensors"]),
        (None, ["a.safetensors"]),
        (None, []),
        (None, []),
    ]
    assert told["versions"] == recorder(workspace).record(Lineage("", "1", 0, ()))["versions"]


def test_seeds_are_told_digit_by_digit(workspace: Workspace):
    maker = Maker("5", "K", {"seed": 2**64 - 1, "steps": 4, "big": -(2**60), "on": True}, seeds=("seed",))
    said = recorder(workspace).record(Lineage("", "5", 0, (maker,)))
    assert said["seeds"] == {"5.seed": "18446744073709551615", "5.big": "-1152921504606846976"}


@pytest.mark.parametrize("saver", [save_image, preview_image])
def test_whoever_wants_no_metadata_gets_none(workspace: Workspace, saver: Any):
    ctx = surroundings(workspace, LOADER, wanted=False)
    result = saver.run(
        ctx, images=torch.rand(1, 4, 4, 3), prompt=PROMPT, extra_pnginfo={"workflow": {"nodes": []}}
    )
    shown = result.ui["images"][0]
    assert texts(workspace.root / shown["type"] / shown["filename"]) == {}

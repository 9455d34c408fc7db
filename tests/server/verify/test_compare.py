"""Every kind of difference has its line, and what is the same has none."""

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from nodes.spec import NodeSpec, RecordedFile
from server.verify.compare import Here, Kind, differences, notes, unrecorded
from server.verify.picture import read
from tests.server.verify.pictures import HASH, LARGEST, PROMPT, record, save

SPECS = {
    "Load": NodeSpec(id="Load", version="l1"),
    "Draw": NodeSpec(id="Draw", version="d1", module="custom_nodes.drawers"),
    "Save": NodeSpec(id="Save", version="s1"),
}
FILE = {"folder": "checkpoints", "name": "a.safetensors", "size": 7, "sha256": HASH, "alike": []}


def here(specs: Mapping[str, NodeSpec] = SPECS, **changes: Any) -> Here:
    told = record()
    parts = {name: told[name] | changes.get(name, {}) for name in ("versions", "machine", "dtypes")}
    return Here({**parts, "files": [FILE | changes.get("file", {})]}, specs)


def found(tmp_path: Path, place: Here, told: dict[str, Any] | None = None, **more: Any) -> list[str]:
    path = save(tmp_path / "a.png", record() if told is None else told, **more)
    return [f"{entry.kind}: {entry.message}" for entry in differences(read(path), place)]


def test_the_same_machine_has_no_difference(tmp_path: Path):
    assert found(tmp_path, here()) == []


def changed(type: str, **fields: Any) -> dict[str, NodeSpec]:
    return SPECS | {type: NodeSpec(id=type, **fields)}


@pytest.mark.parametrize(
    ("place", "kind", "words"),
    [
        (here({"Load": SPECS["Load"]}), Kind.NODE, "Draw of the pack drawers is not installed"),
        (here(changed("Load", version="l2")), Kind.NODE, "Load of Weft has other code"),
        (
            here(changed("Draw", version="d2", module="custom_nodes.drawers")),
            Kind.NODE,
            "Draw of the pack drawers has other code",
        ),
        (
            here(changed("Draw", version="d1", module="custom_nodes.others")),
            Kind.NODE,
            "came from the pack drawers; here it is the pack others",
        ),
        (here(file={"sha256": "f" * 64}), Kind.FILE, f"other content.*{HASH[:12]}.*ffffffffffff"),
        (here(file={"sha256": "f" * 64, "alike": ["b"]}), Kind.FILE, "other content.*is here as b"),
        (here(file={"sha256": None}), Kind.FILE, "model checkpoints/a.safetensors is not here.*Nor"),
        (here(file={"sha256": None, "alike": ["b", "c"]}), Kind.FILE, "not here.*same content.* as b, c"),
        (here(versions={"weft": "0.2.0"}), Kind.VERSION, "Weft 0.1.0, here is 0.2.0"),
        (here(versions={"torch": "2.10.0"}), Kind.VERSION, "torch 2.9.0, here is 2.10.0"),
        (here(versions={"diffusers": "0.36"}), Kind.VERSION, "diffusers 0.35, here is 0.36"),
        (
            here(machine={"device": "cuda", "name": "A card"}),
            Kind.MACHINE,
            r"cpu \(A processor\), here is cuda \(A card\)",
        ),
        (here(machine={"name": "Another"}), Kind.MACHINE, "device: A processor, here Another"),
        (here(machine={"capability": "AVX512"}), Kind.MACHINE, "AVX2, here AVX512"),
        (here(machine={"threads": 8}), Kind.MACHINE, "number of threads: 2, here 8"),
        (here(dtypes={"network": "float16"}), Kind.MACHINE, "network computed in float32, here in float16"),
    ],
)
def test_each_difference_has_one_line(tmp_path: Path, place: Here, kind: Kind, words: str):
    (line,) = found(tmp_path, place)
    assert line.startswith(f"{kind}: ")
    assert re.search(words, line), line


def test_an_edited_file_and_a_changed_prompt_are_told_with_the_seed_that_was(tmp_path: Path):
    rounded = {**PROMPT, "2": {"class_type": "Draw", "inputs": {"model": ["1", 0], "seed": float(LARGEST)}}}
    lines = found(tmp_path, here(), record(pixels="0" * 64, prompt="0" * 64), prompt=rounded)
    assert [line.partition(":")[0] for line in lines] == ["picture"] * 3
    assert "was edited" in lines[0] and "was changed" in lines[1]
    assert f"2.seed was {LARGEST}" in lines[2]
    (line,) = found(tmp_path, here(), prompt=None)
    assert "prompt was taken out" in line


def test_a_file_without_a_hash_is_not_known(tmp_path: Path):
    gone = {"folder": "checkpoints", "name": "a.safetensors", "nodes": ["1"]}
    (line,) = found(tmp_path, here(), record(files=[gone]))
    assert line.startswith("unknown: ") and "was gone" in line


def test_what_changes_no_pixel_is_a_note(tmp_path: Path):
    said = read(save(tmp_path / "a.png", record(version=7, index=None))).record
    assert said is not None
    told = list(notes(said, here(versions={"python": "3.13.0"})))
    assert [
        "A later Weft" in told[0],
        "Which picture" in told[1],
        "python 3.12.1, here is 3.13.0" in told[2],
    ] == [True] * 3


def test_of_a_picture_with_a_prompt_alone_it_is_said_what_is_known_and_what_is_not():
    files = [RecordedFile("checkpoints", "a.safetensors"), RecordedFile("loras", "l.safetensors")]
    place = Here({"files": [FILE, {"alike": []}]}, {"Load": SPECS["Load"]})
    lines = [entry.message for entry in unrecorded(["Load", "Draw", "Draw"], files, place)]
    assert "holds no record" in lines[0] and "not known" in lines[0]
    assert lines[1:] == ["The node Draw is not installed here.", "The model loras/l.safetensors is not here."]

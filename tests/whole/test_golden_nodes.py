"""Built-in nodes between probes: what reaches the sinks is what the field's host recorded."""

import gzip
import json
import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from tests.serving import Server, serving
from tests.whole.conftest import DATA

MADE_BEFORE = "WEFT_GOLDEN_MODELS"
REPLAY = DATA / "tools" / "replay_nodes.py"


def recorded(name: str) -> list[dict[str, Any]]:
    with gzip.open(DATA / "golden" / f"{name}.json.gz", "rt", encoding="utf-8") as file:
        return json.load(file)


def replay(server: Server, cases: list[dict[str, Any]], folder: Path) -> str:
    """What the replaying program says; ends with "passed N of N cases"."""
    file = folder / "cases.json"
    file.write_text(json.dumps(cases))
    done = subprocess.run(
        [sys.executable, str(REPLAY), server.url, str(file)], capture_output=True, text=True, check=False
    )
    return done.stdout + done.stderr


def test_nodes_without_models(server: Server, tmp_path: Path):
    here = set(server.get("/object_info"))
    cases = [case for case in recorded("nodes_plain") if case["node"] in here]
    assert len(cases) >= 320
    said = replay(server, cases, tmp_path)
    assert f"passed {len(cases)} of {len(cases)} cases" in said, said


def put_models(folder: Path) -> None:
    """The random models: those that somebody made before, where `WEFT_GOLDEN_MODELS` says, else made now."""
    made = os.environ.get(MADE_BEFORE)
    if made:
        shutil.rmtree(folder, ignore_errors=True)
        folder.symlink_to(Path(made).resolve())
        return
    making = [sys.executable, str(DATA / "tools" / "make_ckpt.py"), str(folder)]
    subprocess.run([*making, "--only", "sd15", "controlnet", "lora", "esrgan"], check=True)


@pytest.mark.models
@pytest.mark.timeout(3000)
def test_nodes_with_models(workspace: Path, tmp_path: Path):
    put_models(workspace / "models")
    with serving(workspace) as server:
        here = set(server.get("/object_info"))
        cases = [
            case
            for case in recorded("nodes_models")
            if {node["class_type"] for node in case["prompt"].values()} <= here
        ]
        assert {case["node"] for case in cases} >= {
            "KSampler",
            "ControlNetApplyAdvanced",
            "VAEDecode",
            "VAEEncode",
        }
        said = replay(server, cases, tmp_path)
    assert f"passed {len(cases)} of {len(cases)} cases" in said, said

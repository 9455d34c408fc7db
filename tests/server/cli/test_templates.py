"""The workflows to learn by run as they are, with the model that comes along."""

import json
import subprocess
import sys
from pathlib import Path

import pytest
from PIL import Image, ImageStat

from server.api.templates import DEFAULT, TEMPLATES, file
from server.app import DEFAULT_WORKFLOW
from server.app import TEMPLATES as FOLDER

PICTURES = {"forward_process": 5, "compare_samplers": 4, "guidance": 4}


def test_each_file_is_told_of():
    assert {path.stem for path in FOLDER.iterdir()} == {
        told.name for told in TEMPLATES if told is not DEFAULT
    }
    assert set(PICTURES) == {path.stem for path in FOLDER.iterdir()}


@pytest.mark.parametrize("name", PICTURES)
def test_a_workflow_to_learn_by_shows_pictures_that_differ(name: str, tmp_path: Path):
    path = file(name, DEFAULT_WORKFLOW, FOLDER)
    command = [sys.executable, "-m", "server", "run", str(path), "--workspace", str(tmp_path), "--json"]
    done = subprocess.run(
        command, capture_output=True, text=True, timeout=200, cwd=Path(__file__).parents[3], check=False
    )
    assert done.returncode == 0, done.stderr
    result = json.loads(done.stdout.splitlines()[-1])["data"]
    assert result["status"] == "success"
    bodies = set()
    for made in result["files"]:
        with Image.open(made) as picture:
            assert picture.size == (128, 128)
            assert max(ImageStat.Stat(picture.convert("RGB")).stddev) > 20
            bodies.add(picture.tobytes())
    assert len(bodies) == len(result["files"]) == PICTURES[name]
    # What each picture shows stands above it, and a note says what to do.
    workflow = json.loads(path.read_text(encoding="utf-8"))
    assert all(node.get("title") for node in workflow["nodes"] if node["type"] == "PreviewImage")
    (note,) = [node["widgets_values"][0] for node in workflow["nodes"] if node["type"] == "MarkdownNote"]
    assert all(f"\n{number}. " in note for number in (1, 2, 3))

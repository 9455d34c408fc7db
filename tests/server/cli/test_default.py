"""`weft run default`: a real picture, through the real model that ships with Weft."""

import json
import subprocess
import sys
from pathlib import Path

from PIL import Image, ImageStat


def test_the_default_workflow_makes_a_picture_that_says_how_it_was_made(tmp_path: Path):
    command = [sys.executable, "-m", "server", "run", "default", "-o", str(tmp_path / "first.png")]
    done = subprocess.run(
        [*command, "--workspace", str(tmp_path / "w"), "--json"],
        capture_output=True, text=True, timeout=200, cwd=Path(__file__).parents[3], check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    lines = [json.loads(line) for line in done.stdout.splitlines()]
    steps = [line["data"] for line in lines if line["type"] == "progress"]
    assert [step["value"] for step in steps][-1] == steps[-1]["max"] == 20
    with Image.open(tmp_path / "first.png") as picture:
        picture.load()
        assert picture.size == (128, 128)
        assert max(ImageStat.Stat(picture.convert("L")).stddev) > 20
        prompt, workflow = json.loads(picture.info["prompt"]), json.loads(picture.info["workflow"])
    assert {node["class_type"] for node in prompt.values()} == {node["type"] for node in workflow["nodes"]}

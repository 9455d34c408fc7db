"""API clients from PyPI drive Weft as they are: each in an environment of its own, in a program as its users write it."""

import json
import subprocess
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from tests.installing import environment
from tests.serving import Server

pytestmark = [pytest.mark.clients, pytest.mark.timeout(600)]
PROGRAMS = Path(__file__).with_name("programs")


def drive(program: str, package: str, server: Server, folder: Path) -> dict[str, Any]:
    """Run a client's program; what it says came."""
    python = environment(folder / "environment", package)
    done = subprocess.run(
        [python, PROGRAMS / f"{program}.py", server.url, folder],
        capture_output=True,
        text=True,
        timeout=240,
        check=False,
        cwd=folder,  # not in our sources: nothing of ours may be imported
    )
    assert done.returncode == 0, done.stderr[-3000:]
    return json.loads(done.stdout.splitlines()[-1])


def is_picture(path: Path) -> bool:
    """Whether it is a picture by the starter model, not a small preview."""
    with Image.open(path) as picture:
        return picture.size == (128, 128) and len(picture.convert("RGB").getcolors(1 << 16) or ()) > 50


def test_comfy_api_simplified_uploads_waits_and_fetches(server, folder):
    said = drive("simplified", "comfy-api-simplified", server, folder)
    assert said["uploaded"] == {"name": "square.png", "subfolder": "clients", "type": "input"}
    assert len(said["files"]) == 1
    assert all(is_picture(folder / name) for name in said["files"])
    assert said["files"][0].startswith("simplified-client_0")
    assert said["class"] == ["KSampler"]
    assert said["queue"] == ["queue_pending", "queue_running"]
    assert said["embeddings"] == []
    assert said["second"]


def test_comfyui_workflow_client_generates_and_sends_pictures(server, folder):
    said = drive("workflow_client", "comfyui-workflow-client", server, folder)
    assert all(is_picture(folder / name) for name in said["files"])
    with Image.open(folder / said["scaled"]) as scaled:
        assert scaled.size == (24, 16)
        assert scaled.convert("RGB").getpixel((12, 8)) == (200, 30, 30)


def test_comfyui_async_api_tool_hears_how_it_goes(server, folder):
    said = drive("async_tool", "comfyui-async-api-tool", server, folder)
    assert said["uploaded"]["type"] == "input"
    kinds = [event["type"] for event in said["events"]]
    assert kinds[0] == "start"
    assert kinds[-1] == "image"
    assert "error" not in kinds
    told = [event["data"] for event in said["events"] if event["type"] == "progress"]
    assert told == sorted(told)
    assert told[-1] == 100.0
    assert len({share for share in told if 0 < share < 100}) >= 2
    assert all(is_picture(folder / name) for name in said["files"])

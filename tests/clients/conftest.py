"""A real server with the starter model, on the processor."""

import json
from collections.abc import Iterator
from pathlib import Path

import pytest
from PIL import Image

from tests.serving import Server, serving

PROMPT = {
    "1": ("CheckpointLoaderSimple", "Model", {"ckpt_name": "weft-starter-v0"}),
    "2": ("CLIPTextEncode", "Positive", {"clip": ["1", 1], "text": "a black cat"}),
    "3": ("CLIPTextEncode", "Negative", {"clip": ["1", 1], "text": ""}),
    "4": ("EmptyLatentImage", "Size", {"width": 128, "height": 128, "batch_size": 1}),
    "5": ("KSampler", "Sampler", {
        "model": ["1", 0], "positive": ["2", 0], "negative": ["3", 0], "latent_image": ["4", 0], "seed": 1,
        "steps": 6, "cfg": 4.0, "sampler_name": "euler", "scheduler": "normal", "denoise": 1.0,
    }),
    "6": ("VAEDecode", "Decode", {"samples": ["5", 0], "vae": ["1", 2]}),
    "7": ("SaveImage", "Save", {"images": ["6", 0], "filename_prefix": "client"}),
}  # fmt: skip
SCALE = {
    "1": ("LoadImage", "Load", {"image": "square.png"}),
    "2": ("ImageScale", "Scale", {
        "image": ["1", 0], "upscale_method": "nearest-exact", "width": 24, "height": 16, "crop": "disabled",
    }),
    "3": ("SaveImage", "Save", {"images": ["2", 0], "filename_prefix": "scaled"}),
}  # fmt: skip


def prompt(nodes: dict) -> dict:
    return {
        id: {"class_type": kind, "inputs": inputs, "_meta": {"title": title}}
        for id, (kind, title, inputs) in nodes.items()
    }


@pytest.fixture(scope="session")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    with serving(tmp_path_factory.mktemp("clients"), "--cpu") as running:
        running.get("/object_info")  # the worker is ready
        yield running


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """What a client's program finds: two prompts and a picture."""
    (tmp_path / "prompt.json").write_text(json.dumps(prompt(PROMPT)))
    (tmp_path / "scale.json").write_text(json.dumps(prompt(SCALE)))
    Image.new("RGB", (8, 8), (200, 30, 30)).save(tmp_path / "square.png")
    return tmp_path

"""HOST_API.md section 2: built-in nodes as classes that packs call, derive from and read, on a real server."""

import json
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.server.api.asking import prompt
from tests.serving import Server, serving

PACK = Path(__file__).parents[1] / "data" / "hosted" / "calls"
STARTER = "weft-starter-v0"


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    workspace = tmp_path_factory.mktemp("calls")
    shutil.copytree(PACK, workspace / "custom_nodes" / "calls", ignore=shutil.ignore_patterns("__pycache__"))
    with serving(workspace) as running:
        yield running


def shown(server: Server, **nodes: Any) -> dict[str, Any]:
    entry = server.run(prompt(**nodes))
    assert entry["status"]["status_str"] == "success", entry["status"]["messages"][-1][1].get(
        "exception_message"
    )
    return entry["outputs"]


def test_a_picture_made_by_calls_is_the_one_that_nodes_make(server: Server):
    outputs = shown(
        server,
        load=("CheckpointLoaderSimple", {"ckpt_name": STARTER}),
        positive=("CLIPTextEncode", {"clip": ["load", 1], "text": "a red apple"}),
        negative=("CLIPTextEncode", {"clip": ["load", 1], "text": ""}),
        empty=("EmptyLatentImage", {"width": 64, "height": 64, "batch_size": 1}),
        sample=(
            "KSampler",
            {
                "model": ["load", 0],
                "positive": ["positive", 0],
                "negative": ["negative", 0],
                "latent_image": ["empty", 0],
                "seed": 3,
                "steps": 2,
                "cfg": 4.0,
                "sampler_name": "euler",
                "scheduler": "normal",
                "denoise": 1.0,
            },
        ),
        decode=("VAEDecode", {"samples": ["sample", 0], "vae": ["load", 2]}),
        hand=("CallsByHand", {"checkpoint": STARTER}),
        one=("CallsSame", {"one": ["decode", 0], "two": ["hand", 0]}),
        two=("CallsSame", {"one": ["decode", 0], "two": ["hand", 1]}),
    )
    assert outputs["one"]["same"] == outputs["two"]["same"] == [True]
    assert outputs["one"]["range"][0] > 0.01


def test_models_are_used_by_their_own_methods(server: Server):
    outputs = shown(
        server,
        load=("CheckpointLoaderSimple", {"ckpt_name": STARTER}),
        text=("CLIPTextEncode", {"clip": ["load", 1], "text": "a (red:1.3) apple"}),
        picture=("EmptyImage", {"width": 64, "height": 48, "batch_size": 1, "color": 0x4080C0}),
        sigmas=("BasicScheduler", {"model": ["load", 0], "scheduler": "karras", "steps": 5, "denoise": 1.0}),
        open=(
            "CallsOpens",
            {
                "model": ["load", 0],
                "clip": ["load", 1],
                "vae": ["load", 2],
                "cond": ["text", 0],
                "image": ["picture", 0],
                "sigmas": ["sigmas", 0],
            },
        ),
        again=("CLIPTextEncode", {"clip": ["open", 1], "text": "x"}),
        latent=("VAEEncode", {"pixels": ["picture", 0], "vae": ["open", 2]}),
        decode=("VAEDecode", {"samples": ["latent", 0], "vae": ["open", 2]}),
        show=("PreviewImage", {"images": ["decode", 0]}),
    )
    said = json.loads(outputs["open"]["said"][0])
    assert said.pop("kinds") == ["ModelPatcher", "CLIP", "VAE"]
    assert [name for name, holds in said.items() if not holds] == []


def test_a_class_derived_from_the_saver_saves_where_it_says(server: Server):
    outputs = shown(
        server,
        picture=("EmptyImage", {"width": 16, "height": 8, "batch_size": 2, "color": 255}),
        save=("CallsElsewhere", {"images": ["picture", 0], "filename_prefix": "deep/x"}),
    )
    saved = outputs["save"]["images"]
    assert [(file["type"], file["subfolder"]) for file in saved] == [("temp", "deep")] * 2
    assert [file["filename"] for file in saved] == ["x_mine_00001_.png", "x_mine_00002_.png"]


def test_a_newer_node_is_called_both_ways_and_described_anew(server: Server):
    assert list(server.get("/object_info/CallsGrows")["CallsGrows"]["input"]["required"]) == ["by"]
    assert shown(server, grow=("CallsGrows", {"by": 2}))["grow"]["grown"] == [25]


def test_what_classes_say_of_themselves(server: Server):
    (text,) = shown(server, tell=("CallsTells", {}))["tell"]["said"]
    assert json.loads(text) == {
        "function": "sample",
        "returns": ["MODEL", "CLIP", "VAE"],
        "names": ["clip", "lora_name", "model", "strength_clip", "strength_model"],
        "methods": ["nearest-exact", "bilinear", "area", "bicubic", "lanczos"],
        "crops": ["disabled", "center"],
        "largest": 16384,
        "upscales": True,
        "preview": "temp",
        "laid": 12,
        "own": True,
    }


def test_what_the_host_lacks_is_named_with_the_pack(server: Server):
    entry = server.run(prompt(early=("CallsTooEarly", {})))
    (error,) = [said for kind, said in entry["status"]["messages"] if kind == "execution_error"]
    assert (
        "The pack calls uses comfy.hooks.create_hook_model_as_lora, which Weft does not offer."
        in error["exception_message"]
    )
    assert error["node_id"] == "early"

"""Bad input gets a message that names node and input and says what to do; nothing is lost and the server lives."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any
from urllib.error import HTTPError

import pytest
import torch
from safetensors.torch import save_file

from tests.serving import Server
from tests.whole.test_pictures import txt2img


def refused(server: Server, prompt: Mapping[str, Any]) -> dict[str, Any]:
    """The body of the 400 that a prompt gets."""
    with pytest.raises(HTTPError) as caught:
        server.post("/prompt", {"prompt": prompt})
    assert caught.value.code == 400
    return json.load(caught.value)


def failed(server: Server, prompt: Mapping[str, Any]) -> dict[str, Any]:
    """The error of a prompt that is taken and fails in a node."""
    entry = server.run(prompt)
    assert entry["status"]["status_str"] == "error"
    return next(data for kind, data in entry["status"]["messages"] if kind == "execution_error")


@pytest.mark.parametrize(
    ("changes", "node", "type", "input_name"),
    [
        ({"n1_ckpt_name": "gone.safetensors"}, "1", "value_not_in_list", "ckpt_name"),
        ({"n5_steps": 0}, "5", "value_smaller_than_min", "steps"),
        ({"n5_cfg": 1000}, "5", "value_bigger_than_max", "cfg"),
        ({"n5_cfg": float("nan")}, "5", "invalid_input_type", "cfg"),
        ({"n5_seed": "many"}, "5", "invalid_input_type", "seed"),
        ({"n5_model": ["2", 0]}, "5", "return_type_mismatch", "model"),
        ({"n5_model": ["99", 0]}, "5", "exception_during_inner_validation", "model"),
        ({"n6_samples": ["6", 0]}, "6", "dependency_cycle", None),
    ],
)
def test_a_fault_is_named(
    server: Server, changes: dict[str, Any], node: str, type: str, input_name: str | None
):
    body = refused(server, txt2img(**changes))
    faults = body["node_errors"][node]["errors"]
    assert type in [fault["type"] for fault in faults]
    fault = next(fault for fault in faults if fault["type"] == type)
    assert fault["message"]
    assert input_name is None or fault["extra_info"]["input_name"] == input_name
    assert server.get("/queue")["queue_pending"] == []


def test_an_unknown_node_is_named(server: Server):
    prompt = txt2img()
    prompt["6"]["class_type"] = "MagicDecode"
    assert "MagicDecode" in refused(server, prompt)["error"]["message"]


@pytest.fixture
def checkpoint(workspace: Path, request: pytest.FixtureRequest) -> str:
    """A file in models/checkpoints, of a kind that cannot be loaded."""
    path = workspace / "models" / "checkpoints" / f"{request.param}.safetensors"
    save_file({"some.weight": torch.zeros(400)}, path)
    whole = path.read_bytes()
    path.write_bytes(
        {"unknown": whole, "cut": whole[:-300], "garbage": b"\xff" * 400, "empty": b""}[request.param]
    )
    return path.name


@pytest.mark.parametrize("checkpoint", ["unknown", "cut", "garbage", "empty"], indirect=True)
def test_a_checkpoint_that_is_none_is_told_by_name(server: Server, checkpoint: str):
    error = failed(server, txt2img(n1_ckpt_name=checkpoint))
    assert error["node_id"] == "1" and error["node_type"] == "CheckpointLoaderSimple"
    assert checkpoint in error["exception_message"]


def test_a_picture_that_is_none_is_told_by_name(server: Server, workspace: Path):
    (workspace / "input" / "odd.png").write_text("no picture")
    prompt = {
        "1": {"class_type": "LoadImage", "inputs": {"image": "odd.png"}},
        "2": {"class_type": "PreviewImage", "inputs": {"images": ["1", 0]}},
    }
    error = failed(server, prompt)
    assert error["node_id"] == "1" and "odd.png" in error["exception_message"]


def test_a_failed_branch_leaves_the_other_to_finish(server: Server, workspace: Path):
    (workspace / "input" / "bad.png").write_text("no picture")
    prompt = {
        "1": {"class_type": "LoadImage", "inputs": {"image": "bad.png"}},
        "2": {"class_type": "PreviewImage", "inputs": {"images": ["1", 0]}},
        "3": {"class_type": "ProbeImage", "inputs": {"width": 8, "height": 8, "batch": 1}},
        "4": {"class_type": "PreviewImage", "inputs": {"images": ["3", 0]}},
    }
    entry = server.run(prompt)
    assert entry["status"]["status_str"] == "error"
    assert list(entry["outputs"]) == ["4"]


def test_the_server_answers_after_all_this(server: Server):
    assert server.run(txt2img())["status"]["status_str"] == "success"

"""A community pack that dies in the real worker of a real server: the error names its node, and the next job runs."""

import shutil
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.serving import Server, serving

PACK = Path(__file__).parents[2] / "data" / "deadly_pack"


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    workspace = tmp_path_factory.mktemp("pack")
    ignore = shutil.ignore_patterns("__pycache__")
    shutil.copytree(PACK, workspace / "custom_nodes" / "deadly_pack", ignore=ignore)
    with serving(workspace, "--cpu") as running:
        assert "Deadly" in running.get("/object_info", timeout=240)
        yield running


def dying(how: str) -> dict[str, Any]:
    return {
        "d": {"class_type": "Deadly", "inputs": {"how": how}},
        "e": {"class_type": "DeadlyEnd", "inputs": {"text": ["d", 0]}},
    }


@pytest.mark.parametrize(
    ("how", "words"),
    [
        ("exception", "it does not fit"),
        ("keyboard", "Ctrl-C"),
        ("sys_exit", "end the program"),
        ("card_full", "20.00 GiB were asked for"),
        ("numpy_too_much", "8.00 PiB were asked for"),
        ("torch_too_much", "4503599627370496 bytes were asked for"),
        ("segfault", "SIGSEGV"),
        ("child", "exit status 9"),
    ],
)
def test_a_pack_that_dies_is_named_and_the_next_job_runs(server: Server, how: str, words: str):
    entry = server.run(dying(how))
    ((_, error),) = [told for told in entry["status"]["messages"] if told[0] == "execution_error"]
    assert (error["node_id"], error["node_type"]) == ("d", "Deadly")
    assert words in error["exception_message"]
    assert server.run(dying("nothing"))["outputs"]["e"] == {"text": ["nothing"]}


def test_a_pack_that_never_ends_is_stopped(server: Server):
    job = server.post("/prompt", {"prompt": dying("loop")})["prompt_id"]
    while not server.get("/queue")["queue_running"]:
        time.sleep(0.05)
    time.sleep(0.5)
    server.post("/interrupt", {})
    until = time.monotonic() + 60
    while not (entry := server.get(f"/history/{job}")):
        assert time.monotonic() < until
        time.sleep(0.05)
    assert entry[job]["status"]["messages"][-1][0] == "execution_interrupted"
    assert server.run(dying("nothing"))["outputs"]["e"] == {"text": ["nothing"]}

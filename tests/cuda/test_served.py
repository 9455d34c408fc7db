"""A server whose worker computes on the card: what it says of it, Stop, memory that runs out, and a worker's death."""

import json
import os
import signal
import sys
import time
import uuid
from collections.abc import AsyncIterator, Mapping
from pathlib import Path
from typing import Any

import aiohttp
import pytest
import torch
from PIL import Image

from nodes.spec import RECORD
from server.cli import main
from tests.server.api.asking import prompt, queue
from tests.server.api.listening import FLAGS, Ear, listening
from tests.server.test_faults import children
from tests.serving import Server
from tests.whole.test_pictures import made, txt2img

pytestmark = pytest.mark.cuda

LONG = 10_000  # steps: minutes
PREVIEWS = (1, 4)  # kinds of binary messages
JPEG = b"\xff\xd8\xff"
MEBIBYTE = 1 << 20
CONTEXT = 150 * MEBIBYTE  # what a process takes of a card before it computes anything is more
NOISE = 300 * MEBIBYTE  # by which the card's memory differs from one worker to the next


@pytest.fixture
async def http(server: Server) -> AsyncIterator[aiohttp.ClientSession]:
    async with aiohttp.ClientSession(server.url) as session:
        yield session


def succeeds(server: Server, nodes: Mapping[str, Any]) -> Mapping[str, Any]:
    entry = server.run(nodes)
    assert entry["status"]["status_str"] == "success", entry["status"]
    return entry


def told(entry: Mapping[str, Any]) -> dict[str, Any]:
    return next(data for kind, data in entry["status"]["messages"] if kind == "execution_error")


def test_system_stats_name_the_card_with_its_memory(server: Server):
    (device, *_) = server.get("/system_stats")["devices"]
    free, total = torch.cuda.mem_get_info()
    assert device["type"] == "cuda" and device["index"] == 0
    assert torch.cuda.get_device_name() in device["name"]
    assert device["vram_total"] == total
    assert abs(device["vram_free"] - free) < NOISE, "what torch keeps unused counts as free"
    assert 0 <= device["torch_vram_free"] < device["torch_vram_total"] < total


def test_the_record_in_a_picture_names_card_and_dtypes_and_verify_makes_it_again(
    server: Server, workspace: Path, capsys: pytest.CaptureFixture[str]
):
    image = made(succeeds(server, txt2img(n5_seed=51)), workspace)
    with Image.open(image) as opened:
        said = json.loads(opened.text[RECORD])  # type: ignore[attr-defined]
    assert (said["machine"]["device"], said["machine"]["name"]) == ("cuda", torch.cuda.get_device_name())
    assert said["machine"]["cuda"] == torch.version.cuda
    assert said["dtypes"]["network"] == "float16"
    assert said["dtypes"]["vae"] in ("bfloat16", "float32")
    arguments = ("--rerun", "--json", "--workspace", str(workspace), "--backend", "thread")
    status = main(["verify", str(image), *arguments])
    found = json.loads(capsys.readouterr().out)
    assert (status, found["differences"], found["rerun"]["identical"]) == (0, [], True)


async def test_progress_and_previews_come_while_the_card_computes(http: aiohttp.ClientSession):
    async with listening(http, uuid.uuid4().hex, FLAGS) as ear:
        sid = (await ear.until("status"))["sid"]
        await ear.job(http, txt2img(n5_seed=52, n5_steps=12), client_id=sid)
        steps = [said["data"] for said in ear.heard if said["type"] == "progress"]
        assert [(one["value"], one["max"], one["node"]) for one in steps][-1] == (12, 12, "5")
        assert len(steps) >= 3
        pictures = [frame for frame in ear.frames if frame[3] in PREVIEWS]
        assert pictures and all(JPEG in frame for frame in pictures)


async def test_stop_in_the_middle_of_sampling_is_heard_at_once(server: Server, http: aiohttp.ClientSession):
    workers = children(server.process.pid)
    async with listening(http, uuid.uuid4().hex) as ear:
        await begun(ear, http, txt2img(n5_seed=53, n5_steps=LONG))
        asked = time.monotonic()
        async with http.post("/interrupt") as answer:
            assert answer.status == 200
        said = await ear.until("execution_interrupted")
    assert said["node_id"] == "5" and time.monotonic() - asked < 3
    assert children(server.process.pid) == workers, "the worker listened: it lives on, with its models"
    succeeds(server, txt2img(n5_seed=54))


def test_a_node_that_found_no_room_is_run_again_once_models_were_let_go(server: Server):
    lift_limit(server)
    entry = succeeds(server, asking(spare=2, size=24, seed=61))
    try:
        assert entry["outputs"]["10"]["tries"] == [2]
    finally:
        lift_limit(server)
    succeeds(server, txt2img(n5_seed=62))


def test_a_node_that_asks_for_more_than_there_is_fails_with_what_was_held(server: Server):
    workers = children(server.process.pid)
    entry = server.run(asking(spare=1 << 20, size=4 << 20, seed=63))
    lift_limit(server)
    error = told(entry)
    words = error["exception_message"]
    assert error["node_id"] == "9" and error["exception_type"].endswith("OutOfMemoryError")
    assert "4096.00 GiB were asked for" in words
    assert "It was tried twice" in words
    assert "weft-starter-v0 (diffusion model)" in words and torch.cuda.get_device_name() in words
    assert children(server.process.pid) == workers
    succeeds(server, txt2img(n5_seed=64))


@pytest.mark.skipif(sys.platform != "linux", reason="finds the worker in /proc")
async def test_a_worker_killed_on_the_card_gives_its_memory_back_and_the_next_job_runs(
    server: Server, http: aiohttp.ClientSession
):
    succeeds(server, txt2img(n5_seed=71))
    (worker,) = children(server.process.pid)
    before = used()
    async with listening(http, uuid.uuid4().hex) as ear:
        await begun(ear, http, txt2img(n5_seed=72, n5_steps=LONG))
        os.kill(worker, signal.SIGKILL)
        error = await ear.until("execution_error")
    assert (error["node_id"], error["node_type"]) == ("5", "KSampler")
    least = before
    until = time.monotonic() + 10
    while least > before - CONTEXT and time.monotonic() < until:
        least = min(least, used())
        time.sleep(0.05)
    assert least <= before - CONTEXT, "its memory is given back"
    succeeds(server, txt2img(n5_seed=73))
    assert children(server.process.pid) != [worker]
    assert used() < before + NOISE, "and no second copy of anything is held"


async def begun(ear: Ear, http: aiohttp.ClientSession, nodes: Mapping[str, Any]) -> str:
    """Queue it and wait until it samples."""
    sid = (await ear.until("status"))["sid"]
    id = (await queue(http, nodes, client_id=sid))["prompt_id"]
    await ear.until("progress", prompt_id=id)
    return id


def used() -> int:
    free, total = torch.cuda.mem_get_info()
    return total - free


def lift_limit(server: Server) -> None:
    succeeds(server, prompt(a=("FreeCard", {})))


def asking(spare: int, size: int, seed: int) -> dict[str, Any]:
    """Draw, then leave the worker `spare` MiB of its card, and ask for `size`."""
    nodes = txt2img(n5_seed=seed)
    del nodes["6"], nodes["7"]
    more = {
        "8": ("LimitCard", {"samples": ["5", 0], "spare": spare, "label": seed}),
        "9": ("AskCard", {"samples": ["8", 0], "size": size, "label": seed}),
        "10": ("TellCard", {"samples": ["9", 0]}),
    }
    return nodes | {id: {"class_type": kind, "inputs": inputs} for id, (kind, inputs) in more.items()}

"""The server is killed, closed and its disk is full: nothing is lost."""

import asyncio
import json
import os
import signal
import time
import uuid
from collections import Counter
from contextlib import suppress
from http.client import HTTPException
from pathlib import Path
from urllib.error import HTTPError

import aiohttp
import pytest

from server.app import Server
from server.config import Config
from server.jobs.queue import MAX_RETURNS
from tests.server.api.asking import get, history, prompt, queue, shown
from tests.server.small_nodes import FACTORY
from tests.serving import serving

JOBS = 50


def witness(label: str, seconds: float = 0.0) -> dict:
    return prompt(a=("Note", {"text": label, "seconds": seconds}))


def until_done(server, count: int, seconds: float = 60) -> dict:
    limit = time.monotonic() + seconds
    while time.monotonic() < limit:
        found = server.get("/history")
        if len(found) >= count:
            return found
        time.sleep(0.05)
    raise TimeoutError(f"{len(found)} of {count}")


def test_jobs_that_were_queued_all_finish_once_though_the_server_is_killed(tmp_path: Path):
    with serving(tmp_path, "--factory", FACTORY) as server:
        ids = [
            server.post("/prompt", {"prompt": witness(f"job {index}", 0.02)})["prompt_id"]
            for index in range(JOBS)
        ]
        until_done(server, 5)
        os.kill(server.process.pid, signal.SIGKILL)
        server.process.wait(20)
    with serving(tmp_path, "--factory", FACTORY) as server:
        found = until_done(server, JOBS)
        assert sorted(found) == sorted(ids)
        assert all(entry["status"]["status_str"] == "success" for entry in found.values())
        assert server.get("/prompt") == {"exec_info": {"queue_remaining": 0}}
    ran = Counter((tmp_path / "ran.txt").read_text().splitlines())
    assert set(ran) == {f"job {index}" for index in range(JOBS)}
    # The one that ran at the kill may have done its work before: it is done again, the others are not.
    assert sum(ran.values()) <= JOBS + 1


@pytest.mark.skipif(os.name == "nt", reason="ends the process that started it by POSIX's signal")
def test_a_job_that_ends_every_server_at_once_is_given_up_and_the_next_one_runs(tmp_path: Path):
    deadly, harmless = str(uuid.uuid4()), str(uuid.uuid4())
    killer = {"prompt": prompt(a=("KillServer", {"label": "x"})), "prompt_id": deadly}
    lives = 0
    while lives < 8:
        lives += 1
        with suppress(OSError, HTTPException), serving(tmp_path, "--factory", FACTORY) as server:
            if lives == 1:
                server.post("/api/jobs/pause", {})
                server.post("/prompt", killer)
                server.post("/prompt", {"prompt": witness("after"), "prompt_id": harmless})
                server.post("/api/jobs/resume", {})
            found = until_done(server, 2)
            break
    assert found[deadly]["status"]["status_str"] == "error"
    assert found[harmless]["status"]["status_str"] == "success"
    assert (tmp_path / "ran.txt").read_text().count("begin x") == lives - 1 <= MAX_RETURNS + 2


def test_a_closing_server_puts_back_what_runs(tmp_path: Path):
    with serving(tmp_path, "--factory", FACTORY) as server:
        slow = server.post("/prompt", {"prompt": witness("slow", 0.5)})["prompt_id"]
        last = server.post("/prompt", {"prompt": witness("last")})["prompt_id"]
        while not server.get("/queue")["queue_running"]:
            time.sleep(0.01)
        server.process.send_signal(signal.SIGTERM)
        assert server.process.wait(20) == 0
    with serving(tmp_path, "--factory", FACTORY) as server:
        assert list(until_done(server, 2)) == [slow, last]


async def test_open_connections_do_not_hold_a_closing_server(tmp_path: Path):
    server = Server(Config(workspace=tmp_path, port=0, factory=FACTORY))
    url = await server.start()
    async with (
        aiohttp.ClientSession(url) as http,
        http.ws_connect("/ws?clientId=a") as old,
        http.ws_connect("/ws?clientId=a") as new,
    ):
        assert [(await socket.receive_json())["type"] for socket in (old, new)] == ["status", "status"]
        started = time.monotonic()
        closing = asyncio.create_task(server.close())
        assert [(await socket.receive()).data for socket in (old, new)] == [1001, 1001]
        await closing
    assert time.monotonic() - started < 4


async def test_a_full_disk_is_a_507_and_the_server_lives(tmp_path: Path):
    server = Server(Config(workspace=tmp_path, port=0, factory=FACTORY, database_pages=40))
    url = await server.start()
    try:
        async with aiohttp.ClientSession(url) as http:
            body = {"prompt": shown("x"), "extra_data": {"extra_pnginfo": {"text": "x" * 1_000_000}}}
            async with http.post("/prompt", json=body) as answer:
                assert answer.status == 507
                error = (await answer.json())["error"]
            assert error["type"] == "disk_full"
            assert "Free some space" in error["message"]
            assert await get(http, "/prompt") == {"exec_info": {"queue_remaining": 0}}
            async with http.post("/settings/x", json="x" * 1_000_000) as answer:
                assert answer.status == 507
            id = (await queue(http, shown("small")))["prompt_id"]
            assert (await history(http, id))["status"]["status_str"] == "success"
    finally:
        await server.close()


async def test_a_taken_port_is_said_in_words(tmp_path: Path):
    taken = await asyncio.start_server(lambda *_: None, "127.0.0.1", 0)
    port = taken.sockets[0].getsockname()[1]
    weft = await asyncio.create_subprocess_exec(
        *(os.sys.executable, "-m", "server", "--no-browser", "--port", str(port), "--workspace", str(tmp_path)),
        "--factory", FACTORY, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE,
        cwd=Path(__file__).parents[2],
    )  # fmt: skip
    out, err = await asyncio.wait_for(weft.communicate(), 20)
    taken.close()
    await taken.wait_closed()
    assert (weft.returncode, out) == (1, b"")
    assert str(port) in err.decode()
    assert "--port" in err.decode()


def test_a_second_server_on_the_same_workspace_is_refused(tmp_path: Path):
    with (
        serving(tmp_path, "--factory", FACTORY),
        pytest.raises(Exception, match="status 1"),
        serving(tmp_path),
    ):
        pass


def test_a_worker_that_cannot_start_is_said_and_the_server_lives(tmp_path: Path):
    with serving(tmp_path, "--factory", "tests.server.small_nodes:nothing") as server:
        for ask in (
            lambda: server.get("/object_info"),
            lambda: server.post("/prompt", {"prompt": shown("x")}),
        ):
            with pytest.raises(HTTPError) as refused:
                ask()
            with refused.value as answer:
                assert answer.code == 503
                assert json.load(answer)["error"]["type"] == "worker_lost"
        assert server.get("/api/weft/status")["ready"] is False


def test_a_refused_prompt_says_so_to_plain_clients(tmp_path: Path):
    with serving(tmp_path, "--factory", FACTORY) as server, pytest.raises(HTTPError) as refused:
        server.post("/prompt", {"prompt": {"a": {"class_type": "Nobody", "inputs": {}}}})
    with refused.value as answer:
        assert answer.code == 400
        assert "Nobody" in json.load(answer)["error"]["message"]

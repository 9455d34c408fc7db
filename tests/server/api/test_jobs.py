"""What people do with jobs over HTTP: cancel, pause, resume, move, retry; and that every client hears of it."""

import asyncio
import time
import uuid
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any

import aiohttp
import pytest

from tests.server.api.asking import get, history, prompt, queue, shown
from tests.server.api.listening import listening, steps
from tests.server.small_nodes import FACTORY
from tests.serving import Server, serving


@pytest.fixture(scope="module")
def server_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("jobs")


@pytest.fixture(scope="module")
def server(server_folder: Path) -> Iterator[Server]:
    """A server of our own: a paused queue would hold up everybody else's tests."""
    with serving(server_folder, "--factory", FACTORY) as running:
        running.get("/object_info")
        yield running


@pytest.fixture
async def http(server: Server) -> AsyncIterator[aiohttp.ClientSession]:
    async with aiohttp.ClientSession(server.url) as session:
        await post(session, "/api/jobs/cancel", {"all": True})
        await post(session, "/api/jobs/resume")
        yield session


async def post(http: aiohttp.ClientSession, path: str, body: Any = None, status: int = 200) -> Any:
    async with http.post(path, json=body) if body is not None else http.post(path) as answer:
        assert answer.status == status, await answer.text()
        return await answer.json()


async def waiting(http: aiohttp.ClientSession, *texts: str) -> list[str]:
    """Queue prompts on a paused queue; their ids."""
    await post(http, "/api/jobs/pause")
    return [(await queue(http, shown(text)))["prompt_id"] for text in texts]


async def order(http: aiohttp.ClientSession) -> list[str]:
    return [item[1] for item in (await get(http, "/queue"))["queue_pending"]]


async def job(http: aiohttp.ClientSession, id: str) -> Any:
    return await get(http, f"/api/jobs/{id}")


async def until(what: Any, seconds: float = 30) -> None:
    limit = time.monotonic() + seconds
    while not await what():
        assert time.monotonic() < limit
        await asyncio.sleep(0.02)


async def test_a_paused_queue_takes_prompts_and_runs_them_when_it_is_resumed(http):
    ids = await waiting(http, "p1", "p2")
    assert (await get(http, "/api/weft/status"))["queue_paused"]
    assert await order(http) == ids
    assert await post(http, "/api/jobs/resume") == {"paused": False, "jobs": []}
    for id in ids:
        assert (await history(http, id))["status"]["status_str"] == "success"


async def test_jobs_are_moved_one_and_several(http):
    a, b, c, d = await waiting(http, "m1", "m2", "m3", "m4")
    assert await post(http, f"/api/jobs/{d}/move", {"to": "front"}) == {"moved": [d]}
    assert await order(http) == [d, a, b, c]
    assert await post(http, "/api/jobs/move", {"job_ids": [d, a], "after": c}) == {"moved": [d, a]}
    assert await order(http) == [b, c, d, a]
    assert await post(http, f"/api/jobs/{a}/move", {"before": b}) == {"moved": [a]}
    assert await order(http) == [a, b, c, d]
    assert await post(http, "/api/jobs/nobody/move", {"to": "back"}) == {"moved": []}
    refused = await post(http, f"/api/jobs/{a}/move", {"before": "nobody"}, status=404)
    assert "nobody" in refused["error"]


@pytest.mark.parametrize(
    "goal", [{}, {"to": "up"}, {"to": "front", "before": "x"}, {"before": "x", "after": "y"}, {"to": 5}]
)
async def test_a_move_says_where_to(http, goal):
    answer = await post(http, "/api/jobs/x/move", goal, status=400)
    assert answer["error"]["message"]


async def test_a_job_on_hold_is_passed_by_others(http):
    a, b = await waiting(http, "h1", "h2")
    assert await post(http, f"/api/jobs/{a}/pause") == {"paused": True, "jobs": [a]}
    assert (await job(http, a))["paused"] is True
    await post(http, "/api/jobs/resume")
    await history(http, b)
    assert await order(http) == [a]
    assert await post(http, "/api/jobs/resume", {"job_ids": [a]}) == {"paused": False, "jobs": [a]}
    await history(http, a)
    assert "paused" not in await job(http, a)


async def test_a_running_job_that_is_paused_goes_on_where_it_was(http):
    mark = str(uuid.uuid4())
    nodes = prompt(
        first=("Note", {"text": mark, "seconds": 0}),
        long=("Steps", {"total": 100000, "seconds": 0.01, "label": mark}),
        shown=("Show", {"value": ["long", 0]}),
    )
    id = (await queue(http, nodes))["prompt_id"]

    async def runs() -> bool:
        return (await job(http, id))["status"] == "in_progress"

    async def waits() -> bool:
        return (await job(http, id)).get("paused", False)

    await until(runs)
    assert (await post(http, f"/api/jobs/{id}/pause"))["jobs"] == [id]
    await until(waits)
    assert await get(http, f"/history/{id}") == {}
    following = (await queue(http, shown(mark)))["prompt_id"]
    await history(http, following)
    await post(http, f"/api/jobs/{id}/resume")
    await until(runs)
    assert await post(http, f"/api/jobs/{id}/cancel") == {"cancelled": True}
    await history(http, id)
    assert (await job(http, id))["status"] == "cancelled"


async def test_cancelled_jobs_stay_in_the_history_waiting_ones_too(http):
    a, b = await waiting(http, "c1", "c2")
    assert await post(http, f"/api/jobs/{a}/cancel") == {"cancelled": True}
    assert await post(http, f"/api/jobs/{a}/cancel") == {"cancelled": False}
    found = await job(http, a)
    assert (found["status"], found["outputs"]) == ("cancelled", {})
    assert "execution_start_time" not in found
    entry = (await get(http, f"/history/{a}"))[a]
    assert entry["status"] | {"messages": []} == {"status_str": "error", "completed": False, "messages": []}
    assert [name for name, _ in entry["status"]["messages"]] == ["execution_interrupted"]
    assert await post(http, "/api/jobs/cancel", {"all": True}) == {"cancelled": True}
    assert (await job(http, b))["status"] == "cancelled"
    assert await get(http, "/prompt") == {"exec_info": {"queue_remaining": 0}}
    assert await post(http, "/api/jobs/cancel", {"all": True}) == {"cancelled": False}


async def test_a_retry_is_a_new_job_and_the_old_one_stays_as_it_was(http):
    old = (await queue(http, prompt(a=("Boom", {"text": "r"}), b=("Show", {"value": ["a", 0]}))))["prompt_id"]
    before = await history(http, old)
    (again,) = (await post(http, f"/api/jobs/{old}/retry"))["jobs"]
    assert again["retry_of"] == old != again["prompt_id"]
    entry = await history(http, again["prompt_id"])
    assert entry["prompt"][2] == before["prompt"][2]
    assert entry["status"]["status_str"] == "error"
    assert (await job(http, again["prompt_id"]))["retry_of"] == old
    assert (await get(http, f"/history/{old}"))[old] == before
    # Of all failed ones, each is tried again once: its other try takes its place.
    tried = (await post(http, "/api/jobs/retry", {"all": True}))["jobs"]
    assert again["prompt_id"] in [row["retry_of"] for row in tried]
    assert old not in [row["retry_of"] for row in tried]


async def test_a_retry_does_not_do_again_what_was_finished(http):
    mark = str(uuid.uuid4())
    nodes = prompt(
        a=("Steps", {"total": 3, "seconds": 0, "label": mark}),
        b=("Boom", {"text": ["a", 0]}),
        c=("Show", {"value": ["b", 0]}),
    )
    old = (await queue(http, nodes))["prompt_id"]
    await history(http, old)
    (again,) = (await post(http, "/api/jobs/retry", {"job_ids": [old]}))["jobs"]
    entry = await history(http, again["prompt_id"])
    cached = dict(map(tuple, entry["status"]["messages"]))["execution_cached"]["nodes"]
    assert cached == ["a"]


async def test_only_a_job_that_is_over_is_tried_again(http):
    (id,) = await waiting(http, "n1")
    assert "not over" in (await post(http, f"/api/jobs/{id}/retry", status=409))["error"]
    assert "nobody" in (await post(http, "/api/jobs/nobody/retry", status=404))["error"]


async def test_every_client_that_asks_hears_what_happens_to_the_queue(http):
    async with listening(http, "watcher", {"weft_events": True}) as ear:
        await ear.agreed()
        socket = ear.socket
        (a, b) = await waiting(http, "e1", "e2")
        await post(http, f"/api/jobs/{b}/move", {"to": "front"})
        await post(http, f"/api/jobs/{a}/pause")
        await post(http, f"/api/jobs/{a}/resume")
        await post(http, "/api/jobs/cancel", {"job_ids": [a, b]})
        await post(http, "/api/jobs/resume")
        heard: list[tuple[str, list[str], bool]] = []
        async with asyncio.timeout(30):
            while not heard or heard[-1][0] != "resumed" or heard[-1][1]:
                message = await socket.receive_json()
                if message["type"] == "queue_changed":
                    data = message["data"]
                    heard.append((data["change"], data["prompt_ids"], data["paused"]))
    assert heard == [
        ("paused", [], True), ("added", [a], True), ("added", [b], True), ("moved", [b], True), ("paused", [a], True),
        ("resumed", [a], True), ("cancelled", [b, a], True), ("resumed", [], False),
    ]  # fmt: skip


ODD = [
    b"[]",
    b'{"job_ids": 5}',
    b'{"job_ids": [{}]}',
    b'{"all": "yes"}',
    b"{",
    b'{"client_id": 5, "job_ids": []}',
]


@pytest.mark.parametrize("act", ["cancel", "pause", "resume", "move", "retry"])
@pytest.mark.parametrize("body", ODD)
async def test_no_body_is_a_server_error(http, act, body):
    async with http.post(f"/api/jobs/{act}", data=body) as answer:
        assert answer.status in (200, 400)


def test_pause_holds_and_places_survive_kill_9(tmp_path: Path):
    with serving(tmp_path, "--factory", FACTORY) as server:
        server.post("/api/jobs/pause", {})
        ids = [server.post("/prompt", {"prompt": shown(f"k{index}")})["prompt_id"] for index in range(3)]
        server.post(f"/api/jobs/{ids[2]}/move", {"to": "front"})
        server.post(f"/api/jobs/{ids[0]}/pause", {})
        server.process.kill()
        server.process.wait(20)
    with serving(tmp_path, "--factory", FACTORY) as server:
        assert server.get("/api/weft/status")["queue_paused"]
        assert [item[1] for item in server.get("/queue")["queue_pending"]] == [ids[2], ids[0], ids[1]]
        assert server.get(f"/api/jobs/{ids[0]}")["paused"]


async def test_a_stop_right_after_a_prompt_stops_that_prompt_whether_it_began_or_not(http):
    for turn in range(8):
        id = (await queue(http, steps(f"at once {turn}", total=400, seconds=0.05)))["prompt_id"]
        await http.post("/interrupt")
        assert (await history(http, id))["status"]["messages"][-1][0] == "execution_interrupted"


async def test_a_stop_while_nothing_waits_or_runs_harms_no_later_prompt(http):
    await http.post("/interrupt")
    id = (await queue(http, shown("after a stop")))["prompt_id"]
    assert (await history(http, id))["status"]["completed"] is True

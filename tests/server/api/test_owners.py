"""Where several people show tokens, each sees and controls their own jobs; who looks after the server sees all."""

from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

import aiohttp
import pytest

from server.app import Server
from server.config import Config
from server.tokens import Tokens
from tests.server.api.asking import get, history, prompt, queue, shown
from tests.server.api.listening import listening, steps
from tests.server.small_nodes import FACTORY

FLAGS = {"weft_events": True}


@dataclass(frozen=True)
class People:
    """Clients that show a token each: the first one's, two plain ones, one made with --admin."""

    owner: aiohttp.ClientSession
    anna: aiohttp.ClientSession
    bob: aiohttp.ClientSession
    admin: aiohttp.ClientSession


@pytest.fixture
async def people(tmp_path: Path) -> AsyncIterator[People]:
    server = Server(Config(workspace=tmp_path, hosts=("0.0.0.0",), port=0, factory=FACTORY, multi_user=True))
    address = urlsplit(await server.start())
    tokens = Tokens(tmp_path / "user")
    shown_tokens = [
        address.query.removeprefix("token="), tokens.add("anna"), tokens.add("bob"), tokens.add("boss", admin=True),
    ]  # fmt: skip
    clients = [
        aiohttp.ClientSession(f"http://{address.netloc}", headers={"Authorization": f"Bearer {text}"})
        for text in shown_tokens
    ]
    await get(clients[0], "/object_info")
    yield People(*clients)
    for client in clients:
        await client.close()
    await server.close()


async def status_of(http: aiohttp.ClientSession, method: str, path: str, body: object = None) -> int:
    async with http.request(method, path, json=body) as answer:
        return answer.status


def ids(page: dict) -> set[str]:
    return {job["id"] for job in page["jobs"]}


async def test_history_and_lists_hold_ones_own_jobs_and_all_for_who_looks_after_the_server(people):
    made = {}
    for name in ("owner", "anna", "bob"):
        http = getattr(people, name)
        made[name] = (await queue(http, shown(name)))["prompt_id"]
        await history(http, made[name])
    for name in ("anna", "bob"):
        http = getattr(people, name)
        assert (await get(http, "/history")).keys() == {made[name]}
        assert ids(await get(http, "/api/jobs")) == {made[name]}
        assert (await get(http, "/api/jobs"))["pagination"]["total"] == 1
    for http in (people.owner, people.admin):
        assert (await get(http, "/history")).keys() == set(made.values())
        assert ids(await get(http, "/api/jobs")) == set(made.values())
    assert await get(people.bob, f"/history/{made['anna']}") == {}
    assert await status_of(people.bob, "GET", f"/api/jobs/{made['anna']}") == 404
    assert await status_of(people.bob, "GET", f"/api/jobs/{made['anna']}/assets") == 404
    assert await status_of(people.bob, "POST", f"/api/jobs/{made['anna']}/retry") == 404
    await people.bob.post("/history", json={"delete": [made["anna"]]})
    await people.bob.post("/history", json={"clear": True})
    assert (await get(people.admin, "/history")).keys() == {made["owner"], made["anna"]}


async def test_nobody_touches_anothers_jobs_that_wait_or_run(people):
    running = (await queue(people.anna, steps("owners", total=200, seconds=0.05), client_id="a"))["prompt_id"]
    waiting = (await queue(people.anna, shown("waits")))["prompt_id"]
    bobs = (await queue(people.bob, shown("bob's")))["prompt_id"]
    told = await get(people.bob, "/queue")
    assert [item[1] for part in told.values() for item in part] == [bobs]
    assert (await get(people.bob, "/prompt"))["exec_info"]["queue_remaining"] == 3, (
        "how long the queue is, all know"
    )
    both = {"job_ids": [running, waiting]}
    for path, body in (
        ("/queue", {"clear": True, "delete": [waiting]}), ("/interrupt", {}), ("/interrupt", {"prompt_id": running}),
        ("/api/jobs/cancel", {"all": True}), ("/api/jobs/cancel", both), (f"/api/jobs/{waiting}/cancel", None),
        ("/api/jobs/pause", both), ("/api/jobs/move", {"job_ids": [waiting], "to": "back"}),
    ):  # fmt: skip
        assert await status_of(people.bob, "POST", path, body) == 200
    told = await get(people.admin, "/queue")
    assert [item[1] for part in told.values() for item in part] == [running, waiting]
    for path, body in (("/api/jobs/pause", {}), ("/api/jobs/resume", {}), ("/free", {"unload_models": True})):
        assert await status_of(people.bob, "POST", path, body) == 403
    for path in ("/internal/logs", "/internal/logs/raw"):
        assert await status_of(people.bob, "GET", path) == 403
        assert await status_of(people.admin, "GET", path) == 200
    assert await status_of(people.anna, "POST", "/api/jobs/cancel", {"all": True}) == 200
    assert (await history(people.anna, running))["status"]["completed"] is False
    assert (await history(people.admin, waiting))["status"]["completed"] is False


async def test_a_websocket_hears_its_own_persons_jobs_though_another_calls_itself_the_same(people):
    async with (
        listening(people.anna, "same") as anna,
        listening(people.bob, "same") as bob,
        listening(people.bob, "numbered", FLAGS) as numbered,
        listening(people.admin, "boss", FLAGS) as boss,
    ):
        for ear in (anna, bob):
            assert (await ear.until("status"))["sid"] == "same"
        await numbered.agreed()
        await boss.agreed()
        id, _ = await anna.job(people.anna, shown("secret"), client_id="same")
        assert {"executed", "execution_success"} <= set(anna.types)
        stopped = (await queue(people.anna, steps("stopped", total=200, seconds=0.05), client_id="same"))[
            "prompt_id"
        ]
        await anna.until("execution_start", prompt_id=stopped)
        await people.anna.post("/interrupt")
        await anna.until("execution_interrupted", prompt_id=stopped)
        await boss.until("execution_interrupted", prompt_id=stopped)
        done, _ = await bob.job(people.bob, shown("bob's own"), client_id="same")
        await numbered.until("queue_changed", change="ended", prompt_ids=[done])
    for ear in (bob, numbered):
        said = str(ear.heard)
        assert id not in said
        assert stopped not in said
    assert any(
        said["data"].get("prompt_ids") == [id] for said in boss.heard if said["type"] == "queue_changed"
    )


async def test_who_owns_a_job_outlives_the_server(tmp_path):
    config = Config(workspace=tmp_path, hosts=("0.0.0.0",), port=0, factory=FACTORY)
    texts, seen = {}, []
    for turn in range(2):
        server = Server(config)
        address = urlsplit(await server.start())
        tokens = Tokens(tmp_path / "user")
        texts = texts or {name: tokens.add(name) for name in ("anna", "bob")}
        for name, text in texts.items():
            headers = {"Authorization": f"Bearer {text}"}
            async with aiohttp.ClientSession(f"http://{address.netloc}", headers=headers) as http:
                if turn == 0 and name == "anna":
                    await history(http, (await queue(http, shown("kept")))["prompt_id"])
                seen.append(len(await get(http, "/history")))
        await server.close()
    assert seen == [1, 0, 1, 0]


async def test_a_retry_belongs_to_whom_the_job_belonged(people):
    failing = prompt(a=("Boom", {"text": "x"}), b=("Show", {"value": ["a", 0]}))
    id = (await queue(people.anna, failing))["prompt_id"]
    await history(people.anna, id)
    async with people.bob.post("/api/jobs/retry", json={}) as answer:
        assert (await answer.json())["jobs"] == []
    async with people.admin.post(f"/api/jobs/{id}/retry", json={"client_id": "boss"}) as answer:
        (again,) = (await answer.json())["jobs"]
    await history(people.anna, again["prompt_id"])
    assert ids(await get(people.anna, "/api/jobs")) == {id, again["prompt_id"]}

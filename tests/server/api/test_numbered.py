"""What clients are told that agreed on numbers, and what they are told again when they come back."""

import uuid
from pathlib import Path

import aiohttp
import pytest

from server.app import Server as App
from server.config import Config
from tests.server.api.asking import history, prompt, queue, shown
from tests.server.api.listening import FLAGS, Ear, listening, steps
from tests.server.small_nodes import FACTORY

NUMBERS = {**FLAGS, "weft_events": True}
QUEUE = ("status", "queue_changed")


def back_at(server: str, seq: int) -> dict:
    """The flags of a client that comes back."""
    return {**FLAGS, "weft_events": {"server": server, "seq": seq}}


def places(heard: list[dict]) -> list[tuple[str, str]]:
    """Kind and node of the messages about nodes."""
    return [
        (message["type"], message["data"]["node"])
        for message in heard
        if message["type"].startswith("node_") or message["type"] == "executed"
    ]


@pytest.fixture
def sid() -> str:
    return uuid.uuid4().hex


async def test_the_agreement_names_the_server_and_its_last_number(http, sid):
    async with listening(http, sid, NUMBERS) as ear:
        assert (await ear.until("feature_flags"))["weft_events"] is True
        first = await ear.agreed()
    assert first.keys() == {"server", "seq", "resumed", "reason"}
    assert (first["resumed"], first["reason"]) == (False, "")
    async with listening(http, f"{sid}-2", NUMBERS) as ear:
        assert (await ear.agreed())["server"] == first["server"]


async def test_each_node_is_told_with_what_it_took(http, sid):
    async with listening(http, sid, NUMBERS) as ear:
        await ear.agreed()
        id, heard = await ear.job(http, steps(sid), client_id=sid)
    assert [message["type"] for message in heard] == [
        *QUEUE, *QUEUE, "execution_start", "execution_cached",
        "node_started", "node_progress", "frame 4", "node_progress", "frame 4", "frame 3", "node_finished",
        "node_started", "executed", "node_finished", "execution_success", *QUEUE, "executing",
    ]  # fmt: skip
    where = {"prompt_id": id, "node": "a", "display_node": "a", "parent_node": None, "real_node_id": "a"}
    told = {
        message["type"]: message["data"] for message in heard if message.get("data", {}).get("node") == "a"
    }
    assert told["node_started"] == where
    assert told["node_progress"] == where | {"value": 2, "max": 2}
    finished = told["node_finished"]
    assert finished.items() >= (where | {"cached": False}).items()
    assert 0.02 <= finished["seconds"] < 5
    assert finished["memory"]["host"] > 1 << 20
    assert finished["memory"].keys() == {"host", "growth", "device"}


async def test_numbers_rise_and_progress_has_none(http, sid):
    async with listening(http, sid, NUMBERS) as ear:
        await ear.agreed()
        _, heard = await ear.job(http, steps(sid), client_id=sid)
    numbers = [message["seq"] for message in heard if "seq" in message]
    assert numbers == sorted(set(numbers))
    bare = {message["type"] for message in heard if "seq" not in message}
    assert bare == {"status", "node_progress", "frame 4", "frame 3", "executed"}


async def test_others_hear_nothing_of_it(http, sid):
    async with listening(http, sid, FLAGS) as ear:
        _, heard = await ear.job(http, steps(sid), client_id=sid)
    assert not any("seq" in message or message["type"].startswith("node_") for message in heard)


async def test_what_was_cached_says_so(http, sid):
    nodes = prompt(a=("Say", {"text": sid}), b=("Show", {"value": ["a", 0]}))
    async with listening(http, sid, NUMBERS) as ear:
        await ear.agreed()
        await ear.job(http, nodes, client_id=sid)
        _, heard = await ear.job(http, nodes, client_id=sid)
    (cached,) = (message["data"]["nodes"] for message in heard if message["type"] == "execution_cached")
    finished = {m["data"]["node"]: m["data"] for m in heard if m["type"] == "node_finished"}
    assert "a" in cached
    assert all(data["cached"] == (node in cached) for node, data in finished.items())


async def test_a_failed_node_is_told_at_once_and_the_job_goes_on(http, sid):
    nodes = prompt(
        a=("Boom", {"text": sid}), b=("Show", {"value": ["a", 0]}), c=("Note", {"text": "x", "seconds": 0.2})
    )
    async with listening(http, sid, NUMBERS) as ear:
        await ear.agreed()
        id, heard = await ear.job(http, nodes, client_id=sid)
    order = [message["type"] for message in heard]
    failed = next(message["data"] for message in heard if message["type"] == "node_failed")
    assert failed["exception_message"] == "It broke.\nMend it."
    assert (failed["node"], failed["node_id"], failed["node_type"]) == ("a", "a", "Boom")
    assert order.count("execution_error") == 1
    assert ("executed", "c") in places(heard)
    assert order.index("node_failed") < order.index("execution_error")
    assert order.index("executed") < order.index("execution_error")
    assert (await history(http, id))["failures"] == [failed]


@pytest.mark.parametrize("cut", [0, 2, 4, 6, 8])
async def test_who_comes_back_hears_what_it_missed_and_nothing_twice(http, sid, cut):
    nodes = prompt(
        a=("Steps", {"total": 3, "seconds": 0.01, "label": sid}),
        b=("Show", {"value": ["a", 0]}), c=("Note", {"text": sid, "seconds": 0.0}),
    )  # fmt: skip
    async with listening(http, sid, NUMBERS) as ear:
        hello = await ear.agreed()
        id, heard = await ear.job(http, nodes, client_id=sid)
    numbered = [message for message in heard if "seq" in message]
    seen = numbered[cut - 1]["seq"] if cut else hello["seq"]
    async with listening(http, sid, back_at(hello["server"], seen)) as ear:
        again = await ear.agreed()
        assert (again["resumed"], again["reason"]) == (True, "")
        if cut < len(numbered):
            await ear.until("executing", node=None, prompt_id=id)
    told = [message for message in ear.heard if "seq" in message]
    assert told == numbered[cut:]
    assert "frame 4" not in ear.types


async def test_a_client_cut_off_in_a_run_misses_nothing(http, sid):
    nodes = prompt(
        **{f"n{index}": ("Note", {"text": f"{sid}{index}", "seconds": 0.05}) for index in range(12)}
    )
    heard: list[dict] = []
    async with listening(http, sid, NUMBERS) as ear:
        hello = await ear.agreed()
        id = (await queue(http, nodes, client_id=sid))["prompt_id"]
        await ear.until("executed")
    heard += ear.heard
    last = ear.last
    for _ in range(3):
        async with listening(http, sid, back_at(hello["server"], last)) as ear:
            assert (await ear.agreed())["resumed"] is True
            await ear.until("executed")
        heard += ear.heard
        last = ear.last
    async with listening(http, sid, back_at(hello["server"], last)) as ear:
        await ear.until("executing", node=None, prompt_id=id)
    heard += ear.heard
    ended = [message["data"]["node"] for message in heard if message["type"] == "node_finished"]
    assert sorted(set(ended)) == sorted(nodes)
    numbers = [message["seq"] for message in heard if "seq" in message]
    assert numbers == sorted(numbers)


async def test_who_comes_back_in_a_step_hears_how_far_the_node_is(http, sid):
    async with listening(http, sid, NUMBERS) as ear:
        hello = await ear.agreed()
        await queue(http, steps(sid, 2000), client_id=sid)
        await ear.until("node_progress", value=5)
        last = ear.last
    async with listening(http, sid, back_at(hello["server"], last)) as ear:
        await ear.agreed()
        told = await ear.until("node_progress")
        assert (told["node"], told["max"]) == ("a", 2000)
        await http.post("/interrupt", json={})
        await ear.until("executing", node=None)


async def test_a_window_loaded_anew_hears_how_the_running_job_stands(http, sid):
    nodes = steps(sid, 2000) | prompt(z=("Note", {"text": sid, "seconds": 0.0}))
    async with listening(http, sid, NUMBERS) as ear:
        await ear.agreed()
        id = (await queue(http, nodes, client_id=sid))["prompt_id"]
        await ear.until("executed")
        await ear.until("node_progress")
    async with listening(http, sid, NUMBERS) as ear:
        assert (await ear.agreed())["resumed"] is False
        await ear.until("execution_start", prompt_id=id)
        await ear.until("execution_cached", prompt_id=id)
        assert (await ear.until("executed"))["node"] == "z"
        board = (await ear.until("progress_state"))["nodes"]
        assert {node: entry["state"] for node, entry in board.items()} == {"a": "running", "z": "finished"}
        await ear.until("node_progress", node="a")
        await http.post("/interrupt", json={})
        await ear.until("executing", node=None)


@pytest.mark.parametrize(
    ("position", "reason"),
    [
        ({"server": "another life", "seq": 3}, "restarted"),
        ({"server": None, "seq": 10**12}, "too_old"),
        ({"server": None, "seq": -1}, "too_old"),
        ({"server": 5, "seq": 3}, ""),
        ({"seq": 3}, ""),
        ([], None),
        ("yes", ""),
        (False, None),
    ],
)
async def test_who_cannot_be_told_what_it_missed_is_told_that(http, sid, position, reason):
    async with listening(http, sid, NUMBERS) as ear:
        hello = await ear.agreed()
    if isinstance(position, dict) and "server" in position:
        position = {"server": position["server"] or hello["server"], "seq": position["seq"]}
    async with listening(http, sid, {"weft_events": position}) as ear:
        await ear.until("feature_flags")
        if reason is None:
            await ear.job(http, shown(sid), client_id=sid)
            assert "weft_hello" not in ear.types
        else:
            told = await ear.agreed()
            assert (told["resumed"], told["reason"]) == (False, reason)


async def test_only_its_own_jobs_are_told_again_to_a_client(http, sid):
    async with listening(http, sid, NUMBERS) as ear:
        hello = await ear.agreed()
    id = (await queue(http, shown("another's"), client_id=f"{sid}-other"))["prompt_id"]
    await history(http, id)
    async with listening(http, sid, back_at(hello["server"], hello["seq"])) as ear:
        await ear.agreed()
        await ear.job(http, shown("own"), client_id=sid)
    assert not any(message.get("data", {}).get("prompt_id") == id for message in ear.heard)


async def test_after_a_restart_the_job_goes_on_and_its_client_is_told_both(tmp_path: Path, sid):
    config = Config(workspace=tmp_path, port=0, factory=FACTORY)
    nodes = prompt(a=("Note", {"text": "slow", "seconds": 1.0}))
    first = App(config)
    url = await first.start()
    async with aiohttp.ClientSession(url) as http, listening(http, sid, NUMBERS) as ear:
        hello = await ear.agreed()
        id = (await queue(http, nodes, client_id=sid))["prompt_id"]
        await ear.until("node_started")
        await first.close()
    second = App(config)
    url = await second.start()
    try:
        async with aiohttp.ClientSession(url) as http:
            async with listening(http, sid, back_at(hello["server"], ear.last)) as ear:
                told = await ear.agreed()
                assert (told["resumed"], told["reason"]) == (False, "restarted")
                assert told["server"] != hello["server"]
                await ear.until("executing", node=None, prompt_id=id)
            assert _ended(ear)
            assert (await history(http, id))["status"]["status_str"] == "success"
    finally:
        await second.close()


def _ended(ear: Ear) -> bool:
    return "execution_success" in ear.types

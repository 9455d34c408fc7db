"""The whole history is told in portions, made of what was written down; it says what the records say."""

import asyncio
import json
import math
from collections.abc import Iterator
from pathlib import Path

import aiohttp
import pytest

from server.api import answers, wire
from server.jobs.job import Job, Result, Search, State, Wish
from server.store import Store
from tests.server.api.asking import get
from tests.server.small_nodes import FACTORY
from tests.serving import Server, serving

MANY = 1_250  # jobs: more than are answered in one piece
OVER = tuple(state for state in State if state.over)


def entry(index: int) -> tuple[Job, Result]:
    state = OVER[index % len(OVER)]
    wish = Wish(
        id=f'job "{index}"',
        prompt={"a": {"class_type": "Say", "inputs": {"text": f'é "{index}" NaN'}}},
        extra={"n": index},
        targets=("a", "b"),
        created=index // 2,
    )
    value = math.nan if index % 100 == 7 else index / 3
    result = Result(
        state=state,
        started=index,
        ended=index + 1,
        outputs={"a": {"values": [value, None, "Infinity"]}},
        messages=[["execution_start", {"prompt_id": wish.id, "timestamp": index}]],
        meta={"a": {"node_id": "a"}},
        failures=[{"node_id": "a"}] if state is State.FAILED else [],
    )
    return Job(wish, index + (0.5 if index % 5 == 0 else 0), index), result


async def fill(path: Path) -> dict[str, object]:
    """Write them all; what `/history` is to answer."""
    store = await Store.open(path)
    made = [entry(index) for index in range(MANY)]
    await asyncio.gather(*(store.add(job) for job, _ in made))
    await store.finish_all({job.id: result for job, result in made})
    records, _ = await store.search(Search(states=OVER, ascending=True))
    await store.close()
    return json.loads(wire.dumps(answers.history_json(records)))


@pytest.fixture(scope="module")
def long_history(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Server, dict[str, object]]]:
    workspace = tmp_path_factory.mktemp("history")
    expected = asyncio.run(fill(workspace / "user" / "weft.db"))
    with serving(workspace, "--factory", FACTORY) as server:
        yield server, expected


@pytest.mark.parametrize(
    ("query", "first", "last"),
    [
        ("", 0, MANY),
        ("?max_items=3", MANY - 3, MANY),
        (f"?max_items={MANY - 1}", 1, MANY),
        ("?max_items=2&offset=5", 5, 7),
        ("?offset=20", 20, MANY),
        ("?offset=2000", 0, 0),
        ("?max_items=0", 0, 0),
    ],
)
async def test_a_part_or_all_of_it_is_what_the_records_say_in_their_order(long_history, query, first, last):
    server, expected = long_history
    async with aiohttp.ClientSession(server.url) as http:
        told = await get(http, f"/history{query}")
    assert list(told.items()) == list(expected.items())[first:last]


async def test_others_are_answered_while_all_of_it_is_told(long_history):
    server, _ = long_history
    async with aiohttp.ClientSession(server.url) as http, http.get("/api/history") as answer:
        assert answer.status == 200
        assert answer.headers.get("Transfer-Encoding") == "chunked"
        assert await get(http, "/prompt") == {"exec_info": {"queue_remaining": 0}}
        assert len(await answer.json()) == MANY

"""HOST_API.md sections 3 and 4: the queue as packs see it, from a node and from a route."""

from collections.abc import Iterator

import pytest

from tests.compat.hosted import hosting
from tests.serving import Server


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    with hosting(tmp_path_factory.mktemp("hosted"), "hosted") as running:
        yield running


def asks(marker: str) -> dict:
    return {"prompt": {"7": {"class_type": "HostedAsks", "inputs": {"marker": marker}}}}


def test_a_node_sees_its_own_job_run(server: Server):
    job = server.post("/prompt", asks("a"))["prompt_id"]
    running, waiting, remaining, type = server.ended(job)["outputs"]["7"]["text"]
    assert (running, waiting, remaining, type) == ([job], 0, 1, "HostedAsks")


def test_a_route_withdraws_what_waits_and_looks_at_what_is_done(server: Server):
    done = server.post("/prompt", asks("b"))["prompt_id"]
    server.ended(done)
    server.post("/api/jobs/pause", {})
    first, second, third = (server.post("/prompt", asks(marker))["prompt_id"] for marker in "cde")
    told = server.get(f"/hosted/withdraw/{second}")
    assert told == {"gone": True, "exec_info": {"queue_remaining": 2}}
    assert [item[1] for item in server.get("/queue")["queue_pending"]] == [first, third]
    assert server.get(f"/hosted/withdraw/{second}")["gone"] is False
    assert server.get("/hosted/wipe") == {"done": [done], "exec_info": {"queue_remaining": 0}}
    server.post("/api/jobs/resume", {})

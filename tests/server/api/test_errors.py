"""What a handler raises becomes an answer in words."""

import errno
from collections.abc import Callable

import aiohttp
import pytest
from aiohttp import web
from aiohttp.test_utils import TestClient, TestServer

from nodes.spec import NodeError
from server.api.middleware import errors
from server.backends.base import BackendLost
from server.graph.errors import Fault, PromptError
from server.jobs.job import StoreFull

RAISED: list[tuple[Callable[[], Exception], int, str]] = [
    (lambda: OSError(errno.ENOSPC, "No space left on device"), 507, "disk_full"),
    (lambda: StoreFull("full"), 507, "disk_full"),
    (lambda: PermissionError(errno.EACCES, "Permission denied"), 500, "disk_error"),
    (lambda: BackendLost("gone"), 503, "worker_lost"),
    (lambda: NodeError("no", "do"), 400, "invalid_request"),
    (lambda: PromptError(Fault("t", "m")), 400, "t"),
    (RecursionError, 400, "invalid_json"),
    (lambda: ZeroDivisionError("ours"), 500, "internal_error"),
    (web.HTTPNotFound, 404, "http_404"),
]


@pytest.mark.parametrize(("make", "status", "kind"), RAISED, ids=[f"{row[1]} {row[2]}" for row in RAISED])
async def test_an_error_is_an_answer(make: Callable[[], Exception], status: int, kind: str):
    async def handler(request: web.Request) -> web.Response:
        raise make()

    app = web.Application(middlewares=[errors])
    app.router.add_get("/", handler)
    async with TestClient(TestServer(app)) as client, client.get("/") as answer:
        assert isinstance(answer, aiohttp.ClientResponse)
        said = await answer.json()
    assert (answer.status, said["error"]["type"], said["node_errors"]) == (status, kind, {})
    assert said["error"]["message"]

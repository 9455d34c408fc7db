"""One server with small nodes for all tests of HTTP, and a client for each test."""

from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import aiohttp
import pytest

from tests.server.small_nodes import FACTORY
from tests.serving import Server, serving


@pytest.fixture(scope="session")
def workspace(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("api")


@pytest.fixture(scope="session")
def server(workspace: Path) -> Iterator[Server]:
    with serving(workspace, "--factory", FACTORY, "--allow-host", "weft.example") as running:
        running.get("/object_info")  # the worker is ready
        yield running


@pytest.fixture
async def http(server: Server) -> AsyncIterator[aiohttp.ClientSession]:
    async with aiohttp.ClientSession(server.url) as session:
        yield session

"""A stage for each test, and one server for all that ask over HTTP."""

from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest
import pytest_asyncio

from tests.server.spec.kinds import World
from tests.server.spec.playing import Stage
from tests.server.spec.served import FACTORY
from tests.serving import Server, serving


@pytest_asyncio.fixture
async def stage(tmp_path: Path) -> AsyncIterator[Stage]:
    made = Stage(World(tmp_path))
    await made.backend.start()
    yield made
    await made.backend.close()


@pytest.fixture(scope="session")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """A real server with the nodes of `served`."""
    with serving(tmp_path_factory.mktemp("spec"), "--factory", FACTORY) as running:
        running.get("/object_info")  # the worker is ready
        yield running

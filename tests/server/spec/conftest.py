"""A stage for each test."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest_asyncio

from tests.server.spec.kinds import World
from tests.server.spec.playing import Stage


@pytest_asyncio.fixture
async def stage(tmp_path: Path) -> AsyncIterator[Stage]:
    made = Stage(World(tmp_path))
    await made.backend.start()
    yield made
    await made.backend.close()

"""A real server with packs of tests/data."""

import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tests.serving import Server, serving

DATA = Path(__file__).parents[1] / "data"
FACTORY = "tests.server.small_nodes:build_with_packs"


@contextmanager
def hosting(workspace: Path, *names: str, folder: str = "hosted") -> Iterator[Server]:
    """A server on this workspace, ready, with these packs, which lie in `folder` of the data."""
    for name in names:
        shutil.copytree(DATA / folder / name, workspace / "custom_nodes" / name)
    with serving(workspace, "--factory", FACTORY) as running:
        running.get("/object_info")
        yield running

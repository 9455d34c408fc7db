"""A real server with the packs of tests/data/hosted."""

import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tests.serving import Server, serving

PACKS = Path(__file__).parents[1] / "data" / "hosted"
FACTORY = "tests.server.small_nodes:build_with_packs"


@contextmanager
def hosting(workspace: Path, *names: str) -> Iterator[Server]:
    """A server on this workspace, ready, with these of the packs."""
    for name in names:
        shutil.copytree(PACKS / name, workspace / "custom_nodes" / name)
    with serving(workspace, "--factory", FACTORY) as running:
        running.get("/object_info")
        yield running

"""One real server for the tests of this folder, with the probe pack among its packs."""

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.serving import Server, serving

DATA = Path(__file__).resolve().parents[1] / "data"


@pytest.fixture(scope="session")
def workspace(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("workspace")
    (folder / "custom_nodes").mkdir()
    shutil.copytree(DATA / "packs" / "probe_pack", folder / "custom_nodes" / "probe_pack")
    return folder


@pytest.fixture(scope="session")
def server(workspace: Path) -> Iterator[Server]:
    with serving(workspace) as running:
        yield running

"""Two servers with real packs: two packs whole, and the scripts of four others with definitions for them."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Page

from tests.e2e.canvas import Canvas
from tests.e2e.packs.real import FOLDERS, begun, unpacked
from tests.e2e.test_extensions import FACTORY, scripted
from tests.serving import Server, serving


@pytest.fixture(scope="session")
def scripts_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The workspace of the four packs of which the scripts alone are there."""
    return tmp_path_factory.mktemp("packs")


@pytest.fixture(scope="session")
def scripts(chromium: Path, scripts_folder: Path) -> Iterator[Server]:
    """A server that gives the scripts of four packs, and definitions to them."""
    scripted(scripts_folder, "definitions")
    for pack, web in FOLDERS.items():
        unpacked(pack, scripts_folder / "unpacked")
        (scripts_folder / "unpacked" / pack / web).rename(scripts_folder / "scripts" / pack)
    with serving(scripts_folder, "--factory", FACTORY) as server:
        yield server


@pytest.fixture(scope="session")
def whole_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The workspace of the two packs that are there whole."""
    return tmp_path_factory.mktemp("whole")


@pytest.fixture(scope="session")
def whole(chromium: Path, whole_folder: Path) -> Iterator[Server]:
    """A server with two packs whole."""
    scripted(whole_folder)
    for pack in ("rgthree-comfy", "ComfyUI-Custom-Scripts"):
        unpacked(pack, whole_folder / "custom_nodes")
    with serving(whole_folder) as server:
        yield server


@pytest.fixture
def four(page: Page, scripts: Server) -> Canvas:
    """An empty canvas with the scripts of four packs."""
    return begun(page, scripts)


@pytest.fixture
def two(page: Page, whole: Server) -> Canvas:
    """An empty canvas with rgthree and Custom-Scripts."""
    return begun(page, whole)

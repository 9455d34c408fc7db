"""Packs that count their files: a job that runs again writes the files that it wrote before."""

from dataclasses import replace
from pathlib import Path

import pytest

from nodes.compat.current import entered
from nodes.compat.names import folder_paths
from nodes.spec import Files, Place
from server.worker.saves import Journal, Saves
from server.workspace import Workspace
from tests.builtin.surroundings import Surroundings


@pytest.fixture
def workspace(tmp_path: Path) -> Workspace:
    return Workspace(tmp_path)


def files_of(workspace: Workspace, run: str, node: str = "9") -> Files:
    """What a node is given in a new life of the worker."""
    return Saves(workspace, Journal(workspace.saves)).files(run, node, 0)


def save(
    workspace: Workspace, files: Files, prefix: str, count: int, place: Place = Place.OUTPUT
) -> list[str]:
    """As packs save a batch."""
    context = replace(Surroundings(workspace), files=files)  # type: ignore[arg-type]
    with entered(context):
        folder, name, counter, _, _ = folder_paths.get_save_image_path(prefix, str(workspace.place(place)))
    written: list[str] = []
    for index in range(counter, counter + count):
        path = Path(folder) / f"{name}_{index:05}_.png"
        path.write_bytes(b"picture")
        written.append(path.name)
    return written


def test_a_job_that_was_cut_off_writes_the_same_names_again(workspace: Workspace):
    assert save(workspace, files_of(workspace, "earlier"), "sub/x", 1) == ["x_00001_.png"]
    assert save(workspace, files_of(workspace, "a"), "sub/x", 2) == ["x_00002_.png", "x_00003_.png"]
    whole = ["x_00002_.png", "x_00003_.png", "x_00004_.png", "x_00005_.png"]
    assert save(workspace, files_of(workspace, "a"), "sub/x", 4) == whole
    assert len(list((workspace.place(Place.OUTPUT) / "sub").iterdir())) == 5


def test_nothing_of_another_job_is_written_over(workspace: Workspace):
    assert save(workspace, files_of(workspace, "a"), "x", 1) == ["x_00001_.png"]
    assert save(workspace, files_of(workspace, "b"), "x", 2) == ["x_00002_.png", "x_00003_.png"]
    assert save(workspace, files_of(workspace, "a"), "x", 2) == ["x_00004_.png", "x_00005_.png"]
    assert save(workspace, files_of(workspace, "a"), "x", 2) == ["x_00004_.png", "x_00005_.png"]
    slot = files_of(workspace, "c").reserve(Place.OUTPUT, "x", ".png")
    assert slot.filename == "x_00006_.png", "saves of our own nodes count too"
    with slot.writing() as path:
        path.write_bytes(b"picture")
    assert save(workspace, files_of(workspace, "a"), "x", 1) == ["x_00007_.png"]


def test_each_save_of_a_node_and_each_node_counts_for_itself(workspace: Workspace):
    for _ in range(2):
        first, second = files_of(workspace, "a"), files_of(workspace, "a", "10")
        assert save(workspace, first, "x", 2) == ["x_00001_.png", "x_00002_.png"]
        assert save(workspace, first, "x", 1) == ["x_00003_.png"]
        assert save(workspace, second, "x", 1) == ["x_00004_.png"]


def test_what_lies_elsewhere_is_counted_as_ever(workspace: Workspace):
    for expected in ("x_00001_.png", "x_00002_.png"):
        assert save(workspace, files_of(workspace, "a"), "x", 1, Place.TEMP) == [expected]
    assert not workspace.saves.exists()

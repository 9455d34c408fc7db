"""The names of saves: one job, one file for each save, however often it runs."""

import os
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from nodes.spec import Files, NodeError, Place
from server.worker import saves as module
from server.worker.saves import Journal, Name, Save, Saves
from server.workspace import Workspace


@pytest.fixture
def workspace(tmp_path: Path) -> Workspace:
    return Workspace(tmp_path)


def life(workspace: Workspace) -> Saves:
    """A worker's saves: what it knows it has read from the disk."""
    return Saves(workspace, Journal(workspace.saves))


def save(files: Files, prefix: str, text: str, suffix: str = ".txt") -> str:
    slot = files.reserve(Place.OUTPUT, prefix, suffix)
    with slot.writing() as path:
        path.write_text(text)
    return slot.filename


def outputs(workspace: Workspace) -> dict[str, str]:
    folder = workspace.place(Place.OUTPUT)
    return {
        path.relative_to(folder).as_posix(): path.read_text() for path in folder.rglob("*") if path.is_file()
    }


def test_names_are_those_of_the_field(workspace: Workspace):
    files = life(workspace).files("job 1", "9", 0)
    assert [save(files, "a", "x") for _ in range(2)] == ["a_00001_.txt", "a_00002_.txt"]
    assert outputs(workspace) == {"a_00001_.txt": "x", "a_00002_.txt": "x"}


def test_a_job_that_runs_again_takes_the_same_names(workspace: Workspace):
    first = life(workspace)
    for node, call in (("9", 0), ("9", 1), ("10", 0)):
        files = first.files("job 1", node, call)
        save(files, f"{node}/x", "first")
        save(files, f"{node}/x", "first")
    before = outputs(workspace)
    again = life(workspace)
    for node, call in (("10", 0), ("9", 1), ("9", 0)):
        files = again.files("job 1", node, call)
        save(files, f"{node}/x", f"again {call}")
        save(files, f"{node}/x", f"again {call}")
    after = outputs(workspace)
    assert after.keys() == before.keys()
    assert sorted(after.values()) == ["again 0"] * 4 + ["again 1"] * 2


def test_other_jobs_nodes_and_calls_take_other_names(workspace: Workspace):
    saves = life(workspace)
    names = {
        save(saves.files(run, node, call), "a", "x") for run in ("1", "2") for node in "ab" for call in (0, 1)
    }
    assert len(names) == 8


def test_a_half_written_file_is_replaced(workspace: Workspace):
    slot = life(workspace).files("job 1", "9", 0).reserve(Place.OUTPUT, "a", ".txt")
    slot.partial.write_text("half")  # and then the machine went down
    assert save(life(workspace).files("job 1", "9", 0), "a", "whole") == slot.filename
    assert outputs(workspace) == {slot.filename: "whole"}


def test_a_name_that_was_written_down_but_not_taken_is_taken_then(workspace: Workspace):
    journal = Journal(workspace.saves)
    journal.note(Save("job 1", "9", 0, 0), Name(Place.OUTPUT, "deep/er", "a_00007_.txt"))
    assert save(life(workspace).files("job 1", "9", 0), "deep/er/a", "x") == "a_00007_.txt"
    assert save(life(workspace).files("job 2", "9", 0), "deep/er/a", "x") == "a_00008_.txt"


@pytest.mark.parametrize("cut", [1, 5, 20, 1000])
def test_a_line_that_was_cut_off_costs_itself_alone(workspace: Workspace, cut: int):
    saves = life(workspace)
    first = save(saves.files("job 1", "9", 0), "a", "x")
    second = save(saves.files("job 2", "9", 0), "a", "x")
    data = workspace.saves.read_bytes()
    workspace.saves.write_bytes(data[: max(len(data) - cut, len(data) // 2)])
    again = life(workspace)
    third = save(again.files("job 3", "9", 0), "a", "x")
    assert save(again.files("job 1", "9", 0), "a", "y") == first
    last = life(workspace)
    assert save(last.files("job 3", "9", 0), "a", "y") == third
    assert third not in (first, second)


@pytest.mark.parametrize("line", ["[]", "{}", "1", "[1,2,3,4,5,6,7]", '["a","b",0,0,"nowhere","","x"]', "\0"])
def test_nonsense_in_the_journal_is_skipped(workspace: Workspace, line: str):
    workspace.saves.write_text(f"{line}\n")
    assert life(workspace).journal.entries() == {}
    assert save(life(workspace).files("job 1", "9", 0), "a", "x") == "a_00001_.txt"


def test_a_name_that_leads_out_is_not_taken(workspace: Workspace):
    journal = Journal(workspace.saves)
    journal.note(Save("job 1", "9", 0, 0), Name(Place.OUTPUT, "../..", "a_00001_.txt"))
    with pytest.raises(NodeError, match="not allowed"):
        life(workspace).files("job 1", "9", 0).reserve(Place.OUTPUT, "a", ".txt")


def test_temporary_files_are_not_written_down(workspace: Workspace):
    life(workspace).files("job 1", "9", 0).reserve(Place.TEMP, "a", ".txt")
    assert not workspace.saves.exists()


def test_the_journal_forgets_what_is_long_past(workspace: Workspace, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(module, "LONGEST", 2000)
    saves = life(workspace)
    for number in range(200):
        saves.files(f"job {number}", "9", 0).reserve(Place.OUTPUT, "a", ".txt")
    sizes = [path.stat().st_size for path in workspace.saves.parent.glob("saves*.jsonl")]
    assert len(sizes) == 2 and max(sizes) < 2200
    assert (
        life(workspace).files("job 199", "9", 0).reserve(Place.OUTPUT, "a", ".txt").filename == "a_00200_.txt"
    )
    assert len(saves.journal.entries()) < 200
    assert saves.journal.entries() == life(workspace).journal.entries()


def test_nobody_gets_a_name_twice(workspace: Workspace):
    saves = life(workspace)

    def reserve(number: int) -> str:
        return saves.files("job 1", f"{number}", 0).reserve(Place.OUTPUT, "x", ".png").filename

    with ThreadPoolExecutor(8) as pool:
        names = list(pool.map(reserve, range(40)))
        assert len(set(names)) == 40
        again = life(workspace)
        assert [
            again.files("job 1", f"{number}", 0).reserve(Place.OUTPUT, "x", ".png").filename
            for number in range(40)
        ] == names


def test_what_nobody_goes_on_with_is_swept_away(workspace: Workspace):
    saves = life(workspace)
    old = saves.files("job 1", "9", 0).reserve(Place.OUTPUT, "a", ".txt")
    young = saves.files("job 2", "9", 0).reserve(Place.OUTPUT, "a", ".txt")
    os.utime(old.partial, (1, 1))
    life(workspace).sweep()
    assert not old.partial.exists()
    assert young.partial.exists()

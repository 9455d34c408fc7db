"""The workspace: names never leave their folder, lists hold what the field lists, saves never overwrite."""

import os
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from nodes.spec import Files, NodeError, Place, SaveSlot
from server.workspace import Elsewhere, FileMissing, NameRefused, Workspace, inside, split_annotation

PIECES = ["..", ".", "a", "b.png", "", "/", "\\", "C:", "c:\\", "\0", "~", "..\\", " ", "%2e%2e", "\ud800"]


@pytest.fixture
def workspace(tmp_path: Path) -> Workspace:
    return Workspace(tmp_path / "work")


def test_it_is_what_nodes_ask_for(workspace: Workspace):
    assert isinstance(workspace, Files)


@settings(max_examples=300, deadline=None)
@given(st.one_of(st.lists(st.sampled_from(PIECES), max_size=6).map("/".join), st.text(max_size=30)))
def test_no_name_leaves_its_folder(tmp_path_factory: pytest.TempPathFactory, name: str):
    root = tmp_path_factory.getbasetemp() / "names"
    root.mkdir(exist_ok=True)
    try:
        path = inside(root, name)
    except NameRefused:
        return
    assert path.resolve().is_relative_to(root.resolve())


@pytest.mark.parametrize(
    "name",
    ["../x", "a/../../x", "/etc/passwd", "\\x", "C:\\x", "c:x", "a\0b", "..\\..\\x", "x" * 300, "a\ud800"],
)
def test_a_bad_name_is_refused_everywhere(workspace: Workspace, name: str):
    for ask in (
        lambda: workspace.find("checkpoints", name),
        lambda: workspace.picture(name),
        lambda: workspace.reserve(Place.OUTPUT, name, ".png"),
        lambda: workspace.resolve(Place.OUTPUT, name, "x.png"),
        lambda: workspace.resolve(Place.OUTPUT, "", name),
        lambda: workspace.user_file(name),
    ):
        with pytest.raises(NameRefused) as caught:
            ask()
        assert caught.value.hint


@pytest.mark.skipif(os.name == "nt", reason="links need rights on Windows")
def test_links_lead_out_of_model_folders_only(workspace: Workspace, tmp_path: Path):
    outside = tmp_path / "disk"
    outside.mkdir()
    (outside / "m.safetensors").write_bytes(b"")
    (outside / "p.png").write_bytes(b"")
    (workspace.models / "checkpoints" / "far").symlink_to(outside)
    (workspace.place(Place.OUTPUT) / "far").symlink_to(outside)
    assert workspace.choices("checkpoints") == ("far/m.safetensors",)
    assert workspace.find("checkpoints", "far/m.safetensors").is_file()
    with pytest.raises(NameRefused):
        workspace.picture("far/p.png [output]")


@pytest.mark.skipif(os.name == "nt", reason="links need rights on Windows")
def test_links_that_lead_to_each_other_are_refused(workspace: Workspace):
    output = workspace.place(Place.OUTPUT)
    (output / "one").symlink_to(output / "two")
    (output / "two").symlink_to(output / "one")
    with pytest.raises(NodeError):
        workspace.picture("one [output]")


@pytest.mark.skipif(os.name == "nt", reason="links need rights on Windows")
def test_a_folder_linked_into_itself_is_listed_once(workspace: Workspace):
    loras = workspace.models / "loras"
    (loras / "a.safetensors").write_bytes(b"")
    (loras / "again").symlink_to(loras)
    assert workspace.choices("loras") == ("a.safetensors",)


def test_lists_hold_subfolders_shipped_models_and_model_folders(tmp_path: Path):
    shipped = tmp_path / "starter"
    shipped.mkdir()
    workspace = Workspace(tmp_path / "work", shipped={"checkpoints": {"weft-starter-v0": shipped}})
    folder = workspace.models / "checkpoints"
    (folder / "some" / "unet").mkdir(parents=True)
    (folder / "some" / "model_index.json").write_text("{}")
    (folder / "some" / "unet" / "w.safetensors").write_bytes(b"")
    (folder / "sub").mkdir()
    (folder / "sub" / "b.CKPT").write_bytes(b"")
    (folder / "readme.txt").write_bytes(b"")
    assert workspace.choices("checkpoints") == ("weft-starter-v0", "some", "sub/b.CKPT")
    assert workspace.find("checkpoints", "weft-starter-v0") == shipped
    assert workspace.find("checkpoints", "some") == folder / "some"
    assert workspace.find("checkpoints", "sub\\b.CKPT") == folder / "sub" / "b.CKPT"
    with pytest.raises(FileMissing, match="readme"):
        workspace.find("checkpoints", "readme.txt")


def test_older_keys_and_further_folders_count(tmp_path: Path):
    more = tmp_path / "more"
    more.mkdir()
    (more / "far.safetensors").write_bytes(b"")
    workspace = Workspace(tmp_path / "work", elsewhere=Elsewhere(more_models={"diffusion_models": (more,)}))
    (workspace.models / "unet").mkdir()
    (workspace.models / "unet" / "old.sft").write_bytes(b"")
    assert (
        workspace.choices("unet") == workspace.choices("diffusion_models") == ("far.safetensors", "old.sft")
    )
    assert workspace.choices("nothing of the kind") == ()


def test_input_lists_pictures(workspace: Workspace):
    for name in ("b.png", "a.JPG", "notes.txt"):
        (workspace.place(Place.INPUT) / name).write_bytes(b"")
    assert workspace.choices("input") == ["a.JPG", "b.png"]
    assert workspace.picture("b.png [input]") == workspace.picture("b.png")
    with pytest.raises(NodeError, match="no file 'b"):
        workspace.picture("b.png [output]")
    assert split_annotation("x [7].png [temp]") == ("x [7].png", Place.TEMP)


def test_counters_continue_as_the_field_does(workspace: Workspace):
    output = workspace.place(Place.OUTPUT)
    for name in ("b_00007_.png", "b_9_x_.png", "bx_00099_.png"):
        (output / name).write_bytes(b"")
    assert workspace.reserve(Place.OUTPUT, "b", ".png").filename == "b_00010_.png"
    slot = workspace.reserve(Place.OUTPUT, "sub/%width%x%height%/c", ".png", width=64, height=32)
    assert slot.reference() == {"filename": "c_00001_.png", "subfolder": "sub/64x32", "type": "output"}
    assert slot.partial.is_file()
    assert not slot.path.exists(), "nobody finds a file that is not whole"
    assert workspace.reserve(Place.OUTPUT, "sub/64x32/c", ".png").filename == "c_00002_.png"


def test_a_file_has_its_name_once_it_is_whole(workspace: Workspace):
    slot = workspace.reserve(Place.OUTPUT, "a", ".txt")
    with slot.writing() as path:
        path.write_text("half")
        assert not slot.path.exists()
        path.write_text("whole")
    assert slot.path.read_text() == "whole"
    assert [entry.name for entry in slot.path.parent.iterdir()] == ["a_00001_.txt"]


@pytest.mark.parametrize("error", [ValueError("of the node"), KeyboardInterrupt()], ids=("error", "end"))
def test_a_file_that_was_not_finished_leaves_nothing(workspace: Workspace, error: BaseException):
    slot = workspace.reserve(Place.OUTPUT, "a", ".txt")

    def write() -> None:
        with slot.writing() as path:
            path.write_text("half")
            raise error

    with pytest.raises(type(error)):
        write()
    assert list(slot.path.parent.iterdir()) == []
    assert workspace.reserve(Place.OUTPUT, "a", ".txt").filename == slot.filename


def test_a_folder_that_goes_while_a_file_is_written_is_told(workspace: Workspace):
    slot = workspace.reserve(Place.OUTPUT, "sub/a", ".txt")

    def write() -> None:
        with slot.writing() as path:
            path.unlink()
            path.parent.rmdir()

    with pytest.raises(NodeError, match=r"a_00001_\.txt could not be written") as caught:
        write()
    assert "only the save is repeated" in caught.value.hint


def test_nobody_gets_a_name_twice(workspace: Workspace):
    def reserve(_: int) -> SaveSlot:
        return workspace.reserve(Place.TEMP, "x", ".png")

    with ThreadPoolExecutor(8) as pool:
        slots = list(pool.map(reserve, range(40)))
    assert len({slot.path for slot in slots}) == 40


def test_a_disk_that_refuses_is_told(workspace: Workspace):
    (workspace.place(Place.OUTPUT) / "taken").write_bytes(b"a file where a folder should be")
    with pytest.raises(NodeError, match="Nothing can be written") as caught:
        workspace.reserve(Place.OUTPUT, "taken/x", ".png")
    assert "again" in caught.value.hint

"""`weft packs update` of packs that are no clones: shown first, what was put beside stays, taken back when it fails."""

import shutil
import zipfile
from collections.abc import Callable
from pathlib import Path

import pytest

from server.cli import main

Weft = Callable[..., str]
EMPTY = "NODE_CLASS_MAPPINGS = {}\n"


@pytest.fixture
def weft(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Weft:
    monkeypatch.delenv("WEFT_TRUST_ALL", raising=False)

    def run(*arguments: str) -> str:
        main(["packs", *arguments, "--workspace", str(tmp_path / "work")])
        said = capsys.readouterr()
        return said.out + said.err

    return run


@pytest.fixture
def source(tmp_path: Path) -> Path:
    """A pack with a file that goes, one that changes, one that stays."""
    folder = tmp_path / "small"
    (folder / "inner").mkdir(parents=True)
    (folder / "__init__.py").write_text(EMPTY)
    (folder / "goes.py").write_text("OLD = 1\n")
    (folder / "inner" / "settings.json").write_text("{}\n")
    return folder


def zipped(source: Path) -> Path:
    return Path(shutil.make_archive(str(source), "zip", source.parent, source.name))


@pytest.mark.parametrize("form", ["folder", "zip"])
def test_the_difference_is_shown_first_and_what_was_put_beside_stays(
    weft: Weft, source: Path, tmp_path: Path, form: str
):
    given = zipped(source) if form == "zip" else source
    weft("add", str(given))
    pack = tmp_path / "work" / "custom_nodes" / "small"
    assert "it is the newest" in weft("update", "small")
    (pack / "mine.txt").write_text("mine")
    (pack / "inner" / "settings.json").write_text("changed here\n")
    (source / "goes.py").unlink()
    (source / "__init__.py").write_text(EMPTY + "NEWS = 1\n")
    (source / "inner" / "new.bin").write_bytes(b"\xff\xfe\x00")
    if form == "zip":
        zipped(source)
    said = weft("update", "small")
    for told in ("+NEWS = 1", "-OLD = 1", "inner/new.bin: bytes", "nothing is changed", "update small --yes"):
        assert told in said, said
    assert (pack / "goes.py").exists() and "NEWS" not in (pack / "__init__.py").read_text()
    assert "nothing is changed" in weft("update", "small", "--yes", "--dry-run")
    weft("update", "small", "--yes")
    assert "NEWS" in (pack / "__init__.py").read_text() and not (pack / "goes.py").exists()
    assert (pack / "inner" / "new.bin").read_bytes() == b"\xff\xfe\x00"
    assert (pack / "mine.txt").read_text() == "mine"
    assert (pack / "inner" / "settings.json").read_text() == "changed here\n"
    assert "it is the newest" in weft("update", "small", "--yes")
    assert sorted(path.name for path in pack.parent.iterdir()) == ["small"]  # nothing is left over


def test_a_single_file_too(weft: Weft, tmp_path: Path):
    (tmp_path / "one.py").write_text(EMPTY)
    weft("add", str(tmp_path / "one.py"))
    (tmp_path / "one.py").write_text(EMPTY + "NEWS = 1\n")
    assert "+NEWS = 1" in weft("update", "one")
    weft("update", "one", "--yes")
    assert "NEWS" in (tmp_path / "work" / "custom_nodes" / "one.py").read_text()


def test_what_was_changed_here_and_there_is_refused_by_name(weft: Weft, source: Path, tmp_path: Path):
    weft("add", str(source))
    pack = tmp_path / "work" / "custom_nodes" / "small"
    (pack / "__init__.py").write_text(EMPTY + "MINE = 1\n")
    (source / "__init__.py").write_text(EMPTY + "NEWS = 1\n")
    assert "changed here and where it came from: __init__.py" in weft("update", "small", "--yes")
    assert "MINE" in (pack / "__init__.py").read_text()


def test_a_pack_of_unknown_origin_and_one_whose_origin_is_gone_say_what_to_do(
    weft: Weft, source: Path, tmp_path: Path
):
    weft("add", str(source))
    shutil.copytree(source, tmp_path / "work" / "custom_nodes" / "other")
    assert "put there by hand" in weft("update", "other")
    assert "is pinned" not in weft("pin", "small")
    assert "is pinned" in weft("update", "small")
    weft("unpin", "small")
    shutil.rmtree(source)
    said = weft("update", "small")
    assert "cannot be had now" in said and str(source) in said
    shutil.rmtree(tmp_path / "work" / "custom_nodes" / "other")
    (tmp_path / "work" / "custom_nodes" / "other").symlink_to(tmp_path / "work" / "custom_nodes" / "small")
    with zipfile.ZipFile(tmp_path / "small.zip", "w") as archive:
        archive.writestr("../out.py", "")
    assert "put there by hand" in weft("update", "other")


def test_a_newer_copy_that_cannot_be_imported_is_taken_back(weft: Weft, source: Path, tmp_path: Path):
    weft("add", str(source), "--trust")
    pack = tmp_path / "work" / "custom_nodes" / "small"
    (source / "__init__.py").write_text("import a_module_that_nobody_has\n")
    (source / "goes.py").unlink()
    said = weft("update", "small", "--yes")
    assert "cannot be imported, so everything is as it was" in said
    assert "a_module_that_nobody_has" in said
    assert (pack / "__init__.py").read_text() == EMPTY and (pack / "goes.py").exists()
    assert sorted(path.name for path in pack.parent.iterdir()) == ["small"]


def test_a_pack_brought_back_is_known_as_before(weft: Weft, source: Path, tmp_path: Path):
    lock, packs = tmp_path / "work" / "packs.lock", tmp_path / "work" / "custom_nodes"
    weft("add", str(source))
    before = lock.read_text()
    weft("remove", "small")
    assert "small" not in lock.read_text()
    weft("restore", "small")
    assert lock.read_text() == before
    (source / "goes.py").unlink()
    weft("update", "small", "--yes")
    assert not (packs / "small" / "goes.py").exists(), "it is known to have come from there"
    weft("remove", "small")
    shutil.copytree(source, packs / "small")
    weft("remove", "small")
    weft("restore", "small")
    assert "put there by hand" in weft("update", "small"), "this one never had an origin"

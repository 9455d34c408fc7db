"""A pack's version covers all its code, and nothing else."""

from pathlib import Path

import pytest

from nodes.compat.importing import code_version


@pytest.fixture
def pack(tmp_path: Path) -> Path:
    folder = tmp_path / "pack"
    (folder / "inner").mkdir(parents=True)
    (folder / "__init__.py").write_text("from .inner import helper")
    (folder / "inner" / "helper.py").write_text("FACTOR = 1")
    return folder


def test_a_changed_helper_gives_another_version(pack: Path):
    before = code_version(pack)
    (pack / "inner" / "helper.py").write_text("FACTOR = 2")
    changed = code_version(pack)
    (pack / "inner" / "helper.py").rename(pack / "inner" / "other.py")
    assert len({before, changed, code_version(pack)}) == 3


@pytest.mark.parametrize(
    "name", ["README.md", "web/a.js", ".git/hook.py", "__pycache__/x.py", "venv/lib/y.py"]
)
def test_what_is_no_code_of_the_pack_leaves_it_as_it_is(pack: Path, name: str):
    before = code_version(pack)
    (pack / name).parent.mkdir(exist_ok=True, parents=True)
    (pack / name).write_text("anything")
    assert code_version(pack) == before


def test_where_a_pack_lies_says_nothing_of_its_version(pack: Path, tmp_path: Path):
    before = code_version(pack)
    assert code_version(pack.rename(tmp_path / "moved")) == before


def test_a_single_file_is_a_pack_too(tmp_path: Path):
    file = tmp_path / "one.py"
    file.write_text("A = 1")
    before = code_version(file)
    file.write_text("A = 2")
    assert code_version(file) != before

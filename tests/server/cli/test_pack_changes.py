"""`weft packs`: a lock that makes the same set elsewhere, updates that are shown first, needs that are resolved together."""

import json
import os
import shutil
import subprocess
import sys
import zipfile
from collections.abc import Callable
from pathlib import Path

import pytest

from server.cli import main
from server.pack_needs import CannotInstall, Change, Environment, wants
from tests.installing import environment

Weft = Callable[..., str]


@pytest.fixture
def weft(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Weft:
    monkeypatch.delenv("WEFT_TRUST_ALL", raising=False)

    def run(workspace: Path, *arguments: str) -> str:
        main(["packs", *arguments, "--workspace", str(workspace)])
        said = capsys.readouterr()
        return said.out + said.err

    return run


def commit(repository: Path, text: str) -> None:
    (repository / "__init__.py").write_text(text)
    name = ("-c", "user.name=a", "-c", "user.email=a@b")
    if not (repository / ".git").exists():
        subprocess.run(["git", "init", "-q", str(repository)], check=True)
    subprocess.run(["git", "-C", str(repository), "add", "-A"], check=True)
    subprocess.run(["git", "-C", str(repository), *name, "commit", "-qm", "more"], check=True)


def test_an_update_is_shown_first_a_pinned_pack_stays_and_the_lock_makes_the_same_set(
    weft: Weft, tmp_path: Path
):
    repository = tmp_path / "cloned"
    repository.mkdir()
    commit(repository, "NODE_CLASS_MAPPINGS = {}\n")
    work, elsewhere = tmp_path / "work", tmp_path / "elsewhere"
    weft(work, "add", f"file://{repository}")
    pack = work / "custom_nodes" / "cloned" / "__init__.py"
    commit(repository, "NODE_CLASS_MAPPINGS = {}\nNEWS = 1\n")
    said = weft(work, "update", "cloned")
    assert "+NEWS = 1" in said and "Nothing is changed" in said
    assert "NEWS" not in pack.read_text()
    weft(work, "pin", "cloned")
    assert "is pinned" in weft(work, "update", "cloned", "--yes")
    assert "NEWS" not in pack.read_text()
    old = (work / "packs.lock").read_text()
    weft(work, "unpin", "cloned")
    weft(work, "update", "cloned", "--yes")
    assert "NEWS = 1" in pack.read_text()
    for lock, has_news in ((old, False), ((work / "packs.lock").read_text(), True)):
        elsewhere.mkdir(exist_ok=True)
        (elsewhere / "packs.lock").write_text(lock)
        assert "cloned: " in weft(elsewhere, "sync", "--dry-run")
        weft(elsewhere, "sync")
        found = (elsewhere / "custom_nodes" / "cloned" / "__init__.py").read_text()
        assert ("NEWS" in found) is has_news
    weft(work, "remove", "cloned")
    assert json.loads((work / "packs.lock").read_text())["packs"] == {}


def test_a_pack_that_wants_another_torch_is_refused_and_a_dry_run_adds_nothing(weft: Weft, tmp_path: Path):
    pack = tmp_path / "wants"
    pack.mkdir()
    (pack / "__init__.py").write_text("NODE_CLASS_MAPPINGS = {}\n")
    (pack / "requirements.txt").write_text("torch==0.0.1\n")
    said = weft(tmp_path / "work", "add", str(pack))
    assert "torch==0.0.1 is refused" in said
    (pack / "requirements.txt").write_text("torch\n--extra-index-url https://example.org\n")
    assert "Nothing is changed" in weft(tmp_path / "work", "add", str(pack), "--dry-run")
    assert not list((tmp_path / "work" / "custom_nodes").iterdir())
    weft(tmp_path / "work", "add", str(pack))
    assert (tmp_path / "work" / "custom_nodes" / "wants").is_dir()


def wheel(folder: Path, name: str, version: str, *needs: str) -> None:
    told = f"{name}-{version}.dist-info"
    lines = "".join(f"Requires-Dist: {need}\n" for need in needs)
    with zipfile.ZipFile(folder / f"{name}-{version}-py3-none-any.whl", "w") as file:
        file.writestr(f"{name}.py", f"VERSION = {version!r}\n")
        file.writestr(f"{told}/METADATA", f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n{lines}")
        file.writestr(
            f"{told}/WHEEL", "Wheel-Version: 1.0\nGenerator: test\nRoot-Is-Purelib: true\nTag: py3-none-any\n"
        )
        file.writestr(f"{told}/RECORD", "")


@pytest.mark.packs
@pytest.mark.parametrize("resolver", ["pip", "uv"])
def test_needs_are_resolved_together_installed_exactly_and_taken_back(
    resolver: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    if resolver == "uv":
        found = environment(tmp_path / "uv", "uv").parent
        monkeypatch.setenv("PATH", f"{found}{os.pathsep}{os.environ['PATH']}")
    else:
        monkeypatch.setenv("PATH", str(tmp_path))
    assert (shutil.which("uv") is not None) == (resolver == "uv")
    wheels = tmp_path / "wheels"
    wheels.mkdir()
    for version in ("1.0", "2.0"):
        wheel(wheels, "weft_one", version)
    wheel(wheels, "weft_two", "1.0", "weft_one<2")
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    monkeypatch.setenv("PIP_FIND_LINKS", str(wheels))
    monkeypatch.setenv("UV_NO_INDEX", "1")
    monkeypatch.setenv("UV_FIND_LINKS", str(wheels))
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", str(tmp_path / "venv")], check=True)
    place = Environment(str(tmp_path / "venv" / "bin" / "python"))
    monkeypatch.setattr("server.pack_needs._own", list)  # the empty environment holds nothing of ours
    packs = [tmp_path / "a", tmp_path / "b"]
    for pack, line in zip(packs, ("weft-one", "weft-two"), strict=True):
        pack.mkdir()
        (pack / "requirements.txt").write_text(line + "\n")
    place.install([Change("weft-one", "2.0")])
    changes = place.plan(wants(packs))
    assert changes == [Change("weft-one", "1.0", "2.0"), Change("weft-two", "1.0")]
    assert place.installed() == {"weft-one": "2.0"}  # a plan changes nothing
    place.install(changes)
    assert place.installed() == {"weft-one": "1.0", "weft-two": "1.0"}
    place.undo(changes)
    assert place.installed() == {"weft-one": "2.0"}
    with pytest.raises(CannotInstall, match="does not go together"):
        place.plan(["weft-one>=2", "weft-two"])

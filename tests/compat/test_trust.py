"""A new pack runs nothing before somebody trusts it; what a pack did while it was imported is told."""

import json
import shutil
import sys
import zipfile
from collections.abc import Callable, Iterator
from pathlib import Path
from urllib.error import HTTPError
from urllib.request import Request, urlopen

import pytest

from nodes.compat.packs import Loaded, Packs
from nodes.spec import Registry
from server.cli import main
from server.trust import Trust, needing
from server.workspace import Workspace
from tests.compat.test_packs import places
from tests.serving import Server, serving

Weft = Callable[..., str]
SMALL = """
from pathlib import Path
Path({mark!r}).write_text("ran")
class Adds:
    INPUT_TYPES = classmethod(lambda cls: {{"required": {{"a": ("INT", {{}})}}}})
    RETURN_TYPES, FUNCTION, CATEGORY = ("INT",), "add", "small"
    def add(self, a):
        return (a + 1,)
NODE_CLASS_MAPPINGS = {{"SmallAdds": Adds}}
"""
BUSY = """
import json, os, socket, subprocess, sys
import folder_paths
from comfy.utils import common_upscale
open({mark!r}, "w").close()
subprocess.run([sys.executable, "-c", "pass"], check=True)
with socket.socket() as asked:
    asked.connect_ex(("127.0.0.1", 9))
json.dumps = lambda *given, before=json.dumps, **named: before(*given, **named)
NODE_CLASS_MAPPINGS = {{}}
"""


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Packs: one in a folder, one file."""
    made = tmp_path / "work" / "custom_nodes"
    (made / "small").mkdir(parents=True)
    (made / "small" / "__init__.py").write_text(SMALL.format(mark=str(made / "small" / "ran")))
    (made / "small" / "prestartup_script.py").write_text("open(__file__ + '.ran', 'w').close()")
    return made


def loaded(tmp_path: Path, folder: Path, trust: Trust) -> tuple[Loaded, ...]:
    workspace = Workspace(tmp_path / "work")
    return Packs(Registry(()), places(workspace, folder), lambda _name: None, {}, trusted=trust.allows).load()


def test_nothing_of_a_new_pack_runs_before_it_is_trusted(tmp_path: Path, folder: Path):
    trust = Trust(tmp_path / "user" / "trusted.json")
    (report,) = loaded(tmp_path, folder, trust)
    assert (report.ok, report.kind, report.said.first) == (
        False,
        "Untrusted",
        ("prestartup_script.py", "__init__.py"),
    )
    assert not (folder / "small" / "ran").exists()
    assert needing((folder,), trust, "SmallAdds") == ["small"]
    trust.add(folder / "small")
    assert needing((folder,), trust, "SmallAdds") == []
    (report,) = loaded(tmp_path, folder, trust)
    assert (report.ok, report.nodes) == (True, ("SmallAdds",))
    assert (folder / "small" / "ran").exists()
    (folder / "small" / "more.py").write_text("x = 1")  # editing it does not ask again
    assert trust.allows(folder / "small")
    shutil.copytree(folder / "small", folder / "other")  # another folder does, and another origin
    assert not trust.allows(folder / "other")
    (folder / "small" / ".git").mkdir()
    (folder / "small" / ".git" / "config").write_text(
        '[remote "origin"]\n\turl = https://example.org/x.git\n'
    )
    assert not trust.allows(folder / "small")
    trust.add(folder / "small")
    trust.remove(folder / "small")
    assert not trust.allows(folder / "small")


def test_what_whoever_starts_the_server_has_named_is_trusted(tmp_path: Path, folder: Path):
    assert Trust(everything=True).allows(folder / "small")
    assert Trust(folders=(folder,)).allows(folder / "small")
    assert Trust(names=frozenset({"small"})).allows(folder / "small")
    assert not Trust(names=frozenset({"large"}), folders=(tmp_path,)).allows(folder / "small")
    (tmp_path / "broken.json").write_text("[")
    assert not Trust(tmp_path / "broken.json").allows(folder / "small")


def test_a_report_says_what_a_pack_did_and_wants(tmp_path: Path, folder: Path):
    before = json.dumps
    pack = folder / "small"
    (pack / "__init__.py").write_text(BUSY.format(mark=str(tmp_path / "ran")))
    (pack / "requirements.txt").write_text(
        "numpy<1\nno-such-thing-at-all>=2\npillow\n# a remark\n-r other.txt\n"
    )
    (pack / "pyproject.toml").write_text('[project]\nname = "small"\nversion = "1.2.3"\n')
    try:
        (report,) = loaded(tmp_path, folder, Trust(everything=True))
    finally:
        json.dumps = before
    assert report.ok, report.message
    assert report.said.version == "1.2.3"
    assert report.said.missing == ("no-such-thing-at-all>=2",)
    assert [told.partition(" (")[0] for told in report.said.conflicts] == ["numpy<1"]
    assert report.said.names == ("comfy.utils.common_upscale", "folder_paths")
    assert f"write {tmp_path / 'ran'}" in report.deeds["files"]
    assert any(sys.executable in deed for deed in report.deeds["programs"])
    assert any("127.0.0.1" in deed for deed in report.deeds["network"])
    assert report.deeds["replaced"] == ("json.dumps",)


@pytest.fixture
def weft(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Weft:
    """`weft packs` in a workspace: what it says."""
    monkeypatch.delenv("WEFT_TRUST_ALL")

    def run(workspace: Path, *arguments: str) -> str:
        main(["packs", *arguments, "--workspace", str(workspace)])
        said = capsys.readouterr()
        return said.out + said.err

    return run


def test_packs_are_added_switched_off_removed_and_brought_back(weft: Weft, tmp_path: Path, folder: Path):
    workspace = tmp_path / "elsewhere"
    archive = tmp_path / "zipped.zip"
    with zipfile.ZipFile(archive, "w") as written:
        written.writestr("zipped-v1.2/__init__.py", "NODE_CLASS_MAPPINGS = {}")
    assert "weft packs trust small" in weft(workspace, "add", str(folder / "small"), str(archive))
    packs = workspace / "custom_nodes"
    assert sorted(path.name for path in packs.iterdir()) == ["small", "zipped-v1.2"]
    assert "already" in weft(workspace, "add", str(folder / "small"))
    weft(workspace, "trust", "small")
    assert list(json.loads((workspace / "user" / "trusted_packs.json").read_text())) == [str(packs / "small")]
    weft(workspace, "disable", "small")
    weft(workspace, "remove", "zipped-v1.2")
    assert [path.name for path in packs.iterdir()] == ["small.disabled"]
    weft(workspace, "enable", "small")
    assert "is back" in weft(workspace, "restore", "zipped-v1.2")
    assert sorted(path.name for path in packs.iterdir()) == ["small", "zipped-v1.2"]
    assert "zipped-v1.2" in json.loads((workspace / "packs.lock").read_text())["packs"]
    assert "There are: small, zipped-v1.2" in weft(workspace, "trust", "nobody")


def test_a_zip_file_that_leads_out_is_refused(weft: Weft, tmp_path: Path):
    archive = tmp_path / "bad.zip"
    with zipfile.ZipFile(archive, "w") as written:
        written.writestr("../../out.py", "")
    assert "leads out" in weft(tmp_path / "work", "add", str(archive))
    assert not (tmp_path / "out.py").exists()


@pytest.fixture
def asking(tmp_path: Path, folder: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Server]:
    monkeypatch.delenv("WEFT_TRUST_ALL")
    assert folder.is_dir()
    with serving(tmp_path / "work") as running:
        yield running


def test_a_server_asks_before_it_runs_a_pack_and_loads_it_when_told(
    asking: Server, tmp_path: Path, folder: Path
):
    (report,) = [pack for pack in asking.get("/api/weft/packs") if pack["name"] == "small"]
    assert (report["ok"], report["trusted"], report["error"]["type"]) == (False, False, "Untrusted")
    prompt = {"1": {"class_type": "SmallAdds", "inputs": {"a": 1}}}
    with pytest.raises(HTTPError) as refused:
        asking.post("/prompt", {"prompt": prompt})
    told = json.loads(refused.value.read())["error"]
    assert told["type"] == "missing_node_type"
    assert "weft packs trust small" in told["details"]
    assert not (folder / "small" / "ran").exists()
    assert not (folder / "small" / "prestartup_script.py.ran").exists()
    with urlopen(
        Request(asking.url + "/api/weft/packs/small/trust", b"", method="POST"), timeout=60
    ) as answer:
        assert json.load(answer) == {"name": "small", "trusted": True, "restarting": True}
    (report,) = [pack for pack in asking.get("/api/weft/packs") if pack["name"] == "small"]
    assert (report["ok"], report["nodes"]) == (True, ["SmallAdds"])
    assert "SmallAdds" in asking.get("/object_info")
    assert (folder / "small" / "prestartup_script.py.ran").exists()
    with (tmp_path / "work" / "custom_nodes" / "small" / "__init__.py").open("a") as file:
        file.write("NODE_CLASS_MAPPINGS['SmallerAdds'] = Adds\n")
    assert asking.post("/api/weft/packs/reload", {}) == {"restarting": True}
    (report,) = [pack for pack in asking.get("/api/weft/packs") if pack["name"] == "small"]
    assert report["nodes"] == ["SmallAdds", "SmallerAdds"]  # an edited pack, and nobody was asked again
    with pytest.raises(HTTPError, match="404"):
        urlopen(Request(asking.url + "/api/weft/packs/nobody/trust", b"", method="POST"), timeout=60)

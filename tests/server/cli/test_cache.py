"""`weft cache`: what is kept on disk, seen and removed, with and without a running server."""

import os
import time
from pathlib import Path

import pytest

from nodes.spec import PlainCodec
from server.cli import main
from server.worker.disk import Disk
from server.worker.entry import About
from tests.server.small_nodes import FACTORY
from tests.server.test_resume import chain, ran, text_of
from tests.serving import serving


def weft(capsys: pytest.CaptureFixture[str], workspace: Path, *arguments: str) -> list[str]:
    assert main(["cache", *arguments, "--workspace", str(workspace)]) == 0
    return capsys.readouterr().out.splitlines()


def keep(workspace: Path, key: str, type: str, text: str, identity: str = "now") -> Path:
    disk = Disk(workspace / "user" / "results", identity, PlainCodec(), 10**9)
    written = disk.keep(About(key, type, 12.5, None, 1), [[text]], len(text))
    assert written is not None and written.result(20)
    return workspace / "user" / "results" / identity / f"{key}.safetensors"


def test_an_empty_one_says_so(tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    assert weft(capsys, tmp_path)[0].startswith("No results")
    assert weft(capsys, tmp_path, "clear") == ["Removed 0 results, 0 B."]


def test_it_tells_how_much_of_what(tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    first = keep(tmp_path, "a", "KSampler", "x")
    keep(tmp_path, "b", "KSampler", "x")
    keep(tmp_path, "c", "VAEDecode", "x" * 5000, "earlier")
    keep(tmp_path, "d", "VAEDecode", "x").write_bytes(b"nonsense")
    os.utime(first, (time.time() - 3 * 86400,) * 2)
    total, *lines = weft(capsys, tmp_path)
    assert total.startswith("4 results in ")
    assert total.endswith(" kB, the oldest used 3 days ago.")
    assert [line.split()[0] for line in lines] == ["VAEDecode", "KSampler", "(cannot"]
    assert lines[1].split()[1] == "2"
    assert lines[1].endswith("computed in 25.0 s")


def test_clearing_removes_all_of_it(tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    keep(tmp_path, "a", "KSampler", "x")
    keep(tmp_path, "b", "KSampler", "x", "earlier")
    assert weft(capsys, tmp_path, "clear")[0].startswith("Removed 2 results, ")
    assert list((tmp_path / "user" / "results").iterdir()) == []
    assert weft(capsys, tmp_path)[0].startswith("No results")


def test_a_running_server_goes_on_when_its_results_are_removed(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
):
    with serving(tmp_path, "--factory", FACTORY) as server:
        assert text_of(server.run(chain("ab"))) == ["ab"]
        assert "Work" in weft(capsys, tmp_path)[1]
        assert weft(capsys, tmp_path, "clear")[0].startswith("Removed 2 results")
        assert text_of(server.run(chain("ab"))) == ["ab"]
        assert ran(tmp_path)["end a"] == 1, "what is in memory is the server's"
        server.post("/free", {"free_memory": True})
        assert text_of(server.run(chain("ab"))) == ["ab"]
        assert ran(tmp_path)["end a"] == 2
        assert weft(capsys, tmp_path)[0].startswith("2 results"), "and they are kept again"

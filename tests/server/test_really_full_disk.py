"""A file system that is really full: nothing is lost, what fails says why, and with room again all goes on.

The workspace lies on a file system of 8 MB, which only Linux lets us make, and only as root.
"""

import os
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.error import HTTPError

import pytest

from nodes.spec import PlainCodec
from server.worker import disk as module
from server.worker.disk import Disk
from server.worker.entry import About
from tests.server.api.asking import prompt, shown
from tests.server.small_nodes import FACTORY
from tests.server.test_resume import ran, until_ran
from tests.serving import Server, serving

SIZE = 8 << 20  # bytes


@pytest.fixture
def small(tmp_path: Path) -> Iterator[Path]:
    """A folder on a file system of its own, which is soon full."""
    if sys.platform != "linux" or os.geteuid() != 0:
        pytest.skip("Only root on Linux can make a file system of 8 MB.")
    folder = tmp_path / "small"
    folder.mkdir()
    made = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", f"size={SIZE}", "weft-test", str(folder)],
        capture_output=True,
        check=False,
        text=True,
    )
    if made.returncode:
        pytest.skip(f"This machine lets nobody mount: {made.stderr.strip()}")
    try:
        yield folder
    finally:
        subprocess.run(["umount", "-l", str(folder)], check=True)


def fill(folder: Path) -> Path:
    """A file that takes all that is left."""
    path = folder / "filler"
    with path.open("wb", buffering=0) as file:
        for piece in (1 << 16, 1 << 12, 1):
            try:
                while True:
                    file.write(b"x" * piece)
            except OSError:
                continue
    return path


def large(text: str) -> dict[str, Any]:
    """A prompt that SQLite needs new pages for."""
    return prompt(a=("Say", {"text": text * 300_000}), b=("Show", {"value": ["a", 0]}))


def refusal(server: Server, nodes: dict[str, Any]) -> str:
    with pytest.raises(HTTPError) as refused:
        server.post("/prompt", {"prompt": nodes})
    with refused.value as answer:
        assert answer.code == 507
        return answer.read().decode()


def worked(label: str, **more: Any) -> dict[str, Any]:
    """A prompt whose node takes a second, and what comes after it."""
    return prompt(w=("Work", {"text": "", "label": label, "seconds": 1.0}), **more)


def test_a_prompt_is_refused_until_there_is_room(small: Path):
    with serving(small, "--factory", FACTORY) as server:
        assert server.run(shown("before"))["status"]["status_str"] == "success"
        filler = fill(small)
        assert "Free some space" in refusal(server, large("x"))
        assert server.get("/prompt")["exec_info"]["queue_remaining"] == 0
        filler.unlink()
        assert server.run(large("x"))["status"]["status_str"] == "success"
        assert len(server.get("/history")) == 2


def test_a_save_fails_with_the_cause_and_a_retry_goes_on_at_it(small: Path):
    saving = {
        "s": ("SlowSave", {"text": ["w", 0], "count": 1, "seconds": 0.0}),
        "t": ("Show", {"value": ["w", 0]}),
    }
    with serving(small, "--factory", FACTORY) as server:
        job = server.post("/prompt", {"prompt": worked("w", **saving)})["prompt_id"]
        until_ran(small, "begin w")
        filler = fill(small)
        entry = server.ended(job)
        error = next(data for kind, data in entry["status"]["messages"] if kind == "execution_error")
        assert error["node_id"] == "s" and "No space left on device" in error["exception_message"]
        assert "Free some space" in error["exception_message"]
        assert entry["outputs"]["t"] == {"text": ["w"]}, "the other branch went on"
        assert not list((small / "output").rglob("*.*")), "nothing half written is left"
        filler.unlink()
        (again,) = server.post(f"/api/jobs/{job}/retry", {})["jobs"]
        assert server.ended(again["prompt_id"])["status"]["status_str"] == "success"
        assert len(list((small / "output").iterdir())) == 1
        assert ran(small)["begin w"] == 1, "what was finished before is not done again"


def test_how_a_job_went_is_known_meanwhile_and_written_once_there_is_room(small: Path):
    shows = {f"s{index}": ("Show", {"value": ["w", 0]}) for index in range(3000)}
    with serving(small, "--factory", FACTORY) as server:
        job = server.post("/prompt", {"prompt": worked("w" * 500, **shows)})["prompt_id"]
        until_ran(small, "begin " + "w" * 500)
        filler = fill(small)
        entry = server.ended(job)
        assert len(entry["outputs"]) == 3000
        filler.unlink()
        until = time.monotonic() + 60
        while server.get("/prompt")["exec_info"]["queue_remaining"]:
            assert time.monotonic() < until
            time.sleep(0.05)
    with serving(small, "--factory", FACTORY) as server:
        assert server.get(f"/history/{job}")[job] == entry
    assert ran(small)["begin " + "w" * 500] == 1


def test_results_are_kept_again_once_there_is_room(small: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(module, "LEAST_FREE", 0)  # else so small a disk would be left alone
    disk = Disk(small / "results", "now", PlainCodec(), SIZE)

    def keep(key: str) -> bool:
        written = disk.keep(About(key, "Work", 60.0, None, 1), [["x" * 3_000_000]], 3_000_000)
        assert written is not None
        return written.result(20)

    assert keep("before")
    filler = fill(small)
    assert not keep("meanwhile")
    assert [path.stem for path in (small / "results").rglob("*") if path.is_file()] == ["before"]
    filler.unlink()
    assert keep("after")
    found = disk.look("before")
    assert found is not None
    found.file.close()

"""Scripts of packs are known before the worker is there, and are the worker's word as soon as it is."""

from collections.abc import Sequence
from pathlib import Path

from server.api.kept import Kept
from server.api.scripts import Scripts
from server.backends.base import BackendLost, PackReport


class Packs:
    """A backend whose packs a test sets; it counts how often it was asked."""

    def __init__(self, *packs: PackReport, ready: bool = True, lost: bool = False) -> None:
        self.known = packs
        self.ready = ready
        self.lost = lost
        self.asked = 0

    async def packs(self) -> Sequence[PackReport]:
        self.asked += 1
        if self.lost:
            raise BackendLost("gone")
        return self.known


def pack(root: Path, name: str, *, ok: bool = True) -> PackReport:
    folder = root / name / "web"
    (folder / "deep").mkdir(parents=True, exist_ok=True)
    for script in ("a.js", "deep/b.js", "style.css"):
        (folder / script).touch()
    return PackReport(name, str(folder.parent), ok=ok, seconds=0.1, web_directory=str(folder))


async def test_the_scripts_of_packs_that_load_are_told(tmp_path: Path):
    scripts = Scripts(Packs(pack(tmp_path, "one"), pack(tmp_path, "broken", ok=False)))
    assert await scripts.addresses() == ["/extensions/one/a.js", "/extensions/one/deep/b.js"]


async def test_the_next_start_knows_them_while_its_worker_starts(tmp_path: Path):
    kept = Kept(tmp_path / "kept", lambda: "packs as they are")
    await Scripts(Packs(pack(tmp_path, "one")), kept).addresses()
    starting = Packs(pack(tmp_path, "one"), pack(tmp_path, "two"), ready=False)
    scripts = Scripts(starting, kept)
    assert (list(await scripts.folders()), starting.asked) == (["one"], 0)
    starting.ready = True
    assert list(await scripts.folders()) == ["one", "two"]


async def test_other_packs_are_asked(tmp_path: Path):
    await Scripts(Packs(pack(tmp_path, "one")), Kept(tmp_path / "kept", lambda: "old")).addresses()
    starting = Packs(ready=False)
    assert await Scripts(starting, Kept(tmp_path / "kept", lambda: "new")).folders() == {}
    assert starting.asked == 1


async def test_a_damaged_file_is_no_file(tmp_path: Path):
    (tmp_path / "scripts.json").write_text("[]")
    assert Kept(tmp_path, lambda: "").read_folders() is None


async def test_without_a_worker_there_are_none(tmp_path: Path):
    assert await Scripts(Packs(lost=True)).addresses() == []

"""Results on disk: what is worth a file, what damage is found, and that no fault of the disk costs more than a result."""

import logging
import os
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import cast

import pytest
from hypothesis import given, strategies

from nodes.spec import Json, Packed, Part
from server.memory import GIGABYTE
from server.worker import disk as module
from server.worker.disk import LEAST_SECONDS, Disk, Speed, clear
from server.worker.entry import About, Damaged, peek
from server.worker.keeping import Keeping, Policy
from server.worker.outputs import Outputs

MEGABYTE = 1 << 20


class BytesCodec:
    """Slots of bytes."""

    def pack(self, value: object) -> Packed:
        slots = [[bytes(entry) for entry in slot] for slot in cast("list[list[bytes]]", value)]
        parts = [Part("U8", (len(entry),), entry) for slot in slots for entry in slot]
        return Packed([len(slot) for slot in slots], tuple(parts))

    def usable(self, structure: Json) -> bool:
        return True

    def unpack(self, packed: Packed) -> object:
        parts = iter(packed.parts)
        return [
            [bytes(next(parts).data) for _ in range(count)] for count in cast("list[int]", packed.structure)
        ]


def disk_in(root: Path, budget: int = 100 * MEGABYTE, identity: str = "now") -> Disk:
    return Disk(root, identity, BytesCodec(), budget)


def keep(disk: Disk, key: str, slots: list[list[object]] | None = None, seconds: float = 60.0) -> bool:
    slots = [[b"abc", b""], [bytes(range(256))]] if slots is None else slots
    size = sum(len(entry) for slot in slots for entry in slot)
    about = About(key, "Sampler", seconds, {"text": ["é"]}, len(slots))
    written = disk.keep(about, slots, size)
    return written is not None and written.result(20)


def values(disk: Disk, key: str) -> list[list[object]] | None:
    found = disk.look(key)
    if found is None:
        return None
    with found.file:
        return disk.load(found)


def test_a_result_comes_back_in_another_life(tmp_path: Path):
    assert keep(disk_in(tmp_path), "a")
    found = disk_in(tmp_path).look("a")
    assert found.about == About("a", "Sampler", 60.0, {"text": ["é"]}, 2)
    with found.file:
        assert disk_in(tmp_path).load(found) == [[b"abc", b""], [bytes(range(256))]]
    assert [path.name for path in tmp_path.rglob("*") if path.is_file()] == ["a.safetensors"]


def test_another_version_does_not_find_it(tmp_path: Path):
    assert keep(disk_in(tmp_path), "a")
    assert disk_in(tmp_path, identity="later").look("a") is None
    assert values(disk_in(tmp_path), "a")


def test_the_folder_is_read_again_when_it_changes(tmp_path: Path):
    disk, other = disk_in(tmp_path), disk_in(tmp_path)
    assert disk.among("abc") == []
    for key in "abc":
        assert keep(other, key)
        assert disk.among("abcd") == sorted("abc"[: "abc".index(key) + 1])
    (tmp_path / "now" / "b.safetensors").unlink()
    assert disk.among("abcd") == ["a", "c"]
    clear(tmp_path)
    assert disk.among("abcd") == []


# --- damage ---------------------------------------------------------------------------------------------------------


def test_a_changed_byte_is_found_wherever_it_is(tmp_path: Path, caplog: pytest.LogCaptureFixture):
    disk = disk_in(tmp_path)
    assert keep(disk, "a")
    (path,) = tmp_path.rglob("*.safetensors")
    whole = path.read_bytes()
    for place in range(len(whole)):
        for flip in (0x01, 0x80):
            path.write_bytes(whole[:place] + bytes([whole[place] ^ flip]) + whole[place + 1 :])
            assert disk.look("a") is None, f"byte {place}"
            assert not path.exists()
            assert disk.damaged == {"a"}
    assert "damaged" in caplog.text


def test_a_cut_file_is_found_wherever_it_ends(tmp_path: Path):
    disk = disk_in(tmp_path)
    assert keep(disk, "a")
    (path,) = tmp_path.rglob("*.safetensors")
    whole = path.read_bytes()
    for length in range(len(whole)):
        path.write_bytes(whole[:length])
        assert disk.look("a") is None, f"{length} bytes"
    for longer in (whole + b"\0", whole + whole, bytes(len(whole)), b"\xff" * len(whole)):
        path.write_bytes(longer)
        assert disk.look("a") is None


def test_a_file_under_the_name_of_another_is_found(tmp_path: Path):
    disk = disk_in(tmp_path)
    assert keep(disk, "a")
    (path,) = tmp_path.rglob("*.safetensors")
    path.rename(path.with_name("b.safetensors"))
    assert disk.look("b") is None
    assert disk.damaged == {"b"}
    assert disk.look("a") is None
    assert disk.damaged == {"b"}, "that a file went is no damage"


def test_a_file_that_goes_bad_after_it_was_found_gives_no_values(tmp_path: Path):
    disk = disk_in(tmp_path)
    assert keep(disk, "a")
    found = disk.look("a")
    (path,) = tmp_path.rglob("*.safetensors")
    with path.open("r+b") as file:
        file.seek(-40, os.SEEK_END)
        file.write(b"!")
    with found.file:
        assert disk.load(found) is None
    assert disk.damaged == {"a"}


@given(strategies.binary(max_size=400))
def test_garbage_is_no_result(data: bytes):
    import io

    with pytest.raises(Damaged):
        peek(io.BytesIO(data))


def test_a_folder_or_a_locked_file_in_its_place_is_no_result(tmp_path: Path):
    disk = disk_in(tmp_path)
    (tmp_path / "now" / "a.safetensors").mkdir(parents=True)
    assert disk.look("a") is None
    assert not keep(disk, "a")
    assert keep(disk, "b")


# --- what is worth it -----------------------------------------------------------------------------------------------


def test_what_is_quick_to_compute_is_not_written(tmp_path: Path):
    disk = disk_in(tmp_path)
    assert not keep(disk, "quick", seconds=0.002)
    assert not disk.worth(0.002, 0)
    assert not disk.worth(0.5, 100 * MEGABYTE), "reading that takes as long"
    assert disk.worth(0.5, MEGABYTE)
    assert disk.worth(30, 100 * MEGABYTE)
    assert not disk.worth(1e6, 101 * MEGABYTE), "it does not fit"
    assert list(tmp_path.iterdir()) == []
    about = About("quick", "Save", 0.002, None, 1)
    assert disk.keep(about, [[b"x"]], 1, always=True) is None, "and nobody waits"
    until = time.monotonic() + 20
    while values(disk, "quick") is None:
        assert time.monotonic() < until
        time.sleep(0.01)


@given(strategies.floats(0, 1e4), strategies.integers(0, 99 * MEGABYTE), strategies.floats(1, 10))
def test_longer_or_smaller_is_never_worth_less(seconds: float, size: int, factor: float):
    disk = disk_in(Path("nowhere"))
    if disk.worth(seconds, size):
        assert disk.worth(seconds * factor, size)
        assert disk.worth(seconds, int(size / factor))
        assert seconds >= LEAST_SECONDS


def test_the_next_node_waits_where_that_costs_little(tmp_path: Path):
    disk = disk_in(tmp_path)
    about = About("a", "Sampler", 60.0, None, 1)
    assert disk.keep(about, [[b"x"]], 1).result(20)
    short = About("b", "Sampler", 0.05, None, 1)
    assert disk.keep(short, [[b"x"]], 1) is None
    until = time.monotonic() + 20
    while values(disk, "b") is None:
        assert time.monotonic() < until, "it is written all the same"
        time.sleep(0.01)


def test_the_disk_is_measured():
    slow = Speed()
    for _ in range(50):
        slow.wrote(100, 0.2)
        slow.wrote(100 * MEGABYTE, 10.2)
        slow.was_read(100 * MEGABYTE, 5.0)
        slow.was_read(100, 5.0)
    assert slow.writing(0) == pytest.approx(0.2, rel=0.1)
    assert slow.writing(50 * MEGABYTE) == pytest.approx(5.2, rel=0.1)
    assert slow.reading(50 * MEGABYTE) == pytest.approx(2.5, rel=0.1)


# --- a disk that is full --------------------------------------------------------------------------------------------


@contextmanager
def files_end_at(size: int) -> Iterator[None]:
    """The system refuses to write more than that into one file, as a full disk does."""
    import resource

    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)


@pytest.mark.skipif(sys.platform == "win32", reason="the limit is POSIX's")
@pytest.mark.parametrize("room", [0, 7, 500, 90_000])
def test_a_disk_that_is_full_costs_the_result_and_nothing_else(
    tmp_path: Path, room: int, caplog: pytest.LogCaptureFixture
):
    disk = disk_in(tmp_path)
    assert keep(disk, "before")
    with files_end_at(room):
        assert not keep(disk, "a", [[bytes(100_000)]])
    assert sorted(path.name for path in (tmp_path / "now").iterdir()) == ["before.safetensors"]
    assert "not kept on disk for now" in caplog.text
    assert values(disk, "a") is None
    assert disk.damaged == set()
    assert values(disk, "before")
    assert keep(disk, "a", [[bytes(100_000)]])
    assert values(disk, "a") == [[bytes(100_000)]]


def test_the_last_gigabyte_of_a_disk_is_left_alone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    free = module.shutil.disk_usage(tmp_path).free
    monkeypatch.setattr(module, "LEAST_FREE", free + GIGABYTE)
    assert not keep(disk_in(tmp_path), "a")
    assert list(tmp_path.rglob("*.safetensors")) == []


def test_a_value_that_breaks_the_writer_costs_itself_alone(tmp_path: Path, caplog: pytest.LogCaptureFixture):
    class Odd(BytesCodec):
        def pack(self, value: object) -> Packed:
            return Packed(None, (Part("C128", (1,), b"x"),))

    disk = disk_in(tmp_path)
    disk.codec = Odd()
    with caplog.at_level(logging.CRITICAL):
        assert not keep(disk, "a")
    disk.codec = BytesCodec()
    assert keep(disk, "a")


# --- the budget -----------------------------------------------------------------------------------------------------


def test_what_was_used_longest_ago_makes_room(tmp_path: Path):
    disk = disk_in(tmp_path, budget=1000_000)
    for number in range(9):
        assert keep(disk, f"{number}", [[bytes(100_000)]])
        os.utime(tmp_path / "now" / f"{number}.safetensors", (number, number))
    assert values(disk, "0"), "used again"
    assert keep(disk, "new", [[bytes(100_000)]])
    left = {path.stem for path in tmp_path.rglob("*.safetensors")}
    assert {"0", "new", "8"} <= left
    assert "1" not in left
    assert sum(path.stat().st_size for path in tmp_path.rglob("*.safetensors")) <= 1000_000


def test_what_took_longest_for_each_byte_stays(tmp_path: Path):
    disk = disk_in(tmp_path, budget=1000_000)
    assert keep(disk, "precious", [[bytes(100_000)]], seconds=3600)
    os.utime(tmp_path / "now" / "precious.safetensors", (time.time() - 5 * 86_400,) * 2)
    assert keep(disk, "large", [[bytes(500_000)]], seconds=300)
    for number in range(8):
        assert keep(disk_in(tmp_path, budget=1000_000), f"{number}", [[bytes(100_000)]], seconds=90)
    left = {path.stem for path in tmp_path.rglob("*.safetensors")}
    assert "precious" in left and "large" not in left


def test_at_equal_cost_what_nobody_can_read_goes_before_all_else(tmp_path: Path):
    disk = disk_in(tmp_path, budget=1000_000)
    for number in range(9):
        assert keep(disk, f"{number}", [[bytes(100_000)]])
    (tmp_path / "now" / "5.safetensors").write_bytes(bytes(100_000))
    assert keep(disk_in(tmp_path, budget=1000_000), "new", [[bytes(100_000)]])
    left = {path.stem for path in tmp_path.rglob("*.safetensors")}
    assert "5" not in left and "4" in left


def test_results_of_earlier_versions_count_and_go_first(tmp_path: Path):
    old = disk_in(tmp_path, budget=1000_000, identity="old")
    for number in range(9):
        assert keep(old, f"{number}", [[bytes(100_000)]])
        os.utime(tmp_path / "old" / f"{number}.safetensors", (number, number))
    new = disk_in(tmp_path, budget=1000_000, identity="new")
    for number in range(8):
        assert keep(new, f"{number}", [[bytes(100_000)]])
        assert sum(path.stat().st_size for path in tmp_path.rglob("*.safetensors")) <= 1000_000
    assert len(list((tmp_path / "new").iterdir())) == 8


def test_what_a_killed_writer_left_goes_once_it_is_old(tmp_path: Path):
    (tmp_path / "now").mkdir()
    old, young = tmp_path / "now" / "a.1.part", tmp_path / "now" / "b.2.part"
    for path in (old, young):
        path.write_bytes(b"half")
    os.utime(old, (1, 1))
    assert keep(disk_in(tmp_path), "c")
    assert not old.exists()
    assert young.exists(), "its writer may be at work"


def test_clearing_leaves_nothing_and_a_reader_keeps_what_it_found(tmp_path: Path):
    disk = disk_in(tmp_path)
    assert keep(disk, "a", [[b"x" * 1000]])
    found = disk.look("a")
    assert clear(tmp_path) > 1000
    assert list(tmp_path.iterdir()) == []
    with found.file:
        if sys.platform != "win32":
            assert disk.load(found) == [[b"x" * 1000]]
    assert disk.look("a") is None
    assert keep(disk, "a"), "and it goes on"


# --- both levels ----------------------------------------------------------------------------------------------------


def outputs_on(root: Path, budget: int = 10_000_000, policy: Policy = Policy.VALUE) -> Outputs:
    return Outputs(Keeping(policy=policy, budget=budget), "test", disk=disk_in(root))


def put(outputs: Outputs, key: str, slots: list[list[object]], seconds: float = 60.0) -> None:
    outputs.put(slots, key, {"text": [key]}, seconds)
    written = outputs.store(key, "Sampler")
    assert written is None or written.result(20)


def test_what_left_memory_comes_back_from_disk(tmp_path: Path):
    outputs = outputs_on(tmp_path, budget=1000)
    for key in "abc":
        put(outputs, key, [[key.encode() * 700], []])
    outputs.end()
    assert outputs.held <= 1000
    outputs.begin()
    known = outputs.recall(["a", "b", "c", "d"])
    assert known.keys() == set("abc")
    assert [len(known[key].outputs) for key in "abc"] == [2, 2, 2]
    assert known["b"].ui == {"text": ["b"]}
    for key in "abc":
        assert outputs.get(known[key].outputs[0]) == [key.encode() * 700]
        assert outputs.get(known[key].outputs[1]) == []
    outputs.end()
    assert outputs.held <= 1000


def test_a_new_worker_finds_what_the_last_one_kept(tmp_path: Path):
    put(outputs_on(tmp_path), "a", [[b"x"]])
    outputs = outputs_on(tmp_path)
    known = outputs.recall("a")
    assert outputs.held == 0, "its values come when they are asked for"
    clear(tmp_path)  # somebody empties the disk meanwhile
    if sys.platform != "win32":
        assert outputs.get(known["a"].outputs[0]) == [b"x"]
    outputs.end()


def test_many_results_hold_few_files_open(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    from server.worker import outputs as room

    monkeypatch.setattr(room, "MOST_OPEN", 3)
    first = outputs_on(tmp_path)
    for number in range(8):
        put(first, f"{number}", [[bytes([number])]])
    outputs = outputs_on(tmp_path)
    known = outputs.recall([f"{number}" for number in range(8)])
    assert outputs._open == 3
    assert [outputs.get(known[f"{number}"].outputs[0]) for number in range(8)] == [
        [bytes([number])] for number in range(8)
    ]
    assert outputs._open == 0
    outputs.end()


def test_damage_is_told_once(tmp_path: Path):
    put(outputs_on(tmp_path), "a", [[b"x"]])
    (path,) = tmp_path.rglob("*.safetensors")
    path.write_bytes(b"")
    outputs = outputs_on(tmp_path)
    assert outputs.recall("a") == {}
    assert outputs.damaged("a")
    assert not outputs.damaged("a")
    assert not outputs.damaged(None)


def test_what_is_on_disk_leaves_memory_before_what_is_not(tmp_path: Path):
    outputs = outputs_on(tmp_path, budget=1000)
    put(outputs, "on disk", [[bytes(600)]], seconds=60)
    outputs.put([[bytes(600)]], "not", seconds=10)
    outputs.end()
    outputs.begin()
    assert outputs.recall(["not"]), "it takes ten seconds to get back, the other a moment"
    outputs.end()


def test_a_result_counts_only_while_its_files_are_there(tmp_path: Path):
    there = [True]
    outputs = Outputs(Keeping(), "test", disk=disk_in(tmp_path), stands=lambda _ui: there[0])
    put(outputs, "a", [])
    outputs.end()
    assert outputs.recall("a")["a"].ui == {"text": ["a"]}
    outputs.end()
    there[0] = False
    assert outputs.recall("a") == {}
    there[0] = True
    assert outputs.recall("a")
    outputs.end()

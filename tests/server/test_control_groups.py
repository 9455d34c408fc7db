"""What a container may use of the machine's memory, by both kinds of control groups."""

import os
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from server.control_groups import allowed
from server.memory import GIGABYTE, memory
from tests.serving import serving

UNLIMITED = 0x7FFFFFFFFFFFF000  # of the old kind


def group(folder: Path, limit: str, used: int, idle: int, *, old: bool = False) -> None:
    """The files of a group."""
    folder.mkdir(parents=True, exist_ok=True)
    names = (
        ("memory.limit_in_bytes", "memory.usage_in_bytes", "total_inactive_file")
        if old
        else ("memory.max", "memory.current", "inactive_file")
    )
    (folder / names[0]).write_text(f"{limit}\n")
    (folder / names[1]).write_text(f"{used}\n")
    (folder / "memory.stat").write_text(f"anon 5\n{names[2]} {idle}\n")


def process(folder: Path, groups: str, *mounts: str) -> Path:
    """A process's folder in /proc that says so."""
    made = folder / "proc"
    made.mkdir()
    (made / "cgroup").write_text(groups)
    (made / "mountinfo").write_text("".join(f"{line}\n" for line in mounts))
    return made


def new(top: Path, root: str = "/") -> str:
    return f"30 23 0:26 {root} {str(top).replace(' ', chr(92) + '040')} rw,nosuid - cgroup2 cgroup2 rw,nsdelegate"


def old(top: Path, root: str = "/", controller: str = "memory") -> str:
    return f"35 31 0:32 {root} {top} rw,relatime shared:9 - cgroup cgroup rw,{controller}"


def test_a_container_sees_its_own_group_as_the_topmost(tmp_path: Path):
    group(tmp_path / "top", "4000", 1000, 200)
    assert allowed(process(tmp_path, "0::/\n", new(tmp_path / "top"))) == (4000, 3200)


def test_a_service_finds_its_group_among_others_and_the_tightest_counts(tmp_path: Path):
    top = tmp_path / "a top"
    group(top / "system.slice", "9000", 8500, 0)
    group(top / "system.slice" / "weft.service", "6000", 1000, 0)
    here = process(tmp_path, "0::/system.slice/weft.service\n", new(top))
    assert allowed(here) == (6000, 500), "so much is left of the slice"


def test_the_old_kind_and_a_container_that_sees_a_part_of_the_tree(tmp_path: Path):
    top = tmp_path / "memory"
    group(top / "inner", str(UNLIMITED), 300, 0, old=True)
    group(top, "2000", 500, 100, old=True)
    mounts = (old(tmp_path / "cpu", controller="cpu"), old(top, "/docker/1bfe"))
    assert allowed(process(tmp_path, "9:cpu:/docker/x\n4:memory:/docker/1bfe/inner\n", *mounts)) == (
        2000,
        1600,
    )


@pytest.mark.parametrize("name", ["/../../elsewhere", "/gone/since"])
def test_a_name_from_outside_the_container_means_what_is_seen(tmp_path: Path, name: str):
    group(tmp_path / "top", "4000", 1000, 0)
    assert allowed(process(tmp_path, f"0::{name}\n", new(tmp_path / "top"))) == (4000, 3000)


def test_without_a_limit_there_is_none(tmp_path: Path):
    group(tmp_path / "top", "max", 1000, 0)
    assert allowed(process(tmp_path, "0::/\n", new(tmp_path / "top"))) is None
    assert allowed(tmp_path / "nowhere") is None


@pytest.fixture
def small_group() -> Iterator[Path]:
    """A real group of this machine that may hold 3 GB."""
    if sys.platform != "linux" or os.geteuid() != 0:
        pytest.skip("Making a control group takes Linux and root.")
    parents = (Path("/sys/fs/cgroup/memory"), Path("/sys/fs/cgroup"))
    found = next((one for one in parents if any(one.glob("memory.*"))), None)
    made = (found or parents[0]) / f"weft-test-{os.getpid()}"
    try:
        made.mkdir()
    except OSError as error:
        pytest.skip(f"This machine lets nobody make a control group: {error}")
    try:
        limit = next(
            (one for one in (made / "memory.max", made / "memory.limit_in_bytes") if one.exists()), None
        )
        if limit is None:
            pytest.skip("Control groups do not count memory here.")
        limit.write_text(str(3 * GIGABYTE))
        yield made
    finally:
        made.rmdir()


def test_a_server_in_a_real_group_says_what_the_group_may_hold(small_group: Path, tmp_path: Path):
    if memory()[0] <= 3 * GIGABYTE:
        pytest.skip("This machine is smaller than the group.")
    with serving(tmp_path, "--factory", "tests.server.small_nodes:build") as server:
        (small_group / "cgroup.procs").write_text(str(server.process.pid))
        assert server.get("/system_stats")["system"]["ram_total"] == 3 * GIGABYTE

"""What a worker leaves behind: nothing. And it may not eat the machine."""

import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterable
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from server.backends.vigil import held_by, held_by_group
from server.memory import memory
from tests.server.api.asking import prompt, shown
from tests.server.deaths.ways import FACTORY
from tests.serving import Server, serving

linux = pytest.mark.skipif(sys.platform != "linux", reason="looks into /proc")
AT_ONCE = 1.0  # seconds; a busy machine may need twice that
LEAVES = prompt(d=("Die.leaves_children", {}), s=("Show", {"value": ["d", 0]}))


def children(server: Server) -> list[int]:
    """A child program, a forked one, and the worker, of a job that is over."""
    entry = server.run(LEAVES)
    assert entry["status"]["status_str"] == "success"
    pids = entry["outputs"]["d"]["pids"]
    assert all(map(alive, pids))
    return pids


def alive(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] not in ("Z", "X")
    except (ProcessLookupError, FileNotFoundError):
        return False


def seconds_until_gone(pids: Iterable[int]) -> float:
    started = time.monotonic()
    while any(map(alive, pids)):
        assert time.monotonic() - started < 20, "they live on"
        time.sleep(0.01)
    return time.monotonic() - started


@linux
def test_what_nodes_started_dies_with_the_worker_and_the_next_job_runs(tmp_path: Path):
    with serving(tmp_path, "--factory", FACTORY) as server:
        pids = children(server)
        os.kill(pids[-1], signal.SIGKILL)
        assert seconds_until_gone(pids) < 2 * AT_ONCE
        assert server.run(shown("next"))["status"]["status_str"] == "success"


@linux
def test_a_killed_server_takes_worker_and_children_along_and_its_port_is_free(tmp_path: Path):
    with serving(tmp_path, "--factory", FACTORY) as server:
        pids = children(server)
        server.process.kill()
        server.process.wait()
        assert seconds_until_gone(pids) < 2 * AT_ONCE
        address = urlsplit(server.url)
        with socket.socket() as again:
            again.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            again.bind((address.hostname, address.port))


@linux
def test_a_worker_that_eats_memory_is_ended_and_the_person_told_how_much_it_held(tmp_path: Path):
    with serving(tmp_path, "--factory", FACTORY, "--worker-memory", "0.3") as server:
        entry = server.run(prompt(d=("Die.eats_memory", {}), s=("Show", {"value": ["d", 0]})))
        ((_, error),) = [told for told in entry["status"]["messages"] if told[0] == "execution_error"]
        assert error["node_id"] == "d"
        assert "Out of memory: the worker held" in error["exception_message"]
        assert "may hold" in error["exception_message"] and "--worker-memory" in error["exception_message"]
        assert server.run(shown("next"))["status"]["status_str"] == "success"


@linux
def test_what_a_process_and_its_group_hold_is_known():
    eater = subprocess.Popen(
        [sys.executable, "-c", "x = bytearray(b'x') * 50_000_000; print(1, flush=True); input()"],
        stdin=subprocess.PIPE, stdout=subprocess.PIPE, process_group=0,
    )  # fmt: skip
    assert eater.stdout is not None
    with eater:
        eater.stdout.readline()
        assert 50_000_000 <= held_by(eater.pid) < 150_000_000
        assert held_by_group(eater.pid) >= 50_000_000
        eater.kill()
    assert held_by(eater.pid) == 0
    total, free = memory(swap=True)
    assert free > 0 and total > 0

"""What nodes take of memory: measured as the worker does, each time in a process where nothing else comes and goes."""

import json
import subprocess
import sys
from collections.abc import Iterator
from itertools import count
from pathlib import Path
from typing import Any

import pytest

from server.worker.usage import WORTH_ASKING, Meter

MEGABYTE = 1 << 20
ABOUT = 16 * MEGABYTE  # the allocator rounds, and Linux counts a little late
linux_counts = pytest.mark.skipif(
    sys.platform == "darwin", reason="macOS tells the most that a process ever held, alone"
)
ROOT = Path(__file__).resolve().parents[3]
SMALL = "import subprocess, sys; sys.exit(subprocess.run([sys.executable, '-c', sys.argv[1]]).returncode)"
ALONE = """
import json
from server.worker.usage import Meter

meter = Meter(lambda: 0)
first = bytearray({first})  # what the process held once, and its most so far
del first
before = meter.read()
{act}
usage = meter.since(before, 0.0)
print(json.dumps({{"now": before.now, "most": before.most, "growth": usage.growth, "host": usage.host}}))
"""


def measured(act: str, first: int = 0) -> dict[str, Any]:
    """What a meter says of `act`, in a process of its own that has held `first` bytes before."""
    script = ALONE.format(act=act, first=first)
    # Linux counts the most that a parent held as its child's own: the parent is a small process.
    done = subprocess.run(
        [sys.executable, "-c", SMALL, script], cwd=ROOT, capture_output=True, text=True, check=True
    )
    return json.loads(done.stdout)


@linux_counts
def test_what_a_node_keeps_is_its_growth():
    said = measured(f"kept = bytearray({64 * MEGABYTE})")
    assert said["growth"] == pytest.approx(64 * MEGABYTE, abs=ABOUT)
    assert said["host"] == pytest.approx(said["now"] + 64 * MEGABYTE, abs=ABOUT)


@linux_counts
def test_what_a_node_lets_go_again_is_no_growth():
    assert abs(measured(f"assert bytearray({64 * MEGABYTE})")["growth"]) < ABOUT


@linux_counts
def test_what_a_node_held_in_between_counts_where_it_was_the_most_so_far():
    said = measured(f"assert bytearray({128 * MEGABYTE})", first=64 * MEGABYTE)
    assert said["most"] > said["now"]
    assert said["host"] == pytest.approx(said["now"] + 128 * MEGABYTE, abs=ABOUT)


@pytest.fixture
def meter() -> Iterator[Meter]:
    peaks = count(100)
    made = Meter(lambda: next(peaks))
    yield made
    made.close()


def test_cards_are_asked_after_nodes_that_take_long_enough(meter: Meter):
    before = meter.read()
    assert [meter.since(before, seconds).device for seconds in (0.0, WORTH_ASKING, 0.0, 1.0)] == [
        0,
        100,
        0,
        101,
    ]

"""What nodes take of memory: measured in the worker's own process."""

import sys
from collections.abc import Iterator
from itertools import count

import pytest

from server.worker.usage import WORTH_ASKING, Meter

MEGABYTE = 1 << 20
ABOUT = 16 * MEGABYTE  # the allocator rounds, and Linux counts a little late


@pytest.fixture
def meter() -> Iterator[Meter]:
    peaks = count(100)
    made = Meter(lambda: next(peaks))
    yield made
    made.close()


@pytest.mark.skipif(sys.platform == "darwin", reason="macOS tells the most that a process ever held, alone")
def test_what_a_node_keeps_is_its_growth(meter):
    before = meter.read()
    kept = bytearray(64 * MEGABYTE)
    usage = meter.since(before, 0.0)
    assert usage.growth == pytest.approx(len(kept), abs=ABOUT)
    assert usage.host == pytest.approx(before.now + len(kept), abs=ABOUT)


@pytest.mark.skipif(sys.platform == "darwin", reason="macOS tells the most that a process ever held, alone")
def test_what_a_node_lets_go_again_is_no_growth(meter):
    before = meter.read()
    assert bytearray(64 * MEGABYTE)  # held for the length of this line
    assert abs(meter.since(before, 0.0).growth) < ABOUT


def test_what_a_node_held_in_between_counts_where_it_was_the_most_so_far(meter):
    before = meter.read()
    size = before.most - before.now + 64 * MEGABYTE
    assert bytearray(size)
    assert meter.since(before, 0.0).host == pytest.approx(before.now + size, abs=ABOUT)


def test_cards_are_asked_after_nodes_that_take_long_enough(meter):
    before = meter.read()
    assert [meter.since(before, seconds).device for seconds in (0.0, WORTH_ASKING, 0.0, 1.0)] == [
        0,
        100,
        0,
        101,
    ]

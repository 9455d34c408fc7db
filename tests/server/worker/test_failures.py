"""A report of a failed node is made quickly, however deep the node fell."""

import sys
import threading
import time

import pytest

from nodes.compat.faring import lines
from server.worker.failures import failure

DEEP = 100_000


@pytest.fixture
def deep() -> RecursionError:
    """What a node raises that calls itself without end, after it has lifted Python's own limit."""
    caught: list[RecursionError] = []

    def without_end(number: int) -> int:
        return without_end(number + 1)

    def fall() -> None:
        try:
            without_end(0)
        except RecursionError as error:
            caught.append(error)

    before = sys.getrecursionlimit()
    sys.setrecursionlimit(DEEP)
    try:
        thread = threading.Thread(target=fall)
        thread.start()
        thread.join()
    finally:
        sys.setrecursionlimit(before)
    return caught[0]


def test_of_a_very_long_traceback_the_end_is_told(deep: RecursionError):
    began = time.process_time()
    told, of_a_pack = failure(deep).traceback, lines(deep)
    assert time.process_time() - began < 1.0  # each frame costs some 20 microseconds to describe
    for found in (told, of_a_pack):
        assert "without_end" in found[0]
        assert found[-1].startswith("RecursionError: maximum recursion depth exceeded")
        assert any("Previous line repeated" in line for line in found)

"""Pages of a mapped file, brought into memory by a thread while the network is built that they belong to."""

import ctypes
import sys
from collections.abc import Iterable, Iterator
from threading import Thread

from torch import Tensor

LEAST = 64 << 20  # bytes: what is smaller is there before a thread has begun
PAGE, STRIDE = 4096, 16 << 20  # a stride is what one call brings: others map memory in between
POPULATE_READ = 22  # of madvise: Linux 5.14 and newer


def bring(tensors: Iterable[Tensor]) -> None:
    """Have the pages of tensors mapped, in the order of the file; where a system cannot, they come as they are asked for.

    A page that is asked for by itself costs an interrupt. The thread holds the tensors until it has done.
    """
    held = list(tensors)
    if sys.platform == "linux" and sum(tensor.nbytes for tensor in held) >= LEAST:
        Thread(target=_populate, args=(held,), daemon=True, name="pages of weights").start()


def _populate(held: list[Tensor]) -> None:
    advise = ctypes.CDLL(None).madvise
    advise.argtypes = (ctypes.c_void_p, ctypes.c_size_t, ctypes.c_int)
    for start, end in _runs(held):
        for place in range(start, end, STRIDE):
            if advise(place, min(STRIDE, end - place), POPULATE_READ) != 0:
                return


def _runs(held: list[Tensor]) -> Iterator[tuple[int, int]]:
    """Addresses of whole pages from and to which the tensors lie, those that touch as one."""
    start = end = 0
    for first, last in sorted((tensor.data_ptr(), tensor.data_ptr() + tensor.nbytes) for tensor in held):
        first, last = first // PAGE * PAGE, -(-last // PAGE) * PAGE
        if first > end:
            if end:
                yield start, end
            start = first
        end = max(end, last)
    if end:
        yield start, end

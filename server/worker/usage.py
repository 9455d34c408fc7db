"""What a node takes of memory, measured around its run: some 10 microseconds a node, with its way to the server."""

import ctypes
import os
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from server.graph.outcome import Usage

WORTH_ASKING = 1e-3  # seconds; asking a graphics card takes some 50 microseconds


@dataclass(frozen=True, slots=True)
class Reading:
    """Bytes of the machine's memory that this process holds, and the most it ever held."""

    now: int
    most: int


class Meter:
    """Measures the memory of this process.

    Args:
        device_peak: the most bytes that tensors held on graphics cards since it was called last. It is asked after
            nodes of a millisecond and more; what shorter ones take counts for the next of these.
    """

    def __init__(self, device_peak: Callable[[], int]) -> None:
        self._device_peak = device_peak
        self._page = os.sysconf("SC_PAGE_SIZE") if sys.platform != "win32" else 0
        self._statm = os.open("/proc/self/statm", os.O_RDONLY) if Path("/proc/self/statm").is_file() else None

    def read(self) -> Reading:
        """How it stands now."""
        if sys.platform == "win32":
            return _windows()
        import resource

        most = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        if self._statm is None:  # macOS counts bytes, and tells the most alone
            return Reading(most, most)
        pages = int(os.pread(self._statm, 64, 0).split(None, 2)[1])
        return Reading(pages * self._page, most * 1024)

    def since(self, before: Reading, seconds: float) -> Usage:
        """What was taken since `before`, by a node that ran for `seconds`."""
        after = self.read()
        host = after.most if after.most > before.most else max(before.now, after.now)
        device = self._device_peak() if seconds >= WORTH_ASKING else 0
        return Usage(host, after.now - before.now, device)

    def close(self) -> None:
        """Let go of what it reads from."""
        if self._statm is not None:
            os.close(self._statm)
            self._statm = None


class _Counters(ctypes.Structure):
    """PROCESS_MEMORY_COUNTERS of the Windows API."""

    _fields_ = (
        ("length", ctypes.c_ulong),
        ("faults", ctypes.c_ulong),
        ("peak", ctypes.c_size_t),
        ("working", ctypes.c_size_t),
        *((f"unused{index}", ctypes.c_size_t) for index in range(6)),
    )


def _windows() -> Reading:
    counters = _Counters(length=ctypes.sizeof(_Counters))
    kernel = getattr(ctypes, "windll").kernel32  # noqa: B009 (only there)
    process = ctypes.c_void_p(kernel.GetCurrentProcess())
    kernel.K32GetProcessMemoryInfo(process, ctypes.byref(counters), counters.length)
    return Reading(counters.working, counters.peak)

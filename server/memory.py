"""How much memory the machine has, or what of it this process's container may use."""

import ctypes
import gc
import os
import sys
from pathlib import Path

from server.control_groups import allowed

GIGABYTE = 1 << 30


def readable(count: int) -> str:
    """Bytes for people: 14.2 GB."""
    return f"{count / 1e9:.1f} GB" if count >= 1e9 else f"{count / 1e6:.0f} MB"


def memory(*, swap: bool = False) -> tuple[int, int]:
    """Bytes of memory in all, and those that are free; 0 where the system does not say.

    Args:
        swap: count free swap as free, where the system says how much there is (Linux).
    """
    if sys.platform == "win32":
        return _windows()
    meminfo = Path("/proc/meminfo")
    if meminfo.is_file():
        return _linux(meminfo, swap=swap)
    total = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    return total, 0


def _linux(meminfo: Path, *, swap: bool) -> tuple[int, int]:
    lines = (line.split() for line in meminfo.read_text(encoding="ascii").splitlines())
    kilobytes = {words[0].rstrip(":"): int(words[1]) for words in lines}
    total, free = kilobytes.get("MemTotal", 0) * 1024, kilobytes.get("MemAvailable", 0) * 1024
    if swap:
        free += kilobytes.get("SwapFree", 0) * 1024
    most, left = allowed() or (total, free)
    return min(total, most), min(free, left)


class _Status(ctypes.Structure):
    """MEMORYSTATUSEX of the Windows API."""

    _fields_ = (
        ("length", ctypes.c_ulong),
        ("load", ctypes.c_ulong),
        ("total", ctypes.c_ulonglong),
        ("available", ctypes.c_ulonglong),
        *((f"unused{index}", ctypes.c_ulonglong) for index in range(5)),
    )


def _windows() -> tuple[int, int]:
    status = _Status(length=ctypes.sizeof(_Status))
    getattr(ctypes, "windll").kernel32.GlobalMemoryStatusEx(ctypes.byref(status))  # noqa: B009 (only there)
    return status.total, status.available


def spare_the_collector() -> None:
    """Python's search for circles looks at all that lives; large prompts would start it several times each."""
    gc.collect()
    gc.freeze()
    gc.set_threshold(20_000, 20, 50)

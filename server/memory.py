"""How much memory the machine has."""

import ctypes
import os
import sys
from pathlib import Path

GIGABYTE = 1 << 30


def memory() -> tuple[int, int]:
    """Bytes of memory in all, and those that are free; 0 where the system does not say."""
    if sys.platform == "win32":
        return _windows()
    meminfo = Path("/proc/meminfo")
    if meminfo.is_file():
        lines = (line.split() for line in meminfo.read_text(encoding="ascii").splitlines())
        kilobytes = {words[0].rstrip(":"): int(words[1]) for words in lines}
        return kilobytes.get("MemTotal", 0) * 1024, kilobytes.get("MemAvailable", 0) * 1024
    total = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    return total, 0


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

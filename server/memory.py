"""How much memory the machine has, or what of it this process's container may use."""

import ctypes
import os
import sys
from pathlib import Path

GIGABYTE = 1 << 30

# Of Linux's control groups, new and old: the limit, what is used, and what of that are files that can go at any time.
CONTAINERS = (
    (Path("/sys/fs/cgroup"), "memory.max", "memory.current", "inactive_file"),
    (Path("/sys/fs/cgroup/memory"), "memory.limit_in_bytes", "memory.usage_in_bytes", "total_inactive_file"),
)


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
    most, left = _container()
    return (min(total, most), min(free, left)) if most else (total, free)


def _container() -> tuple[int, int]:
    """Bytes that this container may use, and those that are left of them; 0 where there is no limit."""
    for folder, limit, used, files in CONTAINERS:
        try:
            most = int((folder / limit).read_text(encoding="ascii"))
            taken = int((folder / used).read_text(encoding="ascii"))
            counts = dict(
                line.split() for line in (folder / "memory.stat").read_text(encoding="ascii").splitlines()
            )
        except (OSError, ValueError):  # no such group, or "max"
            continue
        return most, max(0, most - taken + int(counts.get(files, 0)))
    return 0, 0


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

"""The devices of the machine and their memory, in the shape of `/system_stats`. Imports torch: for workers alone."""

import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from nodes.spec import Json


def devices() -> Sequence[Mapping[str, Json]]:
    """Every CUDA device; without one, the processor with the machine's memory. Bytes.

    The first also carries torch's version.
    """
    import torch

    if torch.cuda.is_available():
        found = [_cuda(torch, index) for index in range(torch.cuda.device_count())]
    else:
        total, free = memory()
        found = [_device("cpu", "cpu", 0, (total, free), (total, free))]
    return [found[0] | {"pytorch_version": str(torch.__version__)}, *found[1:]]


def memory() -> tuple[int, int]:
    """The machine's memory: all of it, and what is free. Bytes; 0 where the system does not say."""
    if os.name == "nt":
        return _windows_memory()
    page = os.sysconf("SC_PAGE_SIZE")
    total = os.sysconf("SC_PHYS_PAGES") * page
    listed = Path("/proc/meminfo")
    if listed.is_file():
        lines = dict(line.split(":", 1) for line in listed.read_text().splitlines() if ":" in line)
        return total, int(lines.get("MemAvailable", "0 kB").split()[0]) * 1024
    available = os.sysconf("SC_AVPHYS_PAGES") if "SC_AVPHYS_PAGES" in os.sysconf_names else 0
    return total, available * page


def _cuda(torch: Any, index: int) -> dict[str, Json]:
    free, total = torch.cuda.mem_get_info(index)
    reserved = torch.cuda.memory_reserved(index)
    unused = reserved - torch.cuda.memory_allocated(index)
    name = f"cuda:{index} {torch.cuda.get_device_name(index)}"
    return _device(name, "cuda", index, (total, free + unused), (reserved, unused))


def _device(
    name: str, kind: str, index: int, machine: tuple[int, int], torch_own: tuple[int, int]
) -> dict[str, Json]:
    return {
        "name": name,
        "type": kind,
        "index": index,
        "vram_total": machine[0],
        "vram_free": machine[1],
        "torch_vram_total": torch_own[0],
        "torch_vram_free": torch_own[1],
    }


def _windows_memory() -> tuple[int, int]:
    import ctypes

    class Status(ctypes.Structure):
        _fields_ = [("length", ctypes.c_ulong), ("load", ctypes.c_ulong)] + [
            (name, ctypes.c_ulonglong)
            for name in (
                "total",
                "free",
                "total_page",
                "free_page",
                "total_virtual",
                "free_virtual",
                "extended",
            )
        ]

    status: Any = Status()
    status.length = ctypes.sizeof(status)
    windows: Any = ctypes
    if not windows.windll.kernel32.GlobalMemoryStatusEx(ctypes.byref(status)):
        return 0, 0
    return int(status.total), int(status.free)

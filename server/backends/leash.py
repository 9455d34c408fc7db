"""Ties a worker's children to it: programs that nodes start die with the worker, and the worker with the server.

POSIX: the worker leads a process group of its own, which is ended when it is gone. If the server is gone too, the
worker's guard does that (`server/worker/guard.py`). Windows: a job object, which the system ends with its last holder.
A program that makes itself a session of its own has asked to live on; on POSIX it does.
"""

import ctypes
import os
import signal
import subprocess
from contextlib import suppress
from typing import Any, Protocol

KILL_ON_CLOSE = 0x2000  # JOB_OBJECT_LIMIT_KILL_ON_JOB_CLOSE
LIMIT_JOB_MEMORY = 0x0200  # JOB_OBJECT_LIMIT_JOB_MEMORY
EXTENDED_LIMITS = 9  # JobObjectExtendedLimitInformation


class Leash(Protocol):
    """Holds a worker and what it starts."""

    def pull(self) -> None:
        """The worker is gone: end what it left behind."""
        ...


def leash(process: "subprocess.Popen[bytes]", memory: int) -> Leash:
    """A leash for a worker that was started with `options()`.

    Args:
        process: the worker.
        memory: bytes that it and its children may hold, where the system can count them (Windows); 0: no limit.
    """
    return _Job(process, memory) if os.name == "nt" else _Group(process.pid)


def options() -> dict[str, Any]:
    """What `Popen` needs to know to start a worker that can be held."""
    return {} if os.name == "nt" else {"process_group": 0}


class _Group:
    """A process group of POSIX, named after its leader."""

    def __init__(self, pid: int) -> None:
        self._pid = pid

    def pull(self) -> None:
        with suppress(ProcessLookupError, PermissionError):
            os.killpg(self._pid, signal.SIGKILL)


class _BasicLimits(ctypes.Structure):
    """JOBOBJECT_BASIC_LIMIT_INFORMATION of the Windows API."""

    _fields_ = (
        ("process_time", ctypes.c_int64),
        ("job_time", ctypes.c_int64),
        ("flags", ctypes.c_uint32),
        ("least_working_set", ctypes.c_size_t),
        ("most_working_set", ctypes.c_size_t),
        ("most_processes", ctypes.c_uint32),
        ("affinity", ctypes.c_size_t),
        ("priority", ctypes.c_uint32),
        ("scheduling", ctypes.c_uint32),
    )


class _ExtendedLimits(ctypes.Structure):
    """JOBOBJECT_EXTENDED_LIMIT_INFORMATION."""

    _fields_ = (
        ("basic", _BasicLimits),
        ("io", ctypes.c_uint64 * 6),
        ("process_memory", ctypes.c_size_t),
        ("job_memory", ctypes.c_size_t),
        ("peak_process_memory", ctypes.c_size_t),
        ("peak_job_memory", ctypes.c_size_t),
    )


class _Job:
    """A job object of Windows: who is in it ends when the last handle closes, this server's end included.

    Beyond the memory it grants, allocations fail in the worker as they do on a machine that has no more.
    """

    def __init__(self, process: "subprocess.Popen[bytes]", memory: int) -> None:
        self._windows: Any = getattr(ctypes, "windll").kernel32  # noqa: B009 (only there)
        self._windows.CreateJobObjectW.restype = ctypes.c_void_p
        self._job = ctypes.c_void_p(self._windows.CreateJobObjectW(None, None))
        limits = _ExtendedLimits()
        limits.basic.flags = KILL_ON_CLOSE | (LIMIT_JOB_MEMORY if memory else 0)
        limits.job_memory = memory
        size = ctypes.sizeof(limits)
        self._windows.SetInformationJobObject(self._job, EXTENDED_LIMITS, ctypes.byref(limits), size)
        handle: Any = getattr(process, "_handle")  # noqa: B009 (Popen offers no other way to it)
        self._windows.AssignProcessToJobObject(self._job, ctypes.c_void_p(int(handle)))

    def pull(self) -> None:
        job, self._job = self._job, ctypes.c_void_p(None)
        if job.value:
            self._windows.CloseHandle(job)

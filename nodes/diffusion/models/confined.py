"""A process that gives up what it does not need any more: no file, socket or program can be opened from then on.

Works by limits on POSIX systems (no new file descriptor, no new process) and, on Linux, by Landlock (since 5.13) as well.
Windows has neither; what reads files there runs no code of theirs either way (`pickled`).
"""

import ctypes
import os
import sys

if sys.platform != "win32":
    import resource  # before anything is given up: it is a file, too

CREATE_RULESET, RESTRICT_SELF = 444, 446  # system calls, the same on all of Linux's machines
NO_NEW_PRIVILEGES = 38
VERSION = 1
DESCRIPTORS = 1024  # more than a process has that has just begun
FILES = {1: 0x1FFF, 2: 0x3FFF, 3: 0x7FFF, 4: 0x7FFF, 5: 0xFFFF}  # what may be handled, by version; later as 5
TCP = 0x3
SCOPES = 0x3


def confine() -> tuple[str, ...]:
    """Give it all up for the rest of this process's life.

    Returns:
        by which means: "limits", "landlock"; empty where the system has none.
    """
    means: list[str] = []
    if sys.platform == "linux" and _landlock():  # first: its own description takes a descriptor
        means.append("landlock")
    if sys.platform != "win32":
        _limit()
        means.append("limits")
    return tuple(means)


def _limit() -> None:
    """POSIX: no new descriptor: the numbers below the limit are all in use. No new process; no core file."""
    highest = max(number for number in range(DESCRIPTORS) if _is_open(number))
    for number in range(highest):
        if not _is_open(number):
            os.dup2(highest, number)
    resource.setrlimit(resource.RLIMIT_NOFILE, (highest + 1, highest + 1))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    if hasattr(resource, "RLIMIT_NPROC"):
        resource.setrlimit(resource.RLIMIT_NPROC, (0, 0))


def _is_open(number: int) -> bool:
    try:
        os.fstat(number)
    except OSError:
        return False
    return True


def _landlock() -> bool:
    """Handle every access to files and TCP, and allow none."""
    library = ctypes.CDLL(None, use_errno=True)
    version = library.syscall(CREATE_RULESET, None, ctypes.c_size_t(0), ctypes.c_uint32(VERSION))
    if version < 1:
        return False
    words = [FILES.get(version, FILES[5])]
    words += [TCP] if version >= 4 else []
    words += [SCOPES] if version >= 6 else []
    handled = (ctypes.c_uint64 * len(words))(*words)
    ruleset = library.syscall(
        CREATE_RULESET, handled, ctypes.c_size_t(ctypes.sizeof(handled)), ctypes.c_uint32(0)
    )
    if ruleset < 0:
        return False
    library.prctl(NO_NEW_PRIVILEGES, 1, 0, 0, 0)
    restricted = library.syscall(RESTRICT_SELF, ruleset, ctypes.c_uint32(0))
    os.close(ruleset)
    return restricted == 0

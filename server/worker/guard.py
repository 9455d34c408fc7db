"""What keeps a worker process from harming others. Each system offers something else; what it lacks is left out.

Its children die with it, its streams stay its own, and where memory runs out the system takes it first.
"""

import ctypes
import os
import signal
import subprocess
import sys
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import IO, TextIO, cast

PR_SET_PDEATHSIG = 1  # of Linux's prctl
FIRST_TO_GO = "800"  # of Linux's oom_score_adj, which goes to 1000
# Reads until the worker's end closes the pipe, however it came about, then ends its process group. The pause lets a worker
# whose files a pack has closed say so by its exit status.
WAIT_THEN_KILL = 'read -r _; sleep 0.2; kill -s KILL -- "-$1"'
CARD = Path("/dev/nvidiactl")
STANDARD = (0, 1, 2)


def die_with_server(leave: Callable[[], None]) -> None:
    """Where the system can do it: end this process with the thread that started it, even inside native code.

    Args:
        leave: called if the server is gone already.
    """
    if sys.platform == "linux":
        server = os.getppid()
        ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGKILL)
        if os.getppid() != server:
            leave()


def take_children_along() -> "IO[bytes] | None":
    """POSIX: a guard that ends this process group when this process is gone; the server's own leash needs the server.

    Returns:
        what the guard waits on: keep it open. None where there is no guard.
    """
    if os.name == "nt" or os.getpgrp() != os.getpid():
        return None
    with suppress(OSError):
        guard = subprocess.Popen(
            ["/bin/sh", "-c", WAIT_THEN_KILL, "weft-guard", str(os.getpgrp())],
            stdin=subprocess.PIPE,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            process_group=0,
        )
        return guard.stdin
    return None


def keep_from_forks(*closers: Callable[[], None]) -> None:
    """Close these in every forked child: one that holds our pipes would hide this process's end from their readers."""

    def close() -> None:
        for closer in closers:
            with suppress(OSError):
                closer()

    if hasattr(os, "register_at_fork"):
        os.register_at_fork(after_in_child=close)


def limit_memory(most: int) -> None:
    """Linux: refuse requests far beyond the machine, and stand before the server where the system ends programs.

    What is asked for counts here, not what is used, and files that are mapped to be copied count too: so the limit is
    twice the memory there is. The server watches what is used. With a card there is no limit: drivers reserve freely.

    Args:
        most: bytes that the worker may hold; 0: not known.
    """
    if sys.platform != "linux":
        return
    import resource

    with suppress(OSError):
        Path("/proc/self/oom_score_adj").write_text(FIRST_TO_GO, encoding="ascii")
    if most and not CARD.exists():
        with suppress(OSError, ValueError):
            resource.setrlimit(resource.RLIMIT_DATA, (2 * most, resource.getrlimit(resource.RLIMIT_DATA)[1]))


class Streams:
    """Standard input, output and errors as they were at the start; a pack may close or replace them."""

    def __init__(self) -> None:
        self._copies = {fd: os.dup(fd) for fd in STANDARD}

    def mend(self) -> None:
        """Put back what is no longer what it was: else the next file that somebody opens would get what is printed."""
        for fd, copy in self._copies.items():
            with suppress(OSError):
                if not _same(fd, copy):
                    os.dup2(copy, fd)
        for fd, name in ((1, "stdout"), (2, "stderr")):
            stream = cast("TextIO | None", getattr(sys, name, None))
            if stream is None or getattr(stream, "closed", False):
                setattr(sys, name, _reopened(fd))


def _reopened(fd: int) -> TextIO:
    return os.fdopen(fd, "w", encoding="utf-8", errors="replace", buffering=1, closefd=False)


def _same(fd: int, copy: int) -> bool:
    try:
        return os.path.sameopenfile(fd, copy)
    except OSError:
        return False

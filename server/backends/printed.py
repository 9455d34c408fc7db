"""What worker threads of this process print goes into the log too, line by line, as that of a worker process does."""

import logging
import sys
import threading
from typing import TextIO

log = logging.getLogger("weft.worker")
LONGEST_LINE = 1 << 16  # characters; a longer one is cut into several


class Printed:
    """Stands in for a stream of this process, and hands on to it. Begin with `open`, end with `close`.

    The main thread is the server's: what that prints is no node's.
    """

    def __init__(self, name: str) -> None:
        self._name = name  # "stdout" or "stderr"
        self._under: TextIO = getattr(sys, name)
        self._begun: dict[int, str] = {}  # lines that have no end yet, by thread

    def open(self) -> None:
        """Listen from now on."""
        self._under = getattr(sys, self._name)
        setattr(sys, self._name, self)

    def close(self) -> None:
        """Listen no more; a stream that somebody else put in place meanwhile stays."""
        if getattr(sys, self._name) is self:
            setattr(sys, self._name, self._under)

    def write(self, text: str) -> int:
        """Print a text."""
        written = self._under.write(text)
        if threading.current_thread() is not threading.main_thread():
            self._take(threading.get_ident(), text)
        return written

    def __getattr__(self, name: str) -> object:
        """All else that a stream can do, the one below does."""
        return getattr(self._under, name)

    def _take(self, thread: int, text: str) -> None:
        *lines, rest = (self._begun.pop(thread, "") + text).replace("\r", "\n").split("\n")
        if len(rest) > LONGEST_LINE:
            lines, rest = [*lines, rest], ""
        if rest:
            self._begun[thread] = rest
        for line in lines:
            if line.strip():
                log.info("%s", line)

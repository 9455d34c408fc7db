"""How a worker process ended, in words for the person at the canvas, with what to do about it."""

import signal
from collections.abc import Sequence
from itertools import takewhile
from pathlib import Path

from server.graph.host import BackendLost
from server.graph.model import NodeId
from server.memory import readable
from server.worker.failures import AUTHOR, OUT_OF_MEMORY
from server.worker.messages import LOST_SERVER

MENDED = "Weft has started a new worker, and the next job runs."
CRASHED = (
    f"{MENDED} If it happens again with the same workflow, the node or a library that it uses is at fault:"
    " update its pack, or tell its author."
)
FROM_OUTSIDE = f"{MENDED} Somebody, or the system, ended the process: run it again."
CRASHES = frozenset({"SIGSEGV", "SIGBUS", "SIGILL", "SIGFPE", "SIGABRT", "SIGTRAP", "SIGSYS"})
# Exit statuses by which Windows says what signals say elsewhere.
WINDOWS = {
    0xC0000005: "it touched memory that is not its own",
    0xC000001D: "it ran an instruction that this processor does not have",
    0xC0000094: "it divided by zero",
    0xC00000FD: "its calls were nested too deeply",
    0xC0000374: "it damaged its own memory",
    0xC0000409: "it found itself damaged, or called abort",
}
WINDOWS_NO_MEMORY = frozenset({0xC0000017, 0xC000012D})
LANES = str(Path("server", "worker", "lanes.py"))
FATAL = ("Fatal Python error", "Windows fatal exception")  # how faulthandler begins


def ending(status: int, words: Sequence[str], *, ready: bool) -> BackendLost:
    """What is known of a worker that is gone.

    Args:
        status: as `Popen` gives it: negative ones are signals.
        words: the last lines it printed.
        ready: whether it had been furnished: if not, its last words are part of the message.
    """
    message, hint = _exited(status) if status >= 0 else _killed(-status)
    if not ready:
        return BackendLost(
            "\n".join((message, *words)), "What it printed says why: mend that, then try again."
        )
    fatal = next((at for at, line in enumerate(words) if line.startswith(FATAL)), None)
    lines = () if fatal is None else tuple(words[fatal:])
    return BackendLost(message, hint, lines, waiting=_in_waiting_node(lines))


def unanswered_stop() -> BackendLost:
    """It was ended because nothing in it answered Stop."""
    return BackendLost("The worker did not answer Stop and was ended.", MENDED, stopped=True)


def not_started(message: str) -> BackendLost:
    """It was ended because it did not get ready."""
    return BackendLost(message, "Its last words are in the log; Weft tries again.")


def not_answered(question: str, seconds: float, node: NodeId | None) -> BackendLost:
    """It does not answer a question; `node` is the one that was asked last."""
    message = f"The worker did not answer in {seconds:.0f} seconds (it was asked for {question})."
    return BackendLost(message, "A node keeps it busy: stop it, or try again later.", node=node)


def memory_ran_out(held: int, most: int, free: int | None) -> BackendLost:
    """It was ended before it would have harmed the machine.

    Args:
        held: bytes that it held. most: that it may hold, or that the machine has.
        free: bytes that were left in the machine; None: it had a limit of its own.
    """
    if free is None:
        left = f"it may hold {readable(most)} (--worker-memory)"
    else:
        left = f"{readable(free)} of the machine's {readable(most)} were left"
    message = f"Out of memory: the worker held {readable(held)}, {left}, so Weft ended it."
    return BackendLost(message, f"{OUT_OF_MEMORY} {MENDED}")


def _in_waiting_node(lines: Sequence[str]) -> bool | None:
    """Whether the thread that crashed is the one of nodes that wait (see `server.worker.lanes`); None: neither lane's."""
    crashed = next((at for at, line in enumerate(lines) if line.startswith("Current thread")), None)
    if crashed is None:
        return None
    for line in takewhile(lambda line: line.startswith("  "), lines[crashed + 1 :]):
        if LANES in line:
            return line.endswith(" in _wait")
    return None


def _exited(status: int) -> tuple[str, str]:
    if status in WINDOWS:
        return f"The worker process crashed in native code: {WINDOWS[status]} (0x{status:08X}).", CRASHED
    if status in WINDOWS_NO_MEMORY:
        return f"The worker process ran out of memory (0x{status:08X}).", f"{OUT_OF_MEMORY} {MENDED}"
    if status == LOST_SERVER:
        return (
            "The worker lost its connection to the server: something in it closed the pipe.",
            f"{MENDED} {AUTHOR}",
        )
    message = (
        f"The worker process ended by itself (exit status {status}): the node's code, or a library, ended it."
    )
    return message, f"{MENDED} {AUTHOR}"


def _killed(number: int) -> tuple[str, str]:
    try:
        name = signal.Signals(number).name
    except ValueError:
        name = f"signal {number}"
    if name == "SIGKILL":
        return (
            "The worker process was killed (SIGKILL): most likely the machine ran out of memory.",
            f"{OUT_OF_MEMORY} {MENDED}",
        )
    if name in CRASHES:
        return f"The worker process crashed in native code ({name}).", CRASHED
    return f"The worker process was ended from outside ({name}).", FROM_OUTSIDE


def again(cause: BackendLost) -> BackendLost:
    """The same cause to raise once more: an exception that is raised twice collects both tracebacks."""
    return BackendLost(
        cause.message,
        cause.hint,
        cause.lines,
        stopped=cause.stopped,
        node=cause.node,
        waiting=cause.waiting,
    )

"""Watches over a worker from outside: that it starts, and that it leaves the machine its memory."""

import asyncio
import sys
import time
from dataclasses import dataclass
from pathlib import Path

from server.backends.child import Child
from server.backends.endings import memory_ran_out, not_started
from server.memory import memory

LEAST_FREE = 32  # the share of memory that is left to the machine: one part in so many
LARGE_SHARE = 4  # a worker is to blame where it holds at least one part in so many
FASTEST = 8e9  # bytes a second at which a worker may fill memory
LOOKS_APART = (0.02, 0.25)  # seconds: the nearer the end, the sooner again
RESTING_LOOKS_APART = 2.0  # seconds, while no job runs


@dataclass(frozen=True, slots=True)
class Patience:
    """Seconds that a worker is given.

    Attributes:
        idle: in which one that starts may do nothing at all.
        starting: for a start without packs, however busy: libraries come from slow disks.
        loading: for one pack; the worker itself gives up on it before, unless the pack keeps the interpreter.
        answer: for the answer to a question.
        stop: after Stop, or the last sign of life that follows it.
        pause: before another start, after several that failed; the next pause is twice as long, up to `longest_pause`.
    """

    idle: float = 30.0
    starting: float = 300.0
    loading: float = 60.0
    answer: float = 30.0
    stop: float = 5.0
    pause: float = 5.0
    longest_pause: float = 300.0


async def see_started(child: Child, patience: Patience) -> None:
    """Return when the worker is ready or gone; end one that does not get there."""
    loop = asyncio.get_running_loop()
    started = stirred = loop.time()
    effort = -1
    while not child.ready.done():
        await asyncio.wait([child.ready], timeout=min(1.0, patience.idle / 4))
        now, new = loop.time(), _effort(child.pid)
        if new != effort:
            effort, stirred = new, now
        if child.loading:
            late = now - child.beat > patience.loading
            what = f"The pack {child.loading} did not load in {now - child.beat:.0f} seconds."
        else:
            late = now - stirred > patience.idle or now - started > patience.starting
            what = f"The worker was not ready {now - started:.0f} seconds after its start."
        if late:
            child.end_for(not_started(what))
            return


async def watch_memory(child: Child, limit: int | None) -> None:
    """End a worker that holds more than `limit` bytes, or that leaves too little to the machine. Linux alone.

    The system would end some program, perhaps the server: a worker that is ended here has a cause to tell.
    """
    if sys.platform != "linux":
        return
    while not child.gone.done():
        total, free = memory(swap=True)
        least = total // LEAST_FREE
        room = free - least
        if limit is not None:
            held = held_by(child.pid)
            room = min(room, limit - held)
            if held > limit:
                child.end_for(memory_ran_out(held, limit, None), tell=False)
                return
        soon, late = LOOKS_APART
        pause = min(max(room / FASTEST, soon), late)
        if free < least:
            held = held_by_group(child.pid)
            if held > total // LARGE_SHARE:
                child.end_for(memory_ran_out(held, total, free), tell=False)
                return
            pause = late  # somebody else holds it
        await asyncio.wait([child.gone], timeout=pause if child.running else RESTING_LOOKS_APART)


def held_by(pid: int) -> int:
    """Bytes that a process holds for itself, in memory or swapped out; 0 if it is gone."""
    try:
        lines = Path(f"/proc/{pid}/status").read_text(encoding="utf-8", errors="replace").splitlines()
    except OSError:
        return 0
    counted = (line.split() for line in lines if line.startswith(("RssAnon:", "RssShmem:", "VmSwap:")))
    return sum(int(words[1]) * 1024 for words in counted)


def held_by_group(leader: int) -> int:
    """Bytes that all processes of a group hold: a worker and the programs that its nodes started."""
    return sum(held_by(int(entry.name)) for entry in Path("/proc").glob("[0-9]*") if _group(entry) == leader)


def _group(process: Path) -> int:
    try:
        return int(
            (process / "stat").read_text(encoding="utf-8", errors="replace").rpartition(")")[2].split()[2]
        )
    except (OSError, ValueError, IndexError):
        return 0


def _effort(pid: int) -> int:
    """A number that grows while a process computes or reads; elsewhere than on Linux, as time does."""
    if sys.platform != "linux":
        return time.monotonic_ns()
    try:
        words = (
            Path(f"/proc/{pid}/stat").read_text(encoding="utf-8", errors="replace").rpartition(")")[2].split()
        )
        read = Path(f"/proc/{pid}/io").read_text(encoding="ascii").split()
    except OSError:
        return 0
    return int(words[11]) + int(words[12]) + int(read[1])


def granted(most: int | None) -> int:
    """Bytes of memory that a worker may ask for; 0: as many as the system gives.

    Windows counts what is asked for, not what is used: there only a person can say how much that may be.

    Args:
        most: that a person has said.
    """
    return most or (memory()[0] if sys.platform == "linux" else 0)

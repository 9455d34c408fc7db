"""Which results stay in memory between jobs: policies, as pure functions over what is kept.

A result's *value* is what it would cost to get it back, for each byte that it holds, faded by disuse:

    value = (seconds + 0.001) / (bytes + 1024) * 0.5 ** (jobs since it was last used / 8)

`seconds` is what the node took when it ran. So a picture that took a minute outlives a hundred copies of it that were
made by flipping, and what nobody has used for a few dozen jobs goes first of all.
"""

from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass
from enum import StrEnum

from server.memory import GIGABYTE

LEAST_SECONDS = 0.001
LEAST_BYTES = 1024
HALF_LIFE = 8  # jobs
RELIEF = 1.1  # once memory is short, so many times the headroom is made free


class Policy(StrEnum):
    """How results are chosen; all but the first are the field's."""

    VALUE = "value"  # a budget of bytes; the least valuable go
    CLASSIC = "classic"  # what the job at hand does not use goes
    LRU = "lru"  # a number of results; those of the jobs longest past go
    NONE = "none"  # nothing is kept
    RAM = "ram"  # the least valuable go when the machine's memory runs short


@dataclass(frozen=True, slots=True, kw_only=True)
class Keeping:
    """What is kept of finished nodes.

    Attributes:
        budget: bytes in memory between jobs, for `Policy.VALUE`; None: a quarter of the machine's.
        most: results in memory between jobs, for `Policy.LRU`.
        headroom: bytes of the machine's memory to leave free while a job runs, for `Policy.RAM`; None: a tenth of the
            machine's, from 2 to 10 GB. idle_headroom: the same between jobs; None: as much.
        disk: bytes on disk; 0: nothing is written; None: see `disk.default_budget`.
    """

    policy: Policy = Policy.VALUE
    budget: int | None = None
    most: int = 0
    headroom: int | None = None
    idle_headroom: int | None = None
    disk: int | None = None

    def resolved(self, memory: int) -> "Keeping":
        """With numbers where there was None, for a machine of so many bytes of memory."""
        headroom = self.headroom
        if headroom is None:
            headroom = min(max(memory // 10, 2 * GIGABYTE), 10 * GIGABYTE)
        return Keeping(
            policy=self.policy,
            budget=max(GIGABYTE, memory // 4) if self.budget is None else self.budget,
            most=self.most,
            headroom=headroom,
            idle_headroom=headroom if self.idle_headroom is None else self.idle_headroom,
            disk=self.disk,
        )


@dataclass(frozen=True, slots=True)
class Held:
    """A result in memory, as a policy sees it.

    Attributes:
        bytes: it holds. seconds: it takes to get it back.
        used: number of the job that last used it.
    """

    id: str
    key: str
    bytes: int
    seconds: float
    used: int


def value(held: Held, now: int) -> float:
    """See the module: the higher, the longer it stays. `now`: number of the latest job."""
    cost = (held.seconds + LEAST_SECONDS) / (held.bytes + LEAST_BYTES)
    return cost * 0.5 ** ((now - held.used) / HALF_LIFE)


def over_budget(held: Iterable[Held], now: int, excess: int) -> list[str]:
    """The least valuable results that hold `excess` bytes together; of equals, the first go first."""
    dropped: list[str] = []
    for one in sorted(held, key=lambda one: value(one, now)):
        if excess <= 0:
            break
        dropped.append(one.id)
        excess -= one.bytes
    return dropped


def not_in(held: Iterable[Held], keys: Collection[str]) -> list[str]:
    """Results that a job does not use."""
    return [one.id for one in held if one.key not in keys]


def longest_past(held: Sequence[Held], most: int) -> list[str]:
    """Results of the jobs longest past, whole jobs at a time, until at most `most` are left.

    Those of the latest job stay, however many they are: without them the next run of the same workflow would find none.
    """
    left, dropped = len(held), list[str]()
    latest = max((one.used for one in held), default=0)
    for job in sorted({one.used for one in held} - {latest}):
        if left <= most:
            break
        gone = [one.id for one in held if one.used == job]
        dropped += gone
        left -= len(gone)
    return dropped

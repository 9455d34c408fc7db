"""Where a moved job lands among those that wait: numbers between its new neighbours'."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from itertools import pairwise

from server.jobs.job import Job

COUNTABLE = 2.0**50  # far beyond it, floats cannot be told from their neighbours


class Side(StrEnum):
    """Of what a job is put where."""

    FRONT = "front"
    BACK = "back"
    BEFORE = "before"
    AFTER = "after"


@dataclass(frozen=True, slots=True)
class Goal:
    """Where to move jobs. `beside`: the job that `BEFORE` and `AFTER` speak of."""

    side: Side
    beside: str = ""


class NotWaiting(Exception):
    """The job that others should be moved beside does not wait."""


def renumbered(waiting: Sequence[Job], moved: Sequence[str], goal: Goal, end: float) -> Mapping[str, float]:
    """New numbers of jobs, so that the moved ones stand at the goal in the order named.

    Args:
        waiting: all that wait, the next one first.
        end: the number that the next new job gets; what is moved to the back stays below it if it can.

    Returns:
        Numbers by id: of the moved jobs alone, or of all where there is no room between two neighbours.

    Raises:
        NotWaiting: `goal.beside` does not wait, or is itself moved.
    """
    by_id = {job.id: job for job in waiting}
    block = [by_id[id] for id in dict.fromkeys(moved) if id in by_id]
    rest = [job for job in waiting if job.id not in set(moved)]
    at = _index(rest, goal)
    low = rest[at - 1].number if at > 0 else None
    high = rest[at].number if at < len(rest) else None
    numbers = _between(low, high, len(block), end)
    bounds = [number for number in (low, *numbers, high) if number is not None]
    if all(before < after for before, after in pairwise(bounds)):
        return {job.id: number for job, number in zip(block, numbers, strict=True)}
    start = min(waiting[0].number, end - len(waiting))
    if start < -COUNTABLE:
        start = end - len(waiting)
    return {job.id: start + index for index, job in enumerate([*rest[:at], *block, *rest[at:]])}


def _index(rest: Sequence[Job], goal: Goal) -> int:
    if goal.side is Side.FRONT:
        return 0
    if goal.side is Side.BACK:
        return len(rest)
    for index, job in enumerate(rest):
        if job.id == goal.beside:
            return index + (goal.side is Side.AFTER)
    raise NotWaiting(f"Job {goal.beside} does not wait, so nothing can be moved beside it.")


def _between(low: float | None, high: float | None, count: int, end: float) -> list[float]:
    """`count` rising numbers above `low` and below `high`, as far as floats go."""
    if low is None:
        top = end if high is None else high
        return [top - count + index for index in range(count)]
    if high is None and low >= end:
        return [low + 1 + index for index in range(count)]
    top = end if high is None else high
    return [low + (top - low) * (index + 1) / (count + 1) for index in range(count)]

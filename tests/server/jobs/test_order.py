"""Moved jobs land where they should, whatever numbers the others have."""

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from server.jobs.job import Job, Wish
from server.jobs.order import Goal, NotWaiting, Side, renumbered

NUMBERS = st.one_of(
    st.integers(-5, 12).map(float),
    st.floats(-1e6, 1e6),
    st.sampled_from([1e308, -1e308, 1.0, 1.0 + 2**-52, 1.0 + 2**-51, 5e-324]),
)


def waiting(numbers: list[float]) -> list[Job]:
    jobs = [Job(Wish(id=f"j{index}", prompt={}), number, index) for index, number in enumerate(numbers)]
    return sorted(jobs, key=lambda job: (job.number, job.sequence))


def after(jobs: list[Job], moved: list[str], goal: Goal) -> list[str]:
    numbers = renumbered(jobs, moved, goal, float(len(jobs)))
    changed = [replace(job, number=numbers.get(job.id, job.number)) for job in jobs]
    return [job.id for job in sorted(changed, key=lambda job: (job.number, job.sequence))]


@given(st.data())
def test_moved_jobs_stand_together_at_the_goal_and_the_others_keep_their_order(data):
    jobs = waiting(data.draw(st.lists(NUMBERS, min_size=1, max_size=12)))
    ids = [job.id for job in jobs]
    moved = data.draw(st.lists(st.sampled_from(ids), min_size=1, unique=True))
    rest = [id for id in ids if id not in moved]
    sides = [Side.FRONT, Side.BACK, *([Side.BEFORE, Side.AFTER] if rest else [])]
    side = data.draw(st.sampled_from(sides))
    beside = data.draw(st.sampled_from(rest)) if side in (Side.BEFORE, Side.AFTER) else ""
    at = {Side.FRONT: 0, Side.BACK: len(rest)}.get(side)
    if at is None:
        at = rest.index(beside) + (side is Side.AFTER)
    assert after(jobs, moved, Goal(side, beside)) == [*rest[:at], *moved, *rest[at:]]


def test_what_is_moved_to_the_back_goes_before_what_comes_later():
    numbers = renumbered(waiting([0.0, 1.0, 2.0]), ["j0", "j1"], Goal(Side.BACK), 3.0)
    assert 2 < numbers["j0"] < numbers["j1"] < 3


def test_a_move_between_two_changes_no_other():
    assert renumbered(waiting([0.0, 1.0, 2.0]), ["j2"], Goal(Side.BEFORE, "j1"), 3.0) == {"j2": 0.5}


def test_there_is_always_room_between_two():
    jobs = waiting([float(index) for index in range(4)])
    for turn in range(200):
        last = "j3" if turn % 2 else "j2"
        order = after(jobs, [last], Goal(Side.AFTER, "j0"))
        assert order[:2] == ["j0", last]
        numbers = renumbered(jobs, [last], Goal(Side.AFTER, "j0"), 4.0)
        changed = [replace(job, number=numbers.get(job.id, job.number)) for job in jobs]
        jobs = sorted(changed, key=lambda job: (job.number, job.sequence))


@pytest.mark.parametrize("beside", ["nobody", "j0"])
def test_nothing_is_moved_beside_a_job_that_does_not_wait_or_moves_itself(beside):
    with pytest.raises(NotWaiting, match=beside):
        renumbered(waiting([0.0, 1.0]), ["j0"], Goal(Side.BEFORE, beside), 2.0)

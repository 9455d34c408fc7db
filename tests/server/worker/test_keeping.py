"""Which results stay in memory between jobs."""

from collections.abc import Iterable

import pytest
from hypothesis import given, strategies

from server.memory import GIGABYTE
from server.worker.keeping import Held, Keeping, Policy, longest_past, over_budget, value
from server.worker.outputs import Outputs

KEYS = "abcdefgh"


@strategies.composite
def held(draw: strategies.DrawFn) -> list[Held]:
    count = draw(strategies.integers(0, 12))
    return [
        Held(
            str(index),
            f"key {index}",
            draw(strategies.integers(0, 10_000)),
            draw(strategies.floats(0, 100)),
            draw(strategies.integers(0, 30)),
        )
        for index in range(count)
    ]


@given(held(), strategies.integers(-10, 100_000))
def test_the_least_valuable_go_until_enough_is_free_and_no_more(kept: list[Held], excess: int):
    dropped = over_budget(kept, 30, excess)
    by_id = {one.id: one for one in kept}
    stay = [one for one in kept if one.id not in dropped]
    assert len(set(dropped)) == len(dropped)
    freed = sum(by_id[id].bytes for id in dropped)
    assert freed >= excess or not stay
    if dropped:
        assert freed - by_id[dropped[-1]].bytes < excess, "the last one was needed too"
        assert all(value(by_id[dropped[-1]], 30) <= value(one, 30) for one in stay)
    else:
        assert excess <= 0 or not kept


@given(held(), strategies.integers(0, 12))
def test_lru_drops_whole_jobs_oldest_first_and_never_the_latest(kept: list[Held], most: int):
    dropped = set(longest_past(kept, most))
    stay = [one for one in kept if one.id not in dropped]
    latest = max((one.used for one in kept), default=0)
    assert all(one.used == latest for one in stay) or len(stay) <= most
    assert not any(one.used == latest for one in kept if one.id in dropped)
    gone = {one.used for one in kept if one.id in dropped}
    assert not gone or max(gone) < min(one.used for one in stay)


@given(
    strategies.lists(
        strategies.lists(
            strategies.tuples(
                strategies.sampled_from(KEYS), strategies.integers(0, 800), strategies.floats(0, 10)
            ),
            max_size=8,
        ),
        max_size=8,
    )
)
def test_at_rest_the_budget_holds_and_what_a_job_uses_is_there_till_its_end(jobs):
    outputs = Outputs(Keeping(budget=1000), "test")
    for made in jobs:
        outputs.begin()
        known = outputs.recall(KEYS)
        tokens = [entry.outputs[0] for entry in known.values()]
        for key, bytes_, seconds in made:
            tokens += outputs.put([[bytes(bytes_)]], key, seconds=seconds)
        outputs.clear()
        for token in tokens:
            outputs.get(token)
        outputs.end()
        assert outputs.held <= 1000
        known = outputs.recall(KEYS)
        assert outputs.held == sum(
            64 + 64 + len(outputs.get(entry.outputs[0])[0]) for entry in known.values()
        )


def run(outputs: Outputs, keys: Iterable[str], size: int = 100) -> list[str]:
    """A job with a node of each key; which of them ran."""
    outputs.begin()
    known = outputs.recall(list(keys))
    ran = [key for key in keys if key not in known]
    for key in ran:
        outputs.put([[bytes(size)]], key, seconds=1.0)
    outputs.end()
    return ran


def test_what_took_long_outlives_what_was_quick():
    outputs = Outputs(Keeping(budget=1000), "test")
    outputs.put([[bytes(500)]], "slow", seconds=60)
    for number in range(10):
        outputs.put([[bytes(400)]], f"quick {number}", seconds=0.01)
    outputs.end()
    assert "slow" in outputs.recall(["slow"])


def test_what_nobody_uses_fades():
    outputs = Outputs(Keeping(budget=1000), "test")
    outputs.put([[bytes(700)]], "old", seconds=10)
    outputs.end()
    for number in range(60):
        run(outputs, [f"new {number}"], 700)
    assert outputs.recall(["old"]) == {}


def test_classic_keeps_what_the_last_prompt_used():
    outputs = Outputs(Keeping(policy=Policy.CLASSIC), "test")
    assert run(outputs, "ab") == ["a", "b"]
    assert run(outputs, "bc") == ["c"]
    assert run(outputs, "ab") == ["a"]
    outputs.begin()
    outputs.recall("x")
    assert outputs.held == 0, "what the new prompt does not name goes when it starts"


def test_lru_keeps_so_many():
    outputs = Outputs(Keeping(policy=Policy.LRU, most=3), "test")
    assert run(outputs, "ab") == ["a", "b"]
    assert run(outputs, "c") == ["c"]
    assert run(outputs, "ab") == []
    assert run(outputs, "d") == ["d"]
    assert run(outputs, "ab") == []
    assert run(outputs, "c") == ["c"], "it was used longest ago"
    assert run(outputs, "efghi") == list("efghi")
    assert run(outputs, "efghi") == [], "a prompt larger than the number keeps its own"


def test_none_keeps_nothing():
    outputs = Outputs(Keeping(policy=Policy.NONE), "test")
    assert run(outputs, "ab") == ["a", "b"]
    assert outputs.held == 0
    assert run(outputs, "ab") == ["a", "b"]


def test_ram_drops_the_least_valuable_when_memory_runs_short():
    free = [10_000]
    outputs = Outputs(Keeping(policy=Policy.RAM, headroom=1000, idle_headroom=5000), "test", lambda: free[0])
    outputs.put([[bytes(600)]], "quick", seconds=0.1)
    outputs.put([[bytes(600)]], "slow", seconds=100)
    outputs.end()
    assert outputs.recall(["quick", "slow"]).keys() == {"quick", "slow"}
    free[0] = 5000
    outputs.end()
    assert outputs.recall(["quick", "slow"]).keys() == {"quick", "slow"}
    free[0] = 4990
    outputs.end()
    assert outputs.recall(["quick", "slow"]).keys() == {"slow"}
    free[0] = 10
    outputs.put([[bytes(10)]], "new")
    assert outputs.recall(["slow", "new"]).keys() == {"slow", "new"}, "the running job needs them"


def test_ram_drops_in_the_middle_of_a_job_what_the_job_needs_no_more():
    outputs = Outputs(Keeping(policy=Policy.RAM, headroom=1000, idle_headroom=0), "test", lambda: 10)
    assert outputs.spares
    (read,) = outputs.put([[bytes(600)]], "read", seconds=1.0)
    (needed,) = outputs.put([[bytes(600)]], "needed", seconds=1.0)
    outputs.release([read.result])
    outputs._looked = 0.0
    outputs.put([[bytes(10)]], "new")
    assert outputs.recall(["read", "needed"]).keys() == {"needed"}
    assert outputs.get(needed) == [bytes(600)]


def test_none_drops_it_at_once_and_the_default_keeps_it():
    for keeping, left in ((Keeping(policy=Policy.NONE), set()), (Keeping(), {"read"})):
        outputs = Outputs(keeping, "test")
        (read,) = outputs.put([[bytes(600)]], "read", seconds=1.0)
        outputs.release([read.result, "of another life"])
        assert outputs.recall(["read"]).keys() == left


@pytest.mark.parametrize(("machine", "headroom"), [(8, 2), (64, 6.4), (512, 10)])
def test_the_headroom_follows_the_machine(machine: int, headroom: float):
    kept = Keeping(policy=Policy.RAM).resolved(machine * GIGABYTE)
    assert kept.headroom == pytest.approx(headroom * GIGABYTE)
    assert kept.idle_headroom == kept.headroom

"""EXECUTOR.md section 11: what each policy keeps between prompts (their options: tests/server/cli/test_cache.py)."""

from collections.abc import Sequence
from pathlib import Path

import pytest

from server.worker.keeping import Keeping, Policy
from tests.server.spec.kinds import World
from tests.server.spec.playing import Prompt, Stage, node

A = {"a": node("Add", a=1), "a2": node("Add", a=["a", 0], b=1), "sa": node("Show", value=["a2", 0])}
B = {"b": node("Add", a=5), "sb": node("Show", value=["b", 0])}
ALL_A, ALL_B = ["a", "a2", "sa"], ["b", "sb"]
HUGE = 1 << 60

# Id, the policy, prompts one after the other, and the nodes that each of them runs.
ROWS: Sequence[tuple[str, Keeping, Sequence[Prompt], Sequence[list[str]]]] = [
    ("11-default-keeps-by-value-within-a-budget", Keeping(), [A, B, A, B], [ALL_A, ALL_B, [], []]),
    ("11-default-without-budget-keeps-nothing-at-rest", Keeping(budget=0), [A, A], [ALL_A, ALL_A]),
    ("11-classic-keeps-what-the-new-prompt-holds", Keeping(policy=Policy.CLASSIC), [A, A | B, A], [ALL_A, ALL_B, []]),
    ("11-classic-drops-what-it-does-not-hold", Keeping(policy=Policy.CLASSIC), [A, B, A], [ALL_A, ALL_B, ALL_A]),
    ("11-lru-keeps-n", Keeping(policy=Policy.LRU, most=10), [A, B, A], [ALL_A, ALL_B, []]),
    ("11-lru-drops-the-oldest-prompts", Keeping(policy=Policy.LRU, most=3), [A, B, A, A], [ALL_A, ALL_B, ALL_A, []]),
    ("11-lru-what-is-used-again-is-young", Keeping(policy=Policy.LRU, most=3), [A, A | B, B], [ALL_A, ALL_B, []]),
    ("11-none-keeps-nothing", Keeping(policy=Policy.NONE), [A, A], [ALL_A, ALL_A]),
    ("11-ram-keeps-while-memory-is-free", Keeping(policy=Policy.RAM, headroom=0), [A, B, A], [ALL_A, ALL_B, []]),
    ("11-ram-drops-when-it-is-not", Keeping(policy=Policy.RAM, headroom=HUGE, idle_headroom=HUGE), [A, A],
     [ALL_A, ALL_A]),
]  # fmt: skip


@pytest.mark.parametrize(
    ("keeping", "prompts", "ran"), [row[1:] for row in ROWS], ids=[row[0] for row in ROWS]
)
async def test_row(tmp_path: Path, keeping: Keeping, prompts: Sequence[Prompt], ran: Sequence[list[str]]):
    stage = Stage(World(tmp_path, keeping=keeping))
    await stage.backend.start()
    try:
        played = [await stage.play(prompt) for prompt in prompts]
    finally:
        await stage.backend.close()
    assert [one.order for one in played] == list(ran)
    for one in played:  # whatever is kept, every consumer gets its values, and every output shows them
        shown = {id: values["text"] for id, values in one.shown.items()}
        assert shown.items() <= {"sa": [2], "sb": [5]}.items() and shown


async def test_11_expanded_nodes_are_kept_like_others(tmp_path: Path):
    stage = Stage(World(tmp_path, keeping=Keeping(policy=Policy.CLASSIC)))
    await stage.backend.start()
    prompt = {"x": node("Unroll", times=2), "out": node("Show", value=["x", 0])}
    try:
        await stage.play(prompt)
        assert (await stage.play(prompt | {"more": node("ShowAndGive", value=["x", 0])})).order == ["more"]
    finally:
        await stage.backend.close()

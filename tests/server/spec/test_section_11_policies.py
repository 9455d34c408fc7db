"""EXECUTOR.md section 11: what is kept from one prompt to the next, by policy. Each row: prompts, and what ran in each.

The options that choose a policy: tests/server/cli/test_cache.py.
"""

from collections.abc import Sequence
from pathlib import Path

import pytest

from server.memory import GIGABYTE
from server.worker.keeping import Keeping, Policy
from tests.server.spec.kinds import World
from tests.server.spec.playing import Prompt, Stage, node

ENDLESS = 1 << 50  # bytes: more headroom than any machine has
FREE = "free"  # instead of a prompt: POST /free with free_memory
CLASSIC, LRU, NONE, RAM, VALUE = (
    Keeping(policy=Policy.CLASSIC, disk=0),
    Keeping(policy=Policy.LRU, most=4, disk=0),
    Keeping(policy=Policy.NONE, disk=0),
    Keeping(policy=Policy.RAM, headroom=0, idle_headroom=0, disk=0),
    Keeping(budget=GIGABYTE, disk=0),
)

# A letter is a node that adds, with another that shows what it gave; so each counts twice among the results.
ROWS: Sequence[tuple[str, Keeping, Sequence[str], Sequence[str]]] = [
    ("11-classic-the-same-prompt", CLASSIC, ["ab", "ab"], ["ab", ""]),
    ("11-classic-what-both-prompts-use-stays", CLASSIC, ["ab", "bc"], ["ab", "c"]),
    ("11-classic-what-the-last-prompt-did-not-use-goes", CLASSIC, ["ab", "bc", "ab"], ["ab", "c", "a"]),
    ("11-classic-two-prompts-by-turns", CLASSIC, ["a", "b", "a"], ["a", "b", "a"]),
    ("11-lru-prompts-by-turns-stay", LRU, ["a", "b", "a", "b"], ["a", "b", "", ""]),
    ("11-lru-the-oldest-prompt-goes", LRU, ["a", "b", "c", "a"], ["a", "b", "c", "a"]),
    ("11-lru-used-again-is-young-again", LRU, ["a", "b", "a", "c", "a", "b"], ["a", "b", "", "c", "", "b"]),
    ("11-lru-the-last-prompt-is-never-cut", LRU, ["abcdef", "abcdef"], ["abcdef", ""]),
    ("11-none-nothing-stays", NONE, ["ab", "ab"], ["ab", "ab"]),
    ("11-ram-enough-is-free", RAM, ["a", "b", "ab"], ["a", "b", ""]),
    ("11-ram-short-between-prompts", Keeping(policy=Policy.RAM, headroom=0, idle_headroom=ENDLESS, disk=0),
     ["a", "a"], ["a", "a"]),
    ("11-ram-the-running-prompt-keeps-its-own", Keeping(policy=Policy.RAM, headroom=ENDLESS, idle_headroom=0, disk=0),
     ["ab", "ab"], ["ab", ""]),
    ("11-ours-by-value", VALUE, ["a", "b", "c", "abc"], ["a", "b", "c", ""]),
    ("11-ours-no-room", Keeping(budget=0, disk=0), ["a", "a"], ["a", "a"]),
    ("11-free-drops-all", VALUE, ["ab", FREE, "ab"], ["ab", "", "ab"]),
]  # fmt: skip


def prompt(letters: str) -> Prompt:
    """The nodes of these letters; each shows another number."""
    nodes: Prompt = {}
    for letter in letters:
        nodes[letter] = node("Add", a=ord(letter))
        nodes[f"show {letter}"] = node("Show", value=[letter, 0])
    return nodes


@pytest.mark.parametrize(
    ("keeping", "prompts", "ran"), [row[1:] for row in ROWS], ids=[row[0] for row in ROWS]
)
async def test_what_runs_again(tmp_path: Path, keeping: Keeping, prompts: Sequence[str], ran: Sequence[str]):
    stage, found = Stage(World(tmp_path, keeping=keeping)), list[str]()
    await stage.backend.start()
    try:
        for letters in prompts:
            if letters == FREE:
                await stage.backend.free(models=False, results=True)
                found.append("")
                continue
            played = await stage.play(prompt(letters))
            found.append("".join(sorted(id for id in played.order if len(id) == 1)))
            # Whatever is kept, every consumer gets its values, and every output shows them.
            shown = {id: values["text"] for id, values in played.shown.items()}
            assert shown == {f"show {letter}": [ord(letter)] for letter in letters}
    finally:
        await stage.backend.close()
    assert found == list(ran)


async def test_11_expanded_nodes_are_kept_like_others(tmp_path: Path):
    stage = Stage(World(tmp_path, keeping=Keeping(policy=Policy.CLASSIC)))
    await stage.backend.start()
    prompt = {"x": node("Unroll", times=2), "out": node("Show", value=["x", 0])}
    try:
        await stage.play(prompt)
        assert (await stage.play(prompt | {"more": node("ShowAndGive", value=["x", 0])})).order == ["more"]
    finally:
        await stage.backend.close()


@pytest.mark.parametrize(("keeping", "calls"), [(VALUE, 1), (CLASSIC, 1), (RAM, 1), (NONE, 2)])
async def test_11_two_nodes_that_do_the_same_share_what_is_kept(tmp_path: Path, keeping: Keeping, calls: int):
    stage = Stage(World(tmp_path, keeping=keeping))
    await stage.backend.start()
    prompt = {
        "a": node("Add", a=1),
        "b": node("Add", a=1),
        "sum": node("Add", a=["a", 0], b=["b", 0]),
        "out": node("Show", value=["sum", 0]),
    }
    try:
        played = await stage.play(prompt)
        assert played.text() == [2] and played.calls["a"] + played.calls["b"] == calls
    finally:
        await stage.backend.close()

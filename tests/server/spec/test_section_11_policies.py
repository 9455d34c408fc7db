"""EXECUTOR.md section 11: what is kept from one prompt to the next, by policy. Each row: prompts, and what ran in each."""

from collections.abc import Sequence
from pathlib import Path

import pytest

from server.app import WorkerSettings
from server.backends.thread import ThreadBackend
from server.graph.parse import parse_prompt
from server.graph.run import Order, Status, run
from server.graph.written import Written
from server.memory import GIGABYTE
from server.worker.keeping import Keeping, Policy
from server.worker.parts import Factory
from tests.server.small_nodes import FACTORY

ENDLESS = 1 << 50  # bytes: more headroom than any machine has
FREE = "free"  # instead of a prompt: POST /free with free_memory
CLASSIC, LRU, NONE, RAM, VALUE = (
    Keeping(policy=Policy.CLASSIC, disk=0),
    Keeping(policy=Policy.LRU, most=4, disk=0),
    Keeping(policy=Policy.NONE, disk=0),
    Keeping(policy=Policy.RAM, headroom=0, idle_headroom=0, disk=0),
    Keeping(budget=GIGABYTE, disk=0),
)

# A letter is a node that works, with another that shows what it gave; so each counts twice among the results.
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


def prompt(letters: str) -> dict:
    nodes = {}
    for letter in letters:
        nodes[letter] = {"class_type": "Work", "inputs": {"text": "", "label": letter, "seconds": 0.0}}
        nodes[f"show {letter}"] = {"class_type": "Show", "inputs": {"value": [letter, 0]}}
    return nodes


@pytest.mark.parametrize(
    ("keeping", "prompts", "ran"), [row[1:] for row in ROWS], ids=[row[0] for row in ROWS]
)
async def test_what_runs_again(tmp_path: Path, keeping: Keeping, prompts: Sequence[str], ran: Sequence[str]):
    backend = ThreadBackend(Factory(FACTORY, WorkerSettings(workspace=tmp_path, keeping=keeping)))
    witness, found = tmp_path / "ran.txt", list[str]()
    try:
        specs = await backend.specs()
        for number, letters in enumerate(prompts):
            witness.write_text("")
            if letters == FREE:
                await backend.free(models=False, results=True)
            else:
                nodes = prompt(letters)
                targets = tuple(id for id in nodes if id.startswith("show"))
                order = Order(f"{number}", parse_prompt(nodes), targets, Written(nodes))
                assert (await run(order, specs, backend, lambda _: None)).status is Status.SUCCEEDED
            lines = witness.read_text().split("\n")
            found.append("".join(sorted(line[-1] for line in lines if line.startswith("end"))))
    finally:
        await backend.close()
    assert found == list(ran)

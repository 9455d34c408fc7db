"""A row of a table: a prompt, and what must come of it. What a row does not name, it does not ask about."""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import pytest

from tests.server.spec.playing import Played, Prompt, Stage


@dataclass(frozen=True, kw_only=True)
class Row:
    """One statement of EXECUTOR.md as a case.

    Attributes:
        text: what the node "out" shows; None: it shows nothing.
        shown: what further nodes show, by name.
        calls: how often these nodes are called.
        order: these nodes are called in this order.
        failed: part of the message of every node that fails.
        told: (node, message) of every block that says why.
    """

    prompt: Prompt
    text: Sequence[Any] | None = None
    shown: Mapping[str, Mapping[str, Sequence[Any]]] | None = None
    calls: Mapping[str, int] | None = None
    order: Sequence[str] | None = None
    failed: Mapping[str, str] | None = None
    told: Mapping[tuple[str, str], int] | None = None


def row(id: str, prompt: Prompt, **expected: Any) -> Any:
    """A case whose id begins with its section."""
    return pytest.param(Row(prompt=prompt, **expected), id=id)


async def check(stage: Stage, row: Row) -> Played:
    """Play the row and hold it to what it says."""
    played = await stage.play(row.prompt)
    failed = row.failed or {}
    assert played.failed.keys() == failed.keys(), played.failed
    for id, part in failed.items():
        assert part in played.failed[id]
    assert played.good == (not failed)
    assert played.shown.get("out", {}).get("text") == (None if row.text is None else list(row.text))
    for id, ui in (row.shown or {}).items():
        assert played.shown[id] == {name: list(values) for name, values in ui.items()}
    assert played.told == Counter(row.told or {})
    for id, times in (row.calls or {}).items():
        assert played.calls[id] == times
    if row.order is not None:
        assert [id for id in played.order if id in row.order] == list(row.order)
    return played

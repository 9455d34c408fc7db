"""The reference interpreter's list semantics: what each call of a node receives, and how its results are joined."""

import asyncio
import inspect
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from nodes.spec import Blocker, Node, Result

OFF = Blocker()


class NodeFails(Exception):
    """A node fails with this message."""


@dataclass(frozen=True)
class Finished:
    """What a node gave: for each slot the list of its values; and what it shows."""

    slots: tuple[list[Any], ...]
    ui: Mapping[str, list[Any]] | None = None


def is_link(value: object) -> bool:
    """Section 1: a list of exactly a string and a number."""
    return (
        isinstance(value, list)
        and len(value) == 2
        and isinstance(value[0], str)
        and isinstance(value[1], int | float)
    )


def calls(node: Node, lists: Mapping[str, list[Any]]) -> list[dict[str, Any]]:
    """Section 7: one call per element of the longest list; shorter ones repeat their last element."""
    if node.spec.takes_lists:
        return [{name: list(values) for name, values in lists.items()}]
    longest = max([len(values) for values in lists.values()], default=0)
    if longest == 0:
        return [{}]
    for name, values in lists.items():
        if not values:
            what = f"The input {name!r} received an empty list."
            raise NodeFails(f"{what} Give it at least one element: look at the node that feeds it.")
    return [
        {name: values[index] if index < len(values) else values[-1] for name, values in lists.items()}
        for index in range(longest)
    ]


def blockers(node: Node, call: Mapping[str, Any]) -> list[Blocker]:
    found: list[Blocker] = []
    for value in call.values():
        values = value if node.spec.takes_lists and isinstance(value, list) else [value]
        found += [entry for entry in values if isinstance(entry, Blocker)]
    return found


def read(node: Node, value: Any) -> Result:
    if inspect.isawaitable(value):
        value = asyncio.run(_awaited(value))
    if isinstance(value, Result):
        return value
    if isinstance(value, Blocker):
        return Result((value,) * len(node.spec.outputs))
    return Result(value if len(node.spec.outputs) > 1 else (value,))


async def _awaited(value: Any) -> Any:
    return await value


def spread(node: Node, outputs: Sequence[Any]) -> tuple[list[Any], ...]:
    """Section 7: a list's elements where the output gives lists, else the value."""
    return tuple(
        list(output) if spec.is_list and not isinstance(output, Blocker) else [output]
        for spec, output in zip(node.spec.outputs, outputs, strict=True)
    )


def joined(node: Node, parts: Sequence[tuple[list[Any], ...]]) -> tuple[list[Any], ...]:
    return tuple(
        [value for part in parts for value in part[slot]] for slot, _ in enumerate(node.spec.outputs)
    )


def shown(given: Sequence[Result | None]) -> dict[str, list[Any]] | None:
    shown: dict[str, list[Any]] = {}
    for one in given:
        for name, values in ((one.ui if one else None) or {}).items():
            shown.setdefault(name, []).extend(values)
    return shown if any(one is not None and one.ui is not None for one in given) else None

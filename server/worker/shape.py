"""What a node's function returned, brought into one shape."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import cast

from nodes.spec import Blocker, Json, NodeError, NodeSpec, Result, plain


@dataclass(frozen=True, slots=True)
class Returned:
    """What one call gave: a value per slot (links, where it expanded), what to show, and a graph or None."""

    slots: tuple[object, ...]
    ui: Mapping[str, Sequence[Json]] | None = None
    expand: Mapping[str, Json] | None = None


def read(spec: NodeSpec, value: object) -> Returned:
    """Bring a function's return value into shape.

    Raises:
        NodeError: it has another number of outputs than the node declares.
    """
    if isinstance(value, Blocker):
        return blocked(spec, value)
    if isinstance(value, Result):
        ui = None if value.ui is None else {name: _listed(shown) for name, shown in value.ui.items()}
        return Returned(_counted(spec, value.outputs), ui, value.expand)
    if len(spec.outputs) == 1:
        return Returned((value,))
    if value is None:
        return Returned(_counted(spec, ()))
    return Returned(
        _counted(spec, cast("tuple[object, ...]", value) if isinstance(value, tuple) else (value,))
    )


def blocked(spec: NodeSpec, by: Blocker) -> Returned:
    """Every output switched off."""
    return Returned((by,) * len(spec.outputs))


def spread(spec: NodeSpec, slot: int, value: object) -> list[object]:
    """What one call adds to a slot: a list's elements where the output gives lists, else the value.

    Raises:
        NodeError: the output is to give a list, and did not.
    """
    if not spec.outputs[slot].is_list or isinstance(value, Blocker):
        return [value]
    if isinstance(value, str | bytes) or not isinstance(value, Iterable):
        raise NodeError(
            f"{spec.id} was to give a list on its output {spec.outputs[slot].name!r} and gave a {type(value).__name__}.",
            "This is a fault of the node's code: tell its author.",
        )
    return list(cast("Iterable[object]", value))


def join(spec: NodeSpec, returned: Sequence[Returned]) -> list[list[object]]:
    """The slots of all calls, one after the other."""
    return [
        [entry for one in returned for entry in spread(spec, slot, one.slots[slot])]
        for slot in range(len(spec.outputs))
    ]


def join_ui(returned: Sequence[Returned]) -> Mapping[str, Sequence[Json]] | None:
    """What all calls show, joined by name; None if none shows anything."""
    shown: dict[str, list[Json]] = {}
    for one in returned:
        for name, entries in (one.ui or {}).items():
            shown.setdefault(name, []).extend(entries)
    return shown if any(one.ui is not None for one in returned) else None


def _counted(spec: NodeSpec, outputs: tuple[object, ...]) -> tuple[object, ...]:
    if len(outputs) != len(spec.outputs):
        raise NodeError(
            f"{spec.id} returned {len(outputs)} outputs and declares {len(spec.outputs)}.",
            "This is a fault of the node's code: tell its author.",
        )
    return outputs


def _listed(shown: object) -> list[Json]:
    made = plain(shown)
    return made if isinstance(made, list) else [made]

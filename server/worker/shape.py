"""What a node's function returned, brought into one shape."""

import pickle
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import cast

from nodes.spec import Blocker, Json, NodeError, NodeSpec, Result, plain

MOST_SHOWN = 64 << 20  # bytes of what one node shows: it goes to every browser, and into the history
AUTHOR = "This is a fault of the node's code: tell its author."


@dataclass(frozen=True, slots=True)
class Returned:
    """What one call gave: a value per slot (links, where it expanded), what to show, and a graph or None."""

    slots: tuple[object, ...]
    ui: Mapping[str, Sequence[Json]] | None = None
    expand: Mapping[str, Json] | None = None


def read(spec: NodeSpec, value: object) -> Returned:
    """Bring a function's return value into shape.

    Raises:
        NodeError: it has another number of outputs than the node declares, or shows what cannot be shown.
    """
    if isinstance(value, Blocker):
        return blocked(spec, value)
    if isinstance(value, Result):
        return Returned(_counted(spec, value.outputs), _shown(spec, value.ui), value.expand)
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
            AUTHOR,
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
            AUTHOR,
        )
    return outputs


def _shown(spec: NodeSpec, ui: object) -> Mapping[str, Sequence[Json]] | None:
    """What a call shows, as JSON.

    Raises:
        NodeError: it is none, contains itself, or is too much for browsers and history.
    """
    if ui is None:
        return None
    if not isinstance(ui, Mapping):
        raise NodeError(f"What {spec.id} gave to be shown is not a table of lists by name.", AUTHOR)
    entries = cast("Mapping[object, object]", ui)
    try:
        made = {str(plain(name)): _listed(shown) for name, shown in entries.items()}
        held = len(pickle.dumps(made))
    except RecursionError as error:
        message = f"What {spec.id} gave to be shown contains itself, or is nested too deeply."
        raise NodeError(message, AUTHOR) from error
    if held > MOST_SHOWN:
        raise NodeError(
            f"{spec.id} gave {held >> 20} MB to be shown; {MOST_SHOWN >> 20} MB can be.",
            "It should save that as a file and show the file: tell its author.",
        )
    return made


def _listed(shown: object) -> list[Json]:
    made = plain(shown)
    return made if isinstance(made, list) else [made]

"""The editor's JSON as values: nodes, slots, links, subgraph definitions; both schema versions."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from enum import IntEnum
from typing import TypeGuard, cast

from nodes.spec import Json
from server.graph.errors import Fault, PromptError

JsonObject = Mapping[str, Json]

FROM_OUTSIDE = "-10"
TO_OUTSIDE = "-20"


class Mode(IntEnum):
    """What a node's switch says."""

    ALWAYS = 0
    MUTED = 2
    BYPASSED = 4


@dataclass(frozen=True, slots=True)
class Slot:
    """An input slot as saved: `widget` is the widget it stands for, `link` what feeds it (None: nothing)."""

    name: str
    type: str
    link: str | None = None
    widget: str | None = None


@dataclass(frozen=True, slots=True)
class Wire:
    """A link as saved. `target_slot` may count compressed slots, so only boundary code reads it."""

    id: str
    origin: str
    origin_slot: int
    target: str
    target_slot: int


@dataclass(frozen=True, slots=True)
class Saved:
    """A node as saved."""

    id: str
    type: str
    mode: int
    inputs: tuple[Slot, ...]
    outputs: tuple[str, ...]  # types
    values: Json
    properties: JsonObject
    title: str


@dataclass(frozen=True, slots=True)
class Sheet:
    """One level of a workflow: the root, or the inside of a subgraph definition."""

    nodes: Mapping[str, Saved]
    wires: Mapping[str, Wire]
    inputs: tuple[Slot, ...] = ()  # of a definition
    outputs: tuple[str, ...] = ()
    name: str = ""

    def wires_from(self, node: str, slot: int | None = None) -> list[Wire]:
        """The links that leave a node (or one of its outputs)."""
        return [
            wire for wire in self.wires.values() if wire.origin == node and slot in (None, wire.origin_slot)
        ]

    def fed(self, wire: Wire) -> tuple[Saved, Slot] | None:
        """The node and input slot that a link ends on: found by the link's id, since saved slot numbers mislead."""
        node = self.nodes.get(wire.target)
        slot = next((slot for slot in node.inputs if slot.link == wire.id), None) if node else None
        return (node, slot) if node and slot else None


@dataclass(frozen=True, slots=True)
class Workflow:
    """A whole file: the root sheet and its subgraph definitions by id."""

    root: Sheet
    definitions: Mapping[str, Sheet] = field(default_factory=dict[str, Sheet])


def is_workflow(raw: object) -> TypeGuard[JsonObject]:
    """Whether this is the editor's JSON (nodes in a list) rather than a prompt (nodes by id)."""
    return isinstance(raw, Mapping) and isinstance(cast("JsonObject", raw).get("nodes"), list)


def read_workflow(raw: object) -> Workflow:
    """Read the editor's JSON, version 0.4 or 1.

    Raises:
        PromptError: it is not that.
    """
    if not is_workflow(raw):
        message = "This is not a workflow: it has no list of nodes."
        raise PromptError(Fault("invalid_prompt", message, "Expected the JSON that the editor saves."))
    definitions: dict[str, Sheet] = {}
    _read_definitions(raw, definitions)
    return Workflow(_sheet(raw), definitions)


def _read_definitions(raw: JsonObject, found: dict[str, Sheet]) -> None:
    for definition in objects(member(raw, "definitions").get("subgraphs")):
        found[str(definition.get("id"))] = _sheet(definition)
        _read_definitions(definition, found)


def _sheet(raw: JsonObject) -> Sheet:
    nodes = [_node(node) for node in objects(raw.get("nodes"))]
    links = raw.get("links")
    wires = [wire for entry in (links if isinstance(links, list) else ()) if (wire := _wire(entry))]
    return Sheet(
        {node.id: node for node in nodes},
        {wire.id: wire for wire in wires},
        tuple(_slot(slot) for slot in objects(raw.get("inputs"))),
        tuple(str(slot.get("name")) for slot in objects(raw.get("outputs"))),
        str(raw.get("name") or ""),
    )


def _node(raw: JsonObject) -> Saved:
    mode = raw.get("mode")
    return Saved(
        str(raw.get("id")),
        str(raw.get("type")),
        mode if isinstance(mode, int) else 0,
        tuple(_slot(slot) for slot in objects(raw.get("inputs"))),
        tuple(str(slot.get("type")) for slot in objects(raw.get("outputs"))),
        raw.get("widgets_values"),
        member(raw, "properties"),
        str(raw.get("title") or ""),
    )


def _slot(raw: JsonObject) -> Slot:
    link = raw.get("link")
    widget = member(raw, "widget").get("name")
    kind = raw.get("type")
    return Slot(
        str(raw.get("name")),
        "*" if kind in (None, 0, "") else str(kind),
        None if link is None else str(link),
        str(widget) if widget is not None else None,
    )


def _wire(raw: Json) -> Wire | None:
    if isinstance(raw, Mapping):
        fields = [raw.get(key) for key in ("id", "origin_id", "origin_slot", "target_id", "target_slot")]
    elif isinstance(raw, list) and len(raw) >= 5:
        fields = list(raw[:5])
    else:
        return None
    id, origin, origin_slot, target, target_slot = fields
    return Wire(str(id), str(origin), _number(origin_slot), str(target), _number(target_slot))


def _number(raw: Json) -> int:
    try:
        return int(raw) if isinstance(raw, int | float | str) else 0
    except (ValueError, OverflowError):  # words, or infinity
        return 0


def member(raw: JsonObject, key: str) -> JsonObject:
    """The object under a key; an empty one if it is none."""
    value = raw.get(key)
    return value if isinstance(value, Mapping) else {}


def objects(raw: Json) -> Sequence[JsonObject]:
    """The objects of a list; what is none is left out."""
    return [entry for entry in raw if isinstance(entry, Mapping)] if isinstance(raw, list) else []

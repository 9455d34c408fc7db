"""Workflow to prompt: flatten subgraphs, read widgets, follow links through everything that is not a real node.

Rules and their order are those of the field's editor (shared spec FORMATS, section 4), so the prompt is the same.
"""

import random
from collections.abc import Mapping
from dataclasses import dataclass, field, replace

from nodes.spec import InputSpec, Json, NodeSpec, compatible
from server.graph.convert.promoted import promoted_values, rewired
from server.graph.convert.text import Namer, dynamic, strip_comments
from server.graph.convert.widgets import VIRTUAL, widget_values
from server.graph.convert.workflow import (
    FROM_OUTSIDE,
    TO_OUTSIDE,
    Mode,
    Saved,
    Sheet,
    Slot,
    Wire,
    Workflow,
    read_workflow,
)
from server.graph.errors import Fault, PromptError
from server.graph.parse import missing_node_type

Specs = Mapping[str, NodeSpec]
GROUP_NODES = ("workflow>", "workflow/")
GROUP_NODE = (
    "a group node of an older editor, which Weft does not open. In the editor that made it, turn it into a subgraph "
    "or into plain nodes, and save the workflow again."
)
# Inputs that the editor's 3D viewers add to their nodes, though no description has them.
EDITOR_INPUTS = {"Preview3D": ("image",), "SaveGLB": ("image",), "Preview3DAnimation": ("image",)}


@dataclass(frozen=True, slots=True)
class Level:
    """One opened sheet: where it lies (`path`), and the instance that opened it."""

    sheet: Sheet
    path: tuple[str, ...] = ()
    instance: Saved | None = None
    parent: "Level | None" = None
    promoted: Mapping[str, Json] = field(default_factory=dict[str, Json])

    def execution_id(self, node: str) -> str:
        return ":".join((*self.path, node))


@dataclass(frozen=True, slots=True)
class Real:
    """A link's true source: a node of the prompt and its output."""

    id: str
    slot: int


@dataclass(frozen=True, slots=True)
class Constant:
    """A link's true source is a value set on a subgraph instance."""

    value: Json


Source = Real | Constant | None


def workflow_to_prompt(raw: object, specs: Specs, *, chance: random.Random | None = None) -> dict[str, Json]:
    """The prompt that the editor would send for this workflow.

    Args:
        raw: the editor's JSON, version 0.4 or 1.
        specs: descriptions of the nodes in it.
        chance: decides `{a|b}` in dynamic texts.

    Raises:
        PromptError: not a workflow, or nobody describes one of its nodes (it is named).
    """
    return _Converter(rewired(read_workflow(raw)), specs, chance or random.Random()).convert()


class _Converter:
    def __init__(self, workflow: Workflow, specs: Specs, chance: random.Random) -> None:
        self._definitions = workflow.definitions
        self._root = workflow.root
        self._specs = specs
        self._chance = chance
        self._prompt: dict[str, Json] = {}
        self._inputs: list[dict[str, Json]] = []

    def convert(self) -> dict[str, Json]:
        self._emit_level(Level(self._root))
        for inputs in self._inputs:
            for name in [name for name, value in inputs.items() if self._dangles(value)]:
                del inputs[name]
        return self._prompt

    def _dangles(self, value: Json) -> bool:
        """Whether this is a link to a node that is not in the prompt."""
        return isinstance(value, list) and str(value[0]) not in self._prompt

    def _emit_level(self, level: Level) -> None:
        for node in level.sheet.nodes.values():
            if node.type in self._definitions:
                if node.mode not in (Mode.MUTED, Mode.BYPASSED):
                    self._emit_level(self._open(level, node))
            elif node.type not in VIRTUAL and node.mode not in (Mode.MUTED, Mode.BYPASSED):
                self._prompt[level.execution_id(node.id)] = self._emit(level, node)

    def _open(self, level: Level, node: Saved) -> Level:
        sheet = self._definitions[node.type]
        if node.type in _types_above(level):
            raise PromptError(
                Fault("invalid_prompt", f"The subgraph '{sheet.name}' contains itself.", node.id)
            )
        values = promoted_values(node, sheet)
        return Level(sheet, (*level.path, node.id), node, level, values)

    def _emit(self, level: Level, node: Saved) -> Json:
        spec = self._specs.get(node.type)
        if spec is None:
            fault = missing_node_type(level.execution_id(node.id), node.type, node.title)
            if node.type.startswith(GROUP_NODES):
                raise PromptError(replace(fault, message=f"{node.type[9:]!r} is {GROUP_NODE}"))
            raise PromptError(
                replace(fault, message=f"Nobody describes the node {node.type!r}. {fault.message}")
            )
        values = widget_values(node, spec) | self._from_primitives(level, node)
        namer = Namer(level.sheet, self._specs)
        inputs: dict[str, Json] = {
            name: _wrapped(self._text(name, value, spec, namer), spec.input(name))
            for name, value in values.items()
        }
        for slot in _in_definition_order(node, spec):
            source = self._into(level, slot, slot.type, frozenset())
            if isinstance(source, Real):
                inputs[slot.name] = [source.id, source.slot]
            elif isinstance(source, Constant):
                value = self._text(slot.name, source.value, spec, namer)
                inputs[slot.name] = _wrapped(value, spec.input(slot.name))
        inputs |= {name: "" for name in EDITOR_INPUTS.get(node.type, ()) if name not in inputs}
        return {
            "class_type": node.type,
            "inputs": inputs,
            "_meta": {"title": node.title or spec.display_name or node.type, **_origin(node)},
        }

    def _text(self, name: str, value: Json, spec: NodeSpec, namer: Namer) -> Json:
        declared = spec.input(name)
        if not isinstance(value, str) or declared is None:
            return value
        if declared.options.get("dynamicPrompts"):
            return dynamic(strip_comments(value), self._chance)
        return namer.filled(value) if name == "filename_prefix" else value

    def _from_primitives(self, level: Level, node: Saved) -> dict[str, Json]:
        """Values that PrimitiveNodes on the same sheet write into this node's widgets."""
        written: dict[str, Json] = {}
        for slot in node.inputs:
            wire = level.sheet.wires.get(slot.link or "")
            source = level.sheet.nodes.get(wire.origin) if wire else None
            if (
                source
                and source.type == "PrimitiveNode"
                and isinstance(source.values, list)
                and source.values
            ):
                written[slot.widget or slot.name] = source.values[0]
        return written

    # --- following links ----------------------------------------------------------------------------------------------

    def _into(self, level: Level, slot: Slot, wanted: str, seen: frozenset[tuple[str, ...]]) -> Source:
        """What feeds an input slot in the end."""
        wire = level.sheet.wires.get(slot.link or "")
        if wire is None:
            return None
        if wire.origin != FROM_OUTSIDE:
            return self._out_of(level, wire, wanted, seen)
        if level.parent is None or level.instance is None or wire.origin_slot >= len(level.sheet.inputs):
            return None
        name = level.sheet.inputs[wire.origin_slot].name
        outer = next((entry for entry in level.instance.inputs if entry.name == name), None)
        if outer is not None and outer.link is not None:
            source = self._into(level.parent, outer, wanted, seen)
            if source is not None:
                return source
        return Constant(level.promoted[name]) if name in level.promoted else None

    def _out_of(self, level: Level, wire: Wire, wanted: str, seen: frozenset[tuple[str, ...]]) -> Source:
        """What comes out of the node at a link's start."""
        node = level.sheet.nodes.get(wire.origin)
        step = (*level.path, wire.origin, str(wire.origin_slot))
        if node is None or node.mode == Mode.MUTED or step in seen:
            return None
        seen = seen | {step}
        if node.mode == Mode.BYPASSED:
            through = _passed_through(node, wire.origin_slot, wanted)
            return self._into(level, through, wanted, seen) if through else None
        if node.type in self._definitions:
            return self._out_of_instance(self._open(level, node), wire.origin_slot, wanted, seen)
        if node.type == "Reroute":
            return self._into(level, node.inputs[0], wanted, seen) if node.inputs else None
        return None if node.type in VIRTUAL else Real(level.execution_id(node.id), wire.origin_slot)

    def _out_of_instance(
        self, inside: Level, slot: int, wanted: str, seen: frozenset[tuple[str, ...]]
    ) -> Source:
        for wire in inside.sheet.wires.values():
            if wire.target == TO_OUTSIDE and wire.target_slot == slot:
                return self._into(inside, Slot("", "*", wire.id), wanted, seen)
        return None


def _types_above(level: Level) -> set[str]:
    found = set[str]()
    while level.parent is not None:
        found.add(level.instance.type if level.instance else "")
        level = level.parent
    return found


def _in_definition_order(node: Saved, spec: NodeSpec) -> list[Slot]:
    """Sockets first, then widget slots, then what the definition does not know (slots that grow)."""
    order = {declared.name: index for index, declared in enumerate(spec.inputs)}
    return sorted(
        node.inputs,
        key=lambda slot: (slot.name not in order, slot.widget is not None, order.get(slot.name, 0)),
    )


def _passed_through(node: Saved, slot: int, wanted: str) -> Slot | None:
    """The input that a bypassed node hands on for this output."""
    at_slot = node.inputs[slot] if slot < len(node.inputs) else None
    if wanted in ("*", ""):
        return at_slot or (node.inputs[0] if node.inputs else None)
    produced = node.outputs[slot] if slot < len(node.outputs) else "*"
    if at_slot and _fits(at_slot.type, produced) and _fits(at_slot.type, wanted):
        return at_slot
    exact = next((entry for entry in node.inputs if entry.type == wanted), None)
    return exact or next((entry for entry in node.inputs if _fits(entry.type, wanted)), None)


def _fits(produced: str, wanted: str) -> bool:
    return compatible(produced.upper() or "*", wanted.upper() or "*")


def _origin(node: Saved) -> dict[str, Json]:
    """Which pack a node is of, and in which version, as far as the file says."""
    told = {key: node.properties.get(key) for key in ("cnr_id", "aux_id", "ver")}
    return {key: value for key, value in told.items() if isinstance(value, str) and value}


def _wrapped(value: Json, declared: InputSpec | None) -> Json:
    """A literal list would read as a link; wrapped it cannot. Of a curve its type is said too, as the field has it."""
    if declared is not None and declared.type == "CURVE":
        return {"__type__": "CURVE", "__value__": value}
    return {"__value__": value} if isinstance(value, list) else value

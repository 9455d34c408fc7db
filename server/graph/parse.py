"""Prompt JSON to `Graph`. The JSON of the editor goes through `convert` first."""

from collections.abc import Mapping
from typing import cast

from nodes.spec import Json
from server.graph.errors import Fault, PromptError, kind_of
from server.graph.model import BareList, Graph, GraphNode, Input, Link

WRAPPED = "__value__"
MAPPINGS = (dict, Mapping)  # the first is the usual one, and quick to tell
NUMBERS = (int, float)


def parse_prompt(raw: object) -> Graph:
    """Read prompt JSON: `{id: {"class_type", "inputs", "_meta"?}}`.

    Raises:
        PromptError: it is not an object of nodes, or a node has no class type.
    """
    if not isinstance(raw, Mapping):
        kind = kind_of(cast("Json", raw))
        raise PromptError(_invalid("The prompt must be an object of nodes by id.", f"It is {kind}."))
    nodes = cast("Mapping[object, object]", raw)
    return Graph({(name := str(id)): parse_node(name, node) for id, node in nodes.items()})


def parse_node(id: str, raw: object) -> GraphNode:
    """Read one node of a prompt.

    Raises:
        PromptError: as for `parse_prompt`.
    """
    if not isinstance(raw, MAPPINGS):
        raise PromptError(
            _invalid("A node must be an object with class_type and inputs.", f"Node ID '#{id}'")
        )
    fields = cast("Mapping[str, Json]", raw)
    title = _title(fields)
    class_type = fields.get("class_type")
    if not isinstance(class_type, str):
        raise PromptError(missing_node_type(id, None, title))
    inputs = fields.get("inputs", {})
    if not isinstance(inputs, MAPPINGS):
        raise PromptError(_invalid("A node's inputs must be an object.", f"Node ID '#{id}'"))
    return GraphNode(id, class_type, {name: parse_input(value) for name, value in inputs.items()}, title)


def parse_input(value: Json) -> Input:
    """A link is a list of exactly a string and a number; a wrapped value is unwrapped; all else is a constant."""
    if not isinstance(value, list):
        return value[WRAPPED] if isinstance(value, dict) and WRAPPED in value else value
    if len(value) == 2 and isinstance(value[0], str) and _is_slot(value[1]):
        return Link(value[0], int(cast("float", value[1])))
    return BareList(tuple(value))


def missing_node_type(id: str, class_type: str | None, title: str) -> Fault:
    """The node's class is not said, or nobody brought it: one message for both, as the field has it."""
    message = f"Node '{title or class_type or f'#{id}'}' not found. The custom node may not be installed."
    extra: dict[str, Json] = {"node_id": id, "class_type": class_type, "node_title": title or class_type}
    return Fault("missing_node_type", message, f"Node ID '#{id}'", extra)


def _is_slot(value: Json) -> bool:
    return isinstance(value, NUMBERS) and not isinstance(value, bool) and -(2**31) < value < 2**31


def _title(fields: Mapping[str, Json]) -> str:
    meta = fields.get("_meta")
    if meta is None:
        return ""
    title = meta.get("title") if isinstance(meta, Mapping) else None
    return title if isinstance(title, str) else ""


def _invalid(message: str, details: str) -> Fault:
    return Fault("invalid_prompt", message, details)

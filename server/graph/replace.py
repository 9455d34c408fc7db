"""Nodes that are gone, and those that stand in for them: a prompt is put right before it is validated."""

from collections.abc import Mapping

from nodes.spec import Json, NodeSpec, Replacement
from server.graph.model import Link
from server.graph.parse import parse_input


def stand_ins(specs: Mapping[str, NodeSpec]) -> dict[str, list[tuple[str, Replacement]]]:
    """By the class type that is gone: which nodes stand in for it, and how."""
    found: dict[str, list[tuple[str, Replacement]]] = {}
    for id, spec in specs.items():
        for replacement in spec.replaces:
            found.setdefault(replacement.old, []).append((id, replacement))
    return found


def replaced(prompt: Json, specs: Mapping[str, NodeSpec]) -> Json:
    """The prompt with each node that is gone replaced by the first that stands in for it.

    A node that nobody stands in for stays, for `validate` to name; what is no prompt stays as it is.
    """
    known = {kind: found for kind, found in stand_ins(specs).items() if kind not in specs}
    if not known or not isinstance(prompt, Mapping):
        return prompt
    chosen = {id: known[kind][0] for id, node in prompt.items() if (kind := _kind(node)) in known}
    if not chosen:
        return prompt
    put_right = {id: _stand_in(node, *chosen[id]) if id in chosen else node for id, node in prompt.items()}
    return {id: _relinked(node, chosen) for id, node in put_right.items()}


def _kind(node: Json) -> str:
    kind = node.get("class_type") if isinstance(node, Mapping) else None
    return kind if isinstance(kind, str) else ""


def _stand_in(node: Json, id: str, replacement: Replacement) -> Json:
    """The node as another: its inputs under their new names, and those that only the new one has."""
    assert isinstance(node, Mapping)
    inputs = node.get("inputs")
    old: Mapping[str, Json] = inputs if isinstance(inputs, Mapping) else {}
    if replacement.inputs is None:
        return {**node, "class_type": id, "inputs": old}
    renamed = {new: old[name] for new, name in replacement.inputs.items() if name in old}
    return {**node, "class_type": id, "inputs": {**replacement.values, **renamed}}


def _relinked(node: Json, chosen: Mapping[str, tuple[str, Replacement]]) -> Json:
    """The node with its links leading to the slots that the old outputs have become."""
    inputs = node.get("inputs") if isinstance(node, Mapping) else None
    if not isinstance(node, Mapping) or not isinstance(inputs, Mapping):
        return node
    return {**node, "inputs": {name: _link(value, chosen) for name, value in inputs.items()}}


def _link(value: Json, chosen: Mapping[str, tuple[str, Replacement]]) -> Json:
    link = parse_input(value)
    if not isinstance(link, Link) or link.node not in chosen:
        return value
    outputs = chosen[link.node][1].outputs
    return [link.node, link.slot if outputs is None else outputs.get(link.slot, link.slot)]

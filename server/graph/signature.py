"""Content keys: equal keys mean equal results, whatever the ids, the workflow or the day.

The key of a node is a hash over its class and code version, its constants, its change token, and the keys and slots
of what feeds it. So an equal subgraph under other ids has equal keys, and a changed constant changes exactly what
depends on it.
"""

import hashlib
import json
from collections.abc import Callable, Mapping, MutableMapping

from nodes.spec import Json, NodeSpec
from server.graph.model import BareList, Graph, GraphNode, Link, NodeId

Key = str


def keys(
    graph: Graph, specs: Mapping[str, NodeSpec], tokens: Mapping[NodeId, str | None]
) -> dict[NodeId, Key | None]:
    """The key of every node; None where a result can never be told equal.

    Args:
        tokens: change tokens of the nodes that have one; None poisons the node and all that depends on it.
    """
    found: dict[NodeId, Key | None] = {}
    extend(graph, specs, tokens, found)
    return found


def extend(
    graph: Graph,
    specs: Mapping[str, NodeSpec],
    tokens: Mapping[NodeId, str | None],
    found: MutableMapping[NodeId, Key | None],
) -> None:
    """Add the keys of the graph's nodes to `found`, which may hold those of nodes outside it. Nodes on a ring get None."""
    nodes = graph.nodes
    for start in nodes:
        stack = [start]
        waiting = set[NodeId]()
        while stack:
            id = stack[-1]
            if id in found:
                stack.pop()
                continue
            node = nodes[id]
            missing = [
                value.node
                for value in node.inputs.values()
                if isinstance(value, Link) and value.node not in found and value.node in nodes
            ]
            if missing and id not in waiting:
                waiting.add(id)
                stack.extend(missing)
            elif missing:
                found[id] = None
            else:
                found[id] = node_key(node, specs.get(node.type), tokens, found.get)
                stack.pop()


def node_key(
    node: GraphNode,
    spec: NodeSpec | None,
    tokens: Mapping[NodeId, str | None],
    key_of: Callable[[NodeId], Key | None],
) -> Key | None:
    """The key of one node, given those of what feeds it."""
    token: str | None = None
    if spec and spec.has_change_token:
        token = tokens.get(node.id)
        if token is None:
            return None
    tied_to_id = spec is not None and spec.tied_to_id
    parts: list[object] = [node.type, spec.version if spec else "", token, node.id if tied_to_id else None]
    for name in sorted(node.inputs):
        value = node.inputs[name]
        if not isinstance(value, Link):
            parts.append((name, _constant(value)))
            continue
        source = key_of(value.node)
        if source is None:
            return None
        declared = spec.input(name) if spec else None
        told = declared is not None and declared.raw_link  # the node may use the id that it gets
        parts.append((name, "link", source, value.slot, value.node if told else None))
    # As Python writes them: no two different lists of texts, numbers and tuples are written alike.
    return hashlib.blake2b(ascii(parts).encode(), digest_size=20).hexdigest()


def _constant(value: "Json | BareList") -> object:
    """What stands for a constant in a key: itself, or the text of a list or an object, in one order of its names."""
    if isinstance(value, BareList):
        value = list(value.value)
    return ("json", _ENCODER.encode(value)) if isinstance(value, list | Mapping) else value


_ENCODER = json.JSONEncoder(sort_keys=True, separators=(",", ":"), default=list)

"""Content keys: equal keys mean equal results, whatever the ids, the workflow or the day.

The key of a node is a hash over its class and code version, its constants, its change token, and the keys and slots
of what feeds it. So an equal subgraph under other ids has equal keys, and a changed constant changes exactly what
depends on it.
"""

import hashlib
import json
from collections.abc import Callable, Mapping

from nodes.spec import InputSpec, Json, NodeSpec
from server.graph.model import BareList, Graph, GraphNode, Input, Link, NodeId

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
    found: dict[NodeId, Key | None],
) -> None:
    """Add the keys of the graph's nodes to `found`, which may hold those of nodes outside it. Nodes on a ring get None."""
    for start in graph.nodes:
        stack = [start]
        waiting = set[NodeId]()
        while stack:
            id = stack[-1]
            if id in found:
                stack.pop()
                continue
            node = graph[id]
            missing = [link.node for _, link in node.links() if link.node in graph and link.node not in found]
            if missing and id not in waiting:
                waiting.add(id)
                stack.extend(missing)
            elif missing:
                found[id] = None
            else:
                found[id] = node_key(node, specs.get(node.type), tokens, found.get)


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
    inputs: list[Json] = []
    for name in sorted(node.inputs):
        part = _input_part(node.inputs[name], spec.input(name) if spec else None, key_of)
        if part is None:
            return None
        inputs.append([name, part])
    tied_to_id = spec is not None and spec.tied_to_id
    content: Json = [node.type, spec.version if spec else "", token, node.id if tied_to_id else None, inputs]
    return hashlib.blake2b(_canonical(content), digest_size=20).hexdigest()


def _input_part(
    value: Input, declared: InputSpec | None, key_of: Callable[[NodeId], Key | None]
) -> list[Json] | None:
    if isinstance(value, Link):
        source = key_of(value.node)
        if source is None:
            return None
        if declared is not None and declared.raw_link:  # the node may use the id that it gets
            return ["link", source, value.slot, value.node]
        return ["link", source, value.slot]
    if isinstance(value, BareList):
        return ["constant", list(value.value)]
    return ["constant", value]


_ENCODER = json.JSONEncoder(sort_keys=True, separators=(",", ":"), ensure_ascii=False, default=list)


def _canonical(content: Json) -> bytes:
    return _ENCODER.encode(content).encode()

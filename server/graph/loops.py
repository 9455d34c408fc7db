"""What is wrong with the boundaries of loops: a loop is what lies between a node that starts one and a node that ends it.

The kinds of fault are the field's words. How its own loop nodes are wired is not known to us; the rules are those of
ours: an end names its start by a link, and only through the end does anything leave the loop.
"""

from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass

from nodes.spec import NodeSpec
from server.graph.model import Graph, Link, NodeId
from server.graph.topology import ancestors, reach

LOOP = "LOOP"  # the type of the link from a start to its end
Specs = Mapping[str, NodeSpec]


@dataclass(frozen=True, slots=True)
class LoopFault:
    """A fault of one node: its kind, in the field's words, and what to do."""

    node: NodeId
    kind: str
    message: str


@dataclass(frozen=True, slots=True)
class _Loop:
    """A start, its end, and all nodes on the ways from one to the other, these two included."""

    start: NodeId
    end: NodeId
    body: frozenset[NodeId]


def loop_faults(graph: Graph, specs: Specs, concerned: Collection[NodeId]) -> Iterator[LoopFault]:
    """All faults of the loops among the nodes that somebody needs."""
    kinds = {
        node.id: spec.loop
        for node in graph
        if node.id in concerned and (spec := specs.get(node.type)) and spec.loop
    }
    if not kinds:
        return
    starts = {end: _start(graph, specs, end) for end, kind in kinds.items() if kind == "end"}
    for end, start in starts.items():
        if start is None:
            yield LoopFault(
                end, "loop_end_without_start", "Link its loop input to a node that starts a loop."
            )
    for id in graph.nodes:
        if kinds.get(id) == "start" and id not in starts.values():
            yield LoopFault(
                id, "loop_start_without_end", "Link its loop output to a node that ends the loop."
            )
    consumers = _consumers(graph, concerned)
    loops: list[_Loop] = []
    for end, start in starts.items():
        if start is None:
            continue
        body = reach([start], lambda id: consumers.get(id, ())) & ancestors(graph, [end])
        loop = _Loop(start, end, frozenset(body))
        ring = _ring(graph, loop)
        if ring is not None:
            yield ring
            continue
        yield from _escapes(consumers, loop)
        loops.append(loop)
    yield from _tangles(loops)


def _ring(graph: Graph, loop: _Loop) -> LoopFault | None:
    """What the start waits for, if that is its own loop."""
    inside = loop.body - {loop.end}
    if any(link.node in inside for _, link in graph[loop.start].links()):
        message = "A loop cannot begin with what it makes: feed its start from outside, its end from inside."
        return LoopFault(loop.start, "loop_accumulate_from_body", message)
    if loop.end in ancestors(graph, [loop.start]):
        return LoopFault(
            loop.end, "loop_end_cycle", "The start of this loop waits for its end: cut one of the links."
        )
    return None


def _escapes(consumers: Mapping[NodeId, Collection[NodeId]], loop: _Loop) -> Iterator[LoopFault]:
    for id in sorted(loop.body - {loop.end}):
        for consumer in dict.fromkeys(consumers.get(id, ())):
            if consumer not in loop.body:
                message = f"It is outside the loop and takes what node {id} makes in a turn: take it from node {loop.end}."
                yield LoopFault(consumer, "loop_escape", message)


def _tangles(loops: list[_Loop]) -> Iterator[LoopFault]:
    """Two loops lie side by side, or one wholly inside the other."""
    for index, one in enumerate(loops):
        for other in loops[index + 1 :]:
            shared = one.body & other.body
            nested = {one.start, one.end} <= other.body or {other.start, other.end} <= one.body
            if shared and (not nested or one.start == other.start):
                message = f"It overlaps the loop that ends at node {one.end}: put one wholly inside the other, or apart."
                yield LoopFault(other.end, "ambiguous_loop_nesting", message)


def _start(graph: Graph, specs: Specs, end: NodeId) -> NodeId | None:
    """The node that an end names as its start."""
    for declared in specs[graph[end].type].inputs:
        value = graph[end].inputs.get(declared.name)
        if declared.type == LOOP and isinstance(value, Link) and value.node in graph:
            spec = specs.get(graph[value.node].type)
            return value.node if spec and spec.loop == "start" else None
    return None


def _consumers(graph: Graph, concerned: Collection[NodeId]) -> dict[NodeId, list[NodeId]]:
    found: dict[NodeId, list[NodeId]] = {}
    for id in graph.nodes:
        if id in concerned:
            for _, link in graph[id].links():
                found.setdefault(link.node, []).append(id)
    return found

"""Who depends on whom: ancestors and cycles, without recursion (graphs get deep)."""

from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from graphlib import CycleError, TopologicalSorter

from server.graph.model import Graph, Link, NodeId

MOST_NOTED = 8  # sets of starts whose ancestors are noted for a graph


def ancestors(graph: Graph, starts: Iterable[NodeId]) -> frozenset[NodeId]:
    """The nodes and everything they depend on, links to absent nodes left out."""
    noted, named = graph.wiring.above, tuple(starts)
    found = noted.get(named)
    if found is None:
        nodes = graph.nodes
        reached = reach(
            named,
            lambda id: [
                value.node
                for value in nodes[id].inputs.values()
                if isinstance(value, Link) and value.node in nodes
            ],
        )
        found = frozenset(reached)
        if len(noted) < MOST_NOTED:
            noted[named] = found
    return found


def consumers(graph: Graph) -> Mapping[NodeId, Sequence[NodeId]]:
    """For each node that feeds others, those others, in the order of the graph; absent nodes too."""
    found = graph.wiring.consumers
    if found is None:
        listed: dict[NodeId, list[NodeId]] = {}
        for id, node in graph.nodes.items():
            sources = [value.node for value in node.inputs.values() if isinstance(value, Link)]
            for source in sources if len(sources) < 2 else dict.fromkeys(sources):
                listed.setdefault(source, []).append(id)
        graph.wiring.consumers = found = listed
    return found


def reach(starts: Iterable[NodeId], following: Callable[[NodeId], Iterable[NodeId]]) -> set[NodeId]:
    """All nodes that can be reached from the starts, these included."""
    seen = set[NodeId]()
    stack = list(starts)
    while stack:
        id = stack.pop()
        if id not in seen:
            seen.add(id)
            stack.extend(following(id))
    return seen


def cycles(graph: Graph, within: Collection[NodeId]) -> Iterator[tuple[NodeId, ...]]:
    """Disjoint rings of nodes that wait for each other, among `within`; after breaking them all, none is left."""
    left = set(within)
    while True:
        sorter = TopologicalSorter(
            {
                id: [link.node for _, link in graph[id].links() if link.node in left]
                for id in graph.nodes
                if id in left
            }
        )
        try:
            sorter.prepare()
        except CycleError as error:
            ring: list[NodeId] = error.args[1][:-1]
            yield _from_first(ring, graph)
            left -= set(ring)
        else:
            return


def _from_first(ring: list[NodeId], graph: Graph) -> tuple[NodeId, ...]:
    """Turn the ring so that the node that stands first in the graph leads."""
    order = {id: index for index, id in enumerate(graph.nodes)}
    start = min(range(len(ring)), key=lambda index: order[ring[index]])
    return (*ring[start:], *ring[:start])

"""Nodes that can start, best first: outputs and nodes that wait, then what is near an output, then the rest as scheduled."""

import heapq
from collections.abc import Iterable, Mapping, Sequence

from nodes.spec import NodeSpec
from server.graph.model import Graph, GraphNode, NodeId
from server.graph.topology import consumers

_Entry = tuple[int, int, NodeId]  # rank, order, id


class Ready:
    """Two heaps: nodes that compute, of which one runs at a time, and nodes that wait beside them (for a network, say).

    Args:
        graph: of known classes; nodes made later come by `grow`.
    """

    def __init__(self, graph: Graph, specs: Mapping[str, NodeSpec]) -> None:
        self._specs = specs
        self._graph = graph
        self._made: dict[NodeId, str] = {}  # types of nodes made later
        self._fed: dict[NodeId, list[NodeId]] = {}  # by such nodes, and by others to such nodes
        self._ranks: dict[NodeId, int] = {}
        self._computing: list[_Entry] = []
        self._waiting: list[_Entry] = []

    def grow(self, nodes: Iterable[GraphNode]) -> None:
        """Take note of new nodes, and who is fed by their links."""
        for node in nodes:
            self._made[node.id] = node.type
            for source in dict.fromkeys(link.node for _, link in node.links()):
                self._fed.setdefault(source, []).append(node.id)

    def fed_by(self, id: NodeId) -> Sequence[NodeId]:
        """The nodes that a node's outputs are linked to."""
        from_start = consumers(self._graph).get(id, ())
        return (*from_start, *self._fed[id]) if id in self._fed else from_start

    def push(self, id: NodeId, order: int, *, waits: bool) -> None:
        """It can start. Among equals the lower `order` is better."""
        heapq.heappush(self._waiting if waits else self._computing, (self._rank(id), order, id))

    def remove(self, id: NodeId) -> None:
        """It starts, or cannot start after all."""
        for heap in (self._computing, self._waiting):
            if heap and heap[0][2] == id:
                heapq.heappop(heap)
                return
        for heap in (self._computing, self._waiting):
            heap[:] = [entry for entry in heap if entry[2] != id]
            heapq.heapify(heap)

    def best(self, *, waits: bool) -> NodeId | None:
        """The best that computes, or the best that waits."""
        heap = self._waiting if waits else self._computing
        return heap[0][2] if heap else None

    def all(self) -> tuple[NodeId, ...]:
        """All of them, best first."""
        return tuple(id for _, _, id in sorted((*self._computing, *self._waiting)))

    def __bool__(self) -> bool:
        return bool(self._computing or self._waiting)

    def _rank(self, id: NodeId) -> int:
        """0: an output, or one that waits rather than computes; 1: feeds an output; 2: two steps from one; 3: others."""
        if id not in self._ranks:
            spec = self._specs[self._type(id)]
            self._ranks[id] = 0 if spec.is_output or spec.is_async else self._distance(id)
        return self._ranks[id]

    def _distance(self, id: NodeId) -> int:
        following = self.fed_by(id)
        if any(self._is_output(next) for next in following):
            return 1
        return 2 if any(self._is_output(after) for next in following for after in self.fed_by(next)) else 3

    def _is_output(self, id: NodeId) -> bool:
        return self._specs[self._type(id)].is_output

    def _type(self, id: NodeId) -> str:
        made = self._made.get(id)
        return self._graph.nodes[id].type if made is None else made

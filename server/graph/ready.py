"""Nodes that can start, best first: outputs and nodes that wait, then what is near an output, then the rest as scheduled."""

import heapq
from collections.abc import Iterable, Mapping, Sequence

from nodes.spec import NodeSpec
from server.graph.model import Graph, GraphNode, Link, NodeId

_Entry = tuple[int, int, NodeId]  # rank, order, id


class Ready:
    """Two heaps: nodes that compute, of which one runs at a time, and nodes that wait beside them (for a network, say).

    Args:
        graph: of known classes; nodes made later come by `grow`.
    """

    def __init__(self, graph: Graph, specs: Mapping[str, NodeSpec]) -> None:
        self._specs = specs
        self._types: dict[NodeId, str] = {}
        self._consumers: dict[NodeId, list[NodeId]] = {}
        self._unread: list[Iterable[GraphNode]] = [
            graph
        ]  # read when first needed: a run may need nothing of it
        self._ranks: dict[NodeId, int] = {}
        self._computing: list[_Entry] = []
        self._waiting: list[_Entry] = []

    def grow(self, nodes: Iterable[GraphNode]) -> None:
        """Take note of who is fed by these nodes' links."""
        self._unread.append(nodes)

    def fed_by(self, id: NodeId) -> Sequence[NodeId]:
        """The nodes that a node's outputs are linked to."""
        return self._consumers.get(id, ())

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
        while self._unread:
            self._read(self._unread.pop())
        if id not in self._ranks:
            spec = self._specs[self._types[id]]
            self._ranks[id] = 0 if spec.is_output or spec.is_async else self._distance(id)
        return self._ranks[id]

    def _read(self, nodes: Iterable[GraphNode]) -> None:
        for node in nodes:
            self._types[node.id] = node.type
            for source in dict.fromkeys(
                value.node for value in node.inputs.values() if isinstance(value, Link)
            ):
                self._consumers.setdefault(source, []).append(node.id)

    def _distance(self, id: NodeId) -> int:
        following = self._consumers.get(id, ())
        if any(self._is_output(next) for next in following):
            return 1
        return (
            2
            if any(self._is_output(after) for next in following for after in self._consumers.get(next, ()))
            else 3
        )

    def _is_output(self, id: NodeId) -> bool:
        return self._specs[self._types[id]].is_output

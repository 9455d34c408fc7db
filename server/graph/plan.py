"""Which nodes a run needs: from the targets up, stopping at results that are known."""

from collections.abc import Collection, Iterator, Mapping

from nodes.spec import NodeSpec
from server.graph.model import Graph, GraphNode, Link, NodeId
from server.graph.topology import reach


def strong_links(node: GraphNode, spec: NodeSpec | None) -> Iterator[Link]:
    """The links whose values must be there before the node is first asked: not lazy ones, not raw ones."""
    for name, link in node.links():
        declared = spec.input(name) if spec else None
        if declared is None or not (declared.lazy or declared.raw_link):
            yield link


def concerned(graph: Graph, targets: Collection[NodeId]) -> set[NodeId]:
    """Everything the targets depend on in any way, lazy inputs too."""
    return reach(targets, lambda id: (link.node for _, link in graph[id].links() if link.node in graph))


def needed(
    graph: Graph, specs: Mapping[str, NodeSpec], targets: Collection[NodeId], known: Collection[NodeId]
) -> set[NodeId]:
    """The nodes that will surely run or be used: known ones end a branch; lazy branches come in later."""

    def feeding(id: NodeId) -> Iterator[NodeId]:
        if id not in known:
            yield from (link.node for link in strong_links(graph[id], specs.get(graph[id].type)))

    return reach(targets, feeding)

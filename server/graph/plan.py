"""Which nodes a run needs: from the targets up, stopping at results that are known."""

from collections.abc import Collection, Iterator, Mapping

from nodes.spec import NodeSpec
from server.graph.model import Graph, GraphNode, Link, NodeId
from server.graph.topology import ancestors, reach


def strong_links(node: GraphNode, spec: NodeSpec | None) -> Iterator[Link]:
    """The links whose values must be there before the node is first asked: not lazy ones, not raw ones."""
    late = spec.late if spec else frozenset[str]()
    for name, value in node.inputs.items():
        if isinstance(value, Link) and name not in late:
            yield value


def concerned(graph: Graph, targets: Collection[NodeId]) -> frozenset[NodeId]:
    """Everything the targets depend on in any way, lazy inputs too."""
    return ancestors(graph, targets)


def needed(
    graph: Graph, specs: Mapping[str, NodeSpec], targets: Collection[NodeId], known: Collection[NodeId]
) -> set[NodeId]:
    """The nodes that will surely run or be used: known ones end a branch; lazy branches come in later."""
    nodes = graph.nodes

    def feeding(id: NodeId) -> list[NodeId]:
        if id in known:
            return []
        node = nodes[id]
        return [link.node for link in strong_links(node, specs.get(node.type))]

    return reach(targets, feeding)

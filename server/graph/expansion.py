"""What a node that returned a graph may not do."""

from collections.abc import Mapping

from nodes.spec import NodeSpec
from server.graph.model import GraphNode, Link, NodeId
from server.graph.outcome import Expanded


def fault(made: Expanded, nodes: Mapping[NodeId, GraphNode], specs: Mapping[str, NodeSpec]) -> str:
    """What is wrong with a graph that a node made, in words that follow the node's name; empty if it can run.

    Args:
        nodes: those of the run so far, to which its links may go.
    """
    twice = next((id for id in made.nodes if id in nodes), None)
    if twice is not None:
        return f"expanded into a node with the id {twice!r}, which is taken"
    unknown = next((new.type for new in made.nodes.values() if new.type not in specs), None)
    if unknown is not None:
        return f"expanded into a node of the unknown class {unknown!r}"
    links = [link for new in made.nodes.values() for _, link in new.links()]
    links += [part for slot in made.parts for part in slot if isinstance(part, Link)]
    for link in links:
        source = made.nodes.get(link.node) or nodes.get(link.node)
        if source is None:
            return f"expanded into a graph that names the node {link.node!r}, which does not exist"
        if not 0 <= link.slot < len(specs[source.type].outputs):
            return f"expanded into a graph that takes output {link.slot} of {source.type}, which has fewer"
    return ""

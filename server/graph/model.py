"""A workflow as a value: nodes by id, each input a link or a constant."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TypeAlias

from nodes.spec import Json

NodeId = str


@dataclass(frozen=True, slots=True)
class Link:
    """The output `slot` of the node `node`."""

    node: NodeId
    slot: int


@dataclass(frozen=True, slots=True)
class BareList:
    """A list in the prompt that is neither a link nor wrapped as a value: a fault where an input is declared."""

    value: tuple[Json, ...]


Input: TypeAlias = "Link | BareList | Json"


@dataclass(frozen=True, slots=True)
class GraphNode:
    """One node of a graph.

    Attributes:
        id: as in the prompt; inside subgraphs a colon path ("12:7").
        type: class type.
        inputs: constants and links by name; more may be present than the class declares.
        title: as the person sees it; may be empty.
    """

    id: NodeId
    type: str
    inputs: Mapping[str, Input] = field(default_factory=dict[str, Input])
    title: str = ""

    def links(self) -> Iterator[tuple[str, Link]]:
        """The inputs that are links, with their names."""
        for name, value in self.inputs.items():
            if isinstance(value, Link):
                yield name, value


@dataclass(frozen=True, slots=True)
class Origin:
    """Where a node that a running node made belongs: its maker, and the node the canvas marks for it."""

    parent: NodeId
    display: NodeId
    real: NodeId


@dataclass(slots=True, eq=False)
class Wiring:
    """What follows from a graph's links alone, noted once it was worked out (see `topology`).

    Attributes:
        consumers: for each node that feeds others, those others, in the order of the graph; None: not worked out.
        above: nodes that some nodes depend on, these included, by these nodes.
    """

    consumers: Mapping[NodeId, Sequence[NodeId]] | None = None
    above: dict[tuple[NodeId, ...], frozenset[NodeId]] = field(
        default_factory=dict[tuple[NodeId, ...], frozenset[NodeId]]
    )


@dataclass(frozen=True, slots=True)
class Graph:
    """Nodes by id, in the order of the prompt. May be faulty: `validate` says how.

    `wiring` is shared by graphs of the same links: ids, and which input of which node takes what from where.
    """

    nodes: Mapping[NodeId, GraphNode]
    wiring: Wiring = field(default_factory=Wiring, compare=False, repr=False)

    def __getitem__(self, id: NodeId) -> GraphNode:
        return self.nodes[id]

    def __contains__(self, id: object) -> bool:
        return id in self.nodes

    def __iter__(self) -> Iterator[GraphNode]:
        return iter(self.nodes.values())

    def __len__(self) -> int:
        return len(self.nodes)

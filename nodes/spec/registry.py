"""The nodes a worker knows, by class type."""

from collections.abc import Iterable, Iterator, Mapping

from nodes.spec.errors import SpecError
from nodes.spec.node import Node, NodeSpec


class Registry:
    """Nodes by class type. A later pack may replace an earlier one's node, never a protected (built-in) one.

    Attributes:
        revision: grows with every change: descriptions of the same revision are the same.
    """

    def __init__(self, builtin: Iterable[Node] = ()) -> None:
        self._nodes: dict[str, Node] = {}
        for entry in builtin:
            if entry.spec.id in self._nodes:
                raise SpecError(f"Two built-in nodes are called {entry.spec.id!r}.")
            self._nodes[entry.spec.id] = entry
        self._protected = frozenset(self._nodes)
        self.revision = 0

    def add(self, entry: Node) -> bool:
        """Take in a pack's node; False if the name is a built-in node's and stays so."""
        if entry.spec.id in self._protected:
            return False
        self._nodes[entry.spec.id] = entry
        self.revision += 1
        return True

    def remove(self, id: str) -> None:
        """Forget a pack's node; built-in ones stay."""
        if id not in self._protected:
            self._nodes.pop(id, None)
            self.revision += 1

    def get(self, id: str) -> Node | None:
        """The node of that class type; None if nobody brought it."""
        return self._nodes.get(id)

    def snapshot(self) -> Mapping[str, Node]:
        """The nodes as they are now, whatever comes."""
        return dict(self._nodes)

    def spec(self, id: str) -> NodeSpec | None:
        """The description of that class type; None if nobody brought it."""
        entry = self._nodes.get(id)
        return None if entry is None else entry.spec

    def specs(self) -> Mapping[str, NodeSpec]:
        """All descriptions, in the order the nodes came in."""
        return {id: entry.spec for id, entry in self._nodes.items()}

    def __iter__(self) -> Iterator[Node]:
        return iter(self._nodes.values())

    def __len__(self) -> int:
        return len(self._nodes)

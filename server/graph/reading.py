"""Prompts as graphs, read again only where a node is not as it was: then it is the same object as before.

So what was found out about a node (that it is valid, which content key it has) can be taken over by looking whether it
is the same object. People change one number and press Run; a thousand other nodes stay as they are.
"""

import marshal
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, cast

from nodes.spec import Json
from server.graph.model import Graph, GraphNode, NodeId
from server.graph.parse import parse_node, parse_prompt
from server.graph.written import dump

MOST = 4096  # nodes that are remembered beside those of the last prompt
LONGEST = 1 << 16  # bytes of a node that is worth remembering
PLAIN = 2  # marshal's version that writes equal values alike, whether or not they are one object


@dataclass(frozen=True, slots=True)
class Reading:
    """A prompt, read.

    Attributes:
        text: its JSON.
    """

    graph: Graph
    text: str


@dataclass(frozen=True, slots=True)
class _Known:
    node: GraphNode
    text: str  # of its entry in the prompt


class Reader:
    """Reads prompts and remembers the nodes of the last ones. For one thread."""

    def __init__(self) -> None:
        self._now: dict[bytes, _Known] = {}
        self._before: dict[bytes, _Known] = {}

    def read(self, raw: object) -> Reading:
        """Read prompt JSON, as `parse_prompt` does.

        Raises:
            PromptError: it is not an object of nodes, or a node has no class type.
        """
        if not isinstance(raw, Mapping):
            return Reading(parse_prompt(raw), "")  # which says what is wrong with it
        if len(self._now) > MOST:
            self._before, self._now = self._now, {}
        known = [self._known(id, node) for id, node in cast("Mapping[str, Json]", raw).items()]
        nodes: dict[NodeId, GraphNode] = {entry.node.id: entry.node for entry in known}
        return Reading(Graph(nodes), "{" + ",".join([entry.text for entry in known]) + "}")

    def _known(self, id: str, raw: Json) -> _Known:
        mark = _mark(id, raw)
        found = self._now.get(mark)
        if found is None:
            found = self._before.get(mark) or _Known(parse_node(id, raw), f"{dump(id)}:{dump(raw)}")
            if 0 < len(mark) <= LONGEST:
                self._now[mark] = found
        return found


def _mark(id: str, raw: Json) -> bytes:
    """Equal for nodes that are written alike, number by number: 1, 1.0 and true are three things. Empty: it has none."""
    try:
        return marshal.dumps(cast("Any", (id, raw)), PLAIN)
    except ValueError:
        return b""

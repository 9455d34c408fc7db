"""Which results of a run nothing can need any more, for hosts that keep no more than they must.

A result is spent once every node that links to it has finished, or will never run. It is then gone for what a node makes
later, too: so while a node is unfinished that knows the whole graph, and may link to any part of it (a loop's end), nothing
is spent.
"""

from collections import Counter
from collections.abc import Iterable, Mapping

from nodes.spec import NodeSpec
from server.graph.execution import Execution, State
from server.graph.model import Graph, GraphNode, Link, NodeId
from server.graph.outcome import Blocked, Done, Expanded, Failed, Outcome, Token


class Spent:
    """Counts, over one run, who still needs what.

    Args:
        graph: the nodes that may run, known ones too.
        execution: the run.
    """

    def __init__(self, graph: Graph, specs: Mapping[str, NodeSpec], execution: Execution) -> None:
        self._specs = specs
        self._execution = execution
        self._feeds: dict[NodeId, tuple[NodeId, ...]] = {}  # of unfinished nodes: what they link to
        self._users: Counter[NodeId] = Counter()  # unfinished nodes that link to a node
        self._results: dict[NodeId, frozenset[str]] = {}  # of finished nodes, until nobody needs them
        self._holders: Counter[str] = Counter()  # nodes that have a result: some hand theirs on
        self._parts: dict[NodeId, frozenset[str]] = {}  # values that a node gave beside the graph it made
        self._made: dict[NodeId, tuple[NodeId, ...]] = {}
        self._knowing: set[NodeId] = set()
        self._ripe: list[NodeId] = []
        self._add(graph)

    def after(self, id: NodeId, outcome: Outcome) -> tuple[str, ...]:
        """What is spent now that a node came back with this outcome, each result by its name."""
        match outcome:
            case Done(outputs=outputs) | Blocked(outputs=outputs):
                self._gave(id, outputs)
            case Failed():
                self._finish(id)
                for other in tuple(self._feeds):
                    if self._execution.state(other) is State.UNREACHABLE:
                        self._finish(other)
            case Expanded():
                self._made[id] = tuple(outcome.nodes)
                joined = {part.node for slot in outcome.parts for part in slot if isinstance(part, Link)}
                joined.difference_update(self._feeds[id])
                self._feeds[id] += tuple(joined)
                self._users.update(joined)
                self._parts[id] = self._hold(
                    part for slot in outcome.parts for part in slot if isinstance(part, Token)
                )
                self._add(outcome.nodes.values())
            case _:
                pass
        return self._taken()

    def _add(self, nodes: Iterable[GraphNode]) -> None:
        known: dict[NodeId, tuple[Token, ...]] = {}
        for node in nodes:
            tokens = self._execution.results(node.id)
            if tokens is not None:
                known[node.id] = tokens
                continue
            self._feeds[node.id] = tuple({link.node for _, link in node.links()})
            self._users.update(self._feeds[node.id])
            if _knows_the_graph(self._specs.get(node.type)):
                self._knowing.add(node.id)
        for id, tokens in known.items():
            self._gave(id, tokens)

    def _gave(self, id: NodeId, tokens: Iterable[Token]) -> None:
        self._results[id] = self._hold(tokens)
        self._finish(id)

    def _hold(self, tokens: Iterable[Token]) -> frozenset[str]:
        names = frozenset(token.result for token in tokens)
        self._holders.update(names)
        return names

    def _finish(self, id: NodeId) -> None:
        """A node needs nothing any more; neither does what it made, nor what was only there for it."""
        stack = [id]
        while stack:
            done = stack.pop()
            self._knowing.discard(done)
            stack.extend(made for made in self._made.pop(done, ()) if made in self._feeds)
            for source in self._feeds.pop(done, ()):
                self._users[source] -= 1
                if self._users[source]:
                    continue
                if source in self._results:
                    self._ripe.append(source)
                elif not self._knowing and source in self._feeds and self._execution.state(source) is None:
                    stack.append(source)  # a lazy input that nobody asked for
            if done in self._results and not self._users[done]:
                self._ripe.append(done)

    def _taken(self) -> tuple[str, ...]:
        if self._knowing or not self._ripe:
            return ()
        ripe, self._ripe = self._ripe, []
        spent: list[str] = []
        for id in ripe:
            if self._users[id] or id not in self._results:
                continue
            for name in (*self._results.pop(id), *self._parts.pop(id, ())):
                self._holders[name] -= 1
                if not self._holders[name]:
                    spent.append(name)
        return tuple(spent)


def _knows_the_graph(spec: NodeSpec | None) -> bool:
    """Whether a node of that class may link what it makes to nodes that it is not linked to itself."""
    if spec is None:
        return False
    asked = {entry.type for entry in spec.inputs}
    return bool(spec.loop) or "DYNPROMPT" in asked or ("PROMPT" in asked and not spec.is_output)

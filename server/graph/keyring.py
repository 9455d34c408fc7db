"""Content keys of run after run: of a graph like one before only what depends on the difference is keyed anew."""

from collections.abc import Mapping
from dataclasses import dataclass

from nodes.spec import NodeSpec
from server.graph.model import Graph, NodeId
from server.graph.signature import Key, extend
from server.graph.topology import consumers, reach

REMEMBERED = 4  # runs
MOST_NODES = 20_000  # of all remembered ones together

Tokens = Mapping[NodeId, str | None]
Keys = Mapping[NodeId, Key | None]


@dataclass(frozen=True, slots=True, eq=False)
class _Run:
    graph: Graph
    specs: Mapping[str, NodeSpec]
    tokens: Tokens
    keys: Keys


class Keyring:
    """The keys of the last runs. For one thread."""

    def __init__(self) -> None:
        self._past: list[_Run] = []  # the last one first

    def keys(self, graph: Graph, specs: Mapping[str, NodeSpec], tokens: Tokens) -> Keys:
        """As `signature.keys`."""
        before, changed = self._nearest(graph, specs, tokens)
        if before is None:
            found: dict[NodeId, Key | None] = {}
            extend(graph, specs, tokens, found)
        elif not changed:
            found = dict(before.keys)
        else:
            following = consumers(graph)
            lost = reach(changed, lambda id: following.get(id, ()))
            nodes = graph.nodes
            found = {id: key for id, key in before.keys.items() if id in nodes and id not in lost}
            extend(graph, specs, tokens, found)
        self._remember(_Run(graph, specs, tokens, found), before)
        return found

    def _nearest(
        self, graph: Graph, specs: Mapping[str, NodeSpec], tokens: Tokens
    ) -> tuple[_Run | None, set[NodeId]]:
        """The run that differs least, with the nodes that differ; None where most do."""
        best, least = None, set(graph.nodes)
        for run in self._past:
            if run.specs is specs:
                changed = _changed(run, graph, tokens)
                if len(changed) * 2 < len(graph) and len(changed) < len(least):
                    best, least = run, changed
        return best, least

    def _remember(self, run: _Run, instead: _Run | None) -> None:
        others = [before for before in self._past if before is not instead][: REMEMBERED - 1]
        while others and sum(len(one.graph) for one in (run, *others)) > MOST_NODES:
            others.pop()
        self._past = [run, *others]


def _changed(run: _Run, graph: Graph, tokens: Tokens) -> set[NodeId]:
    """The nodes that came, went, are not the same object as then, or have another change token.

    Others have the key they had, unless they depend on one of these.
    """
    old = run.graph.nodes
    changed = {id for id, node in graph.nodes.items() if old.get(id) is not node}
    changed |= old.keys() - graph.nodes.keys()
    for id in {*tokens, *run.tokens}:
        if id in graph.nodes and (id not in run.tokens or id not in tokens or run.tokens[id] != tokens[id]):
            changed.add(id)
    return changed

"""Verdicts that hold until something changes: of a prompt like one before only what differs is judged anew."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass

from server.graph.constants import Lister
from server.graph.host import Complaint
from server.graph.model import Graph, GraphNode, NodeId
from server.graph.validate import Specs, Verdict, revalidate, validate

REMEMBERED = 4  # prompts: people go back and forth between a few
MOST_NODES = 20_000  # of all remembered ones together


@dataclass(frozen=True, slots=True, eq=False)
class Judgement:
    """A verdict and what it was reached by: while that is as it was, nobody need judge again.

    Attributes:
        given: the graph that was judged, as it was read.
        only: the output nodes that were asked for; None for all.
        listed: the files of each folder key that was asked for.
    """

    verdict: Verdict
    given: Graph
    only: frozenset[NodeId] | None
    specs: Specs
    listed: Mapping[str, tuple[str, ...]]

    def holds(self, specs: Specs, choices: Lister) -> bool:
        """Whether judging again would come to the same."""
        return self.specs is specs and all(tuple(choices(key)) == files for key, files in self.listed.items())


def judge(
    graph: Graph,
    specs: Specs,
    choices: Lister,
    *,
    only: Collection[NodeId] | None = None,
    complaints: Sequence[Complaint] = (),
    before: Judgement | None = None,
) -> Judgement:
    """`validate`, with what the verdict rests on. Each folder is listed once: many nodes may offer it.

    Args:
        before: of a graph that `alike` says differs in constants alone; what it rests on must still hold.
    """
    listed: dict[str, tuple[str, ...]] = dict(before.listed) if before else {}

    def listing(key: str) -> Sequence[str]:
        if key not in listed:
            listed[key] = tuple(choices(key))
        return listed[key]

    verdict = None
    if before is not None:
        changed = alike(before.given, graph) or ()
        verdict = revalidate(graph, before.verdict, changed, specs, listing)
    if verdict is None:
        verdict = validate(graph, specs, listing, only=only, complaints=complaints)
    return Judgement(verdict, graph, None if only is None else frozenset(only), specs, listed)


class Judge:
    """Judges prompts and remembers the last ones. May be used from several threads: what it remembers never changes."""

    def __init__(self) -> None:
        self._past: tuple[Judgement, ...] = ()  # the last one first

    def judge(
        self,
        graph: Graph,
        specs: Specs,
        choices: Lister,
        *,
        only: Collection[NodeId] | None = None,
        complaints: Sequence[Complaint] = (),
    ) -> Judgement:
        """As the function of that name; what was found out before is taken over where it holds."""
        found = () if complaints else self._alike(graph, specs, only)
        for before, changed in found:
            if before.holds(specs, choices):
                made = judge(graph, specs, choices, only=only, before=before) if changed else before
                break
        else:
            made = judge(graph, specs, choices, only=only, complaints=complaints)
        if not complaints:
            self._remember(made)
        return made

    def is_quick(self, graph: Graph, specs: Specs, only: Collection[NodeId] | None) -> bool:
        """Whether little is to be judged anew, and no folder looked into."""
        return any(not before.listed for before, _ in self._alike(graph, specs, only))

    def _alike(
        self, graph: Graph, specs: Specs, only: Collection[NodeId] | None
    ) -> Sequence[tuple[Judgement, Collection[NodeId]]]:
        """Judgements of valid graphs of the same nodes and links, with the nodes whose constants differ; the least first."""
        wanted = None if only is None else frozenset(only)
        found = [
            (before, changed)
            for before in self._past
            if before.specs is specs
            and before.only == wanted
            and before.verdict.error is None
            and not before.verdict.node_faults
            and (changed := alike(before.given, graph)) is not None
        ]
        return sorted(found, key=lambda entry: len(entry[1]))

    def _remember(self, made: Judgement) -> None:
        others = [before for before in self._past if before is not made][: REMEMBERED - 1]
        while others and sum(len(before.given) for before in (made, *others)) > MOST_NODES:
            others.pop()
        self._past = (made, *others)


def alike(one: Graph, other: Graph) -> Sequence[NodeId] | None:
    """The nodes of `other` that may have other constants than in `one`; None if more than that differs.

    What is one object in both is taken to be the same (see `Reader`), all else to be changed.
    """
    if len(one) != len(other) or list(one.nodes) != list(other.nodes):
        return None
    changed = [id for id, old, new in zip(other.nodes, one, other, strict=True) if old is not new]
    if all(_linked_alike(one[id], other[id]) for id in changed):
        return changed
    return None


def _linked_alike(one: GraphNode, other: GraphNode) -> bool:
    return one.type == other.type and list(one.links()) == list(other.links())

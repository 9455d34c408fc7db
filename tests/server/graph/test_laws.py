"""The laws of a run, on random graphs."""

import asyncio
from collections.abc import Callable, Mapping
from functools import cached_property

from hypothesis import given, settings
from hypothesis import strategies as st

from server.graph import signature
from server.graph.happenings import Event, NodeDone, NodeFailed, NodeStarted
from server.graph.host import Report
from server.graph.model import Graph, GraphNode, Link
from server.graph.outcome import Collect, Missing, Outcome, Task
from server.graph.plan import concerned
from server.graph.run import Ending, Order, Status, run
from server.graph.written import Written
from tests.server.graph.small import SPECS, PlainHost

INNER = st.sampled_from(["Add", "Add", "Add", "Waits", "Boom"])


@st.composite
def graphs(draw: st.DrawFn, kinds: st.SearchStrategy[str] = INNER) -> Graph:
    """Up to 12 nodes, links only backwards (so no cycle), shows at the end."""
    count = draw(st.integers(1, 9))
    nodes: dict[str, GraphNode] = {}
    for index in range(count):
        nodes[str(index)] = GraphNode(str(index), draw(kinds), _links(draw, index, draw(st.integers(0, 3))))
    for index in range(count, count + draw(st.integers(1, 3))):
        nodes[str(index)] = GraphNode(str(index), "Show", _links(draw, count, draw(st.integers(1, 2))))
    return Graph({id: nodes[id] for id in draw(st.permutations(list(nodes)))})


def _links(draw: st.DrawFn, below: int, count: int) -> dict[str, object]:
    inputs: dict[str, object] = {"value": draw(st.integers(0, 3))}
    for slot in range(count if below else 0):
        inputs[f"in{slot}"] = Link(str(draw(st.integers(0, below - 1))), 0)
    return inputs


def shows(graph: Graph) -> tuple[str, ...]:
    return tuple(node.id for node in graph if node.type == "Show")


def drive(graph: Graph, targets: tuple[str, ...], host: PlainHost) -> Ending:
    return asyncio.run(run(Order("j", graph, targets, Written({})), SPECS, host, lambda event: None))


def failing(graph: Graph) -> set[str]:
    """Nodes that cannot finish: those that break, and all that depend on one."""
    return {node.id for node in graph if any(graph[id].type == "Boom" for id in concerned(graph, [node.id]))}


@given(graphs(), st.data())
@settings(max_examples=150, deadline=None)
def test_each_needed_node_runs_once_after_its_inputs_and_nothing_else_runs(graph: Graph, data: st.DataObject):
    targets = tuple(data.draw(st.lists(st.sampled_from(shows(graph)), min_size=1, unique=True)))
    host = PlainHost(ahead=data.draw(st.sampled_from([1, 2, 5, 100])))

    def inputs_are_there(task: Task) -> None:
        assert not any(isinstance(argument, Missing) for argument in task.arguments.values())

    host.on_run = inputs_are_there
    drive(graph, targets, host)
    needed = concerned(graph, targets)
    hopeless = failing(graph)
    broke_first = {id for id in needed if graph[id].type == "Boom" and not _waits_for_broken(graph, id)}
    assert len(host.ran) == len(set(host.ran))
    assert set(host.ran) == (needed - hopeless) | broke_first


def _waits_for_broken(graph: Graph, id: str) -> bool:
    return any(graph[other].type == "Boom" for other in concerned(graph, [id]) - {id})


MIXED = st.sampled_from(["Add", "Add", "Add", "Waits", "Boom", "Switch", "Unroll", "Gate"])


@given(graphs(MIXED), st.sampled_from([2, 5, 100]))
@settings(max_examples=200, deadline=None)
def test_handing_over_ahead_of_time_changes_nothing_but_time(graph: Graph, ahead: int):
    one, many = PlainHost(), PlainHost(ahead=ahead)
    first, second = drive(graph, shows(graph), one), drive(graph, shows(graph), many)
    assert second.outputs == first.outputs
    assert (second.status, set(second.executed)) == (first.status, set(first.executed))
    assert sorted(many.ran) == sorted(one.ran)


@given(graphs(MIXED), st.sampled_from([1, 5, 100]))
@settings(max_examples=200, deadline=None)
def test_what_is_released_is_needed_by_nobody(graph: Graph, ahead: int):
    one, sparing = PlainHost(), PlainHost(ahead=ahead, spares=True)
    first, second = drive(graph, shows(graph), one), drive(graph, shows(graph), sparing)
    assert second.outputs == first.outputs
    assert (second.status, set(second.executed)) == (first.status, set(first.executed))
    assert sorted(sparing.ran) == sorted(one.ran)


@given(graphs(st.sampled_from(["Add", "Waits", "Unroll", "Gate", "Switch"])), st.sampled_from([1, 5, 100]))
@settings(max_examples=200, deadline=None)
def test_once_a_run_is_over_all_of_it_is_released(graph: Graph, ahead: int):
    host = PlainHost(ahead=ahead, spares=True)
    assert drive(graph, shows(graph), host).status is Status.SUCCEEDED
    assert not host.values


@given(st.integers(2, 30))
def test_of_a_chain_only_what_the_running_node_reads_is_there(length: int):
    nodes = {"0": GraphNode("0", "Add", {"value": 1})}
    for index in range(1, length):
        nodes[str(index)] = GraphNode(str(index), "Add", {"in0": Link(str(index - 1), 0), "value": 1})
    nodes["s"] = GraphNode("s", "Show", {"in0": Link(str(length - 1), 0)})
    host, most = PlainHost(spares=True), [0]
    host.on_run = lambda task: most.append(len(host.values))
    assert drive(Graph(nodes), ("s",), host).outputs["s"] == {"text": [length]}
    assert max(most) == 1


class OneByOne(PlainHost):
    """Outcomes come one by one, as in the line: a node may be handed over again before those behind it are back."""

    async def submit(self, task: Task | Collect, report: Callable[[Report], None]) -> Outcome:
        async with self.line:
            outcome = await super().submit(task, report)
            await asyncio.sleep(0.005)
            return outcome

    @cached_property
    def line(self) -> asyncio.Lock:
        return asyncio.Lock()


def test_a_node_whose_promise_was_taken_back_is_not_said_to_begin_until_it_does():
    nodes = {
        "never": GraphNode("never", "File", {"name": "never the same"}),
        "make": GraphNode("make", "Unroll", {"times": 1, "in0": Link("never", 0)}),
        "same": GraphNode("same", "Add", {"value": 1}),  # as what is made, which so is known already
        "shown": GraphNode("shown", "Show", {"in0": Link("same", 0)}),
        "next": GraphNode("next", "Add", {"in0": Link("make", 0), "value": 1}),
        "one": GraphNode("one", "Show", {"in0": Link("next", 0)}),
        "two": GraphNode("two", "Show", {"in0": Link("next", 0), "value": 2}),
    }
    before = PlainHost()
    drive(Graph(nodes), ("shown",), before)
    host = OneByOne(ahead=10, kept=before.kept, values=before.values)
    said: list[str] = []

    def emit(event: Event) -> None:
        if isinstance(event, NodeStarted | NodeDone):
            said.append(f"{type(event).__name__} {event.place.node}")

    asyncio.run(run(Order("j", Graph(nodes), ("one", "two"), Written({})), SPECS, host, emit))
    for source, id in (("make", "next"), ("next", "one"), ("next", "two")):
        assert said.count(f"NodeStarted {id}") == 1
        assert said.index(f"NodeDone {source}") < said.index(f"NodeStarted {id}")


def test_a_node_is_said_to_begin_when_the_one_before_it_is_done_and_not_at_all_when_it_cannot():
    nodes = {
        "a": GraphNode("a", "Add", {"value": 1}),
        "boom": GraphNode("boom", "Boom", {"in0": Link("a", 0)}),
        "lost": GraphNode("lost", "Add", {"in0": Link("boom", 0)}),
        "show": GraphNode("show", "Show", {"in0": Link("lost", 0)}),
        "other": GraphNode("other", "Show", {"in0": Link("a", 0)}),
    }
    said: list[str] = []

    def emit(event: Event) -> None:
        if isinstance(event, NodeStarted | NodeDone | NodeFailed):
            said.append(f"{type(event).__name__} {event.place.node}")

    order = Order("j", Graph(nodes), ("show", "other"), Written({}))
    asyncio.run(run(order, SPECS, PlainHost(ahead=10), emit))
    assert said == [
        "NodeStarted a", "NodeDone a",
        "NodeStarted other", "NodeDone other",
        "NodeStarted boom", "NodeFailed boom",
    ]  # fmt: skip


@given(graphs(st.just("Add")))
@settings(max_examples=60, deadline=None)
def test_a_second_run_of_the_same_graph_runs_nothing(graph: Graph):
    host = PlainHost()
    first = drive(graph, shows(graph), host)
    distinct = {signature.keys(graph, SPECS, {})[id] for id in concerned(graph, shows(graph))}
    assert len(host.kept) == len(distinct)
    host.ran.clear()
    assert drive(graph, shows(graph), host).outputs == first.outputs
    assert host.ran == []


@given(graphs(), st.randoms(use_true_random=False))
@settings(max_examples=100, deadline=None)
def test_the_same_graph_under_other_ids_and_order_has_the_same_keys(graph: Graph, random):
    names = [f"n{index}" for index in range(len(graph))]
    random.shuffle(names)
    renamed: Mapping[str, str] = dict(zip(graph.nodes, names, strict=True))
    moved = [
        GraphNode(
            renamed[node.id],
            node.type,
            {
                name: Link(renamed[value.node], value.slot) if isinstance(value, Link) else value
                for name, value in reversed(node.inputs.items())
            },
        )
        for node in graph
    ]
    random.shuffle(moved)
    before = signature.keys(graph, SPECS, {})
    after = signature.keys(Graph({node.id: node for node in moved}), SPECS, {})
    assert {renamed[id]: key for id, key in before.items()} == after


@given(graphs(st.just("Add")), st.data())
@settings(max_examples=100, deadline=None)
def test_a_changed_constant_changes_the_keys_of_exactly_what_depends_on_it(graph: Graph, data: st.DataObject):
    chosen = data.draw(st.sampled_from(sorted(graph.nodes)))
    node = graph[chosen]
    changed = GraphNode(chosen, node.type, {**node.inputs, "value": 99})
    before = signature.keys(graph, SPECS, {})
    after = signature.keys(Graph({**graph.nodes, chosen: changed}), SPECS, {})
    differing = {id for id in graph.nodes if before[id] != after[id]}
    assert differing == {id for id in graph.nodes if chosen in concerned(graph, [id])}


def test_a_chain_of_five_thousand_nodes_runs():
    nodes = {"0": GraphNode("0", "Add", {"value": 1})}
    for index in range(1, 5000):
        nodes[str(index)] = GraphNode(str(index), "Add", {"in0": Link(str(index - 1), 0), "value": 1})
    nodes["show"] = GraphNode("show", "Show", {"in0": Link("4999", 0)})
    assert drive(Graph(nodes), ("show",), PlainHost()).outputs == {"show": {"text": [5000]}}

"""A run through its one door: what is emitted, what is cached, how it ends."""

import asyncio
from collections.abc import Callable, Mapping

import pytest

from server.events import (
    Event,
    JobFailed,
    JobStarted,
    JobStopped,
    JobSucceeded,
    NodeBlocked,
    NodeDone,
    NodeFailed,
    NodeProgressed,
    NodesCached,
    NodeStarted,
)
from server.graph.host import Report
from server.graph.model import Graph
from server.graph.outcome import Interrupted, Outcome, Task
from server.graph.run import Ending, Order, Status, run
from server.graph.written import Written
from tests.server.graph.small import SPECS, PlainHost, graph


def go(built: Graph, *targets: str, host: PlainHost | None = None) -> tuple[Ending, list[Event], PlainHost]:
    host = host or PlainHost()
    events: list[Event] = []
    outputs = targets or tuple(node.id for node in built if SPECS[node.type].is_output)
    order = Order("job", built, outputs, Written({}))
    ending = asyncio.run(run(order, SPECS, host, events.append))
    return ending, events, host


CHAIN: Mapping[str, tuple[str, dict[str, object]]] = {
    "a": ("Add", {"value": 1}),
    "b": ("Add", {"in0": ("a", 0), "value": 2}),
    "s": ("Show", {"in0": ("b", 0)}),
}


def test_a_run_computes_and_shows():
    ending, events, _ = go(graph(**CHAIN))
    assert ending.status is Status.SUCCEEDED
    assert ending.outputs == {"s": {"text": [3]}}
    assert [type(event) for event in events] == [
        JobStarted, NodesCached,
        NodeStarted, NodeProgressed, NodeDone,
        NodeStarted, NodeProgressed, NodeDone,
        NodeStarted, NodeProgressed, NodeDone,
        JobSucceeded,
    ]  # fmt: skip


def test_the_same_prompt_again_runs_nothing_and_still_shows():
    host = PlainHost()
    go(graph(**CHAIN), host=host)
    host.ran.clear()
    ending, events, _ = go(graph(**CHAIN), host=host)
    assert host.ran == []
    assert ending.outputs == {"s": {"text": [3]}}
    assert [event.nodes for event in events if isinstance(event, NodesCached)] == [("a", "b", "s")]
    shown = [event for event in events if isinstance(event, NodeDone)]
    assert [(event.place.node, event.cached) for event in shown] == [("s", True)]


def test_a_changed_constant_runs_what_follows_it_and_nothing_before():
    host = PlainHost()
    go(graph(**CHAIN), host=host)
    host.ran.clear()
    changed = {**CHAIN, "b": ("Add", {"in0": ("a", 0), "value": 5})}
    ending, _, _ = go(graph(**changed), host=host)
    assert host.ran == ["b", "s"]
    assert ending.outputs == {"s": {"text": [6]}}


def test_a_failure_leaves_other_branches_alone_and_names_the_node():
    built = graph(
        x=("Boom", {}),
        after=("Add", {"in0": ("x", 0)}),
        s1=("Show", {"in0": ("after", 0)}),
        a=("Add", {"value": 4}),
        s2=("Show", {"in0": ("a", 0)}),
    )
    ending, events, host = go(built)
    assert ending.status is Status.FAILED
    assert ending.outputs == {"s2": {"text": [4]}}
    assert "after" not in host.ran and "s1" not in host.ran
    assert [event.place.node for event in events if isinstance(event, NodeFailed)] == ["x"]
    last = events[-1]
    assert (
        isinstance(last, JobFailed)
        and last.place
        and last.place.node == "x"
        and last.failure.hint == "mend it"
    )


def test_a_failure_stops_all_of_a_run_that_asked_for_it():
    built = graph(
        x=("Boom", {}),
        s1=("Show", {"in0": ("x", 0)}),
        a=("Add", {"value": 4}),
        s2=("Show", {"in0": ("a", 0)}),
    )
    events: list[Event] = []
    host = PlainHost()
    order = Order("job", built, ("s1", "s2"), Written({}), stop_at_failure=True)
    ending = asyncio.run(run(order, SPECS, host, events.append))
    assert (ending.status, host.ran) == (Status.FAILED, ["x"])
    assert isinstance(events[-1], JobFailed) and events[-1].place and events[-1].place.node == "x"


def test_what_a_failure_stopped_is_not_what_the_person_stopped():
    built = graph(
        w=("Waits", {}), x=("Boom", {}), s=("Show", {"in0": ("x", 0)}), t=("Show", {"in0": ("w", 0)})
    )

    class Stopped(PlainHost):
        """Stop reaches the node that waits, as the runner sends it at the first failure."""

        async def _compute(self, task: Task, report: Callable[[Report], None]) -> Outcome:
            return await super()._compute(task, report) if task.node != "w" else await self._stopped()

        async def _stopped(self) -> Outcome:
            await asyncio.sleep(0.01)
            return Interrupted()

    host = Stopped()
    order = Order("job", built, ("s", "t"), Written({}), stop_at_failure=True)
    ending = asyncio.run(run(order, SPECS, host, lambda _: None))
    assert (sorted(host.ran), ending.status) == (["w", "x"], Status.FAILED)


def test_stop_ends_the_whole_run_where_it_stands():
    built = graph(x=("Stopper", {}), s1=("Show", {"in0": ("x", 0)}), s2=("Show", {"in0": ("x", 0)}))
    ending, events, host = go(built)
    assert ending.status is Status.STOPPED
    assert host.ran == ["x"]
    assert isinstance(events[-1], JobStopped) and events[-1].place and events[-1].place.node == "x"


def test_a_killed_worker_fails_the_job_and_says_so():
    ending, events, _ = go(graph(x=("Killer", {}), s=("Show", {"in0": ("x", 0)})))
    assert ending.status is Status.FAILED
    assert isinstance(events[-1], JobFailed)
    assert "killed" in events[-1].failure.message and events[-1].place and events[-1].place.node == "x"


@pytest.mark.parametrize(("pick", "expected", "untouched"), [(1, 10, "b"), (0, 20, "a")])
def test_a_lazy_input_not_asked_for_never_runs(pick: int, expected: int, untouched: str):
    built = graph(
        a=("Add", {"value": 10}),
        b=("Add", {"value": 20}),
        w=("Switch", {"pick": pick, "a": ("a", 0), "b": ("b", 0)}),
        s=("Show", {"in0": ("w", 0)}),
    )
    ending, events, host = go(built)
    assert ending.outputs == {"s": {"text": [expected]}}
    assert untouched not in host.ran
    assert [event.place.node for event in events if isinstance(event, NodeStarted)].count("w") == 1


def test_a_block_with_a_message_is_told_and_the_run_goes_on():
    built = graph(
        g=("Gate", {}), s=("Show", {"in0": ("g", 0)}), a=("Add", {"value": 1}), t=("Show", {"in0": ("a", 0)})
    )
    ending, events, _ = go(built)
    assert ending.status is Status.SUCCEEDED
    assert [event.message for event in events if isinstance(event, NodeBlocked)] == ["closed"]


def test_an_expanded_node_gives_what_its_graph_computed():
    ending, events, host = go(graph(u=("Unroll", {"times": 3}), s=("Show", {"in0": ("u", 0)})))
    assert ending.outputs == {"s": {"text": [3]}}
    assert host.ran == ["u", "u.0", "u.1", "u.2", "s"]
    started = [event.place for event in events if isinstance(event, NodeStarted)]
    assert {place.display for place in started if place.node.startswith("u.")} == {"u"}
    assert {place.parent for place in started if place.node.startswith("u.")} == {"u"}


def test_expanding_again_reuses_the_unchanged_part():
    host = PlainHost()
    go(graph(u=("Unroll", {"times": 2}), s=("Show", {"in0": ("u", 0)})), host=host)
    host.ran.clear()
    go(graph(u=("Unroll", {"times": 3}), s=("Show", {"in0": ("u", 0)})), host=host)
    assert host.ran == ["u", "u.2", "s"]


def test_an_expanded_node_is_remembered_like_any_other():
    host = PlainHost()
    for _ in range(2):
        ending, _, _ = go(graph(u=("Unroll", {"times": 3}), s=("Show", {"in0": ("u", 0)})), host=host)
        assert ending.outputs == {"s": {"text": [3]}}
    assert host.ran == ["u", "u.0", "u.1", "u.2", "s"]


def test_nodes_that_wait_overlap_with_one_that_computes():
    built = graph(
        w1=("Waits", {"in0": 1}), w2=("Waits", {"in0": 2}), s=("Show", {"in0": ("w1", 0), "in1": ("w2", 0)})
    )
    ending, events, _ = go(built)
    assert ending.outputs == {"s": {"text": [3]}}
    kinds = [type(event) for event in events if isinstance(event, NodeStarted | NodeDone)]
    assert kinds[:2] == [NodeStarted, NodeStarted]


def test_a_changed_file_runs_its_loader_again_and_an_unknowable_one_always():
    host = PlainHost(tokens={"cat.png": "v1"})
    built = graph(f=("File", {"name": "cat.png"}), s=("Show", {"in0": ("f", 0)}))
    go(built, host=host)
    go(built, host=host)
    assert host.ran == ["f", "s"]
    host.tokens["cat.png"] = "v2"
    go(built, host=host)
    assert host.ran == ["f", "s", "f", "s"]
    host.tokens["cat.png"] = None
    go(built, host=host)
    go(built, host=host)
    assert host.ran == ["f", "s"] * 4

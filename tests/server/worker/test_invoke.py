"""What a worker makes of a task: lists, lazy inputs, blockers, expansion, failures. In one thread, without torch."""

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest

from server.graph.host import Call, Complaint, SwitchedOff
from server.graph.model import GraphNode, Link
from server.graph.outcome import (
    Blocked,
    Collect,
    Done,
    Expanded,
    Failed,
    Interrupted,
    Missing,
    Needs,
    Outcome,
    Token,
)
from server.worker.failures import failure
from server.worker.keeping import Keeping
from server.worker.outputs import Outputs
from server.worker.parts import Factory
from server.worker.sizes import size
from server.worker.stopping import StopSwitch
from server.worker.worker import Worker
from tests.server.backends.asking import job, task


class Bench:
    """A worker and what it said."""

    def __init__(self, worker: Worker) -> None:
        self.worker = worker
        self.said: list[object] = []

    def run(self, type: str, **inputs) -> Outcome:
        return self.worker.submit(task(type, **inputs), self.said.append).result(10)

    def done(self, type: str, **inputs) -> Done:
        outcome = self.run(type, **inputs)
        assert isinstance(outcome, Done), outcome
        return outcome

    def values(self, outcome: Outcome, slot: int = 0) -> list[object]:
        assert isinstance(outcome, Done | Blocked), outcome
        return self.worker._outputs.get(outcome.outputs[slot])

    def several(self, values: Sequence[Any]) -> Token:
        """A token that stands for these values."""
        (token,) = self.worker._outputs.put([list(values)])
        return token


@pytest.fixture
def bench(tmp_path: Path) -> Iterator[Bench]:
    factory = Factory("tests.server.backends.small_nodes:build", tmp_path)
    worker = Worker(factory, StopSwitch(), lambda _: None, {})
    worker.begin(job(prompt={"1": {}, "2": {}}))
    yield Bench(worker)
    worker.close()


@pytest.mark.parametrize(
    ("a", "b", "sums"),
    [
        ([1, 2, 3], [10], [11, 12, 13]),
        ([1, 2, 3], [10, 20], [11, 22, 23]),
        ([1], [10], [11]),
        ([], [], [0]),
    ],
)
def test_a_node_is_called_per_element_and_short_lists_repeat_their_last(bench: Bench, a, b, sums):
    assert bench.values(bench.run("Add", a=bench.several(a), b=bench.several(b))) == sums


def test_an_empty_list_beside_others_is_told(bench: Bench):
    outcome = bench.run("Add", a=bench.several([]), b=1)
    assert isinstance(outcome, Failed) and "'a'" in outcome.failure.message
    assert outcome.failure.kind == "IndexError", "as clients know it"


def test_lists_in_and_lists_out(bench: Bench):
    made = bench.done("Numbers", count=bench.several([2, 3]))
    assert bench.values(made) == [0, 1, 0, 1, 2]
    assert bench.values(bench.run("Total", values=made.outputs[0])) == [4]
    assert isinstance(bench.run("NotAList"), Failed)


def test_several_outputs(bench: Bench):
    made = bench.done("Pair", a=bench.several([1, 2]))
    assert [bench.values(made, slot) for slot in (0, 1)] == [[1, 2], [-1, -2]]


def test_what_is_shown_is_joined_and_hidden_inputs_are_filled(bench: Bench):
    shown = bench.done("Show", id="7", value=bench.several(["x", "y"]))
    assert shown.ui == {"text": ["x", "y"], "me": ["7", 2, "7", 2]}


def test_lazy_inputs_are_asked_for_until_they_are_there(bench: Bench):
    assert bench.run("Switch", pick="a", a=Missing(), b=Missing()) == Needs(("a",))
    assert bench.run("Switch", pick=bench.several(["a", "b"]), a=Missing(), b=Missing()) == Needs(("a", "b"))
    assert bench.values(bench.run("Switch", pick="a", a=5, b=Missing(), attempt=1)) == [5]
    assert bench.run("Switch", pick="c", a=5, b=5) == Needs(("c",)), "the run refuses what is not linked"


@pytest.mark.parametrize(("message", "told"), [(None, None), ("too large", "too large")])
def test_a_blocked_input_switches_the_node_off_and_is_told_once(bench: Bench, message, told):
    gate = bench.done("Gate", value=5, limit=1, message=message)
    first = bench.run("Add", a=gate.outputs[0])
    assert isinstance(first, Blocked) and first.message == told
    second = bench.run("Add", a=first.outputs[0])
    assert isinstance(second, Blocked) and second.message is None
    listed = bench.run("Total", values=gate.outputs[0])
    assert isinstance(listed, Blocked) and listed.message == told


def test_only_blocked_elements_are_switched_off(bench: Bench):
    gate = bench.done("Gate", value=bench.several([1, 5, 2]), limit=3, message="too large")
    made = bench.done("Add", a=gate.outputs[0], b=10)
    assert [value for value in bench.values(made) if isinstance(value, int)] == [11, 12]
    assert [said.message for said in bench.said if isinstance(said, SwitchedOff)] == ["too large"]


def test_a_node_may_become_a_graph(bench: Bench):
    made = bench.run("Countdown", id="9", n=bench.several([2, 0]))
    assert isinstance(made, Expanded)
    assert made.nodes == {"9.2": GraphNode("9.2", "Countdown", {"n": 1})}
    link, token = made.parts[0]
    assert link == Link("9.2", 0) and isinstance(token, Token)
    joined = bench.worker.submit(
        Collect("job", "9", "Countdown", ((bench.several(["a", "b"]), token),)), bench.said.append
    ).result(10)
    assert bench.values(joined) == ["a", "b", "lift-off"]
    prompt = bench.worker._job.prompt
    assert prompt.get_parent_node_id("9.2") == prompt.get_real_node_id("9.2") == "9"
    assert prompt.all_node_ids() == {"1", "2", "9.2"}


def test_objects_in_a_made_graph_never_leave_the_worker(bench: Bench):
    made = bench.run("Carry", value=41)
    assert isinstance(made, Expanded)
    (stand_in,) = made.nodes["inner"].inputs.values()
    assert isinstance(stand_in, dict)
    assert bench.values(bench.run("Unwrap", strange=stand_in)) == [41]


def test_failures_name_message_hint_kind_and_inputs(bench: Bench):
    known = bench.run("Fail", a="x" * 5000)
    assert isinstance(known, Failed)
    failure = known.failure
    assert (failure.message, failure.hint) == ("It does not fit.", "Make it smaller.")
    assert failure.kind == "nodes.spec.errors.NodeError"
    assert len(str(failure.inputs["a"][0])) < 1100
    assert "small_nodes.py" in failure.traceback[0]
    unknown = bench.run("Odd", a="missing")
    assert isinstance(unknown, Failed) and unknown.failure.kind == "KeyError"
    wrong = bench.run("WrongCount")
    assert (
        isinstance(wrong, Failed) and "WrongCount returned 3 outputs and declares 2" in wrong.failure.message
    )
    gone = bench.run("Add", a=Token("gone", 0))
    assert isinstance(gone, Failed) and gone.failure.hint
    nobody = bench.run("Nobody")
    assert isinstance(nobody, Failed) and "Nobody" in nobody.failure.message


def test_nothing_runs_once_stop_is_pressed(bench: Bench):
    bench.worker.stop()
    assert bench.run("Add", a=1) == Interrupted()
    bench.worker.begin(job("next"))
    assert isinstance(bench.run("Add", a=1), Done)


def test_nodes_check_their_own_inputs(bench: Bench):
    calls = [
        Call("1", "Even", {"value": 3}),
        Call("2", "Even", {"value": 4}),
        Call("3", "Even", {}, {"value": "INT"}),
        Call("4", "Even", {"value": "text"}),
        Call("5", "Typed", {}, {"a": "IMAGE"}),
        Call("6", "Typed", {}, {"a": "INT"}),
    ]
    found = {complaint.node: complaint for complaint in bench.worker.validate(calls)}
    assert found.keys() == {"1", "4", "5"}
    assert found["1"] == Complaint("1", "value", "3 is odd")
    raised = found["4"].raised
    assert raised is not None and raised.kind == "TypeError"
    assert (found["4"].message, found["1"].raised) == (raised.message, None)


def test_a_change_token_follows_the_file(bench: Bench, tmp_path: Path):
    file = tmp_path / "file"
    calls = [Call("1", "FileSize", {"name": str(file)}), Call("2", "FileSize", {"name": "no such"})]
    file.write_bytes(b"1")
    first = bench.worker.change_tokens(calls).result(10)
    assert first == bench.worker.change_tokens(calls).result(10)
    assert first["2"] is None, "a node that cannot tell always runs"
    file.write_bytes(b"12")
    assert bench.worker.change_tokens(calls).result(10)["1"] != first["1"]


def test_memory_that_ran_out_comes_with_advice():
    class OutOfMemoryError(RuntimeError):
        """Called like torch's own."""

    for error in (OutOfMemoryError("CUDA out of memory. Tried to allocate 2 GiB."), MemoryError()):
        told = failure(error)
        assert told.message.startswith("Out of memory") and "smaller" in told.hint
    assert "pip install scipy" in failure(ModuleNotFoundError("No module named 'scipy'", name="scipy")).hint


# --- values ---------------------------------------------------------------------------------------------------------


def test_results_are_kept_by_key_within_the_budget_and_the_running_job_keeps_all():
    outputs = Outputs(Keeping(budget=1000), "test")
    tokens = {key: outputs.put([[bytes(300)]], key) for key in "abcd"}
    nameless = outputs.put([[bytes(10)]])
    assert outputs.get(nameless[0])
    outputs.end()
    assert outputs.recall("abcd").keys() == {"c", "d"}, "the oldest went"
    with pytest.raises(Exception, match="no longer there"):
        outputs.get(nameless[0])
    assert outputs.recall("c")["c"].outputs == tokens["c"]
    outputs.clear()
    assert outputs.recall("cd").keys() == {"c", "d"}, "what was recalled is pinned"
    outputs.end()
    outputs.clear()
    assert outputs.recall("cd") == {} and outputs.held == 0


def test_a_newer_result_takes_the_key():
    outputs = Outputs(Keeping(budget=1000), "test")
    outputs.put([[1]], "key")
    newer = outputs.put([[2]], "key")
    outputs.end()
    assert outputs.recall(["key"])["key"].outputs == newer
    assert outputs.held == size([[2]])


def test_shared_contents_count_once():
    class Array:
        nbytes = 500

    array = Array()
    assert 500 <= size({"a": array, "b": [array, (array,)]}) < 1000
    ring: list[object] = []
    ring.append(ring)
    assert size(ring) < 1000


def test_each_reason_for_which_calls_are_switched_off_is_said_once(bench):
    values = bench.several([1, 9, 8, 2])
    done = bench.done("Gate", value=values, limit=5, message="too large")
    assert len(bench.values(done)) == 4
    shown = bench.done("Add", a=done.outputs[0])
    assert len(bench.values(shown)) == 4
    assert [said for said in bench.said if isinstance(said, SwitchedOff)] == [SwitchedOff("1", "too large")]


def test_a_node_that_ran_says_what_memory_it_took(bench):
    usage = bench.done("Add", a=1, b=2).usage
    assert usage is not None
    assert usage.host > 1 << 20

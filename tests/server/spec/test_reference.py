"""The executor and the reference interpreter agree on random graphs: values, what ran, in which order, what was said."""

import asyncio
import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from nodes.spec import Node
from server.events import JobFailed, NodeDone, NodeStarted
from tests.server.spec.kinds import World, nodes
from tests.server.spec.playing import Played, Stage
from tests.server.spec.reference import Account, Reference

# Each kind with its outputs, and its inputs: "number" (a constant or a link), "link", "link?", or constants to choose from.
KINDS: Mapping[str, tuple[int, Mapping[str, Sequence[Any] | str]]] = {
    "Add": (1, {"a": "number", "b": "number"}),
    "Tied": (1, {"a": "number", "b": "number"}),
    "Even": (1, {"a": "number"}),
    "EvenLater": (1, {"a": "number"}),
    "Pair": (2, {"a": "number"}),
    "Numbers": (1, {"count": (2, 3, 4, "number")}),
    "Total": (1, {"values": "number", "more": "link?"}),
    "Gate": (1, {"value": "number", "limit": (-1, 0, 1), "message": (None, "closed", "full")}),
    "Wait": (1, {"value": "number"}),
    "Switch": (1, {"pick": "number", "a": "number", "b": "number"}),
    "Fallback": (1, {"a": "link", "b": "number"}),
    "File": (1, {"name": ("f", "g")}),
    "Unroll": (
        1,
        {
            "times": (1, 2, 3, "number"),
            "value": "number",
            "source": "link?",
            "style": ("chain", "chain", "show", "nest", "even", "twin", "nothing"),
        },
    ),
    "ShowAndGive": (1, {"value": "number"}),
}
MIXES: Mapping[str, Sequence[str]] = {
    "everything": [*KINDS, "Unroll", "Unroll", "Gate", "Gate", "Switch", "Fallback"],
    "lists and blockers": [
        "Numbers",
        "Numbers",
        "Pair",
        "Add",
        "Add",
        "Total",
        "Gate",
        "Gate",
        "Even",
        "ShowAndGive",
    ],
    "graphs made on the way": ["Unroll", "Unroll", "Unroll", "Numbers", "Gate", "Wait", "Switch", "Add"],
}
TOKENS = ("v1", "v2", ["v1", 3], math.nan, ValueError("no such file"))


@dataclass(frozen=True)
class Step:
    """One run of a sequence: the prompt, its targets, and the world as it is then."""

    prompt: Mapping[str, Mapping[str, Any]]
    targets: tuple[str, ...]
    files: Mapping[str, int]
    tokens: Mapping[str, object]


@st.composite
def prompts(draw: st.DrawFn, kinds: Sequence[str]) -> dict[str, dict[str, Any]]:
    """Four to nine nodes, links only backwards (so no ring), in any order; what feeds nobody is shown."""
    made: dict[str, dict[str, Any]] = {}
    sources: list[list[Any]] = []
    unused: dict[str, list[Any]] = {}
    for index in range(draw(st.integers(4, 9))):
        kind = draw(st.sampled_from(kinds))
        outputs, declared = KINDS[kind]
        inputs = {name: draw(values(form, sources)) for name, form in declared.items()}
        if draw(st.integers(0, 9)) == 0:  # an input that the class does not declare still counts
            inputs["note"] = draw(values("number", sources))
        inputs = {name: value for name, value in inputs.items() if value is not ABSENT}
        made[str(index)] = {"class_type": kind, "inputs": inputs}
        for value in inputs.values():
            unused.pop(value[0] if isinstance(value, list) else "", None)
        sources += [[str(index), slot] for slot in range(outputs)]
        unused[str(index)] = sources[-1]
    for id, source in unused.items():
        made[f"show {id}"] = {"class_type": "Show", "inputs": {"value": source}}
    return {id: made[id] for id in draw(st.permutations(sorted(made)))}


ABSENT = object()


def values(form: Sequence[Any] | str, sources: Sequence[list[Any]]) -> st.SearchStrategy[Any]:
    """What an input of this form may hold, given the outputs made before."""
    constants = st.integers(-2, 3)
    # Mostly from late nodes: what goes wrong runs through several nodes.
    late = [list(source) for source in (*sources[-3:], *sources[-3:], *sources)]
    links = st.sampled_from(late) if sources else constants
    if form == "number":
        return st.one_of(links, constants, links)
    if form == "link":
        return links
    if form == "link?":
        return st.one_of(st.just(ABSENT), links) if sources else st.just(ABSENT)
    return st.sampled_from(form).flatmap(
        lambda chosen: values(chosen, sources) if chosen == "number" else st.just(chosen)
    )


@st.composite
def sequences(draw: st.DrawFn, kinds: Sequence[str]) -> list[Step]:
    """One to three runs of a prompt; between them a constant, a file, a token or the targets change."""
    prompt = draw(prompts(kinds))
    steps: list[Step] = []
    for _ in range(draw(st.integers(1, 3))):
        outputs = [id for id, entry in prompt.items() if entry["class_type"] in ("Show", "ShowAndGive")]
        targets = draw(
            st.one_of(st.just(outputs), st.lists(st.sampled_from(outputs), min_size=1, unique=True))
        )
        files = {"f": draw(st.integers(0, 2)), **draw(st.sampled_from([{}, {"g": 4}]))}
        tokens = {name: draw(st.sampled_from(TOKENS)) for name in ("f", "g")}
        steps.append(Step(prompt, tuple(id for id in outputs if id in targets), files, tokens))
        prompt = draw(edited(prompt))
    return steps


@st.composite
def edited(draw: st.DrawFn, prompt: dict[str, dict[str, Any]]) -> dict[str, dict[str, Any]]:
    """The prompt with one number changed, or as it was."""
    places = [
        (id, name)
        for id, entry in prompt.items()
        for name, value in entry["inputs"].items()
        if isinstance(value, int)
    ]
    if not places or draw(st.booleans()):
        return prompt
    id, name = draw(st.sampled_from(places))
    inputs = {**prompt[id]["inputs"], name: draw(st.integers(-2, 3))}
    return {**prompt, id: {**prompt[id], "inputs": inputs}}


@dataclass(frozen=True)
class Pair:
    """The executor, and the nodes of the reference, which share the world's files but not its log."""

    stage: Stage
    runner: asyncio.Runner
    nodes: Mapping[str, Node]


@pytest.fixture(scope="module")
def pair(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Pair]:
    world = World(tmp_path_factory.mktemp("reference"))
    other = World(world.folder, world.files, world.tokens)
    with asyncio.Runner() as runner:
        stage = Stage(world)
        runner.run(stage.backend.start())
        yield Pair(stage, runner, {entry.spec.id: entry for entry in nodes(other)})
        runner.run(stage.backend.close())


@pytest.mark.parametrize("mix", MIXES)
@given(data=st.data())
@settings(max_examples=150, derandomize=True)
def test_executor_and_reference_agree(pair: Pair, mix: str, data: st.DataObject):
    steps = data.draw(sequences(MIXES[mix]))
    pair.runner.run(pair.stage.forget())
    reference, world = Reference(pair.nodes), pair.stage.world
    for step in steps:
        for part, now in ((world.files, step.files), (world.tokens, step.tokens)):
            part.clear()
            part.update(now)  # type: ignore[arg-type]
        expected = reference.run(step.prompt, step.targets)
        played = pair.runner.run(pair.stage.play(step.prompt, step.targets))
        agree(played, expected)


def agree(played: Played, expected: Account) -> None:
    """What the run gave, ran and said is what the reference says it must."""
    twins = spared(played, expected)
    assert played.shown == expected.shown
    assert played.calls == {id: count for id, count in expected.calls.items() if id not in twins}
    assert played.failed == expected.failed
    assert played.told == {about: count for about, count in expected.told.items() if about[0] not in twins}
    assert played.remembered == expected.remembered
    assert played.good == (not expected.failed)
    if expected.failed:
        last = played.events[-1]
        assert isinstance(last, JobFailed) and last.place is not None and last.place.node in expected.failed
    for id, source in expected.fed | expected.asked:
        calls_come_after(played, id, source)
    for id, source in expected.fed:  # a node that asks has started before what it asks for is done
        starts_after(played, id, source)


def spared(played: Played, expected: Account) -> set[str]:
    """Nodes that were not called since another of the same content was: section 6, 1."""
    called = {(expected.contents.get(id), count) for id, count in played.calls.items()}
    return {
        id
        for id, count in expected.calls.items()
        if id not in played.calls
        and expected.contents.get(id) is not None
        and (expected.contents.get(id), count) in called
    }


def calls_come_after(played: Played, id: str, source: str) -> None:
    """The source's last call is over before the node's first begins."""
    if id in played.calls and source in played.calls:
        last = max(at for at, entry in enumerate(played.log) if entry == ("end", source))
        assert played.log.index(("start", id)) > last


def starts_after(played: Played, id: str, source: str) -> None:
    """The events say that the node starts once, after the source is done."""
    started = [at for at, event in enumerate(played.events) if is_of(event, NodeStarted, id)]
    done = [at for at, event in enumerate(played.events) if is_of(event, NodeDone, source)]
    assert len(started) <= 1
    if started and done:
        assert done[0] < started[0]


def is_of(event: object, kind: type[NodeStarted | NodeDone], id: str) -> bool:
    return isinstance(event, kind) and event.place.node == id

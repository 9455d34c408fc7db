"""What was read, judged and keyed of earlier prompts is taken over: with the same outcome as if it were done anew."""

import json
from collections.abc import Callable, Mapping, Sequence
from copy import deepcopy
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from nodes.spec import Choices, InputSpec, NodeSpec, Section
from server.graph import signature
from server.graph.judging import Judge, Judgement, alike
from server.graph.keyring import Keyring
from server.graph.model import Graph
from server.graph.parse import parse_prompt
from server.graph.reading import Reader
from server.graph.topology import ancestors, consumers
from server.graph.validate import validate
from tests.server.graph.small import SPECS as SMALL
from tests.server.graph.small import spec

SPECS: Mapping[str, NodeSpec] = {
    **SMALL,
    "Number": spec("Number", (InputSpec("value", "INT", options={"min": 0, "max": 5}),), ("INT",)),
    "Word": spec("Word", (InputSpec("text", "STRING", Section.OPTIONAL),), ("STRING",)),
    "Sum": spec("Sum", (InputSpec("left", "INT"), InputSpec("right", "INT", Section.OPTIONAL)), ("INT",)),
}
IDS = [str(number) for number in range(6)]
CONSTANTS = st.sampled_from(
    [0, 1, 1.0, True, False, "1", 6, -1, -0.0, None, [1, 2], {"__value__": [1, 2]}, "x"]
)
LINKS = st.tuples(st.sampled_from([*IDS, "nobody"]), st.integers(0, 1)).map(list)
NAMES = st.sampled_from(["value", "left", "right", "in0", "in1", "text", "undeclared"])
NODES = st.fixed_dictionaries(
    {
        "class_type": st.sampled_from(["Number", "Word", "Sum", "Add", "Show", "File", "Tied"]),
        "inputs": st.dictionaries(NAMES, CONSTANTS | LINKS, max_size=3),
    }
)
PROMPTS = st.dictionaries(st.sampled_from(IDS), NODES, min_size=1)
Prompt = dict[str, Any]
Change = Callable[[Prompt], Prompt]


def _set(id: str, name: str, value: object) -> Change:
    return lambda prompt: (
        {**prompt, id: {**prompt[id], "inputs": {**prompt[id]["inputs"], name: value}}}
        if id in prompt
        else prompt
    )


def _put(id: str, node: Prompt) -> Change:
    return lambda prompt: {**prompt, id: node}


def _drop(id: str) -> Change:
    return lambda prompt: {other: node for other, node in prompt.items() if other != id} or prompt


def _turned(prompt: Prompt) -> Prompt:
    return dict(reversed(prompt.items()))


CHANGES: st.SearchStrategy[Change] = st.one_of(
    st.builds(_set, st.sampled_from(IDS), NAMES, CONSTANTS | LINKS),
    st.builds(_put, st.sampled_from(IDS), NODES),
    st.builds(_drop, st.sampled_from(IDS)),
    st.just(_turned),
    st.just(lambda prompt: prompt),
)


def histories(first: Prompt, changes: Sequence[Change]) -> list[Prompt]:
    """Prompts as they are sent one after the other, each of new objects."""
    found = [first]
    for change in changes:
        found.append(deepcopy(change(found[-1])))
    return found


def exactly(value: object) -> str:
    """Tells 1, 1.0 and True apart, and the order of nodes and inputs."""
    return repr(value)


def no_files(_key: str) -> list[str]:
    return []


@given(PROMPTS, st.lists(CHANGES, max_size=6))
def test_a_prompt_is_read_as_if_it_were_the_first(first: Prompt, changes: Sequence[Change]):
    reader = Reader()
    for prompt in histories(first, changes):
        reading = reader.read(prompt)
        assert exactly(reading.graph) == exactly(parse_prompt(prompt))
        assert exactly(json.loads(reading.text)) == exactly(prompt)


@given(PROMPTS, st.lists(CHANGES, max_size=6), st.none() | st.lists(st.sampled_from(IDS), max_size=2))
def test_a_prompt_is_judged_as_if_it_were_the_first(
    first: Prompt, changes: Sequence[Change], only: list[str] | None
):
    reader, judge = Reader(), Judge()
    for prompt in histories(first, changes):
        graph = reader.read(prompt).graph
        made = judge.judge(graph, SPECS, no_files, only=only)
        anew = validate(parse_prompt(prompt), SPECS, no_files, only=only)
        assert exactly(made.verdict) == exactly(anew)
        check_wiring(made.verdict.graph)


def check_wiring(graph: Graph) -> None:
    """What a graph took over of another's wiring is what its own links say."""
    alone = Graph(graph.nodes)
    assert consumers(graph) == consumers(alone)
    for id in graph.nodes:
        assert ancestors(graph, [id]) == ancestors(alone, [id])


@given(
    PROMPTS,
    st.lists(st.tuples(CHANGES, st.sampled_from(["one", "two", None])), max_size=6),
)
def test_a_graph_is_keyed_as_if_it_were_the_first(
    first: Prompt, changes: Sequence[tuple[Change, str | None]]
):
    reader, keyring = Reader(), Keyring()
    tokens = ["one", *(token for _, token in changes)]
    for prompt, token in zip(histories(first, [change for change, _ in changes]), tokens, strict=True):
        graph = reader.read(prompt).graph
        asked = {node.id: token for node in graph if node.type == "File"}
        assert keyring.keys(graph, SPECS, asked) == signature.keys(parse_prompt(prompt), SPECS, asked)


def prompt_of(value: object, other: object = 1) -> Prompt:
    """Two numbers, added and shown."""
    return {
        "1": {"class_type": "Number", "inputs": {"value": value}},
        "2": {"class_type": "Number", "inputs": {"value": other}},
        "3": {"class_type": "Sum", "inputs": {"left": ["1", 0], "right": ["2", 0]}},
        "4": {"class_type": "Show", "inputs": {"in0": ["3", 0]}},
    }


def test_what_stands_as_it_was_is_the_same_object():
    reader, judge = Reader(), Judge()

    def judged(prompt: Prompt) -> Judgement:
        return judge.judge(reader.read(deepcopy(prompt)).graph, SPECS, no_files)

    first, again, changed = judged(prompt_of(1)), judged(prompt_of(1)), judged(prompt_of(2))
    assert again is first
    assert changed.verdict.graph["2"] is first.verdict.graph["2"]
    assert changed.verdict.graph["1"] is not first.verdict.graph["1"]
    assert alike(first.given, changed.given) == ["1"]
    assert changed.verdict.graph.wiring is first.verdict.graph.wiring
    assert judged(prompt_of(2.0)).verdict.graph["1"].inputs["value"] == 2
    assert judged(prompt_of(6)).verdict.node_faults.keys() == {"1"}, "it is above the maximum"


def test_other_files_or_nodes_make_it_judged_anew():
    prompt = {
        "1": {"class_type": "Load", "inputs": {"file": "a"}},
        "2": {"class_type": "Show", "inputs": {"in0": ["1", 0]}},
    }
    load = spec("Load", (InputSpec("file", "COMBO", choices=Choices((), "checkpoints")),))
    specs = {**SPECS, "Load": load}
    reader, judge = Reader(), Judge()
    there = judge.judge(reader.read(prompt).graph, specs, lambda _: ["a"])
    assert there.verdict.error is None
    gone = judge.judge(reader.read(deepcopy(prompt)).graph, specs, lambda _: [])
    assert gone.verdict.node_faults.keys() == {"1"}
    unknown = judge.judge(reader.read(deepcopy(prompt)).graph, SPECS, lambda _: ["a"])
    assert unknown.verdict.error is not None
    assert judge.judge(reader.read(deepcopy(prompt)).graph, specs, lambda _: ["a"]).verdict.error is None

"""A prompt with nodes that are gone runs on with those that stand in for them."""

from nodes.spec import NodeSpec, Replacement
from server.graph.replace import replaced, stand_ins

NEW = NodeSpec(
    id="New",
    replaces=(
        Replacement(
            old="Old",
            inputs={"text": "string", "other": "gone"},
            values={"mode": "exact"},
            outputs={0: 1, 1: 0},
        ),
        Replacement(old="Renamed"),
    ),
)
ALSO_NEW = NodeSpec(id="AlsoNew", replaces=(Replacement(old="Old"),))
SPECS = {"New": NEW, "AlsoNew": ALSO_NEW, "Show": NodeSpec(id="Show")}


def test_a_node_that_is_gone_becomes_the_first_that_stands_in_for_it():
    prompt = {
        "1": {"class_type": "Old", "inputs": {"string": "x", "size": 5}, "_meta": {"title": "mine"}},
        "2": {"class_type": "Show", "inputs": {"value": ["1", 0], "more": ["1", 1], "list": [1, 0]}},
    }
    assert replaced(prompt, SPECS) == {
        "1": {"class_type": "New", "inputs": {"mode": "exact", "text": "x"}, "_meta": {"title": "mine"}},
        "2": {"class_type": "Show", "inputs": {"value": ["1", 1], "more": ["1", 0], "list": [1, 0]}},
    }
    assert prompt["1"]["class_type"] == "Old", "what was sent stays as it was"


def test_without_words_on_inputs_and_outputs_they_are_the_same():
    prompt = {"1": {"class_type": "Renamed", "inputs": {"a": ["2", 3]}}, "2": {"class_type": "Renamed"}}
    assert replaced(prompt, SPECS) == {
        "1": {"class_type": "New", "inputs": {"a": ["2", 3]}},
        "2": {"class_type": "New", "inputs": {}},
    }


def test_a_node_that_is_there_is_not_replaced():
    specs = {**SPECS, "Old": NodeSpec(id="Old"), "Renamed": NodeSpec(id="Renamed")}
    prompt = {"1": {"class_type": "Old", "inputs": {}}}
    assert replaced(prompt, specs) is prompt


def test_links_between_replaced_nodes_follow_too():
    prompt = {
        "1": {"class_type": "Old", "inputs": {"string": ["2", 0]}},
        "2": {"class_type": "Old", "inputs": {}},
    }
    put_right = replaced(prompt, SPECS)
    assert put_right["1"]["inputs"]["text"] == ["2", 1]


def test_what_is_no_prompt_stays_what_it_is():
    for odd in (
        None,
        [],
        "x",
        {"1": None},
        {"1": {"class_type": []}},
        {"1": {"class_type": "Show", "inputs": 5}},
    ):
        assert replaced(odd, SPECS) == odd
    assert replaced({"1": {"class_type": "Old", "inputs": 5}}, SPECS)["1"]["inputs"] == {"mode": "exact"}


def test_all_who_stand_in_are_known_in_order():
    assert [id for id, _ in stand_ins(SPECS)["Old"]] == ["New", "AlsoNew"]

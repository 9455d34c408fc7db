"""EXECUTOR.md sections 4 and 4a, over HTTP: what is wrong with a prompt, with every field of the answer."""

from collections.abc import Mapping, Sequence
from typing import Any

import pytest

from tests.server.spec.asking import ask
from tests.server.spec.playing import node
from tests.server.spec.served import LONG
from tests.serving import Server

IMAGE, GOOD = node("Image"), node("Describe", steps=5)
SAMPLE = node("Sample", steps=20)


def saved(**inputs: Any) -> dict[str, Any]:
    """A sampler `x` with these inputs, and the node `out` that saves what it gives."""
    return {"x": node("Sample", **inputs), "out": node("Save", latent=["x", 0])}


# --- the graph as a whole: the first failure, and nothing of single nodes ---------------------------------------------

NOT_FOUND = "Node '{}' not found. The custom node may not be installed."
WHOLE: Sequence[tuple[str, dict[str, Any], str, str, str, dict[str, Any]]] = [
    ("4-no-class-type", {"7": {"inputs": {}, "_meta": {"title": "Mine"}}}, "missing_node_type",
     NOT_FOUND.format("Mine"), "Node ID '#7'", {"node_id": "7", "class_type": None, "node_title": "Mine"}),
    ("4-class-not-registered", {"7": node("Nobody"), "out": GOOD}, "missing_node_type",
     NOT_FOUND.format("Nobody"), "Node ID '#7'", {"node_id": "7", "class_type": "Nobody", "node_title": "Nobody"}),
    ("4-class-not-registered-with-a-title", {"7": {**node("Nobody"), "_meta": {"title": "Mine"}}, "out": GOOD},
     "missing_node_type", NOT_FOUND.format("Mine"), "Node ID '#7'",
     {"node_id": "7", "class_type": "Nobody", "node_title": "Mine"}),
    ("4-the-first-in-order", {"2": node("Second"), "1": node("First")}, "missing_node_type",
     NOT_FOUND.format("Second"), "Node ID '#2'", {"node_id": "2", "class_type": "Second", "node_title": "Second"}),
    ("4-even-where-nothing-depends-on-it", {"out": GOOD, "idle": node("Nobody")}, "missing_node_type",
     NOT_FOUND.format("Nobody"), "Node ID '#idle'",
     {"node_id": "idle", "class_type": "Nobody", "node_title": "Nobody"}),
    ("4-no-output-node", {"x": SAMPLE}, "prompt_no_outputs", "Prompt has no outputs", "", {}),
    ("4-no-node", {}, "prompt_no_outputs", "Prompt has no outputs", "", {}),
]  # fmt: skip


@pytest.mark.parametrize(
    ("prompt", "type", "message", "details", "extra"),
    [row[1:] for row in WHOLE],
    ids=[row[0] for row in WHOLE],
)
def test_whole_graph(server: Server, prompt: dict, type: str, message: str, details: str, extra: dict):
    answer = ask(server, prompt)
    assert answer.status == 400
    assert answer.body == {
        "error": {"type": type, "message": message, "details": details, "extra_info": extra},
        "node_errors": {},
    }


def test_4_no_output_node_in_scope(server: Server):
    for targets in ([], ["x"], ["nobody"]):
        answer = ask(server, saved(steps=1), partial_execution_targets=targets)
        assert (answer.status, answer.error["type"]) == (400, "prompt_no_outputs")


# --- one node ---------------------------------------------------------------------------------------------------------

STEPS: list[Any] = ["INT", {"min": 1, "max": 100, "default": 20}]
CFG: list[Any] = ["FLOAT", {"min": 0.0, "max": 30.0}]
SAMPLER: list[Any] = [["euler", "heun"], {}]
LATENT: list[Any] = ["LATENT", {}]
BAD_LINK = "Bad linked input, must be a length-2 list of [node_id, slot_index]"
MISMATCH = "Return type mismatch between linked nodes"
CUSTOM = "Custom validation failed for node"
Fields = Mapping[str, Any]
# Id, prompt, the node to blame, type, message, details, extra_info.
NODES: Sequence[tuple[str, dict[str, Any], str, str, str, str, Fields]] = [
    ("4.1-required-input-missing", {"out": node("Save")}, "out", "required_input_missing",
     "Required input is missing", "latent", {"input_name": "latent", "input_config": LATENT}),
    ("4.2-a-list-of-three", {"x": SAMPLE, "out": node("Save", latent=["x", 0, 0])}, "out", "bad_linked_input", BAD_LINK,
     "latent", {"input_name": "latent", "input_config": LATENT, "received_value": ["x", 0, 0]}),
    ("4.2-an-empty-list", {"out": node("Save", latent=[])}, "out", "bad_linked_input", BAD_LINK, "latent",
     {"input_name": "latent", "input_config": LATENT, "received_value": []}),
    ("4.2-the-producers-type-differs", {"i": IMAGE, "out": node("Save", latent=["i", 0])}, "out",
     "return_type_mismatch", MISMATCH, "latent, received_type(IMAGE) mismatch input_type(LATENT)",
     {"input_name": "latent", "input_config": LATENT, "received_type": "IMAGE", "linked_node": ["i", 0]}),
    ("4.2-a-combo-is-named-by-what-it-offers", {"t": node("GiveText"), "out": node("TakeCombo", sampler=["t", 0])},
     "out", "return_type_mismatch", MISMATCH, "sampler, received_type(STRING) mismatch input_type(['euler'])",
     {"input_name": "sampler", "input_config": [["euler"], {}], "received_type": "STRING", "linked_node": ["t", 0]}),
    ("4.2-a-dangling-link-of-an-output-node", {"out": node("Save", latent=["z", 0])}, "out",
     "exception_during_validation", "Input latent is linked to node 'z', which is not in the prompt", "'z'",
     {"input_name": "latent", "input_config": LATENT, "exception_type": "KeyError", "traceback": [],
      "exception_message": "Input latent is linked to node 'z', which is not in the prompt",
      "linked_node": ["z", 0]}),
    ("4.2-a-dangling-link-deeper", saved(model=["z", 0]), "x", "exception_during_inner_validation",
     "Input model is linked to node 'z', which is not in the prompt", "'z'",
     {"input_name": "model", "input_config": ["MODEL", {}], "exception_type": "KeyError", "traceback": [],
      "exception_message": "Input model is linked to node 'z', which is not in the prompt", "linked_node": ["z", 0]}),
    ("4.2-a-slot-that-is-not-there", {"x": SAMPLE, "out": node("Save", latent=["x", 7])}, "out",
     "exception_during_validation", "Input latent is linked to output 7 of node 'x', which has fewer", "'x'",
     {"input_name": "latent", "input_config": LATENT, "exception_type": "IndexError", "traceback": [],
      "exception_message": "Input latent is linked to output 7 of node 'x', which has fewer",
      "linked_node": ["x", 7]}),
    ("4.3-int", saved(steps="many"), "x", "invalid_input_type", "Failed to convert an input value to a INT value",
     "steps, many, invalid literal for int() with base 10: 'many'",
     {"input_name": "steps", "input_config": STEPS, "received_value": "many",
      "exception_message": "invalid literal for int() with base 10: 'many'"}),
    ("4.3-float", saved(cfg="much"), "x", "invalid_input_type", "Failed to convert an input value to a FLOAT value",
     "cfg, much, could not convert string to float: 'much'",
     {"input_name": "cfg", "input_config": CFG, "received_value": "much",
      "exception_message": "could not convert string to float: 'much'"}),
    ("4.4-min", saved(steps=0), "x", "value_smaller_than_min", "Value 0 smaller than min of 1", "steps",
     {"input_name": "steps", "input_config": STEPS, "received_value": 0}),
    ("4.4-max", saved(cfg=30.5), "x", "value_bigger_than_max", "Value 30.5 bigger than max of 30.0", "cfg",
     {"input_name": "cfg", "input_config": CFG, "received_value": 30.5}),
    ("4.4-combo", saved(sampler="ddim"), "x", "value_not_in_list", "Value not in list",
     "sampler: 'ddim' not in ['euler', 'heun']",
     {"input_name": "sampler", "input_config": SAMPLER, "received_value": "ddim"}),
    ("4.4-combo-of-more-than-20", saved(long="none"), "x", "value_not_in_list", "Value not in list",
     f"long: 'none' not in (list of length {len(LONG)})",
     {"input_name": "long", "input_config": None, "received_value": "none"}),
    ("4.4-multiselect-each-element", saved(many={"__value__": ["a", "z"]}), "x", "value_not_in_list",
     "Value not in list", "many: 'z' not in ['a', 'b', 'c']",
     {"input_name": "many", "input_config": [["a", "b", "c"], {"multiselect": True}], "received_value": ["a", "z"]}),
    ("4.5-custom-validation-false", {"out": node("Checks", a=13)}, "out", "custom_validation_failed", CUSTOM, "a",
     {"input_name": "a", "input_config": ["INT", {"max": 50}], "received_value": 13}),
    ("4.5-custom-validation-for-all-inputs", {"out": node("ChecksAll", steps=5)}, "out", "custom_validation_failed",
     CUSTOM, "steps - steps must be 500", {"input_name": "steps", "input_config": STEPS, "received_value": 5}),
    ("4.5-custom-validation-of-types", {"x": SAMPLE, "out": node("ChecksTypes", image=["x", 0])}, "out",
     "custom_validation_failed", CUSTOM, "image - not LATENT", {"input_name": "image", "input_config": ["IMAGE", {}]}),
    ("4-dependency-cycle", {"a": node("Add", a=["b", 0]), "b": node("Add", a=["a", 0]),
                            "out": node("Show", value=["a", 0])}, "a", "dependency_cycle", "Dependency cycle detected",
     "a (Add) -> b (Add) -> a (Add)", {"node_id": "a", "cycle_nodes": ["a", "b"]}),
    ("4-dependency-cycle-of-one", {"a": node("Add", a=["a", 0]), "out": node("Show", value=["a", 0])}, "a",
     "dependency_cycle", "Dependency cycle detected", "a (Add) -> a (Add)", {"node_id": "a", "cycle_nodes": ["a"]}),
]  # fmt: skip


@pytest.mark.parametrize(
    ("prompt", "blamed", "type", "message", "details", "extra"),
    [row[1:] for row in NODES],
    ids=[row[0] for row in NODES],
)
def test_one_node(
    server: Server, prompt: dict, blamed: str, type: str, message: str, details: str, extra: Fields
):
    answer = ask(server, prompt)
    assert answer.status == 400
    assert answer.body == {
        "error": {
            "type": "prompt_outputs_failed_validation",
            "message": "Prompt outputs failed validation",
            "details": f"{message}: {details}",
            "extra_info": {},
        },
        "node_errors": {
            blamed: {
                "errors": [{"type": type, "message": message, "details": details, "extra_info": dict(extra)}],
                "dependent_outputs": ["out"],
                "class_type": prompt[blamed]["class_type"],
            }
        },
    }


# --- what is taken, and as what ---------------------------------------------------------------------------------------

TAKEN: Sequence[tuple[str, str, Any, str]] = [
    ("4.3-text-to-int", "steps", "5", "int: 5"),
    ("4.3-float-to-int", "steps", 3.7, "int: 3"),
    ("4.3-bool-to-int", "steps", True, "int: 1"),
    ("4.3-int-to-float", "cfg", 7, "float: 7.0"),
    ("4.3-text-to-float", "cfg", "1.5", "float: 1.5"),
    ("4.3-int-to-text", "text", 5, "str: 5"),
    ("4.3-null-to-text", "text", None, "str: None"),
    ("4.3-number-to-bool", "on", 1, "bool: True"),
    ("4.3-improved-the-text-false-is-false", "on", "false", "bool: False"),
    ("4.3-the-text-true-is-true", "on", "true", "bool: True"),
    ("4.3-a-wrapped-value-is-unwrapped", "text", {"__value__": "x"}, "str: x"),
    ("4.3-a-wrapped-list", "many", {"__value__": ["a", "c"]}, "list: ['a', 'c']"),
    ("4.4-min-itself", "steps", 1, "int: 1"),
    ("4.4-max-itself", "steps", 100, "int: 100"),
    ("4.4-a-choice", "sampler", "heun", "str: heun"),
    ("4.4-remote-combos-are-skipped", "far", "elsewhere", "str: elsewhere"),
    ("4.2-a-constant-on-a-socket-is-not-checked", "model", 5, "int: 5"),
]


@pytest.mark.parametrize(("name", "value", "seen"), [row[1:] for row in TAKEN], ids=[row[0] for row in TAKEN])
def test_taken(server: Server, name: str, value: Any, seen: str):
    assert server.run({"out": node("Describe", **{name: value})})["outputs"]["out"] == {name: [seen]}


# --- section 4a: from this output to that input -----------------------------------------------------------------------

TYPES: Sequence[tuple[str, dict[str, Any], dict[str, Any], str | list[str]]] = [
    ("4a-equal", SAMPLE, node("Save", latent=["x", 0]), ""),
    ("4a-producer-any", node("GiveAny"), node("Save", latent=["x", 0]), ""),
    ("4a-consumer-any", SAMPLE, node("Show", value=["x", 0]), ""),
    ("4a-matchtype-gives", node("Match", same=1), node("Save", latent=["x", 0]), ""),
    ("4a-matchtype-takes", IMAGE, node("Save", latent=["m", 0]), ""),
    ("4a-a-list-of-choices-to-a-combo", node("GiveCombo"), node("TakeCombo", sampler=["x", 0]), ""),
    ("4a-text-to-a-combo", node("GiveText"), node("TakeCombo", sampler=["x", 0]), "STRING"),
    ("4a-one-of-a-union", IMAGE, node("Union", either=["x", 0]), ""),
    ("4a-unions-that-share-a-member", node("GiveUnion"), node("Union", either=["x", 0]), ""),
    (
        "4a-a-list-of-choices-to-another-socket",
        node("GiveCombo"),
        node("Save", latent=["x", 0]),
        ["euler", "heun"],
    ),
    ("4a-none-of-a-union", SAMPLE, node("Union", either=["x", 0]), "LATENT"),
]


@pytest.mark.parametrize(
    ("producer", "consumer", "refused"), [row[1:] for row in TYPES], ids=[row[0] for row in TYPES]
)
def test_types(server: Server, producer: dict, consumer: dict, refused: str | list[str]):
    answer = ask(server, {"x": producer, "m": node("Match", same=["x", 0]), "out": consumer})
    assert answer.status == (400 if refused else 200)
    if refused:
        (error,) = answer.errors("out")
        assert (error["type"], error["extra_info"]["received_type"]) == ("return_type_mismatch", refused)
        assert f"received_type({refused}) mismatch" in error["details"]


# --- the result -------------------------------------------------------------------------------------------------------


def test_4_5_one_error_per_input_that_the_check_asks_for(server: Server):
    answer = ask(server, {"out": node("Checks", a=5, b=2)})
    assert [(error["type"], error["details"]) for error in answer.errors("out")] == [
        ("custom_validation_failed", "a - 5 is more than 2"),
        ("custom_validation_failed", "b - 5 is more than 2"),
    ]


@pytest.mark.parametrize("output", [True, False])
def test_4_5_a_check_that_raises_is_one_exception(server: Server, output: bool):
    here = {"x": node("ChecksAndFails", a=3)}
    shown = {} if output else {"out": node("Show", value=["x", 0])}
    answer = ask(server, {**here, **shown}, partial_execution_targets=["x" if output else "out"])
    (error,) = answer.errors("x")
    assert error["type"] == f"exception_during_{'' if output else 'inner_'}validation"
    assert error["details"] == error["extra_info"]["exception_message"] == "no entry 3"
    assert (error["extra_info"]["input_name"], error["extra_info"]["exception_type"]) == ("a", "LookupError")


def test_4_5_links_arrive_as_none(server: Server):
    assert ask(server, {"x": node("Add", a=1), "out": node("Checks", a=["x", 0], b=2)}).status == 200


def test_4_4_bounds_are_left_to_a_check_that_names_the_input(server: Server):
    assert ask(server, {"out": node("Checks", a=60, b=70)}).status == 200
    assert ask(server, {"out": node("ChecksAll", steps=500)}).status == 200


def test_4_2_types_are_left_to_a_check_that_asks_for_them(server: Server):
    assert ask(server, {"x": node("GiveUnion"), "out": node("ChecksTypes", image=["x", 0])}).status == 400
    assert ask(server, {"x": IMAGE, "out": node("ChecksTypes", image=["x", 0])}).status == 200


def test_4_all_faults_of_all_nodes_are_found_at_once(server: Server):
    answer = ask(server, saved(steps=0, cfg=-1, sampler="x") | {"other": node("Save")})
    assert [error["type"] for error in answer.errors("x")] == [
        "value_smaller_than_min", "value_smaller_than_min", "value_not_in_list",
    ]  # fmt: skip
    assert answer.errors("other")[0]["type"] == "required_input_missing"
    assert answer.error["details"].splitlines() == [
        "Value 0 smaller than min of 1: steps",
        "Value -1.0 smaller than min of 0.0: cfg",
        "Value not in list: sampler: 'x' not in ['euler', 'heun']",
        "Required input is missing: latent",
    ]


def test_4_a_node_with_an_invalid_ancestor_carries_no_error_of_its_own(server: Server):
    prompt = saved(steps=0) | {"two": node("Save", latent=["x", 0])}
    answer = ask(server, prompt)
    assert answer.body["node_errors"].keys() == {"x"}
    assert answer.body["node_errors"]["x"]["dependent_outputs"] == ["out", "two"]


def test_4_valid_outputs_run_and_the_errors_ride_in_the_reply(server: Server):
    answer = ask(server, saved(steps=0) | {"good": GOOD})
    assert answer.status == 200 and answer.errors("x")[0]["type"] == "value_smaller_than_min"
    assert server.ended(answer.body["prompt_id"])["outputs"].keys() == {"good"}


def test_4_faults_of_what_no_chosen_output_needs_do_not_count(server: Server):
    answer = ask(server, saved(steps=0) | {"good": GOOD}, partial_execution_targets=["good"])
    assert (answer.status, answer.body["node_errors"]) == (200, {})


def test_1_undeclared_inputs_are_not_checked(server: Server):
    assert ask(server, {"out": node("Describe", steps=5, other=[1, 2, 3], more=["nowhere", 0])}).status == 200


def test_1_an_undeclared_link_to_nowhere_is_a_fault_where_the_class_takes_all(server: Server):
    (error,) = ask(server, {"out": node("Anything", more=["nowhere", 0])}).errors("out")
    assert (error["type"], error["details"]) == ("exception_during_validation", "'nowhere'")

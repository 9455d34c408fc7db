"""Validation: every fault of the prompt API, each found with its node and input."""

import math
from collections.abc import Mapping

import pytest

from nodes.spec import Choices, InputSpec, Json, NodeSpec, Section
from server.graph.errors import PromptError
from server.graph.host import Complaint
from server.graph.model import BareList, Link
from server.graph.parse import parse_input, parse_prompt
from server.graph.validate import Verdict, calls, validate
from tests.server.graph.small import socket, spec

SPECS: Mapping[str, NodeSpec] = {
    entry.id: entry
    for entry in (
        spec("Load", (InputSpec("file", "COMBO", choices=Choices((), "checkpoints")),), ("MODEL",)),
        spec(
            "Sample",
            (
                InputSpec("model", "MODEL"),
                InputSpec("steps", "INT", options={"default": 20, "min": 1, "max": 100}),
                InputSpec("cfg", "FLOAT", options={"min": 0.0, "max": 30.0}),
                InputSpec("name", "COMBO", choices=Choices(("euler", "heun"))),
                InputSpec("flag", "BOOLEAN", Section.OPTIONAL),
                InputSpec("text", "STRING", Section.OPTIONAL),
            ),
            ("LATENT",),
        ),
        spec("Save", (InputSpec("images", "LATENT"),), (), is_output=True),
        spec("SaveAny", (socket("images", "*", optional=False),), (), is_output=True),
        spec("Checked", (InputSpec("n", "INT", options={"min": 5}),), (), is_output=True, validates=("n",)),
    )
}
GOOD: Mapping[str, Json] = {
    "1": {"class_type": "Load", "inputs": {"file": "sd.safetensors"}},
    "2": {
        "class_type": "Sample",
        "inputs": {"model": ["1", 0], "steps": 20, "cfg": 7.0, "name": "euler"},
    },
    "3": {"class_type": "Save", "inputs": {"images": ["2", 0]}},
}


def folder(_key: str) -> list[str]:
    return ["sd.safetensors"]


def judge(prompt: Mapping[str, Json], **more: object) -> Verdict:
    return validate(parse_prompt(prompt), SPECS, folder, **more)  # type: ignore[arg-type]


def edited(id: str, **inputs: Json) -> dict[str, Json]:
    node = GOOD[id]
    assert isinstance(node, Mapping) and isinstance(node["inputs"], Mapping)
    merged = {name: value for name, value in {**node["inputs"], **inputs}.items() if value != "ABSENT"}
    return {**GOOD, id: {**node, "inputs": merged}}


def test_a_good_prompt_is_taken_whole():
    verdict = judge(GOOD)
    assert verdict.error is None and verdict.targets == ("3",) and not verdict.node_faults


@pytest.mark.parametrize(
    ("inputs", "type", "input_name"),
    [
        ({"model": "ABSENT"}, "required_input_missing", "model"),
        ({"model": ["1"]}, "bad_linked_input", "model"),
        ({"model": ["1", 0, 0]}, "bad_linked_input", "model"),
        ({"model": ["9", 0]}, "exception_during_inner_validation", "model"),
        ({"model": ["1", 7]}, "exception_during_inner_validation", "model"),
        ({"steps": "many"}, "invalid_input_type", "steps"),
        ({"steps": None}, "invalid_input_type", "steps"),
        ({"steps": math.nan}, "invalid_input_type", "steps"),
        ({"steps": 0}, "value_smaller_than_min", "steps"),
        ({"steps": 101}, "value_bigger_than_max", "steps"),
        ({"cfg": math.nan}, "invalid_input_type", "cfg"),
        ({"cfg": math.inf}, "invalid_input_type", "cfg"),
        ({"cfg": 1e9}, "value_bigger_than_max", "cfg"),
        ({"name": "magic"}, "value_not_in_list", "name"),
        ({"name": ["1", 0]}, "return_type_mismatch", "name"),
    ],
)
def test_a_wrong_input_is_named(inputs: dict[str, Json], type: str, input_name: str):
    verdict = judge(edited("2", **inputs))
    assert verdict.error and verdict.error.type == "prompt_outputs_failed_validation"
    faults = verdict.node_faults["2"]
    assert faults.dependent_outputs == ("3",) and faults.type == "Sample"
    assert [(fault.type, fault.extra_info["input_name"]) for fault in faults.errors] == [(type, input_name)]
    assert all(fault.message for fault in faults.errors)


def test_all_faults_are_found_at_once():
    prompt = edited("2", steps=0, cfg="x", name="magic")
    prompt["1"] = {"class_type": "Load", "inputs": {"file": "gone.ckpt"}}
    verdict = judge(prompt)
    assert {id: [fault.type for fault in faults.errors] for id, faults in verdict.node_faults.items()} == {
        "1": ["value_not_in_list"],
        "2": ["value_smaller_than_min", "invalid_input_type", "value_not_in_list"],
    }


def test_constants_are_coerced_as_declared():
    verdict = judge(edited("2", steps="12", cfg="7", flag="false", text=5))
    inputs = verdict.graph["2"].inputs
    assert (inputs["steps"], inputs["cfg"], inputs["flag"], inputs["text"]) == (12, 7.0, False, "5")
    assert judge(edited("2", steps=3.7)).graph["2"].inputs["steps"] == 3


def test_valid_outputs_run_though_others_cannot():
    prompt = {**edited("2", steps=0), "4": {"class_type": "SaveAny", "inputs": {"images": ["1", 0]}}}
    verdict = judge(prompt)
    assert verdict.error is None and verdict.targets == ("4",)
    assert list(verdict.node_faults) == ["2"]


def test_only_the_outputs_asked_for_are_judged():
    prompt = {**edited("2", steps=0), "4": {"class_type": "SaveAny", "inputs": {"images": ["1", 0]}}}
    verdict = judge(prompt, only=["4"])
    assert verdict.targets == ("4",) and not verdict.node_faults


def test_an_unknown_class_is_named_with_its_title():
    verdict = judge({**GOOD, "8": {"class_type": "Mystery", "inputs": {}, "_meta": {"title": "My node"}}})
    assert verdict.error and verdict.error.type == "missing_node_type"
    assert verdict.error.extra_info == {"node_id": "8", "class_type": "Mystery", "node_title": "My node"}
    assert "My node" in verdict.error.message


def test_a_prompt_without_outputs_is_refused():
    verdict = judge({"1": GOOD["1"]})
    assert verdict.error and verdict.error.type == "prompt_no_outputs"


def test_a_cycle_is_told_with_its_nodes():
    prompt: dict[str, Json] = {
        "a": {"class_type": "Sample", "inputs": {"model": ["b", 0], "steps": 1, "cfg": 1, "name": "euler"}},
        "b": {"class_type": "Sample", "inputs": {"model": ["a", 0], "steps": 1, "cfg": 1, "name": "euler"}},
        "s": {"class_type": "Save", "inputs": {"images": ["a", 0]}},
    }
    verdict = judge(prompt)
    cycles = [fault for faults in verdict.node_faults.values() for fault in faults.errors]
    found = [fault for fault in cycles if fault.type == "dependency_cycle"]
    assert len(found) == 1 and set(found[0].extra_info["cycle_nodes"]) == {"a", "b"}  # type: ignore[arg-type]
    assert verdict.error is not None


def test_a_node_that_checks_itself_is_asked_and_its_bounds_are_not():
    prompt: dict[str, Json] = {"1": {"class_type": "Checked", "inputs": {"n": 1}}}
    asked = calls(parse_prompt(prompt), SPECS)
    assert [(call.node, call.constants) for call in asked] == [("1", {"n": 1})]
    assert judge(prompt).error is None
    verdict = judge(prompt, complaints=[Complaint("1", "n", "too odd")])
    (fault,) = verdict.node_faults["1"].errors
    assert (fault.type, fault.details) == ("custom_validation_failed", "n - too odd")


def test_a_long_list_of_choices_is_not_spelt_out():
    many = {
        "Load": spec(
            "Load", (InputSpec("file", "COMBO", choices=Choices(tuple(range(30)))),), (), is_output=True
        )
    }
    prompt = parse_prompt({"1": {"class_type": "Load", "inputs": {"file": "x"}}})
    (fault,) = validate(prompt, many, folder).node_faults["1"].errors
    assert "(list of length 30)" in fault.details and fault.extra_info["input_config"] is None


@pytest.mark.parametrize(
    ("raw", "read"),
    [
        (["1", 0], Link("1", 0)),
        (["1", 1.0], Link("1", 1)),
        ([1, 0], BareList((1, 0))),
        (["1", "0"], BareList(("1", "0"))),
        (["1", True], BareList(("1", True))),
        ({"__value__": ["1", 0]}, ["1", 0]),
        ({"other": 1}, {"other": 1}),
        ("text", "text"),
    ],
)
def test_a_link_is_a_string_and_a_number_and_nothing_else(raw: Json, read: object):
    assert parse_input(raw) == read


@pytest.mark.parametrize("raw", [None, [], "x", 5, {"1": []}, {"1": {"class_type": "A", "inputs": []}}])
def test_what_is_not_a_prompt_is_refused(raw: object):
    with pytest.raises(PromptError) as caught:
        parse_prompt(raw)
    assert caught.value.fault.type == "invalid_prompt"


def test_a_node_without_a_class_is_named():
    with pytest.raises(PromptError) as caught:
        parse_prompt({"7": {"inputs": {}}})
    assert caught.value.fault.type == "missing_node_type" and "#7" in caught.value.fault.details

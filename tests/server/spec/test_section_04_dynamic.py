"""EXECUTOR.md section 4, inputs that bring others, over HTTP: what is wrong with them, and what a node receives."""

from collections.abc import Mapping, Sequence
from typing import Any

import pytest

from tests.server.spec.asking import ask
from tests.server.spec.playing import node
from tests.serving import Server

LIKE = {"how": "like", "how.match": ["x", 0]}
PICTURE, LATENT = node("Image"), node("Sample", steps=1)

WRONG: Sequence[tuple[str, dict[str, Any], dict[str, Any], str, str, str]] = [
    ("4-a-group-lacks-what-must-be", node("Grows", **{"numbers.n0": 1}), PICTURE,
     "required_input_missing", "numbers.n1", "numbers.n1"),
    ("4-a-slot-that-a-group-has-not", node("Grows", **{"numbers.n0": 1, "numbers.n1": 2, "numbers.n12": 3}), PICTURE,
     "invalid_dynamic_input", "numbers.n12", "numbers.n12: 'numbers' has 12 inputs, numbers.n0 to numbers.n11"),
    ("4-a-value-for-the-group", node("Grows", numbers=5, **{"numbers.n0": 1, "numbers.n1": 2}), PICTURE,
     "invalid_dynamic_input", "numbers", "numbers: it is a group: give its inputs, numbers.n0, numbers.n1..."),
    ("4-a-slot-of-another-type", node("Grows", **{"numbers.n0": 1, "numbers.n1": ["x", 0]}), PICTURE,
     "return_type_mismatch", "numbers.n1", "numbers.n1, received_type(IMAGE) mismatch input_type(INT)"),
    ("4-a-constant-of-another-type", node("Grows", **{"numbers.n0": 1, "numbers.n1": "x"}), PICTURE,
     "invalid_input_type", "numbers.n1", "numbers.n1, x, invalid literal for int() with base 10: 'x'"),
    ("4-no-choice", node("Brings"), PICTURE, "required_input_missing", "how", "how"),
    ("4-a-choice-that-is-none", node("Brings", how="by luck"), PICTURE, "invalid_dynamic_input", "how",
     "how: 'by luck' not in ['by size', 'by factor', 'like']"),
    ("4-a-linked-choice", node("Brings", how=["x", 0]), PICTURE, "invalid_dynamic_input", "how",
     "how: its choice decides which inputs the node has, so it must be set, not linked"),
    ("4-what-a-choice-needs", node("Brings", how="by factor"), PICTURE,
     "required_input_missing", "how.factor", "how.factor"),
    ("4-bounds-of-the-chosen", node("Brings", how="by factor", **{"how.factor": 9}), PICTURE,
     "value_bigger_than_max", "how.factor", "how.factor"),
    ("4-a-choice-in-a-choice", node("Brings", how="by size", **{"how.width": 5, "how.crop": "x"}), PICTURE,
     "value_not_in_list", "how.crop", "how.crop: 'x' not in ['no', 'center']"),
    ("4-a-link-in-a-choice", node("Brings", **LIKE), LATENT, "return_type_mismatch", "how.match",
     "how.match, received_type(LATENT) mismatch input_type(IMAGE,MASK)"),
]  # fmt: skip


@pytest.mark.parametrize(
    ("out", "x", "type", "name", "details"), [row[1:] for row in WRONG], ids=[row[0] for row in WRONG]
)
def test_wrong(server: Server, out: dict, x: dict, type: str, name: str, details: str):
    answer = ask(server, {"x": x, "out": out})
    (error,) = answer.errors("out")
    assert (error["type"], error["details"]) == (type, details)
    assert error["extra_info"]["input_name"] == name and error["extra_info"]["input_config"]


TAKEN: Sequence[tuple[str, dict[str, Any], list[str]]] = [
    ("4-a-group", node("Grows", **{"numbers.n11": 3, "numbers.n1": "2", "numbers.n0": ["y", 0]}),
     ["n0=7", "n1=2", "n11=3"]),
    ("4-a-choice", node("Brings", how="by factor", **{"how.factor": 2}), ["how='by factor'", "factor=2.0"]),
    ("4-what-another-choice-left-behind", node("Brings", how="by factor", **{"how.factor": 2, "how.width": 999}),
     ["how='by factor'", "factor=2.0"]),
    ("4-one-name-in-two-choices", node("Brings", **LIKE, **{"how.width": 3}), ["how='like'", "match=None", "width=3.0"]),
]  # fmt: skip


@pytest.mark.parametrize(("out", "text"), [row[1:] for row in TAKEN], ids=[row[0] for row in TAKEN])
def test_taken(server: Server, out: dict, text: list[str]):
    entry = server.run({"x": PICTURE, "y": node("Add", a=3, b=4), "out": out})
    assert entry["outputs"]["out"]["text"] == text


def test_4_the_nodes_own_check_receives_the_dict(server: Server):
    (error,) = ask(
        server, {"out": node("Brings", how="by size", **{"how.width": 13, "how.crop": "no"})}
    ).errors("out")
    assert (error["type"], error["details"]) == ("custom_validation_failed", "how - too thin")


def test_14_object_info_tells_them_as_the_field_does(server: Server):
    described: Mapping[str, Any] = server.get("/object_info")
    kind, options = described["Grows"]["input"]["required"]["numbers"]
    template = {"input": {"required": {"n": ["INT", {}]}}, "prefix": "n", "min": 2, "max": 12}
    assert (kind, options) == ("COMFY_AUTOGROW_V3", {"template": template})
    kind, options = described["Brings"]["input"]["required"]["how"]
    assert kind == "COMFY_DYNAMICCOMBO_V3"
    assert [option["key"] for option in options["options"]] == ["by size", "by factor", "like"]
    assert options["options"][0]["inputs"]["required"]["crop"] == [["no", "center"], {}]

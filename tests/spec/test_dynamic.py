"""Inputs that bring others: how they are described, which there are, and how a node receives them."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated

from nodes.spec import (
    Autogrow,
    Combo,
    Context,
    DynamicCombo,
    Float,
    InputSpec,
    Int,
    Out,
    Section,
    Socket,
    node,
    read_input,
)

FIELD = json.loads((Path(__file__).parents[1] / "data" / "spec" / "dynamic_nodes.json").read_text())
SIDE = Int(minimum=0, maximum=16384, step=1, extra={"default": 512})
CROP = Combo(("disabled", "center"), bare=False, extra={"default": "center", "multiselect": False})
RESIZES = {
    "scale by multiplier": {
        "multiplier": Float(minimum=0.01, maximum=8.0, step=0.01, extra={"default": 1.0})
    },
    "scale dimensions": {"width": SIDE, "height": SIDE, "crop": CROP},
    "match size": {"match": Socket("IMAGE,MASK"), "crop": CROP},
}


@node("BatchImagesNode")
def batch(
    ctx: Context,
    images: Annotated[Mapping[str, object], Autogrow(Socket("IMAGE"), "image", minimum=2, maximum=50)],
) -> Annotated[object, Out("IMAGE")]:
    """As in the field's table."""


@node("ResizeImageMaskNode")
def resize(
    ctx: Context, resize_type: Annotated[Mapping[str, object], DynamicCombo(RESIZES)]
) -> Annotated[object, Out("IMAGE")]:
    """As in the field's table."""


@node("Both")
def both(
    ctx: Context,
    mode: Annotated[
        Mapping[str, object],
        DynamicCombo(
            {
                "one": {"a": Socket("INT", lazy=True)},
                "many": {"rows": Autogrow(Socket("INT"), names=("x", "y"), minimum=1)},
                "deeper": {"mode": DynamicCombo({"in": {"b": Float(optional=True)}})},
            }
        ),
    ],
    plain: Annotated[int, Int()] = 0,
) -> Annotated[object, Out("INT")]:
    """One in the other."""


def names(spec, **given: object) -> list[str]:
    return [entry.name for entry in spec.inputs_with(given)]


def test_a_group_is_described_as_the_field_does():
    declared = batch.spec.inputs[0]
    assert [declared.type, dict(declared.options)] == FIELD["BatchImagesNode"]["input"]["required"]["images"]


def test_a_dynamic_combo_is_described_as_the_field_does():
    declared = resize.spec.inputs[0]
    kind, options = FIELD["ResizeImageMaskNode"]["input"]["required"]["resize_type"]
    wanted = [option for option in options["options"] if option["key"] in RESIZES]
    assert (declared.type, declared.options["options"]) == (kind, wanted)


def test_a_group_has_what_must_be_and_what_is_there():
    assert names(batch.spec) == ["images.image0", "images.image1"]
    assert names(batch.spec, **{"images.image7": 1}) == ["images.image0", "images.image1", "images.image7"]
    sections = [entry.section for entry in batch.spec.inputs_with({"images.image7": 1})]
    assert sections == [Section.REQUIRED, Section.REQUIRED, Section.OPTIONAL]


def test_a_choice_decides_what_follows():
    assert names(resize.spec, resize_type="scale by multiplier") == ["resize_type", "resize_type.multiplier"]
    assert (
        names(resize.spec, resize_type="nothing") == names(resize.spec, resize_type=None) == ["resize_type"]
    )
    assert names(both.spec, mode="many") == ["mode", "mode.rows.x", "plain"]
    deeper = {"mode": "deeper", "mode.mode": "in"}
    assert names(both.spec, **deeper) == ["mode", "mode.mode", "mode.mode.b", "plain"]


def test_every_input_that_may_be_is_known_by_name():
    last, match = batch.spec.input("images.image49"), resize.spec.input("resize_type.match")
    assert last and match and (last.type, match.type) == ("IMAGE", "IMAGE,MASK")
    assert batch.spec.input("images.image50") is None
    assert both.spec.late == {"mode.a"}


def test_a_node_receives_a_dict_in_the_order_of_its_slots():
    given = {"images.image10": 3, "images.image2": 2, "images.image0": 1, "images.image99": 4}
    received = batch.spec.arguments(given)["images"]
    assert list(received.items()) == [("image0", 1), ("image2", 2), ("image10", 3)]  # type: ignore[attr-defined]
    assert batch.spec.arguments({}) == {"images": {}}


def test_a_node_receives_its_choice_and_what_that_brings_alone():
    left_over = {"resize_type.width": 5, "resize_type.multiplier": 2.0}
    received = resize.spec.arguments({"resize_type": "scale by multiplier", **left_over})
    assert received == {"resize_type": {"resize_type": "scale by multiplier", "multiplier": 2.0}}


def test_one_in_the_other_is_a_dict_in_a_dict():
    flat = {"mode": "many", "mode.rows.x": 1, "mode.rows.y": 2, "plain": 3}
    assert both.spec.arguments(flat) == {"mode": {"mode": "many", "rows": {"x": 1, "y": 2}}, "plain": 3}
    flat = {"mode": "deeper", "mode.mode": "in", "mode.mode.b": 0.5}
    assert both.spec.arguments(flat) == {"mode": {"mode": {"mode": "in", "b": 0.5}}}


def test_a_node_without_such_inputs_receives_what_is_given_with_dots_and_all():
    from tests.spec.test_node import everything

    flat = {"a.b": 1}
    assert everything.spec.arguments(flat) is flat


def test_a_description_that_says_nothing_brings_nothing():
    for kind in ("COMFY_AUTOGROW_V3", "COMFY_DYNAMICCOMBO_V3"):
        for options in ({}, {"template": 5, "options": 5}, {"template": {"input": {}}, "options": [{}, 7]}):
            from nodes.spec import NodeSpec

            spec = NodeSpec(id="Odd", inputs=(InputSpec("x", kind, options=options),))
            assert "x.y" not in names(spec, x="key", **{"x.y": 1})


def test_an_input_is_read_as_descriptions_have_it():
    combo = read_input("a", ["COMBO", {"options": ["x"], "default": "x"}], Section.OPTIONAL)
    assert combo.choices and combo.choices.values == ("x",) and combo.options == {"default": "x"}
    assert read_input("a", [["x", "y"]], Section.REQUIRED).type == "COMBO"
    assert read_input("a", "IMAGE", Section.REQUIRED).type == "IMAGE"

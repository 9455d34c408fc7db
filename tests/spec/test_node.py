"""`@node` reads a typed function into a description, and says what is wrong with one it cannot read."""

import pickle
from collections.abc import Sequence
from typing import Annotated

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nodes.spec import (
    Boolean,
    Choices,
    Combo,
    Context,
    Float,
    Hidden,
    InputSpec,
    Int,
    Node,
    NodeError,
    Out,
    OutputSpec,
    Registry,
    Section,
    Socket,
    SpecError,
    String,
    compatible,
    node,
)


def wanted(ctx: Context, a: object, b: object) -> Sequence[str]:
    return ("a",)


@node("Everything", name="All kinds", category="test/kinds", needs=wanted, search_aliases=("each",))
def everything(
    ctx: Context,
    model: Annotated[object, Socket("MODEL")],
    a: Annotated[object, Socket("IMAGE", lazy=True)],
    extra: Annotated[object, Socket("MASK", optional=True, tooltip="where")] = None,
    seed: Annotated[int, Int(minimum=0, maximum=2**64 - 1, seed=True)] = 0,
    cfg: Annotated[float, Float(minimum=0.0, maximum=100.0, step=0.1, round=0.01)] = 8.0,
    text: Annotated[str, String(multiline=True, dynamic=True)] = "",
    flag: Annotated[bool, Boolean(label_on="yes", label_off="no")] = True,
    kind: Annotated[str, Combo(("x", "y"))] = "x",
    file: Annotated[str, Combo(folder="loras", bare=False)] = "",
    prompt: Annotated[object, Hidden("PROMPT")] = None,
) -> tuple[Annotated[object, Out("LATENT")], Annotated[list[object], Out("IMAGE", "frames", is_list=True)]]:
    """Shows every kind of input.

    Not this paragraph.
    """


def test_a_function_becomes_a_description():
    spec = everything.spec
    assert (spec.id, spec.display_name, spec.category) == ("Everything", "All kinds", "test/kinds")
    assert spec.description == "Shows every kind of input."
    assert spec.decides_lazily and not spec.is_output and not spec.has_change_token
    assert spec.outputs == (OutputSpec("LATENT", "LATENT"), OutputSpec("IMAGE", "frames", True))
    assert [entry.name for entry in spec.inputs] == [
        "model", "a", "seed", "cfg", "text", "flag", "kind", "file", "extra", "prompt",
    ]  # fmt: skip
    by_name = {entry.name: entry for entry in spec.inputs}
    assert by_name["seed"].options == {
        "default": 0,
        "min": 0,
        "max": 2**64 - 1,
        "control_after_generate": True,
    }
    assert by_name["cfg"].options == {"default": 8.0, "min": 0.0, "max": 100.0, "step": 0.1, "round": 0.01}
    assert by_name["text"].options == {"default": "", "multiline": True, "dynamicPrompts": True}
    assert by_name["flag"].options == {"default": True, "label_on": "yes", "label_off": "no"}
    assert by_name["kind"].choices == Choices(("x", "y")) and by_name["file"].choices == Choices(
        (), "loras", False
    )
    assert by_name["a"].lazy and by_name["extra"].section is Section.OPTIONAL
    assert by_name["prompt"] == InputSpec("prompt", "PROMPT", Section.HIDDEN)


def test_a_description_travels_without_its_function():
    assert pickle.loads(pickle.dumps(everything.spec)) == everything.spec


def test_a_parameter_without_a_marker_is_refused_by_name():
    with pytest.raises(SpecError, match="'value'"):

        @node("Bad")
        def bad(ctx: Context, value: int) -> None: ...


def test_a_function_that_takes_no_context_is_refused():
    with pytest.raises(SpecError, match="Context"):

        @node("Bad")
        def bad(value: Annotated[int, Int()]) -> None: ...


def test_an_output_without_a_marker_is_refused():
    with pytest.raises(SpecError, match="Out"):

        @node("Bad")
        def bad(ctx: Context) -> int: ...


def small(id: str, name: str = "") -> Node:
    @node(id, name=name)
    def empty(ctx: Context) -> None:
        """Nothing."""

    return empty


def test_a_pack_replaces_a_packs_node_and_never_a_built_in_one():
    registry = Registry([small("Ours")])
    assert registry.add(small("Theirs", "first")) and registry.add(small("Theirs", "second"))
    assert not registry.add(small("Ours", "stolen"))
    registry.remove("Ours")
    assert {id: spec.display_name for id, spec in registry.specs().items()} == {
        "Ours": "Ours",
        "Theirs": "second",
    }
    registry.remove("Theirs")
    assert registry.get("Theirs") is None and len(registry) == 1


def test_an_error_crosses_a_process_border_with_message_and_hint():
    class Special(NodeError):
        def __init__(self, number: int) -> None:
            super().__init__(f"number {number}", "choose another")

    error = pickle.loads(pickle.dumps(Special(3)))
    assert type(error) is NodeError and (error.message, error.hint) == ("number 3", "choose another")


kinds = st.sampled_from(["IMAGE", "MASK", "INT", "FLOAT", "*", "FLOAT,INT", "IMAGE, MASK"])


@given(kinds, kinds)
def test_compatibility_is_symmetric_and_everything_fits_itself_and_any(one: str, other: str):
    assert compatible(one, other) == compatible(other, one)
    assert compatible(one, one) and compatible(one, "*")


@pytest.mark.parametrize(
    ("one", "other", "fits"), [("INT", "FLOAT,INT", True), ("IMAGE", "MASK", False), ("INT", "FLOAT", False)]
)
def test_unions_fit_by_a_shared_member(one: str, other: str, fits: bool):
    assert compatible(one, other) is fits

"""Which nodes a result depends on: those behind its links, and no others."""

from typing import Annotated

from nodes.spec import Choices, Combo, Context, InputSpec, Int, NodeSpec, Out, Registry, Socket, node
from server.graph.written import Written
from server.worker.lineage import lineage
from server.worker.running import Made, RunningPrompt

LARGEST = 2**64 - 1


@node("Load", category="test")
def load(
    ctx: Context, name: Annotated[str, Combo(("none",), folder="checkpoints")]
) -> Annotated[str, Out("MODEL")]:
    """Load a model."""
    return name


@node("Draw", category="test")
def draw(
    ctx: Context,
    model: Annotated[str, Socket("MODEL")],
    seed: Annotated[int, Int(maximum=LARGEST, seed=True)] = 0,
    steps: Annotated[int, Int()] = 1,
) -> Annotated[str, Out("IMAGE")]:
    """Draw a picture."""
    return model


SPECS = Registry((load, draw)).spec
PROMPT = {
    "2": {"class_type": "Load", "inputs": {"name": "used.safetensors"}},
    "10": {"class_type": "Draw", "inputs": {"model": ["2", 0], "seed": LARGEST, "steps": 3}},
    "3": {"class_type": "Load", "inputs": {"name": "another.safetensors"}},
    "4": {"class_type": "Draw", "inputs": {"model": ["3", 0]}},
    "11": {"class_type": "Save", "inputs": {"images": ["10", 0], "size": {"__value__": [1, 2]}}},
}


def test_only_what_is_behind_its_links_had_a_part():
    found = lineage("job", RunningPrompt(Written(PROMPT)), SPECS, "11", 3)
    assert (found.job, found.node, found.call) == ("job", "11", 3)
    assert [maker.node for maker in found.makers] == ["2", "10", "11"]


def test_makers_say_their_constants_files_and_seeds():
    loader, drawer, saver = lineage("job", RunningPrompt(Written(PROMPT)), SPECS, "11").makers
    assert (loader.inputs, loader.folders) == ({"name": "used.safetensors"}, {"name": "checkpoints"})
    assert (drawer.inputs, drawer.seeds) == ({"seed": LARGEST, "steps": 3}, ("seed",))
    assert (drawer.module, drawer.version) == (draw.spec.module, draw.spec.version)
    assert (saver.known, saver.inputs) == (False, {"size": [1, 2]})


def test_a_value_that_a_combo_offers_itself_is_no_file():
    prompt = {"1": {"class_type": "Load", "inputs": {"name": "none"}}}
    assert lineage("job", RunningPrompt(Written(prompt)), SPECS, "1").makers[0].folders == {}


def test_a_packs_list_of_uploads_names_input_pictures():
    declared = InputSpec("image", "COMBO", choices=Choices(("a.png",)), options={"image_upload": True})
    spec = NodeSpec(id="Pack", inputs=(declared,))
    prompt = {"1": {"class_type": "Pack", "inputs": {"image": "a.png"}}}
    (maker,) = lineage("job", RunningPrompt(Written(prompt)), {"Pack": spec}.get, "1").makers
    assert maker.folders == {"image": "input"}


def test_a_graph_that_a_node_made_belongs_to_it():
    running = RunningPrompt(Written({**PROMPT, "10": {"class_type": "Twice", "inputs": {"model": ["2", 0]}}}))
    made = {"class_type": "Draw", "inputs": {"model": ["10.1", 0], "noise": object()}}
    running.add("10.1", Made({"class_type": "Load", "inputs": {"name": "x.sft"}}, "10", "10", "10"))
    running.add("10.2", Made(made, "10", "10", "10"))
    assert [maker.node for maker in lineage("job", running, SPECS, "11").makers] == [
        "2", "10", "11", "10.1", "10.2",
    ]  # fmt: skip
    assert {maker.node for maker in lineage("job", running, SPECS, "10.2").makers} == {
        "2", "10", "10.1", "10.2",
    }  # fmt: skip


def test_a_ring_and_a_link_to_nowhere_end():
    prompt = {
        "1": {"class_type": "Draw", "inputs": {"model": ["2", 0]}},
        "2": {"class_type": "Draw", "inputs": {"model": ["1", 0], "other": ["9", 0]}},
    }
    assert [maker.node for maker in lineage("job", RunningPrompt(Written(prompt)), SPECS, "1").makers] == [
        "1",
        "2",
    ]

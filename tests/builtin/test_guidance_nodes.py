"""Guidance nodes: the rules that they put on a model, and what they say of values that cannot be meant."""

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import torch

from nodes.builtin import all_nodes
from nodes.diffusion.changes import Layers
from nodes.diffusion.guidance import again, joining
from nodes.diffusion.values import CheckpointRef, Cond, Model, Span
from nodes.spec import NodeError

NODES = {entry.spec.id: entry for entry in all_nodes()}
MODEL = Model(CheckpointRef(Path("model.safetensors"), "one"))


def run(name: str, **inputs: object) -> tuple[Any, list[str]]:
    said: list[str] = []
    made = NODES[name].run(SimpleNamespace(say=said.append), **{"model": MODEL, **inputs})
    return made, said


@pytest.mark.parametrize("name", ["WeftGuidanceInterval", "WeftPerturbedAttentionLayers"])
def test_our_own_nodes_refuse_a_share_that_ends_before_it_starts(name: str):
    with pytest.raises(NodeError, match=r"start_percent is 0\.8 and comes after end_percent, which is 0\.3"):
        run(name, start_percent=0.8, end_percent=0.3)
    made, said = run(name, start_percent=0.3, end_percent=0.3)
    assert len(made.rules) == 1
    assert not said


@pytest.mark.parametrize(
    "name",
    [
        "SkipLayerGuidanceDiT",
        "SkipLayerGuidanceDiTSimple",
        "SkipLayerGuidanceSD3",
        "PatchModelAddDownscale",
        "EasyCache",
        "LazyCache",
    ],
)
def test_the_field_s_nodes_run_and_say_that_they_do_nothing(name: str):
    made, said = run(name, start_percent=0.8, end_percent=0.3)
    assert len(made.rules) == 1
    assert said == ["start_percent (0.8) comes after end_percent (0.3): this does nothing in the whole run."]
    assert run(name)[1] == []


def test_a_prompt_that_counts_nowhere_says_so():
    cond = Cond(torch.zeros(1, 2, 3))
    made: Any = NODES["ConditioningSetTimestepRange"]
    said: list[str] = []
    context: Any = SimpleNamespace(say=said.append)
    (ranged,) = made.run(context, conditioning=(cond,), start=0.6, end=0.5)
    assert ranged.span == Span(0.6, 0.5)
    assert said == ["start (0.6) comes after end (0.5): this does nothing in the whole run."]


def test_layers_are_read_from_words():
    made, said = run("SkipLayerGuidanceDiT", double_layers="7, 8;9", single_layers="")
    assert made.rules == (again.SkippedLayers(Layers((7, 8, 9)), 3.0, 0.01, 0.15),)
    assert not said
    made, said = run("WeftPerturbedAttentionLayers", double_layers="all", single_layers="1")
    assert made.rules == (again.PerturbedLayers(Layers((), (1,))),)
    assert said == ["double_layers: there is no number in 'all', so that it names no layer."]
    assert run("SkipLayerGuidanceSD3", layers="none")[0] is MODEL


def test_an_interval_is_a_rule_of_its_share():
    assert run("WeftGuidanceInterval")[0].rules == (joining.LimitedInterval(0.2, 0.8),)

"""Recipes and their keys: equal by content, wherever a file lies; different wherever a result may be."""

from dataclasses import replace
from pathlib import Path

import pytest
import torch

from nodes.diffusion.keys import key
from nodes.diffusion.values import (
    CheckpointRef,
    Clip,
    Cond,
    ControlNet,
    LoraPatch,
    Model,
    ModelSettings,
    Vae,
)

HERE = CheckpointRef(Path("models/checkpoints/a.safetensors"), "c0ffee")
ELSEWHERE = CheckpointRef(Path("/other/b.safetensors"), "c0ffee")
LORA = LoraPatch(CheckpointRef(Path("l.safetensors"), "10ra"), 0.5)


@pytest.mark.parametrize("recipe", [Model, Clip, Vae, ControlNet])
def test_a_recipe_is_equal_by_content_not_by_path(recipe: type):
    assert recipe(HERE) == recipe(ELSEWHERE)
    assert hash(recipe(HERE)) == hash(recipe(ELSEWHERE))
    assert key(recipe(HERE)) == key(recipe(ELSEWHERE))


def test_whatever_changes_a_result_changes_the_key():
    base = Model(HERE)
    other = [
        Vae(HERE),
        Model(CheckpointRef(HERE.path, "other")),
        base.patched(LORA),
        base.patched(replace(LORA, strength=0.6)),
        base.patched(LORA).patched(LORA),
        replace(base, settings=ModelSettings("v")),
        Clip(HERE, last_layer=-2),
    ]
    assert len({key(value) for value in [base, *other]}) == 1 + len(other)


def test_tensors_count_by_shape_type_and_content():
    values = [
        torch.zeros(2, 3),
        torch.zeros(3, 2),
        torch.zeros(2, 3, dtype=torch.bfloat16),
        torch.ones(2, 3),
        torch.tensor(0.0),
        torch.zeros(0),
    ]
    assert len({key(Cond(value)) for value in values}) == len(values)
    assert key(Cond(torch.zeros(2, 3))) == key(Cond(torch.zeros(3, 2).T.contiguous()))


def test_names_and_entries_of_a_mapping_do_not_run_together():
    assert key({"a": "b", "c": 1}) == key({"c": 1, "a": "b"})
    assert (
        len(
            {
                key(value)
                for value in [{"a:": 1}, {"a": 1}, {"a": "1"}, ("a", 1), ["a", (1,)], None, 1, 1.0, True]
            }
        )
        == 9
    )


def test_what_has_no_content_is_refused():
    with pytest.raises(TypeError, match="no content"):
        key(print)

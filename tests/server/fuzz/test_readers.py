"""Mutated pictures and weights, read as nodes read them: what is wrong with a file is said in words."""

from collections.abc import Callable
from pathlib import Path

import pytest

from nodes.builtin.picture_files import read, read_channel
from nodes.diffusion.errors import DiffusionError
from nodes.diffusion.lora_files import read_lora
from nodes.diffusion.models.files import open_weights
from nodes.diffusion.models.load import best_placement, load_network, load_text, load_vae
from nodes.spec import NodeError
from tests.server.fuzz import inputs
from tests.server.fuzz.mutations import Mutator
from tests.server.fuzz.test_fuzz import SEED

MANY = 400


def weights_of(path: Path) -> None:
    found = open_weights(path)
    found.tensors(found.shapes)


@pytest.mark.parametrize("reader", [read, lambda path: read_channel(path, "alpha")], ids=["picture", "alpha"])
def test_a_damaged_picture_is_a_fault_in_words(reader: Callable[[Path], object], tmp_path: Path):
    refused = 0
    for number in range(MANY):
        file = tmp_path / f"{number}.png"
        file.write_bytes(inputs.mutated_picture(Mutator(SEED + number, str(tmp_path))))
        try:
            reader(file)
        except NodeError:
            refused += 1
    assert 0 < refused < MANY


@pytest.mark.parametrize("reader", [weights_of, read_lora], ids=["weights", "lora"])
def test_damaged_weights_are_a_fault_in_words(reader: Callable[[Path], object], tmp_path: Path):
    refused = 0
    for number in range(MANY):
        file = tmp_path / f"{number}.safetensors"
        file.write_bytes(inputs.weights(Mutator(SEED + number, str(tmp_path))))
        try:
            reader(file)
        except DiffusionError:
            refused += 1
    assert 0 < refused < MANY


@pytest.mark.parametrize("load", [load_network, load_text, load_vae])
def test_damaged_checkpoints_are_a_fault_in_words(load: Callable[..., object], tmp_path: Path):
    placement = best_placement()
    for number in range(MANY // 4):
        file = tmp_path / f"{number}.safetensors"
        file.write_bytes(inputs.weights(Mutator(SEED + number, str(tmp_path))))
        with pytest.raises(DiffusionError):
            load(file, placement)

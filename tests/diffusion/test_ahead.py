"""The next model is read while the present one computes; a file that was replaced is not taken for what it was."""

import os
import shutil
import threading

import pytest
import torch

from nodes.diffusion import holding
from nodes.diffusion.errors import DiffusionError
from nodes.diffusion.memory.budget import Budget
from nodes.diffusion.models.detect import Part
from nodes.diffusion.models.files import ContentHashes
from nodes.diffusion.models.load import Placement, load_network
from nodes.diffusion.pool import Pool
from nodes.diffusion.values import Model
from tests.diffusion.models import tiny

PLENTY = 10**9
SINGLE = Placement(torch.device("cpu"), torch.float32, torch.float32)
LATENTS, TIMES, CONTEXT = torch.ones(1, 4, 8, 8), torch.tensor([5.0]), torch.ones(1, 77, tiny.CONTEXT)


@pytest.fixture(scope="module")
def files(tmp_path_factory):
    first = tiny.original_file(tmp_path_factory.mktemp("models") / "first.safetensors")
    second = first.with_name("second.safetensors")
    shutil.copy(first, second)
    with second.open("r+b") as file:  # other content, the last bytes of the last tensor
        file.seek(-8, os.SEEK_END)
        file.write(b"\0" * 8)
    return first, second


def test_the_next_model_is_read_while_the_present_one_computes(files, monkeypatch):
    read, threads = threading.Event(), dict[str, str]()

    def noted(path, placement):
        found = load_network(path, placement)
        threads[path.name] = threading.current_thread().name
        if path.name == "second.safetensors":
            read.set()
        return found

    monkeypatch.setattr(holding, "load_network", noted)
    hashes, pool = ContentHashes(), Pool(SINGLE, PLENTY)
    first, second = (hashes.reference(file) for file in files)
    pool.expect(Part.NETWORK, second)
    with torch.inference_mode(), pool.session() as models:
        models.network(Model(first))(LATENTS, TIMES, CONTEXT)
        assert read.wait(120), "while the session of the first is open"
    with torch.inference_mode(), pool.session() as models:
        models.network(Model(second))(LATENTS, TIMES, CONTEXT)
    assert threads == {
        "first.safetensors": threading.current_thread().name,
        "second.safetensors": "reading ahead",
    }
    pool.empty()
    assert pool.size == 0


def test_what_has_no_room_is_not_read_ahead(files):
    hashes, pool = ContentHashes(), Pool(SINGLE, Budget(PLENTY, reading=1000))
    first, second = (hashes.reference(file) for file in files)
    pool.expect(Part.NETWORK, second)
    with pool.session() as models:
        models.network(Model(first))
    pool.ahead.wait()
    assert (
        pool.ahead.take(Part.NETWORK, second.content, holding.network_build(Model(second).settings)) is None
    )


def test_a_file_that_was_replaced_after_its_model_was_named_is_told(files, tmp_path):
    hashes, path = ContentHashes(), tmp_path / "a.safetensors"
    shutil.copy(files[0], path)
    pool, named = Pool(SINGLE, PLENTY, current=hashes.reference), hashes.reference(path)
    shutil.copy(files[1], tmp_path / "b.safetensors")
    (tmp_path / "b.safetensors").replace(path)
    with (
        pytest.raises(DiffusionError, match=r"a.safetensors has changed since this run began. Run once more"),
        pool.session() as models,
    ):
        models.network(Model(named))
    with pool.session() as models:
        assert models.network(Model(hashes.reference(path)))


def test_weights_under_which_a_file_was_written_are_used_no_more(files, tmp_path):
    hashes, path = ContentHashes(), tmp_path / "a.safetensors"
    shutil.copy(files[0], path)
    pool, named = Pool(SINGLE, PLENTY, current=hashes.reference), hashes.reference(path)
    with pool.session() as models:
        models.network(Model(named))
    with path.open("r+b") as file:
        file.seek(-8, os.SEEK_END)
        file.write(b"\1" * 8)
    with pytest.raises(DiffusionError, match="has changed"), pool.session() as models:
        models.network(Model(named))


def test_a_loaded_model_outlives_a_file_that_took_its_name(files, tmp_path):
    hashes, path = ContentHashes(), tmp_path / "a.safetensors"
    shutil.copy(files[0], path)
    pool, named = Pool(SINGLE, PLENTY, current=hashes.reference), hashes.reference(path)
    with torch.inference_mode(), pool.session() as models:
        network = models.network(Model(named))
        before = network(LATENTS, TIMES, CONTEXT)
        shutil.copy(files[1], tmp_path / "b.safetensors")
        (tmp_path / "b.safetensors").replace(path)
        assert torch.equal(network(LATENTS, TIMES, CONTEXT), before)

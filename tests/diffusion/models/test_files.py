"""Files: damaged ones are refused in words that help; equal content has equal hashes."""

import json
import os
import shutil

import pytest
import torch
from safetensors.torch import save_file

from nodes.diffusion.errors import CheckpointMissing, CheckpointUnreadable, DiffusionError
from nodes.diffusion.models.files import ContentHashes, open_weights
from nodes.diffusion.models.load import load_network


def test_a_missing_file_is_named(tmp_path, placement):
    with pytest.raises(CheckpointMissing, match=r"no file gone\.safetensors.*then refresh"):
        load_network(tmp_path / "gone.safetensors", placement)


@pytest.mark.parametrize("kept", [0, 4, 100, 0.5])
def test_a_file_cut_short_is_refused(kept, model_file, tmp_path, placement):
    data = model_file.read_bytes()
    path = tmp_path / "short.safetensors"
    path.write_bytes(data[: int(len(data) * kept) if isinstance(kept, float) else kept])
    with pytest.raises(CheckpointUnreadable, match=r"short\.safetensors cannot be read.*Download or copy"):
        load_network(path, placement)


@pytest.mark.parametrize("data", [b"\xff" * 64, b"<html>not found</html>", (2).to_bytes(8, "little") + b"[]"])
def test_garbage_is_refused(data, tmp_path, placement):
    path = tmp_path / "garbage.safetensors"
    path.write_bytes(data)
    with pytest.raises(CheckpointUnreadable):
        load_network(path, placement)


@pytest.mark.parametrize("suffix", [".ckpt", ".pt", ".bin"])
def test_a_file_that_could_run_code_is_not_opened(suffix, tmp_path):
    path = tmp_path / f"model{suffix}"
    torch.save({}, path)
    with pytest.raises(CheckpointUnreadable, match="converts it to safetensors"):
        open_weights(path)


def test_errors_cross_a_process_border(tmp_path):
    import pickle

    error = pickle.loads(pickle.dumps(CheckpointMissing(tmp_path / "a.safetensors")))
    assert isinstance(error, DiffusionError) and "a.safetensors" in error.message


def test_a_hash_is_of_content_and_not_of_place(model_file, model_folder, tmp_path, hashes):
    shutil.copy(model_file, tmp_path / "copy.safetensors")
    shutil.copytree(model_folder, tmp_path / "copy")
    assert hashes.reference(model_file) == hashes.reference(tmp_path / "copy.safetensors")
    assert hashes.reference(model_folder) == hashes.reference(tmp_path / "copy")
    assert hashes.reference(model_file) != hashes.reference(model_folder)


def test_a_changed_file_or_folder_has_another_hash(model_folder, tmp_path, hashes):
    path = tmp_path / "a.safetensors"
    save_file({"a": torch.zeros(4)}, path)
    before = hashes.reference(path)
    save_file({"a": torch.ones(4)}, path)
    os.utime(path, ns=(1, 1))
    assert hashes.reference(path) != before
    shutil.copytree(model_folder, tmp_path / "copy")
    (tmp_path / "copy" / "scheduler" / "scheduler_config.json").write_text("{}")
    assert hashes.reference(tmp_path / "copy") != hashes.reference(model_folder)


def test_hashes_are_remembered_between_runs(tmp_path):
    path, store = tmp_path / "a.safetensors", tmp_path / "cache" / "hashes.json"
    save_file({"a": torch.zeros(4)}, path)
    made = ContentHashes(store).reference(path)
    known = json.loads(store.read_text())
    assert list(known.values()) == [made.content]
    store.write_text(json.dumps(dict.fromkeys(known, "remembered")))
    assert ContentHashes(store).reference(path).content == "remembered"
    store.write_text("damaged")
    assert ContentHashes(store).reference(path) == made


def raw(offsets: dict[str, list[int]], length: int | None = None, data: int = 32) -> bytes:
    """A safetensors file written by hand, whose header may lie."""
    said = {name: {"dtype": "F32", "shape": [4], "data_offsets": each} for name, each in offsets.items()}
    header = json.dumps(said).encode()
    return (len(header) if length is None else length).to_bytes(8, "little") + header + bytes(data)


@pytest.mark.parametrize(
    "content",
    [
        raw({"a": [0, 16], "b": [8, 24]}, data=24),
        raw({"a": [0, 16], "b": [0, 16]}, data=16),
        raw({"a": [0, 16], "b": [24, 40]}, data=40),
        raw({"a": [16, 0], "b": [16, 32]}),
        raw({"a": [0, 16], "b": [16, 32]}, data=20),
        raw({"a": [0, 16], "b": [16, 32]}, length=3),
        raw({"a": [0, 16], "b": [16, 32]}, length=10**6),
        raw({"a": [0, 16], "b": [16, 32]}, length=2**63),
    ],
    ids=[
        "overlap",
        "same place",
        "gap",
        "backwards",
        "short data",
        "short header",
        "long header",
        "huge header",
    ],
)
def test_headers_that_lie_are_refused_with_the_file_and_what_to_do(content, tmp_path):
    (tmp_path / "a.safetensors").write_bytes(raw({"a": [0, 16], "b": [16, 32]}))
    assert open_weights(tmp_path / "a.safetensors").shapes == {"a": (4,), "b": (4,)}
    (tmp_path / "a.safetensors").write_bytes(content)
    with pytest.raises(CheckpointUnreadable, match=r"a\.safetensors") as told:
        open_weights(tmp_path / "a.safetensors")
    assert "again, whole" in str(told.value.hint)

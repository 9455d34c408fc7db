"""Pickled files: their tensors are read, what else they say is not done, and the process that reads them can do nothing."""

import collections
import os
import pickle
import resource
import socket
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file

from nodes.diffusion.errors import CheckpointMissing, CheckpointUnreadable, DiffusionError
from nodes.diffusion.models.conversion import Conversions
from nodes.diffusion.models.files import open_weights
from tests.server.test_really_full_disk import fill, small

__all__ = ["small"]

linux = pytest.mark.skipif(sys.platform != "linux", reason="Landlock is Linux's")


@pytest.fixture
def conversions(tmp_path):
    return Conversions(tmp_path / "converted")


def model() -> dict[str, torch.Tensor]:
    chance = torch.Generator().manual_seed(5)
    whole = torch.randn(6, 4, generator=chance)
    return {
        "a.weight": whole,
        "a.turned": whole.T,
        "a.row": whole[2, 1:3],
        "half": whole.half(),
        "bfloat": whole.bfloat16(),
        "eight": whole.to(torch.float8_e4m3fn),
        "whole.numbers": torch.arange(7),
        "yes": torch.tensor([True, False]),
        "one": torch.tensor(0.25),
        "none": torch.zeros(0, 3),
        "parameter": torch.nn.Parameter(whole[:, :1]),
    }


def same(found: Path, expected: dict[str, torch.Tensor]) -> None:
    read = load_file(found)
    assert read.keys() == expected.keys()
    for name, tensor in expected.items():
        assert read[name].dtype == tensor.dtype and read[name].shape == tensor.shape, name
        assert bytes(read[name].detach().reshape(-1).view(torch.uint8).numpy()) == bytes(
            tensor.detach().contiguous().reshape(-1).view(torch.uint8).numpy()
        ), name


class Callback:
    """Code of a training program that nobody has here."""

    def __init__(self):
        self.scores = [1, {"best": 2}]


@pytest.mark.parametrize("zipped", [True, False])
def test_tensors_come_out_bit_for_bit(zipped, tmp_path, conversions):
    path = tmp_path / "model.ckpt"
    expected = model() if zipped else {name: part for name, part in model().items() if name != "eight"}
    torch.save(expected, path, _use_new_zipfile_serialization=zipped)
    same(conversions.safe(path), expected)


@pytest.mark.parametrize("zipped", [True, False])
def test_of_a_training_checkpoint_the_model_is_taken(zipped, tmp_path, conversions):
    expected = {"w": torch.ones(2), "step": torch.tensor(3)}
    said = {
        "epoch": 4,
        "callbacks": {Callback: Callback()},
        "optimizer_states": [{"state": {0: {"exp_avg": torch.zeros(2)}}}],
        "state_dict": collections.OrderedDict(expected, comment=torch.tensor(1.5)),
        "hyper": {"kind": torch.float32, "size": torch.Size([2])},
    }
    torch.save(said, tmp_path / "last.ckpt", _use_new_zipfile_serialization=zipped)
    same(conversions.safe(tmp_path / "last.ckpt"), {**expected, "comment": torch.tensor(1.5)})


def test_names_within_names_are_joined_and_a_first_embedding_has_its_usual_name(tmp_path, conversions):
    torch.save(
        {"image_proj": {"n.weight": torch.ones(2)}, "ip": {1: {"k": torch.zeros(1)}}}, tmp_path / "ip.bin"
    )
    same(
        conversions.safe(tmp_path / "ip.bin"),
        {"image_proj.n.weight": torch.ones(2), "ip.1.k": torch.zeros(1)},
    )
    learned = {
        "string_to_token": {"*": torch.tensor(265)},
        "string_to_param": {"*": torch.ones(1, 4)},
        "name": "cat",
    }
    torch.save(learned, tmp_path / "cat.pt")
    same(conversions.safe(tmp_path / "cat.pt"), {"emb_params": torch.ones(1, 4)})


class Harm:
    """Does as a pickle says: what it calls is written into the file."""

    def __init__(self, call, *arguments):
        self.said = call, arguments

    def __reduce__(self):
        return self.said


@pytest.mark.parametrize("where", ["beside", "instead", "as_name"])
def test_what_a_pickle_wants_to_run_does_not_run(where, tmp_path, conversions):
    mark = tmp_path / "mark"
    harm = Harm(os.system, f"touch {mark}")
    said = {
        "beside": {"w": torch.ones(2), "harm": harm},
        "instead": harm,
        "as_name": {
            "w": torch.ones(2),
            "more": [Harm(eval, f"open({str(mark)!r}, 'w')"), Harm(exec, "raise SystemExit")],
        },
    }[where]
    path = tmp_path / "evil.ckpt"
    torch.save(said, path)
    if where == "instead":
        with pytest.raises(CheckpointUnreadable, match=r"evil\.ckpt cannot be read: it holds no tensors"):
            conversions.safe(path)
    else:
        same(conversions.safe(path), {"w": torch.ones(2)})
    assert not mark.exists()


TRIES = {
    "read": "open({file!r}).read()",
    "write": "open({file!r}, 'w')",
    "list": "__import__('os').listdir('/')",
    "connect": "__import__('socket').create_connection(('127.0.0.1', {port}), 2)",
    "send": "__import__('socket').socket(__import__('socket').AF_INET, __import__('socket').SOCK_DGRAM)",
    "run": "__import__('subprocess').run(['true'])",
    "replace": "__import__('os').execv('/bin/true', ['true'])",
    "remove": "__import__('os').remove({file!r})",
}


@linux
@pytest.mark.parametrize("name", TRIES)
def test_a_confined_process_reaches_nothing(name, tmp_path):
    file = tmp_path / "secret"
    file.write_text("secret")
    with socket.create_server(("127.0.0.1", 0)) as server:
        attempt = TRIES[name].format(file=str(file), port=server.getsockname()[1])
        code = (
            "import os, socket, subprocess, sys; from nodes.diffusion.models.confined import confine\n"
            "means = confine() if sys.argv[1] == 'confined' else ()\n"
            f"try:\n    {attempt}\nexcept OSError as error:\n    print('refused', *means)\nelse:\n    print('done')\n"
        )
        said = {}
        for how in ("confined", "free"):
            done = subprocess.run(
                [sys.executable, "-c", code, how], capture_output=True, text=True, check=True
            )
            said[how] = done.stdout.split()
    assert said["confined"][:1] == ["refused"] and "limits" in said["confined"]
    assert said["free"] in (["done"], []), "the same without it goes through, or this shows nothing"


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"PK\x03\x04",
        b"<html>",
        pickle.dumps({"w": 1}),
        pickle.dumps(0x1950A86A20F9469CFC6C),
        b"\x80\x02" * 50,
    ],
)
def test_what_is_no_file_of_torch_is_refused(data, tmp_path, conversions):
    path = tmp_path / "broken.pt"
    path.write_bytes(data)
    with pytest.raises(CheckpointUnreadable, match=r"broken\.pt cannot be read: .*Download or copy"):
        conversions.safe(path)
    assert not list((tmp_path / "converted").rglob("*.*"))


@pytest.mark.parametrize("share", [0.1, 0.5, 0.9, 0.99])
@pytest.mark.parametrize("zipped", [True, False])
def test_a_file_cut_short_is_refused_or_whole(zipped, share, tmp_path, conversions):
    whole = tmp_path / "whole.ckpt"
    torch.save({"w": torch.ones(500)}, whole, _use_new_zipfile_serialization=zipped)
    path = tmp_path / "short.ckpt"
    path.write_bytes(whole.read_bytes()[: int(whole.stat().st_size * share)])
    with pytest.raises(CheckpointUnreadable, match=r"short\.ckpt"):
        conversions.safe(path)


def test_a_tensor_outside_its_numbers_is_refused(tmp_path, conversions):
    class Outside:
        def __reduce__(self):
            return torch._utils._rebuild_tensor_v2, (
                torch.ones(4).untyped_storage(),
                0,
                (4,),
                (1,),
                False,
                {},
            )

    held = torch.ones(4)
    path = tmp_path / "outside.ckpt"
    torch.save({"w": held}, path, _use_new_zipfile_serialization=False)
    data = path.read_bytes()
    at = data.index(b"K\x04\x85")  # the shape (4,)
    path.write_bytes(data[:at] + b"K\x40\x85" + data[at + 3 :])
    with pytest.raises(CheckpointUnreadable, match="outside the numbers"):
        conversions.safe(path)


def test_a_file_is_converted_once_and_again_when_it_changes(tmp_path, conversions):
    path = tmp_path / "model.ckpt"
    torch.save({"w": torch.ones(2)}, path)
    first = conversions.safe(path)
    stamp = first.stat().st_mtime_ns
    assert conversions.safe(path) == first and first.stat().st_mtime_ns == stamp
    torch.save({"w": torch.zeros(3)}, path)
    os.utime(path, ns=(1, 1))
    second = conversions.safe(path)
    assert second != first and open_weights(second).shapes == {"w": (3,)}
    assert second.name == "model.safetensors"
    assert conversions.safe(second) == second


def test_stop_ends_it_and_leaves_nothing(tmp_path, conversions):
    path = tmp_path / "model.ckpt"
    torch.save({"w": torch.ones(2)}, path)

    class Stopped(Exception): ...

    def stop():
        raise Stopped

    with pytest.raises(Stopped):
        conversions.safe(path, stop)
    assert not list((tmp_path / "converted").rglob("*.*"))
    with pytest.raises(CheckpointMissing):
        conversions.safe(tmp_path / "gone.ckpt")


def test_a_folder_that_cannot_be_written_is_named(tmp_path):
    path = tmp_path / "model.ckpt"
    torch.save({"w": torch.ones(2)}, path)
    blocked = tmp_path / "file"
    blocked.write_text("")
    with pytest.raises(DiffusionError, match=r"model\.ckpt cannot be converted.*get the file as safetensors"):
        Conversions(blocked).safe(path)


def test_a_disk_that_is_full_is_told_leaves_nothing_behind_and_the_next_try_works(tmp_path, small):
    """Really full, before it begins or while it writes: what lies in a file once may be several tensors of it."""
    conversions = Conversions(small / "converted")
    torch.save({"wide": torch.full((1,), 0.5).expand(3 << 20)}, tmp_path / "grows.ckpt")
    torch.save({"large": torch.ones(1 << 20)}, tmp_path / "large.ckpt")
    for name in ("grows", "large"):
        filler = fill(small) if name == "large" else None
        with pytest.raises(DiffusionError, match="too little room") as told:
            conversions.safe(tmp_path / f"{name}.ckpt")
        assert "Free some disk space" in str(told.value.hint)
        assert not [path for path in small.rglob("*") if path.is_file() and path != filler]
        if filler is not None:
            filler.unlink()
    same(conversions.safe(tmp_path / "large.ckpt"), {"large": torch.ones(1 << 20)})


@linux
def test_a_file_that_may_not_grow_further_is_told_alike(tmp_path, conversions):
    """A limit of the system on files' sizes (`ulimit -f`), as some shared machines have it."""
    torch.save({"large": torch.ones(1 << 20)}, tmp_path / "large.ckpt")
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (1 << 20, before[1]))
    try:
        with pytest.raises(DiffusionError, match="too little room"):
            conversions.safe(tmp_path / "large.ckpt")
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
    assert not [path for path in (tmp_path / "converted").rglob("*") if path.is_file()]
    same(conversions.safe(tmp_path / "large.ckpt"), {"large": torch.ones(1 << 20)})

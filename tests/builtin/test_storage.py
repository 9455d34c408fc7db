"""Values that go to disk come back bit for bit; what is no data is refused."""

import io
import math
from collections import OrderedDict
from dataclasses import fields, is_dataclass
from pathlib import Path

import numpy as np
import pytest
import safetensors.torch
import torch
from hypothesis import given, strategies
from torch import Tensor

from nodes.builtin.storage import ARRAYS, TENSORS, ResultCodec, identity
from nodes.diffusion.changes import Layers
from nodes.diffusion.guidance import DualGuidance
from nodes.diffusion.guidance.again import SkippedLayers
from nodes.diffusion.guidance.joining import PerpNeg
from nodes.diffusion.models.load import best_placement
from nodes.diffusion.values import (
    PIXEL_SPACE,
    Area,
    CheckpointRef,
    Clip,
    Cond,
    ControlNet,
    ControlUse,
    Hook,
    HookGroup,
    Latent,
    LoraPatch,
    Merge,
    Model,
    ModelSettings,
    Span,
    Vae,
    WeightScale,
)
from nodes.spec import Blocker, Unstorable
from server.worker.entry import About, encode, read, write

FILE = CheckpointRef(Path(__file__), "content")
ABOUT = About("key", "Node", 1.5, {"images": [{"filename": "ä\udc80.png"}]}, 1)


def through_a_file(value: object) -> object:
    file = io.BytesIO()
    write(file, encode(ABOUT, ResultCodec().pack(value)))
    return ResultCodec().unpack(read(file, "key"))


def same(one: object, other: object) -> bool:
    """Equal in type and in every bit."""
    if type(one) is not type(other):
        return False
    if isinstance(one, Tensor):
        return (
            one.dtype == other.dtype
            and one.shape == other.shape
            and one.contiguous().reshape(-1).view(torch.uint8).numpy().tobytes()
            == other.contiguous().reshape(-1).view(torch.uint8).numpy().tobytes()
        )
    if isinstance(one, np.ndarray):
        return one.dtype == other.dtype and one.shape == other.shape and one.tobytes() == other.tobytes()
    if isinstance(one, float):
        return (math.isnan(one) and math.isnan(other)) or (one, str(one)) == (other, str(other))
    if isinstance(one, list | tuple):
        return len(one) == len(other) and all(map(same, one, other))
    if isinstance(one, dict):
        return same(list(one), list(other)) and same(list(one.values()), list(other.values()))
    if is_dataclass(one):
        return all(same(getattr(one, entry.name), getattr(other, entry.name)) for entry in fields(one))
    return one == other


def noise(*shape: int) -> Tensor:
    return torch.randn(shape, generator=torch.Generator().manual_seed(7))


CONTROL = ControlUse(
    ControlNet(FILE, pools_residuals=True), noise(1, 8, 8, 3), 0.5, 0.1, 0.9, Vae(FILE), True
)
VALUES = {
    "latent": Latent(noise(2, 4, 3, 5)),
    "masked latent": Latent(noise(1, 4, 2, 2), noise(1, 1, 16, 16), (3, 1), {"ratio": 8, "more": noise(2)}),
    "conditioning": (
        Cond(noise(1, 77, 8), noise(1, 8), Area(8, 8, 0, 1), 0.7, noise(1, 4, 4), 0.2, controls=(CONTROL,)),
        Cond(noise(1, 5, 8), span=Span(0.1, 0.8), fills=True, hooks=HookGroup((Hook(FILE, 0.5, 0.0),))),
        Cond(noise(1, 3, 8), area=Area(0.5, 0.5, 0.0, 0.25, True), extra={"hooks": [1, None]}),
    ),
    "image": noise(1, 8, 8, 3),
    "mask": noise(1, 8, 8),
    "model": Model(FILE, (LoraPatch(FILE, 0.1), LoraPatch(FILE, -1.0)), ModelSettings("v")),
    "a model with rules": Model(
        FILE, (WeightScale((("*.attn1.to_q", 0.5),)), Merge(FILE, (LoraPatch(FILE, 1.0),), 0.5))
    )
    .ruled(PerpNeg((Cond(noise(1, 2, 8)),), 1.5))
    .ruled(SkippedLayers(Layers((7, 8), (1,)))),
    "a guider": DualGuidance(Model(FILE), (Cond(noise(1, 2, 8)),), (), (), 2.0, 3.0, nested=True),
    "clip": Clip(FILE, (LoraPatch(FILE, 1.0),), -2),
    "vae": Vae(FILE),
    "pixel space": PIXEL_SPACE,
    "control net": ControlNet(FILE),
    "blocker": Blocker("why"),
    "a pack's latent": {"samples": noise(1, 4, 2, 2), "type": "hunyuan"},
    "a pack's conditioning": [[noise(1, 2, 3), {"pooled_output": None, "guidance": 3.5}]],
    "marks of our own": {"is": "path", "at": "x", "of": [{"is": "tuple"}]},
    "names that are no texts": {1: "a", (2, 3): noise(1), None: {"x": 1}},
    "bytes": b"\x00\xff",
    "no bytes": b"",
    "a path": Path("a/b"),
    "numbers": [0, -0.0, 2**80, 1e-320, math.inf, -math.inf, math.nan, True, None],
    "nothing": [],
    "texts": ["", "\udc80", "\u2028", "ä" * 1000],
}


@pytest.mark.parametrize("name", VALUES)
def test_a_value_comes_back_bit_for_bit(name: str):
    value = [[VALUES[name]]]
    assert same(through_a_file(value), value)


@pytest.mark.parametrize("dtype", TENSORS, ids=str)
@pytest.mark.parametrize("shape", [(), (0,), (3,), (2, 0, 3), (5, 3, 1)], ids=str)
def test_a_tensor_of_every_type_comes_back(dtype: torch.dtype, shape: tuple[int, ...]):
    bits = torch.randint(0, 255, (math.prod(shape) * dtype.itemsize,), dtype=torch.uint8)
    tensor = (bits % 2 if dtype is torch.bool else bits).view(dtype).reshape(shape)
    odd = [torch.zeros(3, dtype=torch.bool), tensor, torch.zeros(1, dtype=torch.int8)]
    assert same(through_a_file(odd), odd)


@pytest.mark.parametrize("code", ARRAYS)
def test_an_array_of_every_type_comes_back(code: str):
    array = np.zeros((2, 3), code)
    array[1, 2] = 1
    assert same(through_a_file(array), array)


def test_slices_and_turned_tensors_are_kept_alone_and_shared_ones_once():
    large = noise(100, 100)
    packed = ResultCodec().pack([large[:2], large.T[3], large[0], large[0]])
    assert [len(part.data) for part in packed.parts] == [800, 400, 400, 400]
    one = noise(4)
    kept = through_a_file([one, (one,)])
    assert kept[0] is kept[1][0]


def test_what_happens_to_a_value_later_does_not_reach_what_was_kept():
    tensor, entries = noise(4), {"a": [1]}
    expected = tensor.clone()
    packed = ResultCodec().pack([tensor, entries])
    tensor.zero_()
    entries["a"].append(2)
    back = ResultCodec().unpack(packed)
    assert same(back, [expected, {"a": [1]}])
    back[0].add_(1)  # nodes may


@given(
    strategies.recursive(
        strategies.none()
        | strategies.booleans()
        | strategies.integers()
        | strategies.floats()
        | strategies.text()
        | strategies.binary(max_size=20),
        lambda inner: (
            strategies.lists(inner, max_size=4)
            | strategies.lists(inner, max_size=4).map(tuple)
            | strategies.dictionaries(strategies.text(max_size=3) | strategies.just("is"), inner, max_size=4)
            | strategies.dictionaries(strategies.integers(), inner, max_size=3)
        ),
        max_leaves=20,
    )
)
def test_any_plain_value_comes_back(value: object):
    assert same(through_a_file(value), value)


class Thing:
    pass


class Texts(str):
    __slots__ = ()


@pytest.mark.parametrize(
    "value",
    [
        Thing(),
        lambda: None,
        Texts("any type"),
        {1, 2},
        OrderedDict(a=1),
        torch.nn.Parameter(noise(2)),
        noise(2).requires_grad_(),
        noise(2, 2).to_sparse(),
        torch.zeros(2, dtype=torch.complex64),
        torch.zeros(2, device="meta"),
        np.zeros(2, "U4"),
        np.zeros(2, ">f4"),
        np.array([object()]),
        np.float32(1),
    ],
    ids=lambda value: type(value).__name__,
)
def test_what_is_no_data_is_refused(value: object):
    with pytest.raises(Unstorable):
        ResultCodec().pack([[{"deep": (value,)}]])


def test_a_recipe_of_a_file_that_went_is_of_no_use(tmp_path: Path):
    path = tmp_path / "model.safetensors"
    path.touch()
    structure = ResultCodec().pack([[{"x": (Model(CheckpointRef(path, "content")),)}, PIXEL_SPACE]]).structure
    assert ResultCodec().usable(structure)
    path.unlink()
    assert not ResultCodec().usable(structure)


def test_others_can_read_the_file(tmp_path: Path):
    path, tensor = tmp_path / "x.safetensors", noise(3, 4)
    with path.open("wb") as file:
        write(file, encode(ABOUT, ResultCodec().pack([[torch.tensor([True]), tensor]])))
    found = safetensors.torch.load_file(path)
    assert same(found["1"], tensor)
    assert found["0"].item() is True


def test_results_of_another_device_or_type_lie_elsewhere():
    placement = best_placement()
    assert identity(placement) == identity(placement)
    halved = type(placement)(placement.device, torch.float16, placement.vae_dtype)
    other = type(placement)(placement.device, torch.bfloat16, placement.vae_dtype)
    assert identity(halved) != identity(other)
    assert Path(identity(placement)).name == identity(placement)

"""How values are kept as data: our frozen values by their fields, tensors and arrays bit for bit, JSON. Nothing else.

A value of any other class (packs have many) is refused, so its result is not kept on disk; what was made from it still
can be. What is JSON already stands for itself; all else is an object that says what it is under `is`.
"""

import hashlib
import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, fields, is_dataclass
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any, cast

import numpy as np
import torch
from torch import Tensor

from nodes.diffusion import (
    gligen,
    guidance,
    hearing_values,
    latents,
    lending,
    media,
    noise,
    solids,
    values,
    vision_values,
)
from nodes.diffusion.absent import Absent
from nodes.diffusion.changes import Layers, Positions
from nodes.diffusion.continuous_levels import AngleLevels, CosineLevels, EdmLevels, ShareLevels
from nodes.diffusion.enlarging import UpscaleModel
from nodes.diffusion.joined_latents import JoinedLatents, NoLatents
from nodes.diffusion.level_recipes import OwnLevels
from nodes.diffusion.models.load import Placement
from nodes.diffusion.noise_levels import FlowLevels
from nodes.diffusion.sampling.choice import SamplerChoice
from nodes.spec import Blocker, Json, Packed, Part, Unstorable

CLASSES: tuple[type, ...] = (
    values.Latent,
    media.Audio,
    media.Video,
    media.VideoFile,
    media.Tracks,
    media.Svg,
    solids.Voxel,
    solids.Mesh,
    JoinedLatents,
    NoLatents,
    UpscaleModel,
    values.CheckpointRef,
    values.LoraPatch,
    values.LoraTensors,
    values.TensorPatch,
    values.Difference,
    values.WeightScale,
    values.Merge,
    values.ModelSettings,
    values.Model,
    values.Clip,
    values.Vae,
    Absent,
    values.ControlNet,
    values.ControlUse,
    values.Area,
    values.Span,
    values.HookKeyframe,
    values.HookKeyframeGroup,
    values.Hook,
    values.HookGroup,
    values.Cond,
    gligen.Gligen,
    gligen.Box,
    gligen.Boxes,
    vision_values.ClipVision,
    vision_values.ClipVisionOutput,
    vision_values.StyleModel,
    hearing_values.AudioEncoder,
    hearing_values.AudioEncoderOutput,
    lending.ImagePromptAdapter,
    lending.Hypernetwork,
    lending.ModelPatch,
    lending.PhotoMaker,
    latents.Sharpen,
    latents.TonemapReinhard,
    *guidance.RULES,
    Layers,
    Positions,
    guidance.BasicGuidance,
    guidance.CfgGuidance,
    guidance.DualGuidance,
    guidance.PerpNegGuidance,
    OwnLevels,
    FlowLevels,
    EdmLevels,
    AngleLevels,
    ShareLevels,
    CosineLevels,
    noise.NoNoise,
    noise.SeededNoise,
    SamplerChoice,
    Blocker,
)
TENSORS = {
    torch.float64: "F64",
    torch.float32: "F32",
    torch.float16: "F16",
    torch.bfloat16: "BF16",
    torch.float8_e4m3fn: "F8_E4M3",
    torch.float8_e5m2: "F8_E5M2",
    torch.int64: "I64",
    torch.int32: "I32",
    torch.int16: "I16",
    torch.int8: "I8",
    torch.uint8: "U8",
    torch.bool: "BOOL",
}
ARRAYS = {
    "f8": "F64", "f4": "F32", "f2": "F16", "i8": "I64", "i4": "I32", "i2": "I16", "i1": "I8",
    "u8": "U64", "u4": "U32", "u2": "U16", "u1": "U8", "b1": "BOOL",
}  # fmt: skip
DECIDES = ("weft", "torch", "diffusers", "transformers", "numpy", "pillow")


@dataclass(frozen=True, slots=True)
class ResultCodec:
    """Implements `nodes.spec.Codec` for what nodes pass to each other.

    Args:
        more: further frozen dataclasses, kept by their fields.
    """

    more: tuple[type, ...] = ()

    def pack(self, value: object) -> Packed:
        """The value as data; tensors are copied.

        Raises:
            Unstorable: it holds an object of an unknown class, or a tensor that is not plain and in main memory.
        """
        writer = _Writer({kind: kind.__name__ for kind in (*CLASSES, *self.more)})
        return Packed(writer.write(value), tuple(writer.parts))

    def usable(self, structure: Json) -> bool:
        """Whether the model files that it names are where they were."""
        if isinstance(structure, list):
            return all(self.usable(entry) for entry in structure)
        if not isinstance(structure, Mapping):
            return True
        if structure.get("is") == "path" and structure != _path(values.PIXEL_SPACE.checkpoint.path):
            return Path(str(structure.get("at"))).exists()
        return all(self.usable(entry) for entry in structure.values())

    def unpack(self, packed: Packed) -> object:
        """The value again.

        Raises:
            Unstorable: it says something unknown.
        """
        reader = _Reader({kind.__name__: kind for kind in (*CLASSES, *self.more)}, packed.parts)
        try:
            return reader.read(packed.structure)
        except (KeyError, TypeError, ValueError, IndexError, RuntimeError) as error:
            raise Unstorable(f"something that cannot be read ({error})") from error


def identity(placement: Placement) -> str:
    """What every result depends on beside its key, as a folder's name: our code, versions, the device and its types."""
    digest = hashlib.blake2b(digest_size=8)
    rooms = (Path(__file__).parent, Path(values.__file__).parent, Path(__file__).parents[1] / "compat")
    for path in sorted(path for room in rooms for path in room.rglob("*.py")):
        digest.update(path.name.encode() + path.read_bytes())
    for name in DECIDES:
        digest.update(f"{name} {_version(name)}".encode())
    device = placement.device
    card = torch.cuda.get_device_name(device) if device.type == "cuda" else device.type
    digest.update(f"{card} {placement.dtype} {placement.vae_dtype} {placement.text_dtype}".encode())
    if placement.stored is not None:
        digest.update(str(placement.stored).encode())
    exact = torch.are_deterministic_algorithms_enabled()
    digest.update(f"{torch.backends.cuda.matmul.allow_tf32} {exact}".encode())
    return f"torch-{_version('torch').partition('+')[0]}-{device.type}-{digest.hexdigest()}"


def _version(name: str) -> str:
    try:
        return version(name)
    except PackageNotFoundError:
        return ""


# --- writing --------------------------------------------------------------------------------------------------------


@dataclass(slots=True)
class _Writer:
    names: Mapping[type, str]
    parts: list[Part] = field(default_factory=list[Part])
    seen: dict[int, Json] = field(default_factory=dict[int, Json])  # a tensor that comes twice is kept once
    alive: list[object] = field(default_factory=list[object])  # so that no id is given to another

    def write(self, value: object) -> Json:
        kind = type(value)
        if value is None or kind in (bool, int, str):
            return cast("Json", value)
        if kind is float:
            number = cast("float", value)
            return number if math.isfinite(number) else {"is": "float", "at": repr(number)}
        if kind is list:
            return [self.write(entry) for entry in cast("list[object]", value)]
        if kind is tuple:
            return {"is": "tuple", "of": [self.write(entry) for entry in cast("tuple[object, ...]", value)]}
        if kind is dict:
            return self._mapping(cast("dict[object, object]", value))
        if kind is Tensor or kind is np.ndarray or kind is bytes:
            return self._array(value)
        if isinstance(value, Path):
            return _path(value)
        if kind in self.names and is_dataclass(value):
            given = {entry.name: self.write(getattr(value, entry.name)) for entry in fields(value)}
            return {"is": self.names[kind], "of": given}
        raise Unstorable(f"a {kind.__module__}.{kind.__qualname__}")

    def _mapping(self, value: Mapping[object, object]) -> Json:
        """Names that are texts need no more, unless one of them is our own mark."""
        if all(type(name) is str for name in value) and "is" not in value:
            return {cast("str", name): self.write(entry) for name, entry in value.items()}
        return {
            "is": "dict",
            "of": [[self.write(name), self.write(entry)] for name, entry in value.items()],
        }

    def _array(self, value: object) -> Json:
        if id(value) not in self.seen:
            self.alive.append(value)
            self.seen[id(value)] = {"is": type(value).__name__, "at": len(self.parts)}
            self.parts.append(_part(value))
        return self.seen[id(value)]


def _path(path: Path) -> Json:
    return {"is": "path", "at": str(path)}


def _part(value: object) -> Part:
    if isinstance(value, bytes):
        return Part("U8", (len(value),), value)
    if isinstance(value, np.ndarray):
        array = cast("np.ndarray[Any, Any]", value)
        kind = ARRAYS.get(array.dtype.str[1:]) if array.dtype.isnative else None
        if kind is None:
            raise Unstorable(f"an array of {array.dtype}")
        return Part(kind, array.shape, array.tobytes())
    assert isinstance(value, Tensor)
    if value.dtype not in TENSORS or value.layout != torch.strided or value.requires_grad:
        raise Unstorable(f"a tensor of {value.dtype} in the layout {value.layout}")
    if value.device.type != "cpu":
        raise Unstorable(f"a tensor on {value.device}")
    whole = value.resolve_neg().contiguous().reshape(-1)
    return Part(TENSORS[value.dtype], tuple(value.shape), whole.view(torch.uint8).numpy().tobytes())


# --- reading --------------------------------------------------------------------------------------------------------


@dataclass(slots=True)
class _Reader:
    classes: Mapping[str, type]
    parts: Sequence[Part]
    made: dict[int, object] = field(default_factory=dict[int, object])

    def read(self, structure: Json) -> object:
        if isinstance(structure, list):
            return [self.read(entry) for entry in structure]
        if not isinstance(structure, Mapping):
            return structure
        kind = structure.get("is")
        if kind is None:
            return {name: self.read(entry) for name, entry in structure.items()}
        if "at" in structure:
            return self._single(str(kind), structure["at"])
        inside: Any = structure["of"]
        if kind == "tuple":
            return tuple(self.read(entry) for entry in inside)
        if kind == "dict":
            return {self.read(name): self.read(entry) for name, entry in inside}
        return self.classes[str(kind)](**{name: self.read(entry) for name, entry in inside.items()})

    def _single(self, kind: str, at: Json) -> object:
        if kind == "float":
            return float(str(at))
        if kind == "path":
            return Path(str(at))
        number = int(cast("int", at))
        if number not in self.made:
            self.made[number] = READERS[kind](self.parts[number])
        return self.made[number]


def _tensor(part: Part) -> Tensor:
    dtype = next(dtype for dtype, kind in TENSORS.items() if kind == part.kind)
    if not part.data:
        return torch.empty(part.shape, dtype=dtype)
    return torch.frombuffer(_own(part), dtype=torch.uint8).view(dtype).reshape(part.shape)


def _ndarray(part: Part) -> "np.ndarray[Any, Any]":
    dtype = next(code for code, kind in ARRAYS.items() if kind == part.kind)
    return np.frombuffer(_own(part), dtype).reshape(part.shape)


def _own(part: Part) -> "memoryview | bytearray":
    """Bytes that the value may write to, as nodes do."""
    data = memoryview(part.data)
    return bytearray(data) if data.readonly else data


READERS: Mapping[str, Callable[[Part], object]] = {
    "Tensor": _tensor,
    "ndarray": _ndarray,
    "bytes": lambda part: bytes(part.data),
}

"""Tensors in files that torch pickled (.ckpt, .pt, .pth, .bin), read without running anything that such a file says.

A pickle is a program: it names functions and calls them. Here the few that make tensors are replaced by descriptions of
tensors, and every other name by an object that takes anything and does nothing. Numbers stay in the file until asked for.
"""

import json
import pickle
import struct
import zipfile
from collections import OrderedDict
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from math import prod
from typing import Any, BinaryIO, Final, cast

import numpy as np

LEGACY_MAGIC = 0x1950A86A20F9469CFC6C  # begins files of torch before 1.6
ZIP_MAGIC = b"PK\x03\x04"
HOLDERS = ("state_dict", "params_ema", "params", "model_state_dict", "model", "module", "generator")
EMBEDDING = "string_to_param.*"  # a learned embedding as it was first kept
STORAGES: Final[Mapping[str, str]] = {  # to safetensors' names of types
    "DoubleStorage": "F64",
    "FloatStorage": "F32",
    "HalfStorage": "F16",
    "BFloat16Storage": "BF16",
    "LongStorage": "I64",
    "IntStorage": "I32",
    "ShortStorage": "I16",
    "CharStorage": "I8",
    "ByteStorage": "U8",
    "BoolStorage": "BOOL",
    "UntypedStorage": "U8",
}
DTYPES: Final[Mapping[str, str]] = {
    "float64": "F64",
    "float32": "F32",
    "float16": "F16",
    "bfloat16": "BF16",
    "int64": "I64",
    "int32": "I32",
    "int16": "I16",
    "int8": "I8",
    "uint8": "U8",
    "bool": "BOOL",
    "float8_e4m3fn": "F8_E4M3",
    "float8_e5m2": "F8_E5M2",
}
WIDTHS = {"F64": 8, "I64": 8, "F32": 4, "I32": 4, "F16": 2, "BF16": 2, "I16": 2}  # bytes; 1 for the others


class NotPickled(Exception):
    """A file is no pickle of torch, is cut short, or says impossible things of its tensors."""


@dataclass(frozen=True, slots=True)
class Store:
    """Numbers in the file: their type, how many, and what finds their bytes."""

    dtype: str
    read: Callable[[], bytes]


@dataclass(frozen=True, slots=True)
class Pickled:
    """A tensor that lies in the file."""

    store: Store
    first: int
    shape: tuple[int, ...]
    strides: tuple[int, ...]
    dtype: str

    @property
    def width(self) -> int:
        """Bytes of a number."""
        return WIDTHS.get(self.dtype, 1)

    @property
    def size(self) -> int:
        """Bytes of the tensor."""
        return prod(self.shape) * self.width

    def read(self) -> bytes:
        """Its numbers in order.

        Raises:
            NotPickled: they do not lie within the file's.
        """
        if not self.size:
            return b""
        numbers = np.frombuffer(self.store.read(), f"V{self.width}")
        last = self.first + sum(
            (side - 1) * step for side, step in zip(self.shape, self.strides, strict=True)
        )
        if self.first < 0 or min(self.strides, default=0) < 0 or last >= len(numbers):
            raise NotPickled("a tensor lies outside the numbers that the file has")
        steps = tuple(step * self.width for step in self.strides)
        return np.lib.stride_tricks.as_strided(numbers[self.first :], self.shape, steps).tobytes()


class Inert:
    """Stands for whatever else a pickle names: takes anything, does nothing."""

    def __new__(cls, *_arguments: object, **_named: object) -> "Inert":
        return super().__new__(cls)

    def __init__(self, *_arguments: object, **_named: object) -> None: ...

    def __call__(self, *_arguments: object, **_named: object) -> "Inert":
        return self

    def __setstate__(self, _state: object) -> None: ...

    def __setitem__(self, _key: object, _value: object) -> None: ...

    def append(self, _item: object) -> None: ...

    def extend(self, _items: object) -> None: ...

    def add(self, _item: object) -> None: ...


@dataclass(frozen=True, slots=True)
class _Dtype:
    name: str


def tensors(file: BinaryIO) -> Mapping[str, Pickled]:
    """Every tensor of a file by its name; of a checkpoint with much beside, those of its model. Errors as `contents`."""
    return contents(file)[0]


def contents(file: BinaryIO) -> tuple[Mapping[str, Pickled], Mapping[str, str]]:
    """The tensors of a file by name, and what a hypernetwork says beside them, as JSON by name.

    Raises:
        NotPickled: it cannot be read.
    """
    start = file.read(4)
    file.seek(0)
    try:
        said = _zipped(file) if start == ZIP_MAGIC else _legacy(file)
    except NotPickled:
        raise
    except (
        pickle.UnpicklingError, zipfile.BadZipFile, EOFError, KeyError, ValueError, TypeError, AttributeError,
        IndexError, struct.error, RecursionError, OverflowError, MemoryError,
    ) as error:  # fmt: skip
        raise NotPickled(f"it is cut short or no file of torch ({error or type(error).__name__})") from error
    found = dict(_flat(_model(said), ""))
    if not found:
        raise NotPickled("it holds no tensors")
    if EMBEDDING in found:
        return {"emb_params": found[EMBEDDING]}, {}
    return found, _facts(said) if _by_width(said) else {}


def _by_width(said: object) -> bool:
    """Whether pairs of networks stand under numbers, as in hypernetworks."""
    if not isinstance(said, Mapping):
        return False
    held = cast("Mapping[object, object]", said)
    return any(isinstance(name, int) and isinstance(value, list | tuple) for name, value in held.items())


def _facts(said: object) -> dict[str, str]:
    """Words and numbers that stand beside tensors."""
    found: dict[str, str] = {}
    for name, value in cast("Mapping[object, object]", said).items():
        if isinstance(name, str) and isinstance(value, str | bool | int | float):
            found[name] = json.dumps(value)
    return found


def _model(said: object) -> object:
    if not isinstance(said, Mapping):
        return said
    held = cast("Mapping[object, object]", said)
    if any(isinstance(value, Pickled) for value in held.values()):
        return held
    return next((held[name] for name in HOLDERS if isinstance(held.get(name), Mapping)), held)


def _flat(said: object, before: str) -> Iterator[tuple[str, Pickled]]:
    if isinstance(said, Pickled):
        yield before.removesuffix("."), said
    elif isinstance(said, Mapping):
        for name, value in cast("Mapping[object, object]", said).items():
            if isinstance(name, int) and isinstance(value, list | tuple):
                for index, part in enumerate(cast("list[object]", value)):
                    yield from _flat(part, f"{before}{name}.{index}.")
            elif isinstance(name, str | int):
                yield from _flat(value, f"{before}{name}.")


class _Reader(pickle.Unpickler):
    """Makes descriptions of tensors, and of nothing else anything."""

    def __init__(self, file: Any, find: Callable[[str, str, int], Store]) -> None:
        super().__init__(file, encoding="latin1")
        self._find = find

    def find_class(self, module_name: str, global_name: str, /) -> Any:
        """The few names that are known; an inert class for every other."""
        if module_name in ("torch", "torch.storage") and global_name in STORAGES:
            return _Dtype(STORAGES[global_name])
        if module_name == "torch" and global_name in DTYPES:
            return _Dtype(DTYPES[global_name])
        known = _KNOWN.get((module_name, global_name))
        return known if known is not None else type("Inert", (Inert,), {})

    def persistent_load(self, pid: Any, /) -> Any:
        """Where numbers lie: ("storage", type, key, place, count, ...)."""
        kind, dtype, key, _place, count = pid[:5]
        kind = kind.decode() if isinstance(kind, bytes) else kind
        if kind != "storage" or not isinstance(dtype, _Dtype):
            raise NotPickled("its numbers are kept in a way that is not known")
        return self._find(str(key), dtype.name, int(count))


def _tensor(store: Any, first: int, shape: Any, strides: Any, *_rest: object) -> Pickled:
    return _described(store, first, shape, strides, None)


def _typed_tensor(
    store: Any,
    first: int,
    shape: Any,
    strides: Any,
    _grad: object,
    _hooks: object,
    dtype: Any,
    *_rest: object,
) -> Pickled:
    return _described(store, first, shape, strides, dtype)


def _described(store: Any, first: int, shape: Any, strides: Any, dtype: Any) -> Pickled:
    if not isinstance(store, Store):
        raise NotPickled("a tensor has no numbers")
    sides, steps = tuple(map(int, shape)), tuple(map(int, strides))
    if len(sides) != len(steps) or any(side < 0 for side in sides):
        raise NotPickled(f"a tensor has the impossible shape {sides}")
    return Pickled(store, int(first), sides, steps, dtype.name if isinstance(dtype, _Dtype) else store.dtype)


def _parameter(data: object, *_rest: object) -> object:
    return data


def _of_type(_make: object, _kind: object, arguments: Any, *_rest: object) -> Pickled:
    return _tensor(*arguments)


def _size(sides: Any) -> tuple[int, ...]:
    return tuple(sides)


_KNOWN: Final[Mapping[tuple[str, str], object]] = {
    ("collections", "OrderedDict"): OrderedDict,
    ("torch", "Size"): _size,
    ("torch._utils", "_rebuild_tensor"): _tensor,
    ("torch._utils", "_rebuild_tensor_v2"): _tensor,
    ("torch._utils", "_rebuild_tensor_v3"): _typed_tensor,
    ("torch._utils", "_rebuild_parameter"): _parameter,
    ("torch._tensor", "_rebuild_from_type_v2"): _of_type,
}


def _zipped(file: BinaryIO) -> object:
    """Files of torch 1.6 and later: a zip archive with `data.pkl` and a record for each store."""
    archive = zipfile.ZipFile(file)
    name = next((name for name in archive.namelist() if name.rpartition("/")[2] == "data.pkl"), None)
    if name is None:
        raise NotPickled("it is an archive, but none of torch")
    root = name.removesuffix("data.pkl")
    if f"{root}byteorder" in archive.namelist() and archive.read(f"{root}byteorder") != b"little":
        raise NotPickled("its numbers were written on a machine of the other byte order")

    def find(key: str, dtype: str, _count: int) -> Store:
        record = f"{root}data/{key}"
        archive.getinfo(record)
        return Store(dtype, lambda: archive.read(record))

    with archive.open(name) as pickled:
        return _Reader(pickled, find).load()


def _legacy(file: BinaryIO) -> object:
    """Files of torch before 1.6: pickles one after another, then each store with its count."""
    nowhere: Callable[[str, str, int], Store] = _refused
    if _Reader(file, nowhere).load() != LEGACY_MAGIC:
        raise NotPickled("it is no file of torch")
    _version, system = _Reader(file, nowhere).load(), _Reader(file, nowhere).load()
    if isinstance(system, Mapping) and cast("Mapping[str, object]", system).get("little_endian") is False:
        raise NotPickled("its numbers were written on a machine of the other byte order")
    places: dict[str, tuple[int, int]] = {}
    stores: dict[str, Store] = {}

    def find(key: str, dtype: str, count: int) -> Store:
        def read() -> bytes:
            start, held = places[key]
            file.seek(start)
            return file.read(held * WIDTHS.get(dtype, 1))

        stores.setdefault(key, Store(dtype, read))
        if count < 0:
            raise NotPickled("it says that a store has fewer than no numbers")
        return stores[key]

    said: object = _Reader(file, find).load()
    for key in cast("list[object]", _Reader(file, nowhere).load()):
        (held,) = struct.unpack("<q", file.read(8))
        places[str(key)] = file.tell(), held
        file.seek(held * WIDTHS.get(stores[str(key)].dtype, 1), 1)
    return said


def _refused(_key: str, _dtype: str, _count: int) -> Store:
    raise NotPickled("it has numbers where none belong")

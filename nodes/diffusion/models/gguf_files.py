"""GGUF files: their header read and judged, their tensors unpacked by `gguf` when they are asked for.

Weights come out as numbers of 32 bits, whatever they were packed in, and lie in memory as those of any file do.
Source: the format's description in ggml (docs/gguf.md, MIT); encoders of text have the names of llama.cpp (MIT).
"""

import math
import os
import struct
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from io import BufferedReader
from itertools import pairwise
from pathlib import Path
from typing import Any, cast

import numpy as np
import torch
from torch import Tensor

from nodes.diffusion.errors import CheckpointUnreadable, DiffusionError
from nodes.diffusion.models.gguf_names import Renamed, renamed
from nodes.diffusion.models.waiting import Waiting

Shape = tuple[int, ...]

MAGIC, VERSIONS = b"GGUF", (2, 3)
ALIGNMENT = "general.alignment"
ORIGINAL_SHAPE = "comfy.gguf.orig_shape."  # before the name of a tensor that was laid out anew to be packed
MOST_TENSORS, MOST_FACTS, MOST_AXES, DEEPEST = 1 << 20, 1 << 16, 8, 4
LONGEST_KEPT = 4096  # of lists: longer ones are vocabularies
NUMBERS = {0: "B", 1: "b", 2: "H", 3: "h", 4: "I", 5: "i", 6: "f", 7: "?", 10: "Q", 11: "q", 12: "d"}
STRING, LIST = 8, 9
PLAIN = {
    "F32": torch.float32,
    "F16": torch.float16,
    "BF16": torch.bfloat16,
    "F64": torch.float64,
    "I8": torch.int8,
    "I16": torch.int16,
    "I32": torch.int32,
    "I64": torch.int64,
}
CHUNK = 1 << 21  # weights that a thread unpacks at a time
AGAIN = "Download or copy it again, whole."


class _Garbage(Exception):
    """What is wrong with a header."""


@dataclass(frozen=True, slots=True)
class Packed:
    """A tensor as it lies in a file.

    Attributes:
        kind: as ggml calls it ("Q4_K").
        start: bytes from the file's beginning; `size`: so many.
        shape: of its numbers, as networks want them.
        made: what becomes of it on its way to the network.
    """

    kind: str
    start: int
    size: int
    shape: Shape
    made: Renamed


def read_header(path: Path) -> tuple[dict[str, Packed], dict[str, str]]:
    """Where a file's tensors lie, by the names that networks have for them; and its texts.

    Raises:
        CheckpointUnreadable: it is cut short, garbage, or packed in a way that `gguf` does not read.
        DiffusionError: `gguf` is not installed.
    """
    try:
        with path.open("rb") as file:
            return _header(file, path.stat().st_size)
    except (_Garbage, struct.error, UnicodeDecodeError, OSError, OverflowError) as error:
        raise CheckpointUnreadable(path, f"it is cut short or no GGUF file ({error})", AGAIN) from error


def read_facts(path: Path, before: str) -> dict[str, Any]:
    """What the header says under names that begin so, long lists too. Errors as `read_header`."""
    try:
        with path.open("rb") as file:
            _, count = _counts(file)
            found = (_fact(file, whole=before) for _ in range(count))
            return {name: value for name, value in found if name.startswith(before)}
    except (_Garbage, struct.error, UnicodeDecodeError, OSError, OverflowError) as error:
        raise CheckpointUnreadable(path, f"it is cut short or no GGUF file ({error})", AGAIN) from error


def unpacked(path: Path, packed: Packed) -> Tensor:
    """A tensor's numbers, on the processor: plain ones as pages of the file.

    Raises:
        OSError: the file has gone or become shorter.
    """
    if path.stat().st_size < packed.start + packed.size:
        raise OSError("it has become shorter since it was opened")
    if packed.kind in PLAIN:
        storage = cast("Any", torch.UntypedStorage).from_file(str(path), False, path.stat().st_size)  # noqa: FBT003
        flat = torch.empty(0, dtype=torch.uint8).set_(storage, packed.start, (packed.size,), (1,))
        tensor = flat.view(PLAIN[packed.kind])
    else:
        raw = np.memmap(path, np.uint8, "r", packed.start, (packed.size,))
        tensor = _dequantised(raw, packed.kind, torch.empty(math.prod(packed.shape), dtype=torch.float32))
    return packed.made.change(tensor.reshape(packed.shape))


def waiting(path: Path, packed: Packed, rows: Tensor, shape: Shape) -> Waiting | None:
    """Some rows of a tensor, unpacked whenever they are asked for; None where they cannot be had by themselves.

    Args:
        rows: their numbers, in order; all of the tensor's shape is theirs.
        shape: that they are to have together.
    """
    if packed.kind in PLAIN or packed.made.heads or packed.made.more or len(rows) != shape[0]:
        return None
    count = packed.shape[0]
    long, width = packed.size // count, math.prod(packed.shape) // count
    _, of_numbers, _ = next(kind for kind in _kinds().values() if kind[0] == packed.kind)
    if width % of_numbers or math.prod(shape) != len(rows) * width:
        return None
    jumps = (int(place) + 1 for place in (rows.diff() != 1).nonzero())
    runs = [(start, end, int(rows[start])) for start, end in pairwise((0, *jumps, len(rows)))]

    def fill(there: Tensor) -> None:
        flat = there.view(len(rows), -1)
        for start, end, first in runs:
            begin = packed.start + first * long
            raw = np.memmap(path, np.uint8, "r", begin, ((end - start) * long,))
            _dequantised(raw, packed.kind, flat[start:end])

    return Waiting(shape, fill)


def _dequantised(raw: Any, packed_kind: str, found: Tensor) -> Tensor:
    """Unpack into a contiguous tensor of Float32."""
    from gguf.constants import GGML_QUANT_SIZES, GGMLQuantizationType
    from gguf.quants import dequantize

    kind = GGMLQuantizationType[packed_kind]
    of_numbers, of_bytes = GGML_QUANT_SIZES[kind]
    blocks = raw.reshape(-1, of_bytes)
    count = max(1, CHUNK // of_numbers)
    made = found.numpy().reshape(-1, of_numbers)

    def unpack(start: int) -> None:
        with np.errstate(all="ignore"):  # a weight that is no number stays one
            made[start : start + count] = dequantize(blocks[start : start + count], kind)

    if len(blocks) <= count:
        unpack(0)
        return found
    with ThreadPoolExecutor(os.cpu_count()) as several:
        for _ in several.map(unpack, range(0, len(blocks), count)):
            ...
    return found


def _header(file: BufferedReader, size: int) -> tuple[dict[str, Packed], dict[str, str]]:
    tensors, facts = _counts(file)
    said = dict(_fact(file) for _ in range(facts))
    told = [_told(file) for _ in range(tensors)]
    step = said.get(ALIGNMENT, 32)
    if not isinstance(step, int) or step < 1:
        raise _Garbage(f"its alignment is {step}")
    start = -(-file.tell() // step) * step
    found = {name: _placed(name, kind, dims, start + offset, said) for name, dims, kind, offset in told}
    if len(found) < len(told):
        raise _Garbage("two of its tensors have one name")
    _apart(found, size)
    texts = {key: value for key, value in said.items() if isinstance(value, str)}
    names = renamed({name: packed.shape for name, packed in found.items()}, said)
    return {made.name: replace(found[name], made=made) for name, made in names.items()}, texts


def _counts(file: BufferedReader) -> tuple[int, int]:
    """How many tensors and facts there are."""
    if file.read(4) != MAGIC:
        raise _Garbage("it does not begin as one")
    version = _number(file, "I")
    if version not in VERSIONS:
        raise _Garbage(f"its version is {version}, and 2 and 3 are known")
    tensors, facts = _number(file, "Q"), _number(file, "Q")
    if tensors > MOST_TENSORS or facts > MOST_FACTS:
        raise _Garbage(f"it claims to have {tensors} tensors and {facts} facts")
    return tensors, facts


def _told(file: BufferedReader) -> tuple[str, Shape, int, int]:
    name, axes = _text(file), _number(file, "I")
    if not 0 < axes <= MOST_AXES:
        raise _Garbage(f"{name} has {axes} axes")
    dims = tuple(_number(file, "Q") for _ in range(axes))
    return name, dims, _number(file, "I"), _number(file, "Q")


def _placed(name: str, number: int, dims: Shape, start: int, said: dict[str, Any]) -> Packed:
    kinds = _kinds()
    if number not in kinds:
        raise _Garbage(f"{name} is packed in a kind of number {number}, which gguf does not read")
    kind, of_numbers, of_bytes = kinds[number]
    if dims[0] % of_numbers:
        raise _Garbage(f"rows of {name} are {dims[0]} long, and {kind} packs {of_numbers} at a time")
    count = math.prod(dims)
    shape = tuple(reversed(dims))
    original = said.get(ORIGINAL_SHAPE + name)
    if isinstance(original, list):
        shape = tuple(int(length) for length in cast("list[int]", original))
        if math.prod(shape) != count or min(shape, default=0) < 0:
            raise _Garbage(f"{name} has {count} numbers, and should become {shape}")
    return Packed(kind, start, count // of_numbers * of_bytes, shape, Renamed(name))


def _kinds() -> dict[int, tuple[str, int, int]]:
    """Name, numbers in a block and bytes of it, by the number of each kind that can be unpacked."""
    try:
        from gguf.constants import GGML_QUANT_SIZES
        from gguf.quants import _type_traits  # pyright: ignore[reportPrivateUsage] - nothing public says which there are
    except ImportError as error:
        raise DiffusionError(
            "GGUF files are read by the package gguf, which is not there.",
            "Run `pip install gguf`, or use the model's safetensors file.",
        ) from error
    return {
        int(kind): (kind.name, numbers, size)
        for kind, (numbers, size) in GGML_QUANT_SIZES.items()
        if kind.name in PLAIN or kind in _type_traits
    }


def _apart(found: dict[str, Packed], size: int) -> None:
    """Refuse tensors that lie over one another or beyond the end."""
    end = 0
    for name, packed in sorted(found.items(), key=lambda item: item[1].start):
        if packed.start < end:
            raise _Garbage(f"{name} lies over another tensor")
        end = packed.start + packed.size
        if end > size:
            raise _Garbage(f"{name} ends at byte {end} of {size}")


def _fact(file: BufferedReader, whole: str | None = None) -> tuple[str, Any]:
    name = _text(file)
    return name, _value(file, _number(file, "I"), whole=whole is not None and name.startswith(whole))


def _value(file: BufferedReader, kind: int, depth: int = 0, *, whole: bool = False) -> Any:
    """A value of the header; of long lists, and those of texts, nothing unless the whole is wanted."""
    if kind == STRING:
        return _text(file)
    if kind == LIST and depth < DEEPEST:
        inner, count = _number(file, "I"), _number(file, "Q")
        if inner in NUMBERS:
            width = struct.calcsize("<" + NUMBERS[inner])
            raw = _exactly(file, width * count)
            if count > LONGEST_KEPT and not whole:
                return None
            return [value for (value,) in struct.iter_unpack("<" + NUMBERS[inner], raw)]
        if whole:
            return [_value(file, inner, depth + 1, whole=True) for _ in _times(file, count)]
        for _ in _times(file, count):
            _value(file, inner, depth + 1)
        return None
    if kind not in NUMBERS:
        raise _Garbage(f"a fact is of the unknown kind {kind}")
    return _number(file, NUMBERS[kind])


def _times(file: BufferedReader, count: int) -> Iterator[None]:
    """So many times, or until the file ends."""
    for _ in range(count):
        yield
        if not file.peek(1):
            break


def _text(file: BufferedReader) -> str:
    return _exactly(file, _number(file, "Q")).decode()


def _number(file: BufferedReader, form: str) -> Any:
    (value,) = struct.unpack("<" + form, _exactly(file, struct.calcsize("<" + form)))
    return value


def _exactly(file: BufferedReader, count: int) -> bytes:
    if count > os.fstat(file.fileno()).st_size:
        raise _Garbage(f"it claims {count} bytes that it does not have")
    read = file.read(count)
    if len(read) < count:
        raise _Garbage("it ends within its header")
    return read

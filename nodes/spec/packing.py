"""Values as data: what a codec makes of them, so that a result can outlive the worker that made it. No code is kept."""

from dataclasses import dataclass
from typing import Protocol, TypeAlias, cast, runtime_checkable

from nodes.spec.plain import is_plain
from nodes.spec.sockets import Json

Bytes: TypeAlias = bytes | bytearray | memoryview


class Unstorable(Exception):
    """The value cannot be kept as data. The message names what it is."""


@dataclass(frozen=True, slots=True)
class Part:
    """The elements of one array.

    Attributes:
        kind: type of an element, in the words of safetensors ("F32", "BF16", "U8"...).
        shape: number of elements in each direction.
        data: the elements, row by row, the least byte of each first.
    """

    kind: str
    shape: tuple[int, ...]
    data: Bytes


@dataclass(frozen=True, slots=True)
class Packed:
    """A value as JSON that names its arrays by number."""

    structure: Json
    parts: tuple[Part, ...] = ()


@runtime_checkable
class Codec(Protocol):
    """Turns values into data and back."""

    def pack(self, value: object) -> Packed:
        """The value as data of its own: what happens to the value afterwards does not change it.

        Raises:
            Unstorable: it holds something that is no data.
        """
        ...

    def usable(self, structure: Json) -> bool:
        """Whether the value can be made again here: the files that it names are where they were."""
        ...

    def unpack(self, packed: Packed) -> object:
        """The value again, equal bit for bit.

        Raises:
            Unstorable: the data says something that this codec does not know.
        """
        ...


class PlainCodec:
    """Knows plain JSON and nothing else."""

    def pack(self, value: object) -> Packed:
        """The value itself."""
        if not is_plain(value):
            raise Unstorable(type(value).__name__)
        return Packed(_copied(value))

    def usable(self, structure: Json) -> bool:
        """It names no files."""
        del structure
        return True

    def unpack(self, packed: Packed) -> object:
        """The value itself."""
        return packed.structure


def _copied(value: object) -> Json:
    """Plain JSON, with containers of its own."""
    if isinstance(value, list):
        return [_copied(entry) for entry in cast("list[object]", value)]
    if isinstance(value, dict):
        return {name: _copied(entry) for name, entry in cast("dict[str, object]", value).items()}
    assert value is None or isinstance(value, bool | int | float | str)
    return value

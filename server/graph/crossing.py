"""Values that cross to a worker by the thousand, pickled quickly."""

from typing import TypeVar

T = TypeVar("T")


def crosses(kind: type[T]) -> type[T]:
    """Let a frozen dataclass with slots be pickled as its class and the arguments of its constructor, in order.

    What `dataclasses` does by itself for such classes looks up every field in Python, at both ends and for each value.
    """
    names: tuple[str, ...] = kind.__dict__["__slots__"]

    def reduce(value: T) -> tuple[type[T], tuple[object, ...]]:
        return kind, tuple([getattr(value, name) for name in names])

    kind.__reduce__ = reduce  # type: ignore[method-assign,assignment]
    return kind

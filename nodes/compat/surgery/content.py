"""What tells one change of a pack from another: its content, or, where code cannot be hashed, which object it is."""

import hashlib
from collections.abc import Mapping, Sequence, Set
from types import CodeType, FunctionType, MethodType
from typing import Any, cast

from torch import Tensor, nn

from nodes.diffusion.keys import key

DEEPEST = 12  # containers in containers


def content_of(value: object) -> str:
    """Equal for equal contents. A function's is its code with what it holds on to; any other object's is itself."""
    digest = hashlib.blake2b(digest_size=20)
    _feed(digest, value, 0)
    return digest.hexdigest()


def _feed(digest: Any, value: object, depth: int) -> None:
    if depth > DEEPEST:
        digest.update(f"deep{id(value)}".encode())
    elif value is None or isinstance(value, bool | int | float | str | bytes):
        digest.update(f"{type(value).__name__}{value!r};".encode())
    elif isinstance(value, Tensor) and not isinstance(value, nn.Parameter) and value.layout is not None:
        digest.update(key(value).encode())
    elif isinstance(value, Mapping):
        entries = cast("Mapping[object, object]", value)
        digest.update(f"map{len(entries)}".encode())
        for name, entry in entries.items():
            _feed(digest, name, depth + 1)
            _feed(digest, entry, depth + 1)
    elif isinstance(value, list | tuple):
        items = cast("Sequence[object]", value)
        digest.update(f"row{len(items)}".encode())
        for item in items:
            _feed(digest, item, depth + 1)
    elif isinstance(value, set | frozenset):
        members = cast("Set[object]", value)
        digest.update("".join(sorted(content_of(item) for item in members)).encode())
    elif isinstance(value, FunctionType):
        _feed_function(digest, value, depth)
    elif isinstance(value, MethodType):
        _feed_function(digest, cast("FunctionType", value.__func__), depth)
        digest.update(f"of{type(value.__self__).__qualname__}{id(value.__self__)}".encode())
    else:
        digest.update(f"{type(value).__qualname__}{id(value)}".encode())


def _feed_function(digest: Any, function: Any, depth: int) -> None:
    if not isinstance(function, FunctionType):
        digest.update(f"code{id(function)}".encode())
        return
    digest.update(f"{function.__module__}.{function.__qualname__}".encode())
    _feed_code(digest, function.__code__, depth)
    _feed(digest, function.__defaults__, depth + 1)
    _feed(digest, function.__kwdefaults__, depth + 1)
    for cell in function.__closure__ or ():
        try:
            _feed(digest, cell.cell_contents, depth + 1)
        except ValueError:  # a name that is not bound yet
            digest.update(b"empty")


def _feed_code(digest: Any, code: CodeType, depth: int) -> None:
    digest.update(code.co_code)
    digest.update(repr(code.co_names).encode())
    for constant in code.co_consts:
        if isinstance(constant, CodeType):
            _feed_code(digest, constant, depth)
        else:
            _feed(digest, constant, depth + 1)

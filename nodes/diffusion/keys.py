"""Keys: hashes of what a value holds, equal wherever the contents are."""

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import fields, is_dataclass
from typing import cast

import torch
from torch import Tensor


def key(value: object) -> str:
    """A hash of a value's content: equal contents have equal keys on every machine.

    Raises:
        TypeError: it holds something whose content cannot be told (code, open files).
    """
    digest = hashlib.blake2b(digest_size=20)
    _feed(digest, value)
    return digest.hexdigest()


def _feed(digest: "hashlib.blake2b", value: object) -> None:
    if isinstance(value, Tensor):
        whole = value.detach().cpu().contiguous()
        digest.update(f"tensor{tuple(whole.shape)}{whole.dtype}".encode())
        digest.update(whole.reshape(-1).view(torch.uint8).numpy().tobytes())
    elif is_dataclass(value) and not isinstance(value, type):
        digest.update(f"{type(value).__name__}(".encode())
        for entry in fields(value):
            if entry.compare:
                digest.update(f"{entry.name}=".encode())
                _feed(digest, getattr(value, entry.name))
        digest.update(b")")
    elif isinstance(value, tuple | list):
        items = cast("Sequence[object]", value)
        digest.update(f"[{len(items)}".encode())
        for item in items:
            _feed(digest, item)
    elif isinstance(value, Mapping):
        entries = cast("Mapping[object, object]", value)
        digest.update(f"{{{len(entries)}".encode())
        for name in sorted(entries, key=str):
            digest.update(f"{name!r}:".encode())
            _feed(digest, entries[name])
    elif value is None or isinstance(value, bool | int | float | str):
        digest.update(f"{type(value).__name__}{value!r};".encode())
    else:
        raise TypeError(f"A {type(value).__name__} has no content that can be hashed.")

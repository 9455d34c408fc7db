"""A row of a table of routes: what is asked, and what the answer must be."""

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

import aiohttp
import pytest


@dataclass(frozen=True, kw_only=True)
class Asked:
    """One statement about a route as a case.

    Attributes:
        json, data: the body.
        status: of the answer.
        kind: of the answer, as a MIME type.
        says: whether the answer's JSON (or bytes, where it is none) is right.
    """

    method: str
    path: str
    json: Any = None
    data: Any = None
    headers: Mapping[str, str] = field(default_factory=dict)
    status: int = 200
    kind: str = "application/json"
    says: Callable[[Any], object] | None = None


def asked(id: str, method: str, path: str, **expected: Any) -> Any:
    """A case whose id begins with its section."""
    return pytest.param(Asked(method=method, path=path, **expected), id=id)


async def check(http: aiohttp.ClientSession, row: Asked, prefix: str = "") -> None:
    """Ask, and hold the answer to what the row says."""
    body = {"json": row.json} if row.json is not None else {"data": row.data}
    async with http.request(row.method, prefix + row.path, headers=row.headers, **body) as answer:
        content = await answer.read()
        assert answer.status == row.status, content[:500]
        if content:
            assert answer.content_type == row.kind
        told = json.loads(content) if answer.content_type == "application/json" and content else content
        assert row.says is None or row.says(told), told


def keys(*names: str) -> Callable[[Any], bool]:
    """The answer is an object with at least these keys."""
    return lambda told: set(names) <= told.keys()


def is_error(kind: str) -> Callable[[Any], bool]:
    """The answer is an error of this type, in the field's shape."""
    return lambda told: told["error"]["type"] == kind and told["error"]["message"] and "node_errors" in told


def equals(expected: Any) -> Callable[[Any], bool]:
    """The answer is exactly this."""
    return lambda told: told == expected


def is_a(kind: type) -> Callable[[Any], bool]:
    """The answer is a JSON value of this kind."""
    return lambda told: isinstance(told, kind)

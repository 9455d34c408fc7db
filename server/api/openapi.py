"""`/openapi.json`: all routes, from the routes themselves and the types of what they take and answer."""

import re
import types
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal, TypeAlias, Union, cast, get_args, get_origin, get_type_hints, is_typeddict

from aiohttp import web

from server.api import answers
from server.api.shape import Shape

Schema: TypeAlias = dict[str, Any]
KINDS_OF_JSON = 7  # a union of so many is `Json`: anything at all
VARIABLE = re.compile(r"\{(\w+)(?::[^{}]+)?\}")
JSON_NAMES = {"Json": object, "Mapping": Mapping, "Sequence": Sequence}  # `Json` speaks of itself in these
PLAIN: Mapping[object, Schema] = {
    str: {"type": "string"},
    int: {"type": "integer"},
    float: {"type": "number"},
    bool: {"type": "boolean"},
    type(None): {"type": "null"},
    bytes: {},
}


@dataclass(frozen=True, slots=True)
class Entry:
    """A route, and what stands before its path where it answers: "" and "/api" for most."""

    prefixes: tuple[str, ...]
    route: web.RouteDef
    shape: Shape | None


def document(entries: Iterable[Entry], version: str) -> Schema:
    """The whole description, by OpenAPI 3.1. Routes without a shape are left out."""
    schemas = _Schemas()
    paths: dict[str, Schema] = {}
    for entry in entries:
        if entry.shape is None:
            continue
        # A path that answers under several prefixes is written once, with as many servers.
        first = entry.prefixes[0] if len(entry.prefixes) == 1 else ""
        path = paths.setdefault(first + VARIABLE.sub(r"{\1}", entry.route.path), {})
        if len(entry.prefixes) > 1:
            path["servers"] = [{"url": prefix or "/"} for prefix in entry.prefixes]
        path[entry.route.method.lower()] = _operation(entry, entry.shape, schemas)
    return {
        "openapi": "3.1.0",
        "info": {
            "title": "Weft",
            "version": version,
            "summary": "Runs graphs of nodes. Most paths answer bare and under /api.",
        },
        "servers": [{"url": "/"}],
        "paths": paths,
        "components": {"schemas": schemas.named},
    }


def _operation(entry: Entry, shape: Shape, schemas: "_Schemas") -> Schema:
    handler = entry.route.handler
    room = handler.__module__.rpartition(".")[2]
    operation: Schema = {
        "operationId": f"{room}.{handler.__name__}.{entry.route.method.lower()}{_suffix(entry)}",
        "tags": [room],
        "summary": " ".join((handler.__doc__ or "").strip().split("\n\n")[0].split()),
        "responses": _responses(shape, schemas),
    }
    if parameters := [*_path_parameters(entry.route.path, shape, schemas), *_query(shape.query, schemas)]:
        operation["parameters"] = parameters
    if shape.body is not None:
        operation["requestBody"] = {
            "required": not shape.body_optional,
            "content": {shape.body_media: {"schema": schemas.of(shape.body)}},
        }
    return operation


def _suffix(entry: Entry) -> str:
    """One handler may serve several paths; an operation's name is its own."""
    return re.sub(r"\W+", "_", VARIABLE.sub("", entry.route.path)).rstrip("_")


def _responses(shape: Shape, schemas: "_Schemas") -> Schema:
    good: Schema = {"description": "Done."}
    if shape.answer is not None:
        good["content"] = {shape.media: {"schema": schemas.of(shape.answer)}}
    bad = schemas.of(answers.ErrorJson if shape.error is None else shape.error | answers.ErrorJson)  # type: ignore[operator]
    found: Schema = {
        **{str(status): good for status in (shape.status, *shape.also)},
        "default": {"description": "It cannot be done.", "content": {"application/json": {"schema": bad}}},
    }
    if shape.media == "*/*":
        found["206"] = {"description": "The part that was asked for.", "content": good["content"]}
    if shape.answer is not None:
        found["304"] = {"description": "It is as you know it."}
    return found


def _path_parameters(path: str, shape: Shape, schemas: "_Schemas") -> list[Schema]:
    hints = dict(shape.paths)
    return [
        {"name": name, "in": "path", "required": True, "schema": schemas.of(hints.get(name, str))}
        for name in VARIABLE.findall(path)
    ]


def _query(query: type | None, schemas: "_Schemas") -> list[Schema]:
    if query is None:
        return []
    required: frozenset[str] = getattr(query, "__required_keys__", frozenset())
    return [
        {"name": name, "in": "query", "required": name in required, "schema": schemas.of(hint)}
        for name, hint in get_type_hints(query, localns=JSON_NAMES).items()
    ]


class _Schemas:
    """Type hints as JSON schemas; TypedDicts get a name of their own."""

    def __init__(self) -> None:
        self.named: dict[str, Schema] = {}

    def of(self, hint: object) -> Schema:
        """The schema of a hint; what is no shape in particular (`Json`) is `{}`, which takes anything."""
        if is_typeddict(hint):
            return self._typed_dict(cast("type", hint))
        if hint in (list, Sequence):
            return {"type": "array"}
        if hint in (dict, Mapping):
            return {"type": "object"}
        origin, arguments = get_origin(hint), get_args(hint)
        if origin in (Union, types.UnionType):
            return self._union(arguments)
        if origin is Literal:
            return {"enum": list(arguments)}
        if origin is not None and isinstance(origin, type) and issubclass(origin, Mapping):
            return {"type": "object", "additionalProperties": self.of(arguments[1])}
        if origin is not None and isinstance(origin, type) and issubclass(origin, Sequence):
            return {"type": "array", "items": self.of(arguments[0])}
        return dict(PLAIN.get(hint, {}))

    def _union(self, members: Sequence[object]) -> Schema:
        found = [self.of(member) for member in members]
        return {} if {} in found or len(found) >= KINDS_OF_JSON else {"anyOf": found}

    def _typed_dict(self, shape: type) -> Schema:
        if shape.__name__ not in self.named:
            schema: Schema = {"type": "object", "description": (shape.__doc__ or "").strip()}
            self.named[shape.__name__] = schema  # before its parts: it may hold itself
            schema["properties"] = {
                name: self.of(hint) for name, hint in get_type_hints(shape, localns=JSON_NAMES).items()
            }
            schema["required"] = sorted(getattr(shape, "__required_keys__", ()))
        return {"$ref": f"#/components/schemas/{shape.__name__}"}

"""What clients send: every JSON shape of a request as a value, with its parser. The last place that sees raw JSON.

What is answered is in `answers.py`.
"""

import json
import math
import re
import uuid
from collections.abc import Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from typing import cast

from nodes.spec import Json
from server.graph.convert import is_workflow
from server.graph.errors import Fault, kind_of
from server.graph.model import NodeId
from server.jobs.order import Goal, Side

Object = Mapping[str, Json]
HALF_A_CHARACTER = re.compile(rb"\\u[dD][89a-fA-F]")  # or a whole one in two halves, which stays
LONGEST_NAME = 100  # characters
NO_BRACKETS = bytes(set(range(256)) - set(b"[]{}"))
MAX_DEPTH = 200  # of objects and lists in each other
TOO_DEEP = "The body's JSON is nested too deeply."
FLAGS = {
    word: yes
    for yes, words in ((True, "true 1 yes True"), (False, "false 0 no False"))
    for word in words.split()
}
FLAGS[""] = False
SECRETS = ("auth_token_comfy_org", "api_key_comfy_org")


class BadRequest(Exception):
    """What was sent is not what the route takes; `status` is the HTTP answer's."""

    def __init__(
        self, message: str, details: str = "", *, type: str = "invalid_request", status: int = 400
    ) -> None:
        super().__init__(message)
        self.fault = Fault(type, message, details)
        self.status = status


def loads(body: bytes) -> Json:
    """Parse a body.

    Raises:
        BadRequest: it is not JSON, or no machine should have to read it.
    """
    try:
        value = cast("Json", json.loads(body))
    except RecursionError as error:
        raise BadRequest(TOO_DEEP, type="invalid_json") from error
    except ValueError as error:
        raise BadRequest("The body is not valid JSON.", str(error), type="invalid_json") from error
    if not _is_flat(body) and _is_deep(value):
        # What can just be read could not be written any more inside an answer.
        raise BadRequest(TOO_DEEP, type="invalid_json")
    return _mended(value) if HALF_A_CHARACTER.search(body) else value


def _mended(value: Json) -> Json:
    """Half a character, which JSON can smuggle in and nothing can write down, becomes a question mark."""
    return cast("Json", json.loads(json.dumps(value, ensure_ascii=False).encode(errors="replace")))


def _is_flat(body: bytes) -> bool:
    """Whether its brackets say that it is not deep; brackets in texts may hide that."""
    left = body.translate(None, NO_BRACKETS)
    for _ in range(MAX_DEPTH // 2):  # each turn takes off one level or two
        if not left:
            return True
        left = left.replace(b"[]", b"").replace(b"{}", b"")
    return False


def _is_deep(value: Json) -> bool:
    level: list[Json] = [value]
    for _ in range(MAX_DEPTH):
        level = [inner for outer in level if isinstance(outer, dict | list) for inner in _inside(outer)]
        if not level:
            return False
    return True


def _inside(outer: dict[str, Json] | list[Json]) -> Iterable[Json]:
    return outer.values() if isinstance(outer, dict) else outer


def dumps(value: object) -> str:
    """JSON that every client can read: NaN and infinities, which JSON does not have, become null."""
    try:
        return json.dumps(value, allow_nan=False, default=_plain, separators=(",", ":"))
    except ValueError:
        return json.dumps(_finite(value), allow_nan=False, default=_plain, separators=(",", ":"))


def _plain(value: object) -> object:
    if isinstance(value, Mapping):
        return dict(cast("Mapping[str, object]", value))
    return list(cast("Sequence[object]", value)) if isinstance(value, Sequence) else str(value)


def _finite(value: object) -> object:
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if isinstance(value, Mapping):
        return {key: _finite(item) for key, item in cast("Mapping[str, object]", value).items()}
    if isinstance(value, Sequence) and not isinstance(value, str | bytes):
        return [_finite(item) for item in cast("Sequence[object]", value)]
    return value


@dataclass(frozen=True, slots=True)
class Position:
    """Where a client of the websocket stands that comes back: the server it knew, the last number it saw."""

    server: str
    seq: int


def read_position(raw: Json) -> Position | None:
    """`{"server", "seq"}`; None for anything else: the client knows nothing yet."""
    if not isinstance(raw, dict):
        return None
    server, seq = raw.get("server"), raw.get("seq")
    if isinstance(server, str) and isinstance(seq, int):
        return Position(server, seq)
    return None


def read_object(raw: Json) -> Object:
    """The body as an object.

    Raises:
        BadRequest: it is something else.
    """
    if not isinstance(raw, Mapping):
        raise BadRequest("The body must be a JSON object.", f"It is {kind_of(raw)}.")
    return raw


def _text(raw: Object, name: str) -> str | None:
    value = raw.get(name)
    if value is None:
        return None
    if not isinstance(value, str):
        raise BadRequest(f"{name} must be text.", f"It is {kind_of(value)}.")
    return value


def _flag(raw: Object, name: str) -> bool:
    value = raw.get(name)
    if value is None or isinstance(value, bool):
        return bool(value)
    raise BadRequest(f"{name} must be true or false.", f"It is {kind_of(value)}.")


def _texts(raw: Object, name: str) -> tuple[str, ...]:
    value = raw.get(name)
    if value is None:
        return ()
    if not isinstance(value, list) or not all(
        isinstance(item, str | int) and not isinstance(item, bool) for item in value
    ):
        raise BadRequest(f"{name} must be a list of ids.", f"It is {kind_of(value)}.")
    return tuple(str(item) for item in value)


def _mapping(raw: Object, name: str) -> Object:
    value = raw.get(name)
    if value is None:
        return {}
    if not isinstance(value, Mapping):
        raise BadRequest(f"{name} must be an object.", f"It is {kind_of(value)}.")
    return value


@dataclass(frozen=True, slots=True)
class PromptRequest:
    """POST /prompt. `extra` is without `secrets`; `targets` are the only output nodes to run, None for all."""

    prompt: Json
    id: str
    client: str | None = None
    extra: Object = field(default_factory=dict[str, Json])
    secrets: Object = field(default_factory=dict[str, Json], repr=False)
    number: float | None = None
    front: bool = False
    targets: tuple[NodeId, ...] | None = None


def read_prompt(raw: Json, new_id: str) -> PromptRequest:
    """Read the body of POST /prompt; `new_id` is used if it brings none.

    Raises:
        BadRequest: a part of it has another shape.
    """
    body = read_object(raw)
    if is_workflow(body):
        body = {"prompt": body}  # a file as the canvas saves it, sent as it is
    if "prompt" not in body:
        raise BadRequest("No prompt provided", "No prompt provided", type="no_prompt")
    client = _text(body, "client_id")
    given = _mapping(body, "extra_data")
    if given.get("on_error") not in (None, "continue", "stop"):
        raise BadRequest(
            'extra_data.on_error must be "stop" or "continue".', f"It is {given['on_error']!r:.100}."
        )
    extra = {name: value for name, value in given.items() if name not in SECRETS}
    targets = body.get("partial_execution_targets")
    return PromptRequest(
        prompt=body["prompt"],
        id=_prompt_id(body.get("prompt_id"), new_id),
        client=client or None,
        extra=extra | {"client_id": client} if client else extra,
        secrets={name: given[name] for name in SECRETS if name in given},
        number=_number(body),
        front=_flag(body, "front"),
        targets=None if targets is None else _texts(body, "partial_execution_targets"),
    )


def _prompt_id(given: Json, new_id: str) -> str:
    if given is None:
        return new_id
    canonical = None
    with suppress(ValueError):
        canonical = str(uuid.UUID(given)) if isinstance(given, str) else None
    if canonical is None or canonical != given:
        raise BadRequest("prompt_id must be a valid UUID", f"It is {given!r:.100}.", type="invalid_prompt_id")
    return canonical


def _number(body: Object) -> float | None:
    value = body.get("number")
    if value is None:
        return None
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise BadRequest("number must be a number.", f"It is {kind_of(value)}.")
    try:
        number = float(value)
    except OverflowError:
        number = math.inf
    if not math.isfinite(number):
        raise BadRequest("number must be finite.")
    return number


@dataclass(frozen=True, slots=True)
class Removal:
    """POST /queue and POST /history: forget all, or some."""

    clear: bool
    delete: tuple[str, ...]


def read_removal(raw: Json) -> Removal:
    """Read `{"clear": true}` or `{"delete": [ids]}`."""
    body = read_object(raw)
    return Removal(_flag(body, "clear"), _texts(body, "delete"))


def read_interrupt(raw: Json) -> str | None:
    """Read `{}` or `{"prompt_id"}`: the only job to stop, or None."""
    return _text(read_object(raw), "prompt_id") or None


@dataclass(frozen=True, slots=True)
class Selection:
    """Which jobs a wish is about; None for all."""

    ids: tuple[str, ...] | None


def read_selection(raw: Json, *, default_all: bool = False) -> Selection:
    """Read `{"job_ids": [...]}` or `{"all": true}`; with `default_all`, `{}` means all too."""
    body = read_object(raw)
    every = _flag(body, "all") or (default_all and body.get("job_ids") is None)
    named = _texts(body, "job_ids")
    return Selection(None if every else named)


def read_goal(raw: Json) -> Goal:
    """Read where to move jobs: `{"to": "front"}`, `{"to": "back"}`, `{"before": id}` or `{"after": id}`.

    Raises:
        BadRequest: it is none or several of these.
    """
    body = read_object(raw)
    beside = {side: name for side in (Side.BEFORE, Side.AFTER) if (name := _text(body, side))}
    to = _text(body, "to")
    if to in (Side.FRONT, Side.BACK) and not beside:
        return Goal(Side(to))
    if to is None and len(beside) == 1:
        return Goal(*beside.popitem())
    raise BadRequest(
        'Say where to: "to" as "front" or "back", or else "before" or "after" with the id of a job.'
    )


def read_client(raw: Json) -> str | None:
    """Read `{"client_id"}`: who is told how jobs go."""
    return _text(read_object(raw), "client_id") or None


def read_username(raw: Json) -> str:
    """Read `{"username"}`.

    Raises:
        BadRequest: it is missing, empty or longer than anybody's name.
    """
    name = (_text(read_object(raw), "username") or "").strip()
    if not 0 < len(name) <= LONGEST_NAME:
        raise BadRequest(f"username must be a name of 1 to {LONGEST_NAME} characters.")
    return name


@dataclass(frozen=True, slots=True)
class Subscription:
    """PATCH /internal/logs/subscribe: whether a client hears the log."""

    client: str
    enabled: bool


def read_subscription(raw: Json) -> Subscription:
    """Read `{"clientId", "enabled"}`."""
    body = read_object(raw)
    return Subscription(_text(body, "clientId") or "", _flag(body, "enabled"))


@dataclass(frozen=True, slots=True)
class FreeRequest:
    """POST /free. Letting results go implies letting models go."""

    models: bool
    results: bool


def read_free(raw: Json) -> FreeRequest:
    """Read `{"unload_models", "free_memory"}`."""
    body = read_object(raw)
    results = _flag(body, "free_memory")
    return FreeRequest(_flag(body, "unload_models") or results, results)


def read_yes(query: Mapping[str, str], name: str, *, default: bool = False) -> bool:
    """A flag of a query; `default` if it is not there, or empty.

    Raises:
        BadRequest: it is neither yes nor no.
    """
    text = query.get(name, "")
    if text not in FLAGS:
        raise BadRequest(f"{name} must be true or false.", f"It is {text[:100]!r}.")
    return FLAGS[text] if text else default


def read_count(query: Mapping[str, str], name: str, *, minimum: int = 0) -> int | None:
    """A whole number of a query; None if it is not there.

    Raises:
        BadRequest: it is not a number, or too small.
    """
    text = query.get(name)
    if text is None:
        return None
    if not (text.isascii() and text.isdigit() and len(text) < 16) or int(text) < minimum:
        raise BadRequest(f"{name} must be a whole number of at least {minimum}.", f"It is {text[:100]!r}.")
    return int(text)

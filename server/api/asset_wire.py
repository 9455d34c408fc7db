"""What clients send about assets, with its parsers."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from nodes.spec import Json
from server.api import wire
from server.api.assets import MODELS, SHOWN_PLACES
from server.api.wire import BadRequest

ROOTS = (MODELS, *(place.value for place in SHOWN_PLACES))
LONGEST = 255  # characters of a name or a tag
MOST_TAGS = 100
_HASH = re.compile(r"(?:sha256:)?([0-9a-fA-F]{64})")


def read_hash(text: str) -> str:
    """The digits of `sha256:` and 64 of them; without the word too.

    Raises:
        BadRequest: it is something else, such as a hash of another kind.
    """
    found = _HASH.fullmatch(text)
    if not found:
        raise BadRequest("The hash must be sha256: and 64 hexadecimal digits.", f"It is {text[:100]!r}.")
    return found[1].lower()


@dataclass(frozen=True, slots=True)
class AssetEdit:
    """PUT /api/assets/{id}; None for what stays."""

    name: str | None
    tags: tuple[str, ...] | None
    metadata: Mapping[str, Json] | None


def read_edit(raw: Json) -> AssetEdit:
    """Read `{"name", "tags", "user_metadata"}`, each of them optional, not all missing.

    Raises:
        BadRequest: one has another shape.
    """
    body = wire.read_object(raw)
    edit = AssetEdit(
        name=_name(body.get("name")),
        tags=None if body.get("tags") is None else read_tags(body),
        metadata=_metadata(body.get("user_metadata")),
    )
    if edit == AssetEdit(None, None, None):
        raise BadRequest("Say what to change: name, tags or user_metadata.")
    return edit


def read_tags(raw: Json) -> tuple[str, ...]:
    """Read `{"tags": [...]}`, at least one.

    Raises:
        BadRequest: it has another shape.
    """
    tags = wire.read_object(raw).get("tags")
    if not isinstance(tags, list) or not all(isinstance(tag, str) for tag in tags):
        raise BadRequest("tags must be a list of texts.")
    return _tags([str(tag) for tag in tags])


@dataclass(frozen=True, slots=True)
class NewAsset:
    """Where new bytes belong and what is said of them; the first tag names the root, for models the next one the kind."""

    tags: tuple[str, ...]
    name: str | None = None
    hash: str | None = None
    metadata: Mapping[str, Json] = field(default_factory=dict[str, Json])

    @property
    def root(self) -> str:
        """`models`, `input` or `output`."""
        return self.tags[0]


def read_new(fields: Sequence[tuple[str, str]]) -> NewAsset:
    """Read the fields of an upload's form: `tags` (repeated, by comma, or a JSON list), `name`, `hash`, `user_metadata`.

    Raises:
        BadRequest: one has another shape, or the tags name no root.
    """
    texts = dict(fields)
    tags = [tag for name, text in fields if name in ("tags", "tags[]") for tag in _listed(text)]
    metadata = wire.loads(texts["user_metadata"].encode()) if texts.get("user_metadata") else None
    return _new(tags, texts.get("name") or None, texts.get("hash") or None, metadata)


def read_new_of_hash(raw: Json) -> NewAsset:
    """Read `{"hash", "name", "tags", "user_metadata"}`.

    Raises:
        BadRequest: one has another shape, or `hash` is missing.
    """
    body = wire.read_object(raw)
    given = body.get("hash")
    if not isinstance(given, str):
        raise BadRequest("hash is missing.")
    return _new(read_tags(body), body.get("name"), given, body.get("user_metadata"))


def _new(tags: Sequence[str], name: Json, hash: str | None, metadata: Json) -> NewAsset:
    checked = _tags(tags)
    if not checked or checked[0] not in ROOTS:
        raise BadRequest(f"The first tag must be one of {', '.join(ROOTS)}: it says where the file belongs.")
    return NewAsset(
        checked, _name(name), read_hash(hash) if hash is not None else None, _metadata(metadata) or {}
    )


def read_roots(raw: Json) -> tuple[str, ...]:
    """Read `{"roots": [...]}`; all of them if it does not say.

    Raises:
        BadRequest: one is no root.
    """
    roots = wire.read_object(raw).get("roots")
    if roots is None:
        return ROOTS
    if not isinstance(roots, list) or not roots or not all(root in ROOTS for root in roots):
        raise BadRequest(f"roots must be some of {', '.join(ROOTS)}.")
    return tuple(str(root) for root in roots)


def _listed(text: str) -> list[str]:
    if not text.startswith("["):
        return [tag.strip() for tag in text.split(",")]
    return list(read_tags({"tags": wire.loads(text.encode())}))


def _tags(tags: Sequence[str]) -> tuple[str, ...]:
    found = tuple(dict.fromkeys(stripped for tag in tags if (stripped := tag.strip())))
    if len(found) > MOST_TAGS or any(len(tag) > LONGEST or "," in tag for tag in found):
        raise BadRequest(f"There may be {MOST_TAGS} tags of up to {LONGEST} characters, without commas.")
    return found


def _name(value: Json) -> str | None:
    if value is None:
        return None
    if not isinstance(value, str) or not 0 < len(value.strip()) <= LONGEST:
        raise BadRequest(f"name must be a text of 1 to {LONGEST} characters.")
    return value.strip()


def _metadata(value: Json) -> Mapping[str, Json] | None:
    if value is None:
        return None
    if not isinstance(value, Mapping):
        raise BadRequest("user_metadata must be an object.")
    return value

"""Versions of files: `ETag` names one by its content, `If-Match` says which one a client has seen."""

import hashlib
from pathlib import Path

from aiohttp import web

from server.api.answers import error_json
from server.api.listings import ConflictJson, VersionJson
from server.graph.errors import Fault

LONGEST_SHOWN = 4 * 1024 * 1024  # bytes; a longer version is named, not shown


class OutOfDate(Exception):
    """The file is not the one that the client read; `answer` holds both versions."""

    def __init__(self, name: str, current: bytes | None, sent: bytes | None) -> None:
        gone = "It was deleted." if current is None else "Somebody else changed it."
        super().__init__(gone)
        message = f"{name} is not the file that you read: {gone[0].lower()}{gone[1:]}"
        hint = "Keep yours under another name, or send it again with the ETag of the current one."
        self.answer: ConflictJson = {
            **error_json(Fault("version_conflict", message, hint)),
            "current": _version(current),
            "sent": _version(sent),
        }


def etag(body: bytes) -> str:
    """The name of a version: the start of its SHA-256, in quotes as HTTP wants it."""
    return f'"{hashlib.sha256(body).hexdigest()[:32]}"'


def is_known(request: web.Request, tag: str) -> bool:
    """Whether the client has this version already (`If-None-Match`)."""
    return _names(request.headers.get("If-None-Match"), tag)


def check(request: web.Request, path: Path, sent: bytes | None) -> bool:
    """Whether the client named the version that it has seen, and it is the current one; False if it named none.

    Raises:
        OutOfDate: it named another.
    """
    wanted = request.headers.get("If-Match")
    if wanted is None:
        return False
    current = path.read_bytes() if path.is_file() else None
    if current is None or not _names(wanted, etag(current)):
        raise OutOfDate(path.name, current, sent)
    return True


def _names(header: str | None, tag: str) -> bool:
    names = {name.strip().removeprefix("W/") for name in (header or "").split(",")}
    return "*" in names or tag in names


def _version(body: bytes | None) -> VersionJson | None:
    if body is None:
        return None
    try:
        content = body.decode() if len(body) <= LONGEST_SHOWN else None
    except UnicodeDecodeError:
        content = None
    return {"etag": etag(body), "size": len(body), "content": content}

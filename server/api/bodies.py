"""Reading what is sent: JSON up to a limit, files streamed to disk."""

import hashlib
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from tempfile import NamedTemporaryFile

from aiohttp import BodyPartReader, web
from aiohttp.http_exceptions import HttpProcessingError

from nodes.spec import Json
from server.api import wire
from server.api.services import services

CHUNK = 1 << 18


class TooLarge(wire.BadRequest):
    """More was sent than is taken."""

    def __init__(self, limit: int) -> None:
        size = f"{limit / 1024 / 1024:.4g} MB"
        super().__init__(
            f"What was sent is larger than {size}, the most that is taken.", type="body_too_large", status=413
        )


async def read_body(request: web.Request, limit: int) -> bytes:
    """The whole body.

    Raises:
        TooLarge: it has more than `limit` bytes.
    """
    if (request.content_length or 0) > limit:
        raise TooLarge(limit)
    body = bytearray()
    async for chunk in request.content.iter_chunked(CHUNK):
        body += chunk
        if len(body) > limit:
            raise TooLarge(limit)
    return bytes(body)


async def read_json(request: web.Request, *, empty: Json = None) -> Json:
    """The body as JSON; `empty` if there is none and that is not None.

    Raises:
        BadRequest: it is not JSON, or too large.
    """
    body = await read_body(request, services(request).limits.body)
    if not body.strip() and empty is not None:
        return empty
    return wire.loads(body)


@dataclass(frozen=True, slots=True)
class Upload:
    """A file that was sent, in a temporary file beside its goal. `digest`: SHA-256 of its bytes."""

    filename: str
    path: Path
    digest: str


@dataclass(frozen=True, slots=True)
class Form:
    """A multipart form: one file, and its text fields; `every`: all of these, those that are repeated too."""

    upload: Upload | None
    fields: dict[str, str]
    every: list[tuple[str, str]]


@asynccontextmanager
async def read_form(request: web.Request, file_field: str, folder: Path) -> AsyncGenerator[Form]:
    """Read a multipart form. The file lies in `folder` while the context is open; move it to keep it.

    Raises:
        BadRequest: not such a form, or too large.
    """
    if not request.content_type.startswith("multipart/"):
        raise wire.BadRequest(f"Send a multipart form with the file as field {file_field!r}.")
    limit = services(request).limits.upload
    if (request.content_length or 0) > limit + CHUNK:
        raise TooLarge(limit)
    form = _Reading(folder, limit)
    try:
        await form.read(request, file_field)
        yield Form(form.upload, dict(form.every), form.every)
    finally:
        form.forget()


async def _field(part: BodyPartReader) -> str:
    data = bytearray()
    while chunk := await part.read_chunk():
        data += chunk
        if len(data) > CHUNK:
            raise TooLarge(CHUNK)
    return data.decode(errors="replace")


class _Reading:
    """A form while it is read; its file is temporary."""

    def __init__(self, folder: Path, limit: int) -> None:
        self._folder = folder
        self._limit = limit
        self._path: Path | None = None
        self.upload: Upload | None = None
        self.every: list[tuple[str, str]] = []

    async def read(self, request: web.Request, file_field: str) -> None:
        try:
            async for part in await request.multipart():
                if not isinstance(part, BodyPartReader):
                    raise wire.BadRequest("A form inside a form is not taken.")
                if part.name == file_field and part.filename is not None and self.upload is None:
                    await self._store(part, part.filename)
                elif part.name is not None:
                    self.every.append((part.name, await _field(part)))
        except (ValueError, AssertionError, HttpProcessingError) as error:
            raise wire.BadRequest("The form cannot be read.", str(error)) from error

    def forget(self) -> None:
        if self._path is not None:
            self._path.unlink(missing_ok=True)

    async def _store(self, part: BodyPartReader, filename: str) -> None:
        digest, size = hashlib.sha256(), 0
        with NamedTemporaryFile(dir=self._folder, prefix=".upload-", delete=False) as file:
            self._path = Path(file.name)
            while chunk := await part.read_chunk(CHUNK):
                size += len(chunk)
                if size > self._limit:
                    raise TooLarge(self._limit)
                digest.update(chunk)
                file.write(chunk)
        self.upload = Upload(filename, self._path, digest.hexdigest())

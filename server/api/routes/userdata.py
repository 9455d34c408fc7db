"""A person's own files: workflows, subgraphs, style.

Every answer that holds a file carries its `ETag`. A client that sends the one it read as `If-Match` never writes over
what it has not seen: if the file is another by now, it gets 409 with both versions.
"""

import asyncio
import logging
from collections.abc import Iterator, Sequence
from pathlib import Path
from urllib.parse import unquote

from aiohttp import web

from nodes.spec import Json
from server.api import listings, wire
from server.api.bodies import read_body
from server.api.middleware import json_response
from server.api.people import user_of
from server.api.requests import FolderQuery, PathQuery, WriteQuery
from server.api.services import services
from server.api.shape import ANYTHING, Shape
from server.api.versions import check, etag, is_known
from server.editions import Editions
from server.jobs.job import StoreFull

NO_FILE = "There is no file of that name."
TAKEN = "There is a file of that name: choose another, or send overwrite=true to replace it."
LOG = logging.getLogger(__name__)
ROUTES = web.RouteTableDef()
KINDS = {".json": "application/json", ".css": "text/css"}  # all else is a mere file: nothing runs as ours
SAVED = Shape(
    answer=str | listings.UserFileJson, body=bytes, body_media="application/octet-stream", body_optional=True,
    query=WriteQuery, error=listings.ConflictJson,
)  # fmt: skip
MOVED = Shape(answer=str | listings.UserFileJson, query=WriteQuery, error=listings.ConflictJson)


@ROUTES.get(
    "/userdata",
    shape=Shape(answer=list[str] | list[listings.UserFileJson] | list[list[str]], query=FolderQuery),
)
async def list_files(request: web.Request) -> web.Response:
    """Files of a folder: names, or with `full_info` sizes and times, or with `split` names in parts."""
    query = request.query
    if not query.get("dir"):
        raise wire.BadRequest("dir is missing.")
    folder = services(request).workspace.user_file(query["dir"], await user_of(request))
    if not folder.is_dir():
        raise web.HTTPNotFound(text=f"There is no folder {query['dir']} yet.")
    found = await asyncio.to_thread(_files, folder, recurse=wire.read_yes(query, "recurse"))
    if wire.read_yes(query, "full_info"):
        return json_response([_info(path, folder) for path in found])
    names = [path.relative_to(folder).as_posix() for path in found]
    return json_response(
        [[name, *name.split("/")] for name in names] if wire.read_yes(query, "split") else names
    )


@ROUTES.get("/v2/userdata", shape=Shape(answer=list[listings.EntryJson], query=PathQuery))
async def list_folder(request: web.Request) -> web.Response:
    """Files and folders below a path, with their kind."""
    root = await _root(request)
    folder = services(request).workspace.user_file(request.query.get("path", ""), root.name)
    if folder == root and not root.is_dir():
        return json_response([])  # a person who kept nothing yet
    if not folder.is_dir():
        raise web.HTTPNotFound
    return json_response(await asyncio.to_thread(_entries, folder, root))


@ROUTES.get("/userdata/{file:.+}", shape=Shape(answer=bytes, media=ANYTHING))
async def read_file(request: web.Request) -> web.StreamResponse:
    """One file."""
    path = await _path(request, "file")
    if not path.is_file():
        raise web.HTTPNotFound(text=NO_FILE)
    body = await asyncio.to_thread(path.read_bytes)
    headers = {"Cache-Control": "no-cache", "ETag": etag(body)}
    if is_known(request, etag(body)):
        return web.Response(status=304, headers=headers)
    kind = KINDS.get(path.suffix, "application/octet-stream")
    return web.Response(body=body, content_type=kind, headers=headers)


@ROUTES.post("/userdata/{file:.+}/move/{goal:.+}", shape=MOVED)
async def move_file(request: web.Request) -> web.Response:
    """Give a file another name; 409 if that is taken and `overwrite` is not set."""
    source, goal = await _path(request, "file"), await _path(request, "goal")
    overwrite, full = _manner(request)
    async with services(request).writing:
        await asyncio.to_thread(check, request, source, None)
        if not source.is_file():
            raise web.HTTPNotFound(text=NO_FILE)
        if goal.exists() and not overwrite:
            raise web.HTTPConflict(text=TAKEN)
        await asyncio.to_thread(_put, source, goal)
        await _move_editions(request, source, goal)
        return await _saved(request, goal, full=full)


@ROUTES.post("/userdata/{file:.+}", shape=SAVED)
async def write_file(request: web.Request) -> web.Response:
    """Keep the body as a file; 409 if there is one that the client did not name, and `overwrite` is not set."""
    path = await _path(request, "file")
    overwrite, full = _manner(request)
    body = await read_body(request, services(request).limits.upload)
    async with services(request).writing:
        seen = await asyncio.to_thread(check, request, path, body)
        if not seen and path.exists() and not overwrite:
            raise web.HTTPConflict(text=TAKEN)
        before = await asyncio.to_thread(_bytes, path)
        await asyncio.to_thread(_write, path, body)
        await _keep_edition(request, path, [body] if before is None else [before, body])
        return await _saved(request, path, full=full)


@ROUTES.delete("/userdata/{file:.+}", shape=Shape(status=204, error=listings.ConflictJson))
async def delete_file(request: web.Request) -> web.Response:
    """Delete a file."""
    path = await _path(request, "file")
    async with services(request).writing:
        await asyncio.to_thread(check, request, path, None)
        if not path.is_file():
            raise web.HTTPNotFound(text=NO_FILE)
        path.unlink()
    return web.Response(status=204)


async def _keep_edition(request: web.Request, path: Path, contents: Sequence[bytes]) -> None:
    """What was there before is kept too: another program may have put it there, or a crash kept it out of the list."""
    user, file = await _named(request, path)
    if Editions.concern(file):
        try:
            await services(request).editions.keep(user, file, contents)
        except StoreFull as error:
            LOG.warning("%s is saved, but not as a version to come back to: %s", file, error)


async def _move_editions(request: web.Request, source: Path, goal: Path) -> None:
    user, file = await _named(request, source)
    _, name = await _named(request, goal)
    if Editions.concern(file):
        await services(request).editions.move(user, file, name)


async def _named(request: web.Request, path: Path) -> tuple[str, str]:
    """Whose a file is, and its name among theirs."""
    root = await _root(request)
    return root.name, path.relative_to(root).as_posix()


async def _root(request: web.Request) -> Path:
    return services(request).workspace.user_file("", await user_of(request))


async def _path(request: web.Request, name: str) -> Path:
    root = await _root(request)
    # Clients encode the slashes of a name, once or (behind proxies) twice.
    path = services(request).workspace.user_file(unquote(request.match_info[name]), root.name)
    if path == root:
        raise wire.BadRequest("The file's name is missing.")
    return path


def _manner(request: web.Request) -> tuple[bool, bool]:
    """Whether another file's place may be taken, and whether the answer says all of the new one."""
    query = request.query
    return wire.read_yes(query, "overwrite", default="overwrite" not in query), wire.read_yes(
        query, "full_info"
    )


async def _saved(request: web.Request, path: Path, *, full: bool) -> web.Response:
    root = await _root(request)
    response = json_response(_info(path, root) if full else path.relative_to(root).as_posix())
    response.headers["ETag"] = etag(await asyncio.to_thread(path.read_bytes))
    return response


def _bytes(path: Path) -> bytes | None:
    return path.read_bytes() if path.is_file() else None


def _write(path: Path, body: bytes) -> None:
    """All or nothing: a full disk must not leave half a workflow."""
    _make_room(path)
    draft = path.with_name(f".{path.name}.draft")
    try:
        draft.write_bytes(body)
        draft.replace(path)
    finally:
        draft.unlink(missing_ok=True)


def _put(source: Path, goal: Path) -> None:
    _make_room(goal)
    source.replace(goal)


def _make_room(path: Path) -> None:
    """Make the folders above; a file among them, or a folder in its place, is the sender's mistake."""
    if path.is_dir():
        raise wire.BadRequest("There is a folder of that name.", path.name)
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
    except (FileExistsError, NotADirectoryError) as error:
        raise wire.BadRequest("A file stands where the name wants a folder.", path.name) from error


def _files(folder: Path, *, recurse: bool) -> list[Path]:
    found = folder.rglob("*") if recurse else folder.iterdir()
    return sorted(path for path in found if path.is_file() and not path.name.endswith(".draft"))


def _entries(folder: Path, root: Path) -> list[dict[str, Json]]:
    return list(_described(folder, root))


def _described(folder: Path, root: Path) -> Iterator[dict[str, Json]]:
    for path in sorted(folder.rglob("*")):
        name: dict[str, Json] = {"name": path.name, "path": path.relative_to(root).as_posix()}
        if path.is_dir():
            yield name | {"type": "directory"}
        else:
            stat = path.stat()
            yield name | {"type": "file", "size": stat.st_size, "modified": stat.st_mtime}


def _info(path: Path, root: Path) -> dict[str, Json]:
    stat = path.stat()
    return {
        "path": path.relative_to(root).as_posix(),
        "size": stat.st_size,
        "modified": stat.st_mtime,
        "created": stat.st_ctime,
    }

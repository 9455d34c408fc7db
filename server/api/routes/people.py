"""The person's settings and own files: workflows, subgraphs, style. There is one user."""

import asyncio
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import unquote

from aiohttp import web

from nodes.spec import Json
from server.api import wire
from server.api.bodies import read_body, read_json
from server.api.middleware import json_response
from server.api.services import services

ROUTES = web.RouteTableDef()


@ROUTES.get("/users")
async def users(request: web.Request) -> web.Response:
    """One user, whose data lies on the server."""
    del request
    return json_response({"storage": "server", "migrated": True})


@ROUTES.get("/settings")
async def settings(request: web.Request) -> web.Response:
    """All settings by id."""
    return json_response(await services(request).settings.settings())


@ROUTES.post("/settings")
async def change_settings(request: web.Request) -> web.Response:
    """Set some settings; the others stay."""
    await services(request).settings.change_settings(wire.read_object(await read_json(request)))
    return web.Response()


@ROUTES.get("/settings/{id}")
async def setting(request: web.Request) -> web.Response:
    """One setting; null if it was never set."""
    return json_response((await services(request).settings.settings()).get(request.match_info["id"]))


@ROUTES.post("/settings/{id}")
async def change_setting(request: web.Request) -> web.Response:
    """Set one setting to the body's JSON."""
    await services(request).settings.change_settings({request.match_info["id"]: await read_json(request)})
    return web.Response()


@ROUTES.get("/userdata")
async def list_files(request: web.Request) -> web.Response:
    """Files of a folder: names, or with `full_info` sizes and times, or with `split` names in parts."""
    query = request.query
    if not query.get("dir"):
        raise wire.BadRequest("dir is missing.")
    folder = services(request).workspace.user_file(query["dir"])
    if not folder.is_dir():
        raise web.HTTPNotFound
    found = await asyncio.to_thread(_files, folder, recurse=_yes(query.get("recurse")))
    if _yes(query.get("full_info")):
        return json_response([_info(path, folder) for path in found])
    names = [path.relative_to(folder).as_posix() for path in found]
    return json_response([[name, *name.split("/")] for name in names] if _yes(query.get("split")) else names)


@ROUTES.get("/v2/userdata")
async def list_folder(request: web.Request) -> web.Response:
    """Files and folders below a path, with their kind."""
    root = services(request).workspace.user_file("")
    folder = services(request).workspace.user_file(request.query.get("path", ""))
    if not folder.is_dir():
        raise web.HTTPNotFound
    return json_response(await asyncio.to_thread(_entries, folder, root))


@ROUTES.get("/userdata/{file:.+}")
async def read_file(request: web.Request) -> web.StreamResponse:
    """One file."""
    path = _path(request, "file")
    if not path.is_file():
        raise web.HTTPNotFound
    kind = {".json": "application/json", ".css": "text/css"}.get(path.suffix, "application/octet-stream")
    response = web.FileResponse(
        path, headers={"Cache-Control": "no-cache", "X-Content-Type-Options": "nosniff"}
    )
    response.content_type = kind
    return response


@ROUTES.post("/userdata/{file:.+}/move/{goal:.+}")
async def move_file(request: web.Request) -> web.Response:
    """Give a file another name; 409 if that is taken and `overwrite` is not set."""
    source, goal = _path(request, "file"), _path(request, "goal")
    if not source.is_file():
        raise web.HTTPNotFound
    if goal.exists() and not _yes(request.query.get("overwrite", "true")):
        raise web.HTTPConflict
    goal.parent.mkdir(parents=True, exist_ok=True)
    source.replace(goal)
    return _saved(request, goal)


@ROUTES.post("/userdata/{file:.+}")
async def write_file(request: web.Request) -> web.Response:
    """Keep the body as a file; 409 if there is one and `overwrite` is not set."""
    path = _path(request, "file")
    if path.exists() and not _yes(request.query.get("overwrite", "true")):
        raise web.HTTPConflict
    body = await read_body(request, services(request).limits.upload)
    await asyncio.to_thread(_write, path, body)
    return _saved(request, path)


@ROUTES.delete("/userdata/{file:.+}")
async def delete_file(request: web.Request) -> web.Response:
    """Delete a file."""
    path = _path(request, "file")
    if not path.is_file():
        raise web.HTTPNotFound
    path.unlink()
    return web.Response(status=204)


def _path(request: web.Request, name: str) -> Path:
    # Clients encode the slashes of a name, once or (behind proxies) twice.
    path = services(request).workspace.user_file(unquote(request.match_info[name]))
    if path == services(request).workspace.user_file(""):
        raise wire.BadRequest("The file's name is missing.")
    return path


def _saved(request: web.Request, path: Path) -> web.Response:
    root = services(request).workspace.user_file("")
    if _yes(request.query.get("full_info")):
        return json_response(_info(path, root))
    return json_response(path.relative_to(root).as_posix())


def _write(path: Path, body: bytes) -> None:
    """All or nothing: a full disk must not leave half a workflow."""
    if path.is_dir():
        raise wire.BadRequest("There is a folder of that name.", path.name)
    path.parent.mkdir(parents=True, exist_ok=True)
    draft = path.with_name(f".{path.name}.draft")
    try:
        draft.write_bytes(body)
        draft.replace(path)
    finally:
        draft.unlink(missing_ok=True)


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


def _yes(value: str | None) -> bool:
    return value is not None and value.lower() in ("true", "1", "yes")

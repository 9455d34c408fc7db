"""Lists: models, embeddings, extensions of packs; and what the field's front end asks that we have none of."""

import asyncio
import struct
from collections.abc import Mapping
from pathlib import Path

from aiohttp import web

from nodes.spec import Json, Place
from server.api import listings, wire
from server.api.answers import Object
from server.api.middleware import json_response
from server.api.requests import FileQuery, PlaceName, SubscribeBody
from server.api.services import Services, services
from server.api.shape import Shape
from server.backends.base import BackendLost

ROUTES = web.RouteTableDef()
INTERNAL = web.RouteTableDef()  # these are under /internal alone
MAX_HEADER = 100 * 1024 * 1024  # bytes of a safetensors header


@ROUTES.get("/models", shape=Shape(answer=list[str]))
async def folders(request: web.Request) -> web.Response:
    """Folder keys of models."""
    return json_response(list(services(request).workspace.folders()))


@ROUTES.get("/models/{folder}", shape=Shape(answer=list[str]))
async def models(request: web.Request) -> web.Response:
    """Files of one folder key."""
    workspace, folder = services(request).workspace, request.match_info["folder"]
    if folder not in workspace.folders():
        raise web.HTTPNotFound
    return json_response(await asyncio.to_thread(workspace.choices, folder))


@ROUTES.get("/embeddings", shape=Shape(answer=list[str]))
async def embeddings(request: web.Request) -> web.Response:
    """Names of embeddings, without suffixes."""
    names = await asyncio.to_thread(services(request).workspace.choices, "embeddings")
    return json_response([str(Path(name).with_suffix("").as_posix()) for name in names])


@ROUTES.get("/view_metadata/{folder}", shape=Shape(answer=Json, query=FileQuery))
async def metadata(request: web.Request) -> web.Response:
    """What a safetensors file says of itself."""
    name = request.query.get("filename", "")
    if not name.endswith(".safetensors"):
        raise web.HTTPNotFound
    path = services(request).workspace.find(request.match_info["folder"], name)
    found = await asyncio.to_thread(_safetensors_metadata, path)
    if found is None:
        raise web.HTTPNotFound
    return json_response(found)


@ROUTES.get("/extensions", shape=Shape(answer=list[str]))
async def extensions(request: web.Request) -> web.Response:
    """Scripts of packs that the canvas loads."""
    return json_response(await scripts(services(request)))


@ROUTES.get("/i18n", shape=Shape(answer=Object))
@ROUTES.get("/workflow_templates", shape=Shape(answer=Object))
@ROUTES.get("/global_subgraphs", shape=Shape(answer=Object))
@ROUTES.get("/node_replacements", shape=Shape(answer=Object))
async def nothing(request: web.Request) -> web.Response:
    """There are none."""
    del request
    return json_response({})


@ROUTES.get("/experiment/models", shape=Shape(answer=list[listings.ModelFolderJson]))
async def model_folders(request: web.Request) -> web.Response:
    """Folder keys of models, with their folders."""
    folders = services(request).workspace.folders()
    return json_response(
        [{"name": key, "folders": [str(path) for path in paths]} for key, paths in folders.items()]
    )


@ROUTES.get("/experiment/models/{folder}", shape=Shape(answer=list[listings.ModelJson]))
async def model_files(request: web.Request) -> web.Response:
    """Files of a folder key, with sizes and times."""
    workspace, key = services(request).workspace, request.match_info["folder"]
    if key not in workspace.folders():
        raise web.HTTPNotFound
    return json_response(await asyncio.to_thread(_model_files, services(request), key))


@INTERNAL.get("/folder_paths", shape=Shape(answer=dict[str, list[str]]))
async def folder_paths(request: web.Request) -> web.Response:
    """Folder keys of models, with their folders."""
    folders = services(request).workspace.folders()
    return json_response({key: [str(path) for path in paths] for key, paths in folders.items()})


@INTERNAL.get("/files/{place}", shape=Shape(answer=list[str], paths=(("place", PlaceName),)))
async def newest_files(request: web.Request) -> web.Response:
    """Files of input, output or temp, the newest first; not those in folders."""
    name = request.match_info["place"]
    if name not in set(Place):
        raise wire.BadRequest(f"There is no place {name[:50]!r}.")
    folder = services(request).workspace.place(Place(name))
    return json_response(await asyncio.to_thread(_newest, folder))


@INTERNAL.get("/logs", shape=Shape(answer=str))
async def logs(request: web.Request) -> web.Response:
    """The log as text; this server's log is on its own terminal."""
    del request
    return json_response("")


@INTERNAL.get("/logs/raw", shape=Shape(answer=listings.LogJson))
async def raw_logs(request: web.Request) -> web.Response:
    """The log in entries."""
    del request
    return json_response({"entries": [], "size": {"cols": 80, "rows": 24}})


@INTERNAL.patch("/logs/subscribe", shape=Shape(answer=Object, body=SubscribeBody))
async def subscribe_to_logs(request: web.Request) -> web.Response:
    """Accepted; nothing will come."""
    del request
    return json_response({})


async def scripts(behind: Services) -> list[str]:
    """Addresses of all packs' scripts."""
    found: list[str] = []
    for name, folder in (await web_folders(behind)).items():
        paths = sorted(folder.rglob("*.js"))
        found.extend(f"/extensions/{name}/{path.relative_to(folder).as_posix()}" for path in paths)
    return found


async def web_folders(behind: Services) -> Mapping[str, Path]:
    """Packs' folders of files for the browser, by pack name; none if no worker can be started."""
    try:
        packs = await behind.backend.packs()
    except BackendLost:
        return {}
    folders = {pack.name: Path(pack.web_directory) for pack in packs if pack.ok and pack.web_directory}
    return {name: folder for name, folder in folders.items() if folder.is_dir()}


def _newest(folder: Path) -> list[str]:
    files = [path for path in folder.iterdir() if path.is_file() and not path.name.startswith(".")]
    return [path.name for path in sorted(files, key=lambda path: path.stat().st_mtime, reverse=True)]


def _model_files(behind: Services, key: str) -> list[dict[str, Json]]:
    roots = behind.workspace.folders()[key]
    found: list[dict[str, Json]] = []
    for name in behind.workspace.choices(key):
        for index, root in enumerate(roots):
            if (root / name).is_file():
                stat = (root / name).stat()
                found.append(
                    {
                        "name": name,
                        "pathIndex": index,
                        "modified": stat.st_mtime,
                        "created": stat.st_ctime,
                        "size": stat.st_size,
                    }
                )
                break
    return found


def _safetensors_metadata(path: Path) -> Json:
    """The `__metadata__` of the header: 8 bytes of length (little-endian), then JSON."""
    with path.open("rb") as file:
        head = file.read(8)
        if len(head) < 8 or (size := struct.unpack("<Q", head)[0]) > MAX_HEADER:
            return None
        try:
            header = wire.read_object(wire.loads(file.read(size)))
        except wire.BadRequest:
            return None
    return header.get("__metadata__")

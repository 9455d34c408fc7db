"""Models, as files: what kinds there are, what lies in each, what a file says of itself and how its picture looks."""

import asyncio
import base64
import binascii
import io
import struct
from collections.abc import Mapping
from pathlib import Path

from aiohttp import web
from PIL import Image, UnidentifiedImageError

from nodes.spec import Json
from server.api import listings, pictures, wire
from server.api.answers import Object
from server.api.middleware import json_response
from server.api.requests import FileQuery
from server.api.services import services
from server.api.shape import Shape
from server.workspace import FileMissing, Workspace, inside

ROUTES = web.RouteTableDef()
NO_FOLDER = "There is no folder of models by that name; /models lists them."
MAX_HEADER = 100 * 1024 * 1024  # bytes of a safetensors header
PICTURES = (
    ".preview.png",
    ".png",
    ".jpg",
    ".jpeg",
    ".webp",
    ".gif",
)  # that lie beside a model, under its name
THUMBNAIL = "modelspec.thumbnail"  # in a safetensors file's metadata: a picture as a data URL


@ROUTES.get("/models", shape=Shape(answer=list[str]))
async def folders(request: web.Request) -> web.Response:
    """Folder keys of models."""
    return json_response(list(services(request).workspace.folders()))


@ROUTES.get("/models/{folder}", shape=Shape(answer=list[str]))
async def models(request: web.Request) -> web.Response:
    """Files of one folder key."""
    workspace, folder = services(request).workspace, request.match_info["folder"]
    if folder not in workspace.folders():
        raise web.HTTPNotFound(text=NO_FOLDER)
    return json_response(await asyncio.to_thread(workspace.choices, folder))


@ROUTES.get("/embeddings", shape=Shape(answer=list[str]))
async def embeddings(request: web.Request) -> web.Response:
    """Names of embeddings, without suffixes."""
    names = await asyncio.to_thread(services(request).workspace.choices, "embeddings")
    return json_response([str(Path(name).with_suffix("").as_posix()) for name in names])


@ROUTES.get("/view_metadata/{folder}", shape=Shape(answer=Object, query=FileQuery))
async def metadata(request: web.Request) -> web.Response:
    """What a safetensors file says of itself."""
    name = request.query.get("filename", "")
    if not name.endswith(".safetensors"):
        raise web.HTTPNotFound(text="Only .safetensors files have metadata: name one by filename.")
    try:
        path = services(request).workspace.find(request.match_info["folder"], name)
    except FileMissing as error:
        raise web.HTTPNotFound from error
    found = await asyncio.to_thread(_safetensors_metadata, path)
    if found is None:
        raise web.HTTPNotFound
    return json_response(found)


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
        raise web.HTTPNotFound(text=NO_FOLDER)
    return json_response(await asyncio.to_thread(_model_files, workspace, key))


@ROUTES.get(
    "/experiment/models/preview/{folder}/{index}/{file:.+}",
    shape=Shape(answer=bytes, media="image/webp", paths=(("index", int),)),
)
async def preview(request: web.Request) -> web.Response:
    """A model's picture: one that lies beside it, else the one inside a safetensors file."""
    place = request.match_info
    roots = services(request).workspace.folders().get(place["folder"], ())
    index = wire.read_count(place, "index") or 0
    if index >= len(roots):
        raise web.HTTPNotFound
    model = inside(roots[index], place["file"], follow_links=True)
    try:
        found = await asyncio.to_thread(_picture, model)
    except (UnidentifiedImageError, Image.DecompressionBombError, OSError, ValueError) as error:
        raise web.HTTPNotFound from error  # what is no picture is none
    if found is None:
        raise web.HTTPNotFound
    return web.Response(body=found, content_type="image/webp", headers={"Cache-Control": "no-cache"})


def _model_files(workspace: Workspace, key: str) -> list[dict[str, Json]]:
    roots = workspace.folders()[key]
    found: list[dict[str, Json]] = []
    for name in workspace.choices(key):
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


def _picture(model: Path) -> bytes | None:
    if not model.is_file():
        return None
    beside = (model.with_name(model.stem + suffix) for suffix in PICTURES)
    path = next((path for path in beside if path.is_file()), None)
    if path is not None:
        return pictures.thumbnail(path)
    said = _safetensors_metadata(model) if model.suffix == ".safetensors" else None
    url = said.get(THUMBNAIL) if said is not None else None
    if not isinstance(url, str) or not url.startswith("data:image/"):
        return None
    try:
        return pictures.thumbnail(io.BytesIO(base64.b64decode(url.partition(",")[2])))
    except binascii.Error:
        return None


def _safetensors_metadata(path: Path) -> Mapping[str, Json] | None:
    """The `__metadata__` of the header: 8 bytes of length (little-endian), then JSON."""
    with path.open("rb") as file:
        head = file.read(8)
        if len(head) < 8 or (size := struct.unpack("<Q", head)[0]) > MAX_HEADER:
            return None
        try:
            found = wire.read_object(wire.loads(file.read(size))).get("__metadata__")
        except wire.BadRequest:
            return None
    return found if isinstance(found, Mapping) else None

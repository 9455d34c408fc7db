"""Pictures and other files of the workspace: shown, with no chance to run in our origin, and uploaded."""

import asyncio
import mimetypes
import re
from collections.abc import Mapping
from pathlib import Path
from urllib.parse import quote

from aiohttp import web

from nodes.spec import Place
from server.api import answers, films, listings, pictures, wire
from server.api.bodies import Form, Upload, read_form
from server.api.middleware import json_response
from server.api.requests import FileQuery, MaskForm, PlacedQuery, UploadForm, ViewQuery
from server.api.services import services
from server.api.shape import ANYTHING, FORM, Shape
from server.api.storing import stored
from server.api.theirs import claim, may_change, may_see
from server.workspace import Workspace, split_annotation

ROUTES = web.RouteTableDef()
SHOWN = frozenset({"image", "video", "audio"})
CLIPSPACE = (
    "clipspace"  # the folder into which the mask editor of the field's front end uploads what was painted
)
LAYERS = ("mask", "paint", "painted", "painted-masked")
LAYER = re.compile(r"clipspace-(?:mask|paint|painted|painted-masked)-(?P<number>\d+)\.png")
# As documents these could run scripts as us: /view hands them out only to be saved, or inside an <img>.
IN_IMG_ONLY = "image/svg+xml"
PLAIN = "text/plain"  # with `nosniff` a browser shows it as letters and runs nothing of it
SANDBOX = "sandbox; default-src 'none'; style-src 'unsafe-inline'; img-src data:"
MORE_TYPES = {".webp": "image/webp", ".avif": "image/avif", ".flac": "audio/flac", ".opus": "audio/ogg",
              ".mkv": "video/x-matroska", ".m4a": "audio/mp4", ".glb": "model/gltf-binary"}  # fmt: skip


@ROUTES.get("/viewvideo", shape=Shape(answer=bytes, media=ANYTHING, query=ViewQuery))
@ROUTES.get("/view", shape=Shape(answer=bytes, media=ANYTHING, query=ViewQuery))
async def view(request: web.Request) -> web.StreamResponse:
    """A file of input, output or temp; a picture also smaller (`preview`) or in part (`channel`)."""
    query = request.query
    path = _seen_file(request, query)
    if "preview" in query or query.get("channel", "rgba") != "rgba":
        try:
            data, kind = await asyncio.to_thread(
                pictures.redrawn, path, query.get("preview"), query.get("channel")
            )
        except (pictures.PictureUnreadable, OSError, ValueError) as error:
            raise wire.BadRequest(
                f"{path.name} is not a picture that can be shown so.", str(error)
            ) from error
        return web.Response(body=data, content_type=kind, headers=_headers(path.name, kind, request))
    return shown_file(path, request)


@ROUTES.get("/video_metadata", shape=Shape(answer=listings.FilmJson, query=PlacedQuery))
async def video_metadata(request: web.Request) -> web.Response:
    """What a film says of itself: MP4, QuickTime, WebM, Matroska."""
    path = _seen_file(request, request.query)
    try:
        film = await asyncio.to_thread(films.read_film, path)
    except films.FilmUnreadable as error:
        raise wire.BadRequest(f"{path.name} is no film that can be read.", str(error)) from error
    answer: listings.FilmJson = {
        "filename": path.name,
        "format": content_type(path),
        "size": path.stat().st_size,
        "width": film.width,
        "height": film.height,
        "duration": film.duration,
        "fps": film.fps,
        "frame_count": film.frames,
        "has_audio": film.sound,
    }
    return json_response(answer)


@ROUTES.get("/files/mask-layers", shape=Shape(answer=dict[str, str], query=FileQuery))
async def mask_layers(request: web.Request) -> web.Response:
    """The layers that were painted with the one that is named: of `clipspace-KIND-NUMBER.png`, those that are there."""
    name, place = split_annotation(request.query.get("filename", ""))
    if not name:
        raise wire.BadRequest("filename is missing.")
    found = LAYER.fullmatch(name.replace("\\", "/").rsplit("/", maxsplit=1)[-1])
    folder = services(request).workspace.resolve(place or Place.INPUT, CLIPSPACE, name).parent
    if found is None or not folder.is_dir():
        raise web.HTTPNotFound(text=f"{name} is no layer that a mask editor uploaded.")
    layers = {kind: f"clipspace-{kind}-{found['number']}.png" for kind in LAYERS}
    there = {kind.replace("-", "_"): file for kind, file in layers.items() if (folder / file).is_file()}
    if not there:
        raise web.HTTPNotFound
    return json_response(there)


@ROUTES.post("/upload/image", shape=Shape(answer=answers.StoredJson, body=UploadForm, body_media=FORM))
async def upload_image(request: web.Request) -> web.Response:
    """Take a file of any kind into input, temp or output."""
    workspace = services(request).workspace
    async with read_form(request, "image", workspace.place(Place.TEMP)) as form:
        upload = _uploaded(form)
        async with services(request).writing:
            saved = await _kept(request, upload, form.fields)
    return json_response(saved)


@ROUTES.post("/upload/mask", shape=Shape(answer=answers.StoredJson, body=MaskForm, body_media=FORM))
async def upload_mask(request: web.Request) -> web.Response:
    """Take a mask: the alpha of the upload is put on the picture that `original_ref` names; its texts are kept."""
    workspace = services(request).workspace
    async with read_form(request, "image", workspace.place(Place.TEMP)) as form:
        upload = _uploaded(form)
        original = _original(request, form.fields)
        masked = upload.path.with_suffix(".masked")
        try:
            await asyncio.to_thread(pictures.put_alpha, original, upload.path, masked)
            async with services(request).writing:
                sent = Upload(upload.filename, masked, await asyncio.to_thread(pictures.digest, masked))
                saved = await _kept(request, sent, form.fields)
        except pictures.PictureUnreadable as error:
            raise wire.BadRequest("The mask or its picture cannot be read.", str(error)) from error
        finally:
            masked.unlink(missing_ok=True)
    return json_response(saved)


def shown_file(path: Path, request: web.Request) -> web.FileResponse:
    """A file, or the part of it that is asked for: pictures, film and sound as such, all else only to be saved."""
    kind = content_type(path)
    response = web.FileResponse(path, headers=_headers(path.name, kind, request))
    response.content_type = kind if _may_be_shown(kind, request) else "application/octet-stream"
    return response


def content_type(path: Path) -> str:
    """The MIME type by the file's name."""
    known = MORE_TYPES.get(path.suffix.lower()) or mimetypes.guess_type(path.name)[0]
    return known or "application/octet-stream"


def _seen_file(request: web.Request, query: Mapping[str, str]) -> Path:
    """The file that is asked for, if it is there and theirs to see."""
    place, path = _asked_file(services(request).workspace, query)
    if not path.is_file() or not may_see(request, place, path):
        raise web.HTTPNotFound(text=f"There is no file {path.name!r} in that folder of {place.value}.")
    return path


def _asked_file(workspace: Workspace, query: Mapping[str, str]) -> tuple[Place, Path]:
    name, place = split_annotation(query.get("filename", ""))
    if not name:
        raise wire.BadRequest("filename is missing.")
    place = place or _place(query.get("type", "output"))
    return place, workspace.resolve(place, query.get("subfolder", ""), name)


def _place(name: str) -> Place:
    try:
        return Place(name)
    except ValueError as error:
        raise wire.BadRequest(f"type must be one of {', '.join(Place)}.", f"It is {name[:50]!r}.") from error


def _may_be_shown(kind: str, request: web.Request) -> bool:
    if kind == IN_IMG_ONLY:
        return request.headers.get("Sec-Fetch-Dest") == "image"
    return kind == PLAIN or kind.split("/", maxsplit=1)[0] in SHOWN


def _headers(filename: str, kind: str, request: web.Request) -> dict[str, str]:
    shown = _may_be_shown(kind, request)
    way = "inline" if shown else "attachment"
    found = {
        "Content-Disposition": f"{way}; filename*=UTF-8''{quote(filename)}",
        "X-Content-Type-Options": "nosniff",
        # The same name may be written anew: the browser keeps it, but asks whether it changed.
        "Cache-Control": "no-cache",
    }
    if not shown or kind in (IN_IMG_ONLY, PLAIN):
        found["Content-Security-Policy"] = SANDBOX
    return found


def _uploaded(form: Form) -> Upload:
    if form.upload is None or not form.upload.filename:
        raise wire.BadRequest("The form has no file as field 'image'.")
    return form.upload


async def _kept(request: web.Request, upload: Upload, fields: Mapping[str, str]) -> dict[str, str]:
    """Move an upload to its place. Of the same name: the same bytes are not kept twice, others get a number."""
    workspace = services(request).workspace
    place, subfolder = _place(fields.get("type", "input")), fields.get("subfolder", "")
    # Browsers on some systems send a whole path; only the last part is a name.
    filename = upload.filename.replace("\\", "/").split("/")[-1]
    wanted = workspace.resolve(place, subfolder, filename)
    overwrite = fields.get("overwrite") in ("true", "1")
    if overwrite and wanted.exists() and not may_change(request, place, wanted):
        overwrite = False  # another's stays, and this one gets a number
    goal, came = await asyncio.to_thread(
        stored, wanted, upload, overwrite=overwrite, hidden=lambda path: not may_see(request, place, path)
    )
    if came:
        await claim(request, place, goal)
    folder = goal.parent.relative_to(workspace.place(place)).as_posix()
    return {"name": goal.name, "subfolder": "" if folder == "." else folder, "type": place.value}


def _original(request: web.Request, fields: Mapping[str, str]) -> Path:
    try:
        reference = wire.read_object(wire.loads(fields.get("original_ref", "").encode()))
    except wire.BadRequest as error:
        message = (
            'original_ref must name the picture under the mask, as {"filename", "subfolder", "type"} in JSON.'
        )
        raise wire.BadRequest(message, error.fault.details) from error
    texts = {name: value for name, value in reference.items() if isinstance(value, str)}
    place, path = _asked_file(services(request).workspace, texts)
    if not path.is_file() or not may_see(request, place, path):
        raise wire.BadRequest(f"The picture under the mask is not there, in {place.value}.", path.name)
    return path

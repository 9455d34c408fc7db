"""Models for people who look for one: what each is, and bringing those that a workflow misses."""

import asyncio
import re
from collections.abc import Mapping
from pathlib import Path

from aiohttp import web

from nodes.spec import Json
from server.api import found as shapes
from server.api.bodies import read_json
from server.api.downloads import Download, Refused
from server.api.middleware import json_response
from server.api.people import check_admin
from server.api.requests import DownloadBody, ModelBody
from server.api.services import Services, services
from server.api.shape import Shape
from server.api.wire import BadRequest, read_object
from server.model_facts import facts
from server.workspace import LISTED, FileMissing, inside, suffixes

ROUTES = web.RouteTableDef()  # under /api/weft
SHA256 = re.compile(r"[0-9a-fA-F]{64}")


@ROUTES.get("/models", shape=Shape(answer=list[shapes.KnownModelJson]))
async def models(request: web.Request) -> web.Response:
    """Every model file of every folder key: size, family, words, and its hash where it is known."""
    behind = services(request)
    await behind.library.known()
    return json_response(await asyncio.to_thread(_models, behind))


@ROUTES.post("/models/hash", shape=Shape(answer=shapes.ModelHashJson, body=ModelBody))
async def hash_model(request: web.Request) -> web.Response:
    """The SHA-256 of a model's content; computed if it is not known yet."""
    folder, name = _place(read_object(await read_json(request)))
    behind = services(request)
    try:
        path = behind.workspace.find(folder, name)
    except FileMissing as error:
        raise web.HTTPNotFound from error
    if not path.is_file():
        raise BadRequest("A folder of several files has no hash of its own.")
    return json_response({"sha256": await behind.library.hash_of(path)})


@ROUTES.get("/downloads", shape=Shape(answer=shapes.DownloadsJson))
async def downloads(request: web.Request) -> web.Response:
    """How files fare that are being brought, and which sites may be asked."""
    behind = services(request).downloads
    told: list[Json] = [_told(one) for one in behind.all()]
    return json_response({"sites": list(behind.sites), "downloads": told})


@ROUTES.post("/downloads", shape=Shape(answer=shapes.DownloadJson, body=DownloadBody))
async def bring(request: web.Request) -> web.Response:
    """Bring a model file into a folder. Nothing that is there is replaced."""
    check_admin(request, "bring models")
    body = read_object(await read_json(request))
    folder, name = _place(body)
    url, sha256 = body.get("url"), body.get("sha256")
    if not isinstance(url, str) or not url:
        raise BadRequest("url is missing.")
    if sha256 is not None and not (isinstance(sha256, str) and SHA256.fullmatch(sha256)):
        raise BadRequest("sha256 is 64 hexadecimal digits.")
    behind = services(request)
    roots = behind.workspace.folders().get(folder)
    if not roots:
        raise BadRequest(f"There is no folder {folder!r} of models.")
    endings = suffixes(folder)
    if not name.lower().endswith(tuple(endings)):
        raise BadRequest(f"{name!r} is no model file: its name ends in one of {', '.join(sorted(endings))}.")
    try:
        begun = behind.downloads.start(url, folder, name, inside(roots[0], name), sha256)
    except Refused as error:
        raise BadRequest(str(error), type="download_refused") from error
    return json_response(_told(begun))


@ROUTES.delete("/downloads/{id}", shape=Shape(answer=shapes.DownloadJson))
async def cancel(request: web.Request) -> web.Response:
    """Cancel one; what came is kept for another try."""
    check_admin(request, "cancel downloads")
    found = await services(request).downloads.cancel(request.match_info["id"])
    if found is None:
        raise web.HTTPNotFound
    return json_response(_told(found))


def _place(body: Mapping[str, Json]) -> tuple[str, str]:
    """The folder key and the name in it."""
    folder, name = body.get("folder"), body.get("name")
    if not isinstance(folder, str) or not isinstance(name, str) or not name.strip():
        raise BadRequest("folder and name are needed.")
    return folder, name


def _told(download: Download) -> dict[str, Json]:
    return {
        "id": download.id,
        "url": download.url,
        "folder": download.folder,
        "name": download.name,
        "state": download.state.value,
        "got": download.got,
        "size": download.size,
        "words": download.words,
    }


def _models(behind: Services) -> list[Json]:
    workspace, found = behind.workspace, list[Json]()
    for folder, roots in workspace.folders().items():
        if folder in LISTED:
            continue
        for name in workspace.choices(folder):
            try:
                path = workspace.find(folder, name)
                stat = path.stat()
            except (FileMissing, OSError):
                continue  # it went meanwhile
            told = facts(path)
            shipped = name in workspace.shipped.get(folder, {})
            found.append(
                {
                    "folder": folder,
                    "name": name,
                    "size": _bytes(path),
                    "modified": stat.st_mtime,
                    "shipped": shipped,
                    "family": told.family,
                    "words": list(told.words),
                    "title": told.title,
                    "about": told.about,
                    "sha256": None if path.is_dir() else behind.library.hash_if_known(path, stat),
                    "root": None if shipped else _root(path, roots),
                }
            )
    return found


def _root(path: Path, roots: tuple[Path, ...]) -> int | None:
    return next((index for index, root in enumerate(roots) if path.is_relative_to(root)), None)


def _bytes(path: Path) -> int:
    if path.is_dir():
        return sum(part.stat().st_size for part in path.rglob("*") if part.is_file())
    return path.stat().st_size

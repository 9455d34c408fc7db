"""/internal: the log, newest files, folders of models. The field's front end asks these; they are not under /api."""

import asyncio
from pathlib import Path

from aiohttp import web

from nodes.spec import Place
from server.api import listings, wire
from server.api.answers import Object
from server.api.bodies import read_json
from server.api.middleware import json_response
from server.api.people import check_admin, person_of
from server.api.requests import PlaceName, SubscribeBody
from server.api.services import services
from server.api.shape import Shape
from server.api.theirs import may_see

ROUTES = web.RouteTableDef()


@ROUTES.get("/folder_paths", shape=Shape(answer=dict[str, list[str]]))
async def folder_paths(request: web.Request) -> web.Response:
    """Folder keys of models, with their folders."""
    folders = services(request).workspace.folders()
    return json_response({key: [str(path) for path in paths] for key, paths in folders.items()})


@ROUTES.get("/files/{place}", shape=Shape(answer=list[str], paths=(("place", PlaceName),)))
async def newest_files(request: web.Request) -> web.Response:
    """Files of input, output or temp, the newest first; not those in folders."""
    name = request.match_info["place"]
    if name not in set(Place):
        raise wire.BadRequest(f"There is no place {name[:50]!r}.")
    place = Place(name)
    folder = services(request).workspace.place(place)
    found = await asyncio.to_thread(_newest, folder)
    return json_response([file for file in found if may_see(request, place, folder / file)])


@ROUTES.get("/logs", shape=Shape(answer=str))
async def logs(request: web.Request) -> web.Response:
    """The log's last lines as text: the server's, the worker's, and what packs print."""
    check_admin(request, "read the log, in which everybody's jobs are")
    return json_response(services(request).log.text())


@ROUTES.get("/logs/raw", shape=Shape(answer=listings.LogJson))
async def raw_logs(request: web.Request) -> web.Response:
    """The log's last lines, each with its time."""
    check_admin(request, "read the log, in which everybody's jobs are")
    return json_response(services(request).log.whole())


@ROUTES.patch("/logs/subscribe", shape=Shape(answer=Object, body=SubscribeBody))
async def subscribe_to_logs(request: web.Request) -> web.Response:
    """Let a client's websocket hear new lines as `logs` messages, or no more."""
    wanted = wire.read_subscription(await read_json(request))
    check_admin(request, "read the log, in which everybody's jobs are")
    services(request).log.subscribe(person_of(request).address(wanted.client), enabled=wanted.enabled)
    return json_response({})


def _newest(folder: Path) -> list[str]:
    files = [path for path in folder.iterdir() if path.is_file() and not path.name.startswith(".")]
    return [path.name for path in sorted(files, key=lambda path: path.stat().st_mtime, reverse=True)]

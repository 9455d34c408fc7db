"""What saved workflows were before: a list, each as it was, and a small drawing of each."""

import asyncio
import json
import re
from collections.abc import Mapping
from typing import cast

from aiohttp import web

from nodes.spec import Json
from server.api import listings, wire
from server.api.drawing import drawn
from server.api.middleware import json_response
from server.api.people import user_of
from server.api.requests import DrawingQuery, EditionsQuery
from server.api.services import services
from server.api.shape import Shape

ROUTES = web.RouteTableDef()
# An edition never becomes another; who may see it is asked each time.
FOREVER = {"Cache-Control": "private, max-age=31536000, immutable"}


@ROUTES.get("/versions", shape=Shape(answer=list[listings.EditionJson], query=EditionsQuery))
async def list_editions(request: web.Request) -> web.Response:
    """The versions that are kept of a person's workflow, the newest first; none of other files."""
    file = request.query.get("file", "")
    if not file:
        raise wire.BadRequest("file is missing.")
    found = await services(request).editions.of(await user_of(request), file)
    told: list[Json] = [
        {
            "id": edition.id,
            "saved": edition.saved,
            "size": edition.size,
            "nodes": edition.nodes,
            "etag": f'"{edition.sha256[:32]}"',
        }
        for edition in found
    ]
    return json_response(told)


@ROUTES.get("/versions/deleted", shape=Shape(answer=list[listings.DeletedFileJson]))
async def list_deleted(request: web.Request) -> web.Response:
    """Workflows that a person deleted, as far as their versions are kept; the one saved last first."""
    behind, user = services(request), await user_of(request)
    found = await behind.editions.files(user)
    gone = await asyncio.to_thread(
        lambda: [each for each in found if not behind.workspace.user_file(each.file, user).exists()]
    )
    told: list[Json] = [{"file": each.file, "versions": each.kept, "saved": each.saved} for each in gone]
    return json_response(told)


@ROUTES.get("/versions/{id}", shape=Shape(answer=bytes, media="application/json"))
async def read_edition(request: web.Request) -> web.Response:
    """The workflow as it was saved then, byte for byte."""
    return web.Response(body=await _body(request), content_type="application/json", headers=FOREVER)


@ROUTES.get("/versions/{id}/thumbnail", shape=Shape(answer=bytes, media="image/webp", query=DrawingQuery))
async def draw_edition(request: web.Request) -> web.Response:
    """A drawing of its nodes; of what is no workflow, an empty one."""
    light = request.query.get("theme") == "light"
    picture = await asyncio.to_thread(_drawing, await _body(request), light=light)
    return web.Response(body=picture, content_type="image/webp", headers=FOREVER)


async def _body(request: web.Request) -> bytes:
    id = request.match_info["id"]
    if re.fullmatch(r"[0-9]{1,15}", id) is None:
        raise web.HTTPNotFound
    body = await services(request).editions.read(await user_of(request), int(id))
    if body is None:
        raise web.HTTPNotFound
    return body


def _drawing(body: bytes, *, light: bool) -> bytes:
    try:
        workflow = json.loads(body)
    except (ValueError, RecursionError):
        workflow = None
    return drawn(cast("Mapping[str, Json]", workflow) if isinstance(workflow, dict) else {}, light=light)

"""Who works here, and their settings."""

import uuid

from aiohttp import web

from nodes.spec import Json
from server.api import answers, wire
from server.api.bodies import read_json
from server.api.listings import UsersJson
from server.api.middleware import json_response
from server.api.people import user_of
from server.api.requests import UserBody
from server.api.services import services
from server.api.shape import Shape

ROUTES = web.RouteTableDef()


@ROUTES.get("/users", shape=Shape(answer=UsersJson))
async def users(request: web.Request) -> web.Response:
    """People whose data lies on the server: one without a name, or with `--multi-user` all by id."""
    behind = services(request)
    if not behind.multi_user:
        return json_response({"storage": "server", "migrated": True})
    return json_response({"storage": "server", "users": await behind.settings.users()})


@ROUTES.post("/users", shape=Shape(answer=str, body=UserBody, error=answers.JobErrorJson))
async def add_user(request: web.Request) -> web.Response:
    """Take in a person; their id."""
    name = wire.read_username(await read_json(request))
    behind = services(request)
    if not behind.multi_user:
        return json_response(
            {"error": "This server has one user. For more, start it with --multi-user."}, 400
        )
    stem = "".join(letter if letter.isascii() and letter.isalnum() else "-" for letter in name)[:40]
    id = f"{stem}_{uuid.uuid4().hex}"
    if not await behind.settings.add_user(id, name):
        return json_response({"error": "Duplicate username."}, 400)
    return json_response(id)


@ROUTES.get("/settings", shape=Shape(answer=answers.Object))
async def settings(request: web.Request) -> web.Response:
    """All settings by id."""
    return json_response(await services(request).settings.settings(await user_of(request)))


@ROUTES.post("/settings", shape=Shape(body=answers.Object))
async def change_settings(request: web.Request) -> web.Response:
    """Set some settings; the others stay."""
    changes = wire.read_object(await read_json(request))
    await services(request).settings.change_settings(await user_of(request), changes)
    return web.Response()


@ROUTES.get("/settings/{id}", shape=Shape(answer=Json))
async def setting(request: web.Request) -> web.Response:
    """One setting; null if it was never set."""
    found = await services(request).settings.settings(await user_of(request))
    return json_response(found.get(request.match_info["id"]))


@ROUTES.post("/settings/{id}", shape=Shape(body=Json))
async def change_setting(request: web.Request) -> web.Response:
    """Set one setting to the body's JSON."""
    changes = {request.match_info["id"]: await read_json(request)}
    await services(request).settings.change_settings(await user_of(request), changes)
    return web.Response()

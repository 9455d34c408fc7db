"""What is done."""

import asyncio

from aiohttp import web

from server.api import answers, wire
from server.api.bodies import read_json
from server.api.middleware import json_response
from server.api.people import is_theirs, person_of, theirs
from server.api.requests import HistoryQuery, RemovalBody
from server.api.services import services
from server.api.shape import Shape

ROUTES = web.RouteTableDef()


@ROUTES.get("/history", shape=Shape(answer=dict[str, answers.HistoryJson], query=HistoryQuery))
async def history(request: web.Request) -> web.Response:
    """Finished jobs by id, oldest first."""
    count = wire.read_count(request.query, "max_items")
    offset = wire.read_count(request.query, "offset")
    found = answers.history_json(await services(request).history.last(count, offset, person_of(request).only))
    return await asyncio.to_thread(json_response, found)  # it may be long


@ROUTES.get("/history/{id}", shape=Shape(answer=dict[str, answers.HistoryJson]))
async def entry(request: web.Request) -> web.Response:
    """One finished job by id; empty while it is not finished."""
    record = await services(request).history.get(request.match_info["id"])
    return json_response(answers.history_json([record] if record and is_theirs(request, record.job) else []))


@ROUTES.post("/history", shape=Shape(body=RemovalBody))
async def forget(request: web.Request) -> web.Response:
    """Forget finished jobs, all or some."""
    wanted = wire.read_removal(await read_json(request))
    kept = services(request).history
    if wanted.clear:
        await kept.clear(person_of(request).only)
    if wanted.delete:
        await kept.delete(await theirs(request, wanted.delete) or ())
    return web.Response()

"""What is done."""

import asyncio
from collections.abc import AsyncIterator, Sequence

from aiohttp import web

from server.api import answers, wire
from server.api.bodies import read_json
from server.api.history_text import entries
from server.api.middleware import json_response
from server.api.people import is_theirs, person_of, theirs
from server.api.requests import HistoryQuery, RemovalBody
from server.api.services import services
from server.api.shape import Shape
from server.jobs.job import Record, WrittenRecord

ROUTES = web.RouteTableDef()
JSON, FRESH = "application/json", {"Cache-Control": "no-cache"}
LONG = 10  # portions: so much is answered in one piece, and compressed where that was asked for


@ROUTES.get("/history", shape=Shape(answer=dict[str, answers.HistoryJson], query=HistoryQuery))
async def history(request: web.Request) -> web.StreamResponse:
    """Finished jobs by id, oldest first; a long list in portions, as they are read."""
    count = wire.read_count(request.query, "max_items")
    offset = wire.read_count(request.query, "offset")
    portions = services(request).history.written(count, offset, person_of(request).only)
    told = [text async for text in _texts(portions, most=LONG)]
    if len(told) < LONG:
        return web.Response(text=f"{{{','.join(told)}}}", content_type=JSON, headers=FRESH)
    response = web.StreamResponse(headers={"Content-Type": f"{JSON}; charset=utf-8", **FRESH})
    await response.prepare(request)
    await response.write(f"{{{','.join(told)}".encode())
    async for text in _texts(portions):
        await response.write(f",{text}".encode())
    await response.write(b"}")
    return response


async def _texts(
    portions: AsyncIterator[Sequence[WrittenRecord | Record]], most: int | None = None
) -> AsyncIterator[str]:
    """Portions as text, `most` of them; those without jobs are left out."""
    told = 0
    while told != most and (portion := await anext(portions, None)) is not None:
        if portion:
            told += 1
            yield await asyncio.to_thread(entries, portion)


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

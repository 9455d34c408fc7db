"""What is done, and the list of all jobs."""

import asyncio

from aiohttp import web

from server.api import answers, wire
from server.api.bodies import read_json
from server.api.middleware import json_response
from server.api.requests import HistoryQuery, JobIdsBody, JobsQuery, RemovalBody
from server.api.services import Services, services
from server.api.shape import Shape

ROUTES = web.RouteTableDef()
JOB_ROUTES = web.RouteTableDef()  # these are under /api alone


@ROUTES.get("/history", shape=Shape(answer=dict[str, answers.HistoryJson], query=HistoryQuery))
async def history(request: web.Request) -> web.Response:
    """Finished jobs by id, oldest first."""
    count = wire.read_count(request.query, "max_items")
    offset = wire.read_count(request.query, "offset")
    found = answers.history_json(await services(request).history.last(count, offset))
    return await asyncio.to_thread(json_response, found)  # it may be long


@ROUTES.get("/history/{id}", shape=Shape(answer=dict[str, answers.HistoryJson]))
async def entry(request: web.Request) -> web.Response:
    """One finished job by id; empty while it is not finished."""
    record = await services(request).history.get(request.match_info["id"])
    return json_response(answers.history_json([record] if record else []))


@ROUTES.post("/history", shape=Shape(body=RemovalBody))
async def forget(request: web.Request) -> web.Response:
    """Forget finished jobs, all or some."""
    wanted = wire.read_removal(await read_json(request))
    kept = services(request).history
    if wanted.clear:
        await kept.clear()
    if wanted.delete:
        await kept.delete(wanted.delete)
    return web.Response()


@JOB_ROUTES.get("/jobs", shape=Shape(answer=answers.PageJson, query=JobsQuery, error=answers.JobErrorJson))
async def jobs(request: web.Request) -> web.Response:
    """A page of all jobs, waiting, running and done."""
    try:
        search = wire.read_search(request.query)
    except wire.BadRequest as error:
        return json_response({"error": error.fault.message}, 400)
    records, total = await services(request).history.search(search)
    return json_response(answers.page_json(records, search, total))


@JOB_ROUTES.get("/jobs/{id}", shape=Shape(answer=answers.WholeJobJson, error=answers.JobErrorJson))
async def job(request: web.Request) -> web.Response:
    """All that is known of one job."""
    record = await services(request).history.find(request.match_info["id"])
    if record is None:
        return json_response({"error": "Job not found"}, 404)
    return json_response(answers.whole_job_json(record))


@JOB_ROUTES.post("/jobs/cancel", shape=Shape(answer=answers.CancelledJson, body=JobIdsBody))
async def cancel_some(request: web.Request) -> web.Response:
    """Cancel several jobs; whether any was there to cancel."""
    ids = wire.read_job_ids(await read_json(request))
    done = [await _cancel(services(request), id) for id in ids]
    return json_response({"cancelled": any(done)})


@JOB_ROUTES.post("/jobs/{id}/cancel", shape=Shape(answer=answers.CancelledJson))
async def cancel(request: web.Request) -> web.Response:
    """Cancel one job, waiting or running."""
    return json_response({"cancelled": await _cancel(services(request), request.match_info["id"])})


async def _cancel(behind: Services, id: str) -> bool:
    return await behind.queue.delete([id]) > 0 or behind.runner.stop(id)

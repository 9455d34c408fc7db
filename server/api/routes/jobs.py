"""Jobs, waiting, running and done: list, look, cancel, pause, resume, move, retry. One, several or all."""

from collections.abc import Sequence

from aiohttp import web

from server.api import answers, wire
from server.api.bodies import read_json
from server.api.middleware import json_response
from server.api.requests import GoalBody, JobIdsBody, JobsQuery, MoveBody, RetryBody, RetryOneBody
from server.api.services import services
from server.api.shape import Shape
from server.jobs.control import NoSuchJob, NotOver
from server.jobs.order import NotWaiting

ROUTES = web.RouteTableDef()  # these are under /api alone
FAULT = answers.JobErrorJson | answers.ErrorJson  # what cannot be done; what is no such request


@ROUTES.get("/jobs", shape=Shape(answer=answers.PageJson, query=JobsQuery, error=answers.JobErrorJson))
async def jobs(request: web.Request) -> web.Response:
    """A page of all jobs, waiting, running and done."""
    try:
        search = wire.read_search(request.query)
    except wire.BadRequest as error:
        return _refusal(error.fault.message, 400)
    records, total = await services(request).history.search(search)
    return json_response(answers.page_json(records, search, total))


@ROUTES.get("/jobs/{id}", shape=Shape(answer=answers.WholeJobJson, error=answers.JobErrorJson))
async def job(request: web.Request) -> web.Response:
    """All that is known of one job."""
    record = await services(request).history.find(request.match_info["id"])
    if record is None:
        return _refusal("Job not found", 404)
    return json_response(answers.whole_job_json(record))


@ROUTES.post("/jobs/cancel", shape=Shape(answer=answers.CancelledJson, body=JobIdsBody))
async def cancel_some(request: web.Request) -> web.Response:
    """Cancel several jobs, or all; whether any was there to cancel."""
    wanted = wire.read_selection(await read_json(request))
    done = await services(request).control.cancel(wanted.ids)
    return json_response({"cancelled": bool(done)})


@ROUTES.post("/jobs/{id}/cancel", shape=Shape(answer=answers.CancelledJson))
async def cancel(request: web.Request) -> web.Response:
    """Cancel one job, waiting or running."""
    done = await services(request).control.cancel([request.match_info["id"]])
    return json_response({"cancelled": bool(done)})


@ROUTES.post("/jobs/pause", shape=Shape(answer=answers.QueueStateJson, body=JobIdsBody, body_optional=True))
async def pause_some(request: web.Request) -> web.Response:
    """Pause the queue, or put several jobs on hold."""
    wanted = wire.read_selection(await read_json(request, empty={}), default_all=True)
    done = await services(request).control.pause(wanted.ids)
    return _queue_state(request, done)


@ROUTES.post("/jobs/{id}/pause", shape=Shape(answer=answers.QueueStateJson))
async def pause(request: web.Request) -> web.Response:
    """Put one job on hold. If it runs, it is stopped, and goes on at the node where it was when it is resumed."""
    return _queue_state(request, await services(request).control.pause([request.match_info["id"]]))


@ROUTES.post("/jobs/resume", shape=Shape(answer=answers.QueueStateJson, body=JobIdsBody, body_optional=True))
async def resume_some(request: web.Request) -> web.Response:
    """Let the queue go on, or several jobs that were on hold."""
    wanted = wire.read_selection(await read_json(request, empty={}), default_all=True)
    done = await services(request).control.resume(wanted.ids)
    return _queue_state(request, done)


@ROUTES.post("/jobs/{id}/resume", shape=Shape(answer=answers.QueueStateJson))
async def resume(request: web.Request) -> web.Response:
    """Let one job go on that was on hold."""
    return _queue_state(request, await services(request).control.resume([request.match_info["id"]]))


@ROUTES.post("/jobs/move", shape=Shape(answer=answers.MovedJson, body=MoveBody, error=FAULT))
async def move_some(request: web.Request) -> web.Response:
    """Move several waiting jobs to the front, to the back, before or after another one."""
    raw = await read_json(request)
    return await _move(request, wire.read_selection(raw).ids or (), raw)


@ROUTES.post("/jobs/{id}/move", shape=Shape(answer=answers.MovedJson, body=GoalBody, error=FAULT))
async def move(request: web.Request) -> web.Response:
    """Move one waiting job."""
    return await _move(request, [request.match_info["id"]], await read_json(request))


@ROUTES.post(
    "/jobs/retry",
    shape=Shape(answer=answers.RetryJson, body=RetryBody, body_optional=True, error=FAULT),
)
async def retry_some(request: web.Request) -> web.Response:
    """Queue several finished jobs once more, or all failed ones that were not tried again yet."""
    raw = await read_json(request, empty={})
    return await _retry(request, wire.read_selection(raw, default_all=True).ids, raw)


@ROUTES.post(
    "/jobs/{id}/retry",
    shape=Shape(answer=answers.RetryJson, body=RetryOneBody, body_optional=True, error=FAULT),
)
async def retry(request: web.Request) -> web.Response:
    """Queue one finished job once more. What it finished before is not done again where it was kept."""
    return await _retry(request, [request.match_info["id"]], await read_json(request, empty={}))


async def _move(request: web.Request, ids: Sequence[str], raw: wire.Json) -> web.Response:
    try:
        moved = await services(request).control.move(ids, wire.read_goal(raw))
    except NotWaiting as error:
        return _refusal(str(error), 404)
    return json_response({"moved": list(moved)})


async def _retry(request: web.Request, ids: Sequence[str] | None, raw: wire.Json) -> web.Response:
    try:
        queued = await services(request).control.retry(ids, wire.read_client(raw))
    except NoSuchJob as error:
        return _refusal(str(error), 404)
    except NotOver as error:
        return _refusal(str(error), 409)
    return json_response({"jobs": [answers.retried_json(job) for job in queued]})


def _queue_state(request: web.Request, jobs: Sequence[str]) -> web.Response:
    return json_response({"paused": services(request).queue.paused, "jobs": list(jobs)})


def _refusal(text: str, status: int) -> web.Response:
    """As clients of `/api/jobs` expect it."""
    return json_response({"error": text}, status)

"""Jobs, waiting, running and done: list, look, cancel, pause, resume, move, retry. One, several or all."""

from collections.abc import Sequence
from dataclasses import replace

from aiohttp import web

from server.api import answers, wire
from server.api.bodies import read_json
from server.api.middleware import json_response
from server.api.people import check_admin, person_of, their_record, theirs
from server.api.queries import read_search
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
        search = read_search(request.query)
    except wire.BadRequest as error:
        return _refusal(error.fault.message, 400)
    search = replace(search, owner=person_of(request).only)
    records, total = await services(request).history.search(search)
    return json_response(answers.page_json(records, search, total))


@ROUTES.get("/jobs/{id}", shape=Shape(answer=answers.WholeJobJson, error=answers.JobErrorJson))
async def job(request: web.Request) -> web.Response:
    """All that is known of one job."""
    record = await their_record(request, request.match_info["id"])
    if record is None:
        return _refusal("Job not found", 404)
    return json_response(answers.whole_job_json(record))


@ROUTES.post("/jobs/cancel", shape=Shape(answer=answers.CancelledJson, body=JobIdsBody))
async def cancel_some(request: web.Request) -> web.Response:
    """Cancel several jobs, or all; whether any was there to cancel."""
    wanted = wire.read_selection(await read_json(request))
    done = await services(request).control.cancel(await theirs(request, wanted.ids))
    return json_response({"cancelled": bool(done)})


@ROUTES.post("/jobs/{id}/cancel", shape=Shape(answer=answers.CancelledJson))
async def cancel(request: web.Request) -> web.Response:
    """Cancel one job, waiting or running."""
    done = await services(request).control.cancel(await theirs(request, [request.match_info["id"]]))
    return json_response({"cancelled": bool(done)})


@ROUTES.post("/jobs/pause", shape=Shape(answer=answers.QueueStateJson, body=JobIdsBody, body_optional=True))
async def pause_some(request: web.Request) -> web.Response:
    """Pause the queue, or put several jobs on hold."""
    wanted = wire.read_selection(await read_json(request, empty={}), default_all=True)
    if wanted.ids is None:
        check_admin(request, "pause the whole queue")
    done = await services(request).control.pause(await theirs(request, wanted.ids))
    return _queue_state(request, done)


@ROUTES.post("/jobs/{id}/pause", shape=Shape(answer=answers.QueueStateJson))
async def pause(request: web.Request) -> web.Response:
    """Put one job on hold. If it runs, it is stopped, and goes on at the node where it was when it is resumed."""
    ids = await theirs(request, [request.match_info["id"]])
    return _queue_state(request, await services(request).control.pause(ids))


@ROUTES.post("/jobs/resume", shape=Shape(answer=answers.QueueStateJson, body=JobIdsBody, body_optional=True))
async def resume_some(request: web.Request) -> web.Response:
    """Let the queue go on, or several jobs that were on hold."""
    wanted = wire.read_selection(await read_json(request, empty={}), default_all=True)
    if wanted.ids is None:
        check_admin(request, "let the whole queue go on")
    done = await services(request).control.resume(await theirs(request, wanted.ids))
    return _queue_state(request, done)


@ROUTES.post("/jobs/{id}/resume", shape=Shape(answer=answers.QueueStateJson))
async def resume(request: web.Request) -> web.Response:
    """Let one job go on that was on hold."""
    ids = await theirs(request, [request.match_info["id"]])
    return _queue_state(request, await services(request).control.resume(ids))


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
        moved = await services(request).control.move(
            [*(await theirs(request, ids) or ())], wire.read_goal(raw)
        )
    except NotWaiting as error:
        return _refusal(str(error), 404)
    return json_response({"moved": list(moved)})


async def _retry(request: web.Request, ids: Sequence[str] | None, raw: wire.Json) -> web.Response:
    try:
        ids = await _retryable(request, ids)
        client = wire.read_client(raw)
        address = None if client is None else person_of(request).address(client)
        queued = await services(request).control.retry(ids, client, address)
    except NoSuchJob as error:
        return _refusal(str(error), 404)
    except NotOver as error:
        return _refusal(str(error), 409)
    return json_response({"jobs": [answers.retried_json(job) for job in queued]})


async def _retryable(request: web.Request, ids: Sequence[str] | None) -> Sequence[str]:
    if ids is None:
        return await services(request).history.retryable(person_of(request).only)
    if others := set(ids) - set(await theirs(request, ids) or ()):
        raise NoSuchJob(f"There is no job {min(others)}.")
    return ids


def _queue_state(request: web.Request, jobs: Sequence[str]) -> web.Response:
    return json_response({"paused": services(request).queue.paused, "jobs": list(jobs)})


def _refusal(text: str, status: int) -> web.Response:
    """As clients of `/api/jobs` expect it."""
    return json_response({"error": text}, status)

"""What waits and what runs: look, remove, stop, make room."""

from aiohttp import web

from server.api import answers, wire
from server.api.bodies import read_json
from server.api.middleware import json_response
from server.api.people import check_admin, is_theirs, person_of, theirs
from server.api.requests import FreeBody, InterruptBody, RemovalBody
from server.api.services import services
from server.api.shape import Shape

ROUTES = web.RouteTableDef()


@ROUTES.get("/queue", shape=Shape(answer=answers.QueueJson))
async def look(request: web.Request) -> web.Response:
    """All jobs that run and wait, the next one first."""
    queue = services(request).queue
    running = [answers.queue_item(job) for job in queue.at_work if is_theirs(request, job)]
    waiting = [answers.queue_item(job) for job in queue.waiting if is_theirs(request, job)]
    return json_response({"queue_running": running, "queue_pending": waiting})


@ROUTES.post("/queue", shape=Shape(body=RemovalBody))
async def remove(request: web.Request) -> web.Response:
    """Forget waiting jobs, all or some."""
    wanted = wire.read_removal(await read_json(request))
    queue = services(request).queue
    gone = {job.id for job in queue.waiting if wanted.clear or job.id in wanted.delete}
    await queue.delete(await theirs(request, gone) or ())
    return web.Response()


@ROUTES.post("/interrupt", shape=Shape(body=InterruptBody, body_optional=True))
async def interrupt(request: web.Request) -> web.Response:
    """Stop what runs, or only if it is the job that is named. If none runs yet, the next one ends before it begins."""
    id = wire.read_interrupt(await read_json(request, empty={}))
    await services(request).control.interrupt(id, person_of(request).only)
    return web.Response()


@ROUTES.post("/free", shape=Shape(body=FreeBody, body_optional=True))
async def free(request: web.Request) -> web.Response:
    """Let go of loaded models and kept results."""
    wanted = wire.read_free(await read_json(request, empty={}))
    check_admin(request, "let go of models and results, which all share")
    if wanted.models or wanted.results:
        await services(request).backend.free(models=wanted.models, results=wanted.results)
    return web.Response()

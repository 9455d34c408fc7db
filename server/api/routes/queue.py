"""What waits and what runs: look, remove, stop, make room."""

from aiohttp import web

from server.api import answers, wire
from server.api.bodies import read_json
from server.api.middleware import json_response
from server.api.requests import FreeBody, InterruptBody, RemovalBody
from server.api.services import services
from server.api.shape import Shape

ROUTES = web.RouteTableDef()


@ROUTES.get("/queue", shape=Shape(answer=answers.QueueJson))
async def look(request: web.Request) -> web.Response:
    """All jobs that run and wait, the next one first."""
    queue = services(request).queue
    running = [answers.queue_item(job) for job in queue.at_work]
    waiting = [answers.queue_item(job) for job in queue.waiting]
    return json_response({"queue_running": running, "queue_pending": waiting})


@ROUTES.post("/queue", shape=Shape(body=RemovalBody))
async def remove(request: web.Request) -> web.Response:
    """Forget waiting jobs, all or some."""
    wanted = wire.read_removal(await read_json(request))
    queue = services(request).queue
    if wanted.clear:
        await queue.clear()
    await queue.delete(wanted.delete)
    return web.Response()


@ROUTES.post("/interrupt", shape=Shape(body=InterruptBody, body_optional=True))
async def interrupt(request: web.Request) -> web.Response:
    """Stop what runs, or only if it is the job that is named."""
    services(request).runner.stop(wire.read_interrupt(await read_json(request, empty={})))
    return web.Response()


@ROUTES.post("/free", shape=Shape(body=FreeBody, body_optional=True))
async def free(request: web.Request) -> web.Response:
    """Let go of loaded models and kept results."""
    wanted = wire.read_free(await read_json(request, empty={}))
    if wanted.models or wanted.results:
        await services(request).backend.free(models=wanted.models, results=wanted.results)
    return web.Response()

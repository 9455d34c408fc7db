"""The server itself: the machine, what it understands, and Weft's own questions."""

import json
import platform
import sys
from pathlib import Path

from aiohttp import web

from nodes.spec import Json
from server.api import answers, listings
from server.api.middleware import json_response
from server.api.people import is_theirs
from server.api.services import services
from server.api.shape import Shape
from server.memory import memory

ROUTES = web.RouteTableDef()
OWN = web.RouteTableDef()  # these are under /api/weft alone
# Written by `python -m nodes.starter.reference.table`: the server itself knows nothing of sampling.
SAMPLERS = Path(__file__).parents[2] / "samplers.json"


@ROUTES.get("/system_stats", shape=Shape(answer=listings.SystemJson))
async def system_stats(request: web.Request) -> web.Response:
    """The machine. While the worker starts, nothing is said of devices."""
    behind = services(request)
    devices = list(await behind.backend.devices()) if behind.backend.ready else []
    total, free = memory()
    named = {"name", "type", "index", "vram_total", "vram_free", "torch_vram_total", "torch_vram_free"}
    torch = next((device.get("torch_version") for device in devices), None)
    system: dict[str, Json] = {
        "os": sys.platform,
        "ram_total": total,
        "ram_free": free,
        "comfyui_version": behind.versions["comfyui"],
        "weft_version": behind.versions["weft"],
        "python_version": sys.version,
        "pytorch_version": torch or behind.versions["torch"],
        "embedded_python": False,
        "argv": list(behind.argv),
        "machine": platform.machine(),
    }
    shown = [{name: value for name, value in device.items() if name in named} for device in devices]
    return json_response({"system": system, "devices": shown})


@ROUTES.get("/features", shape=Shape(answer=answers.Object))
async def features(request: web.Request) -> web.Response:
    """What this server understands."""
    return json_response(services(request).features)


@OWN.get("/samplers", shape=Shape(answer=listings.SamplersJson))
async def samplers(request: web.Request) -> web.FileResponse:
    """What each sampler and schedule of Weft's own is for, what it costs, and what people may type to find it."""
    del request
    return web.FileResponse(
        SAMPLERS, headers={"Content-Type": "application/json", "Cache-Control": "no-cache"}
    )


@OWN.get("/default_workflow", shape=Shape(answer=answers.Object))
async def default_workflow(request: web.Request) -> web.Response:
    """The workflow a new person sees."""
    return json_response(json.loads(services(request).default_workflow.read_text(encoding="utf-8")))


@OWN.get("/status", shape=Shape(answer=listings.ServerJson))
async def status(request: web.Request) -> web.Response:
    """Whether nodes can run yet, and what waits."""
    behind = services(request)
    running = behind.queue.running
    return json_response(
        {
            "version": behind.versions["weft"],
            "ready": behind.backend.ready,
            "queue_remaining": behind.queue.remaining,
            "queue_paused": behind.queue.paused,
            "running": running.id if running and is_theirs(request, running) else None,
            "workspace": str(behind.workspace.root),
        }
    )

"""The server itself: the machine, what it understands, and Weft's own questions."""

import asyncio
import json
import platform
import sys
from pathlib import Path

from aiohttp import web

from nodes.spec import Json
from server.api import answers, listings
from server.api.bodies import read_json
from server.api.messages import failure_json
from server.api.middleware import json_response
from server.api.people import check_admin, is_theirs
from server.api.requests import ScriptsBody
from server.api.scripts import ScriptReport
from server.api.services import services
from server.api.shape import Shape
from server.backends.base import PackReport
from server.memory import memory
from server.trust import packs_in

ROUTES = web.RouteTableDef()
OWN = web.RouteTableDef()  # these are under /api/weft alone
# Written by `python -m nodes.starter.reference.table`: the server itself knows nothing of sampling.
MOST_LINES = 50  # of a browser's report
LONGEST_LINE = 500  # letters
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


@OWN.get("/packs", shape=Shape(answer=list[listings.PackJson]))
async def packs(request: web.Request) -> web.Response:
    """How each community pack fared at load."""
    behind = services(request)
    reports = await behind.backend.packs()
    return json_response([pack_json(report, behind.scripts.report_of(report.name)) for report in reports])


@OWN.post("/packs/reload", shape=Shape(answer=listings.ReloadJson))
async def reload(request: web.Request) -> web.Response:
    """Load all packs anew, edited files too, as soon as no job runs; what waits goes on waiting."""
    check_admin(request, "have packs loaded anew")
    return json_response({"restarting": await services(request).backend.restart()})


@OWN.post("/packs/{name}/scripts", shape=Shape(answer=listings.ScriptsJson, body=ScriptsBody))
async def note_scripts(request: web.Request) -> web.Response:
    """A browser tells how the scripts of a pack fared; it stands in the pack's report until the server ends."""
    name, told = request.match_info["name"], await read_json(request)
    if not isinstance(told, dict):
        raise web.HTTPBadRequest(text="A report is an object with loaded, failures and unsupported.")
    loaded = told.get("loaded")
    failures, unsupported = _lines(told.get("failures")), _lines(told.get("unsupported"))
    report = ScriptReport(loaded if isinstance(loaded, int) else 0, failures, unsupported)
    if not await services(request).scripts.note(name, report):
        raise web.HTTPNotFound(text=f"There is no pack {name} that brings scripts.")
    return json_response(
        {"loaded": report.loaded, "failures": list(failures), "unsupported": list(unsupported)}
    )


def _lines(told: Json) -> tuple[str, ...]:
    """Texts of a list, not too many and not too long: any page may send them."""
    texts = [text for text in told if isinstance(text, str)] if isinstance(told, list) else []
    return tuple(text[:LONGEST_LINE] for text in texts[:MOST_LINES])


@OWN.post("/packs/{name}/trust", shape=Shape(answer=listings.TrustJson))
async def trust(request: web.Request) -> web.Response:
    """Let a pack's code run: packs are loaded anew as soon as no job runs."""
    return await _trust(request, wanted=True)


@OWN.delete("/packs/{name}/trust", shape=Shape(answer=listings.TrustJson))
async def distrust(request: web.Request) -> web.Response:
    """Let a pack's code run no more, from the next load on."""
    return await _trust(request, wanted=False)


async def _trust(request: web.Request, *, wanted: bool) -> web.Response:
    check_admin(request, "say whose code runs")
    behind, name = services(request), request.match_info["name"]
    path = packs_in(behind.workspace.pack_folders).get(name)
    if path is None:
        raise web.HTTPNotFound(text=f"There is no pack {name}.")
    await asyncio.to_thread(behind.trust.add if wanted else behind.trust.remove, path)
    restarting = await behind.backend.restart()
    return json_response({"name": name, "trusted": behind.trust.allows(path), "restarting": restarting})


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


def pack_json(report: PackReport, scripts: ScriptReport | None = None) -> dict[str, Json]:
    """How a pack fared."""
    return {
        "name": report.name,
        "path": report.path,
        "ok": report.ok,
        "seconds": report.seconds,
        "nodes": list(report.nodes),
        "error": failure_json(report.error) if report.error else None,
        "trusted": report.trusted,
        "version": report.version,
        "missing": list(report.missing),
        "conflicts": list(report.conflicts),
        "names": list(report.names),
        "deeds": {kind: list(deeds) for kind, deeds in report.deeds.items()},
        "scripts": None
        if scripts is None
        else {
            "loaded": scripts.loaded,
            "failures": list(scripts.failures),
            "unsupported": list(scripts.unsupported),
        },
        "apart": report.apart,
        "network": report.network,
        "writes": list(report.writes),
        "unenforced": list(report.unenforced),
        "edited": report.edited,
    }

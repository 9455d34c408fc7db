"""What community packs did, whose code runs, and what each may do."""

import asyncio
from pathlib import Path

from aiohttp import web

from nodes.spec import Json
from server.api import listings, wire
from server.api.bodies import read_json
from server.api.messages import failure_json
from server.api.middleware import json_response, same_origin
from server.api.people import check_admin
from server.api.requests import LimitsBody, ScriptsBody
from server.api.scripts import ScriptReport
from server.api.services import services
from server.api.shape import Shape
from server.backends.base import PackReport
from server.pack_limits import PackLimits, fault_of
from server.trust import packs_in

OWN = web.RouteTableDef()  # these are under /api/weft alone
MOST_LINES = 50  # of a browser's report
LONGEST_LINE = 500  # letters


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


def _check_person(request: web.Request, what: str) -> None:
    """Go on only for our own page, of who looks after the server: pages that `--cors` lets in say nothing here.

    Raises:
        NotYours: somebody else asks.
        HTTPForbidden: another page does.
    """
    check_admin(request, what)
    if not same_origin(request):
        raise web.HTTPForbidden(reason=f"Only the page of Weft itself may {what}.")


async def _trust(request: web.Request, *, wanted: bool) -> web.Response:
    _check_person(request, "say whose code runs")
    behind, name = services(request), request.match_info["name"]
    path = packs_in(behind.workspace.pack_folders).get(name)
    if path is None:
        raise web.HTTPNotFound(text=f"There is no pack {name}.")
    await asyncio.to_thread(behind.trust.add if wanted else behind.trust.remove, path)
    restarting = await behind.backend.restart()
    return json_response({"name": name, "trusted": behind.trust.allows(path), "restarting": restarting})


@OWN.put("/packs/{name}/limits", shape=Shape(answer=listings.LimitsJson, body=LimitsBody))
async def limit(request: web.Request) -> web.Response:
    """Say what a pack may do: packs are loaded anew as soon as no job runs."""
    _check_person(request, "say what packs may do")
    behind, name = services(request), request.match_info["name"]
    if name not in packs_in(behind.workspace.pack_folders):
        raise web.HTTPNotFound(text=f"There is no pack {name}.")
    wanted = _limits(await read_json(request))
    fault = fault_of(wanted.writes, behind.workspace.user)
    if fault:
        raise wire.BadRequest(fault, "Choose a folder of its own.")
    changed = wanted != await asyncio.to_thread(behind.pack_limits.of, name)
    if changed:
        await asyncio.to_thread(behind.pack_limits.put, name, wanted)
    restarting = changed and await behind.backend.restart()
    return json_response({"name": name, **wanted.told(), "restarting": restarting})


def _limits(told: Json) -> PackLimits:
    """What a person said.

    Raises:
        BadRequest: it has another shape.
    """
    given = told if isinstance(told, dict) else {}
    apart, network, writes = given.get("apart"), given.get("network"), given.get("writes")
    if isinstance(apart, bool) and isinstance(network, bool) and isinstance(writes, list):
        folders = tuple(Path(each).expanduser() for each in writes if isinstance(each, str) and each.strip())
        if len(folders) == len(writes):
            return PackLimits(apart, network, tuple(dict.fromkeys(folders)))
    raise wire.BadRequest(
        "Limits are an object with apart and network (true or false) and writes (folders).", ""
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

"""POST /prompt: from raw JSON to a job that waits, or to all that is wrong with it."""

import asyncio
import uuid
from collections.abc import Collection, Mapping
from dataclasses import replace
from functools import partial
from typing import cast

from aiohttp import web

from nodes.spec import Json
from server.api import answers, listings, wire
from server.api.bodies import read_json
from server.api.middleware import json_response
from server.api.people import person_of
from server.api.requests import PlanBody, PromptBody
from server.api.services import Services, services
from server.api.shape import Shape
from server.api.theirs import check_prompt
from server.graph.convert import is_workflow, workflow_to_prompt
from server.graph.errors import Fault
from server.graph.judging import Judgement
from server.graph.model import Graph, NodeId
from server.graph.outcome import now_ms
from server.graph.parse import parse_prompt
from server.graph.replace import replaced
from server.graph.validate import Specs, calls
from server.graph.written import dump
from server.jobs.job import Wish
from server.jobs.queue import DuplicateJob
from server.trust import needing

ROUTES = web.RouteTableDef()
OWN = web.RouteTableDef()  # these are under /api/weft alone
FEW = 64  # nodes, which are judged sooner than a thread could be asked to


@ROUTES.get("/prompt", shape=Shape(answer=answers.RemainingJson))
async def remaining(request: web.Request) -> web.Response:
    """How many jobs wait or run."""
    return json_response({"exec_info": {"queue_remaining": services(request).queue.remaining}})


@ROUTES.post("/prompt", shape=Shape(answer=answers.QueuedJson, body=PromptBody))
async def queue_prompt(request: web.Request) -> web.Response:
    """Validate a prompt and let it wait. It is durable before this answers."""
    behind = services(request)
    body = await read_json(request)
    if isinstance(body, dict):
        body = await behind.backend.on_prompt(body)
    wanted = await as_prompt(behind, wire.read_prompt(body, str(uuid.uuid4())))
    wanted = replace(wanted, prompt=replaced(wanted.prompt, await behind.backend.specs()))
    check_prompt(request, wanted.prompt)
    reading = behind.reader.read(wanted.prompt)
    judgement = await judged(behind, reading.graph, wanted.targets)
    verdict = judgement.verdict
    if verdict.error:
        fault = await _with_packs(behind, verdict.error)
        return json_response(answers.error_json(fault, verdict.node_faults), 400)
    created = now_ms()
    extra: dict[str, Json] = {**wanted.extra, "create_time": created}
    wish = Wish(
        id=wanted.id,
        prompt=wanted.prompt if isinstance(wanted.prompt, dict) else {},
        extra=extra,
        targets=verdict.targets,
        client=person_of(request).address(wanted.client or "") or None,
        created=created,
        secrets=wanted.secrets,
        judgement=judgement,
        owner=person_of(request).id,
        prompt_text=reading.text,
        extra_text=dump(extra),
    )
    try:
        job = await behind.queue.put(wish, number=wanted.number, front=wanted.front)
    except DuplicateJob:
        fault = Fault("invalid_prompt_id", "prompt_id is that of another job", wanted.id)
        return json_response(answers.error_json(fault), 400)
    answer: answers.QueuedJson = {
        "prompt_id": job.id,
        "number": answers.whole(job.number),
        "node_errors": answers.node_errors_json(verdict.node_faults),
    }
    return json_response(answer)


async def _with_packs(behind: Services, fault: Fault) -> Fault:
    """A fault that names who may bring a missing node: packs that nobody trusts yet."""
    wanted = fault.extra_info.get("class_type")
    if fault.type != "missing_node_type" or not isinstance(wanted, str):
        return fault
    named = await asyncio.to_thread(needing, behind.workspace.pack_folders, behind.trust, wanted)
    if not named:
        return fault
    told = f"It seems to come with {' or '.join(named)}, which nobody trusts yet"
    how = f"trust it in the list of packs, or by `weft packs trust {named[0]}`"
    return replace(fault, details=f"{fault.details}. {told}: {how}.")


@OWN.post("/plan", shape=Shape(answer=listings.PlanJson, body=PlanBody))
async def plan(request: web.Request) -> web.Response:
    """What memory a prompt will need, node by node, before it runs."""
    behind = services(request)
    wanted = await as_prompt(behind, wire.read_prompt(await read_json(request), str(uuid.uuid4())))
    check_prompt(request, wanted.prompt)
    parse_prompt(wanted.prompt)
    return json_response(await behind.backend.plan(cast("Mapping[str, Json]", wanted.prompt)))


async def as_prompt(behind: Services, wanted: wire.PromptRequest) -> wire.PromptRequest:
    """The request with a prompt in it, though a workflow was sent where that belongs.

    Raises:
        PromptError: the workflow cannot be read, or holds a node that nobody describes.
        BackendLost: the nodes cannot be asked.
    """
    if not is_workflow(wanted.prompt):
        return wanted
    specs = await behind.backend.specs()
    prompt = await asyncio.to_thread(workflow_to_prompt, wanted.prompt, specs)
    beside = wanted.extra.get("extra_pnginfo")
    beside = beside if isinstance(beside, Mapping) else {}
    extra = {**wanted.extra, "extra_pnginfo": {"workflow": wanted.prompt, **beside}}
    return replace(wanted, prompt=prompt, extra=extra)


async def judged(behind: Services, graph: Graph, only: Collection[NodeId] | None) -> Judgement:
    """Everything that is wrong with a graph.

    Raises:
        BackendLost: the nodes cannot be asked.
    """
    specs = await behind.backend.specs()
    asked = calls(graph, specs)
    complaints = await behind.backend.validate(asked) if asked else ()
    judging = partial(
        behind.judge.judge, graph, specs, behind.workspace.choices, only=only, complaints=complaints
    )
    quick = len(graph) <= FEW and not _lists_folders(graph, specs)
    if quick or (not complaints and behind.judge.is_quick(graph, specs, only)):
        return judging()
    return await asyncio.to_thread(judging)


def _lists_folders(graph: Graph, specs: Specs) -> bool:
    """Whether judging looks into folders, which on a slow drive may take long."""
    return any(
        entry.choices is not None and entry.choices.folder
        for type in {node.type for node in graph}
        if (spec := specs.get(type))
        for entry in spec.inputs
    )

"""The nodes there are."""

import asyncio

from aiohttp import web

from server.api.describe import describe, describe_all
from server.api.listings import NodeJson
from server.api.middleware import json_response
from server.api.services import services
from server.api.shape import Shape

ROUTES = web.RouteTableDef()


@ROUTES.get("/object_info", shape=Shape(answer=dict[str, NodeJson]))
async def all_nodes(request: web.Request) -> web.Response:
    """Every node's description; packs are asked anew for lists that depend on the day."""
    behind = services(request)
    specs = await behind.backend.specs(refresh=True)
    response = json_response(await asyncio.to_thread(describe_all, specs, behind.workspace.choices))
    response.enable_compression()
    return response


@ROUTES.get("/object_info/{name:.+}", shape=Shape(answer=dict[str, NodeJson]))
async def one_node(request: web.Request) -> web.Response:
    """One node's description by class type; empty if nobody brought it."""
    behind = services(request)
    specs = await behind.backend.specs(refresh=True)
    spec = specs.get(request.match_info["name"])
    if spec is None:
        return json_response({})
    return json_response({spec.id: await asyncio.to_thread(describe, spec, behind.workspace.choices)})

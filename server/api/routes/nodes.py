"""The nodes there are."""

import asyncio
import gzip

from aiohttp import web

from server.api.describe import replacements
from server.api.listings import NodeJson, ReplacementJson
from server.api.middleware import json_response
from server.api.services import services
from server.api.shape import Shape
from server.api.versions import is_known

ROUTES = web.RouteTableDef()


@ROUTES.get("/object_info", shape=Shape(answer=dict[str, NodeJson]))
async def all_nodes(request: web.Request) -> web.Response:
    """Every node's description; packs are asked anew for lists that depend on the day."""
    found = await services(request).descriptions.answer()
    headers = {"ETag": found.etag, "Cache-Control": "no-cache", "Vary": "Accept-Encoding"}
    if is_known(request, found.etag):
        return web.Response(status=304, headers=headers)
    if "gzip" in request.headers.get("Accept-Encoding", ""):
        headers["Content-Encoding"] = "gzip"
        return web.Response(
            body=found.packed, content_type="application/json", charset="utf-8", headers=headers
        )
    body = await asyncio.to_thread(gzip.decompress, found.packed)
    return web.Response(body=body, content_type="application/json", charset="utf-8", headers=headers)


@ROUTES.get("/object_info/{name:.+}", shape=Shape(answer=dict[str, NodeJson]))
async def one_node(request: web.Request) -> web.Response:
    """One node's description by class type; empty if nobody brought it."""
    return json_response(await services(request).descriptions.one(request.match_info["name"]))


@ROUTES.get("/node_replacements", shape=Shape(answer=dict[str, list[ReplacementJson]]))
async def node_replacements(request: web.Request) -> web.Response:
    """By the class type of a node that is gone: which nodes stand in for it, the first of them in prompts too."""
    return json_response(replacements(await services(request).descriptions.specs()))

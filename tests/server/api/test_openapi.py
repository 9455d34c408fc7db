"""/openapi.json describes the routes that there are, all of them and no others."""

import re

from aiohttp import web

from server.api.openapi import VARIABLE, document
from server.api.site import entries
from tests.server.api.asking import get


def registered() -> set[tuple[str, str]]:
    """Method and path of every route, as the application registers them."""
    app = web.Application()
    for entry in entries():
        for prefix in entry.prefixes:
            app.router.add_route(entry.route.method, prefix + entry.route.path, entry.route.handler)
    return {
        (route.method, VARIABLE.sub(r"{\1}", route.resource.canonical))
        for route in app.router.routes()
        if route.resource is not None
    }


def described(document) -> set[tuple[str, str]]:
    """Method and path of every route that a description names."""
    return {
        (method.upper(), server["url"].rstrip("/") + path)
        for path, item in document["paths"].items()
        for method in item
        if method != "servers"
        for server in item.get("servers", [{"url": ""}])
    }


def test_every_route_says_what_it_takes_and_answers():
    silent = [f"{entry.route.method} {entry.route.path}" for entry in entries() if entry.shape is None]
    assert not silent, f"give them a shape: @ROUTES.get(path, shape=Shape(...)): {silent}"


async def test_what_is_registered_is_described_and_nothing_else(http):
    assert described(await get(http, "/openapi.json")) == registered()


async def test_every_reference_leads_somewhere_and_every_name_is_used_once(http):
    told = await get(http, "/api/openapi.json")
    assert told["openapi"].startswith("3.1")
    names = set(re.findall(r"#/components/schemas/(\w+)", str(told)))
    assert names == told["components"]["schemas"].keys()
    operations = [operation["operationId"] for item in told["paths"].values() for key, operation in item.items()
                  if key != "servers"]  # fmt: skip
    assert len(operations) == len(set(operations))
    assert all(
        operation["summary"]
        for item in told["paths"].values()
        for key, operation in item.items()
        if key != "servers"
    )


def test_a_shape_is_told_as_its_types_say():
    schemas = document(entries(), "0")["components"]["schemas"]
    body = schemas["PromptBody"]
    assert body["required"] == ["prompt"]
    assert body["properties"]["number"] == {"anyOf": [{"type": "number"}, {"type": "null"}]}
    assert schemas["UserFileJson"]["properties"]["size"] == {"type": "integer"}

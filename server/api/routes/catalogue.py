"""What packs bring beside nodes, and what Weft brings: scripts, translations, workflows, subgraphs, pages of help."""

import asyncio
import json
from collections.abc import Mapping
from pathlib import Path
from urllib.parse import unquote

from aiohttp import web

from nodes.spec import Json
from server.api import listings, manual, wares
from server.api import templates as ours
from server.api.answers import Object
from server.api.drawing import drawn
from server.api.middleware import json_response
from server.api.routes.files import shown_file
from server.api.services import services
from server.api.shape import ANYTHING, Shape

ROUTES = web.RouteTableDef()
PAGES = web.RouteTableDef()  # these are not under /api


@ROUTES.get("/extensions", shape=Shape(answer=list[str]))
async def extensions(request: web.Request) -> web.Response:
    """Scripts of packs that the canvas loads."""
    return json_response(await services(request).scripts.addresses())


@ROUTES.get("/i18n", shape=Shape(answer=dict[str, Object]))
async def translations(request: web.Request) -> web.Response:
    """What packs translate, by language."""
    return json_response(await asyncio.to_thread(wares.translations, _packs(request)))


@ROUTES.get("/workflow_templates", shape=Shape(answer=dict[str, list[str]]))
async def workflows(request: web.Request) -> web.Response:
    """Names of workflows that packs bring, by pack."""
    return json_response(await asyncio.to_thread(wares.workflows, _packs(request)))


@ROUTES.get("/workflow_templates/{pack}/{file:.+}", shape=Shape(answer=bytes, media=ANYTHING))
async def workflow(request: web.Request) -> web.StreamResponse:
    """A workflow of a pack, or the picture beside it."""
    place = request.match_info
    path = await asyncio.to_thread(wares.workflow_file, _packs(request), place["pack"], place["file"])
    if path is None:
        raise web.HTTPNotFound
    if path.suffix == ".json":
        return web.FileResponse(
            path, headers={"Content-Type": "application/json", "Cache-Control": "no-cache"}
        )
    return shown_file(path, request)


@ROUTES.get("/global_subgraphs", shape=Shape(answer=dict[str, listings.SubgraphJson]))
async def subgraphs(request: web.Request) -> web.Response:
    """Subgraphs that packs bring, by id, without their graphs."""
    found = await asyncio.to_thread(wares.subgraphs, _packs(request))
    return json_response({id: _subgraph(entry) for id, entry in found.items()})


@ROUTES.get("/global_subgraphs/{id}", shape=Shape(answer=listings.SubgraphJson))
async def subgraph(request: web.Request) -> web.Response:
    """One subgraph, with its graph."""
    entry = (await asyncio.to_thread(wares.subgraphs, _packs(request))).get(request.match_info["id"])
    text = await asyncio.to_thread(wares.text_of, entry.path) if entry is not None else None
    if entry is None or text is None:
        raise web.HTTPNotFound
    return json_response({**_subgraph(entry), "data": text})


@PAGES.get("/templates/index.json", shape=Shape(answer=list[Object]))
async def templates(request: web.Request) -> web.Response:
    """Workflows to begin with, by what one wants: ours, told in English. Those of packs are in `/workflow_templates`."""
    del request
    return json_response(ours.listed())


@PAGES.get("/templates/index.{language}.json", shape=Shape(answer=list[Object]))
async def templates_in(request: web.Request) -> web.StreamResponse:
    """The same for those who ask in their language; in English where we have no words of it."""
    return json_response(ours.listed(request.match_info["language"]))


@PAGES.get("/templates/index_logo.json", shape=Shape(answer=Object))
async def template_logos(request: web.Request) -> web.Response:
    """Logos of who made the templates: ours needs none."""
    del request
    return json_response({})


@PAGES.get("/templates/{name}.json", shape=Shape(answer=Object))
async def template(request: web.Request) -> web.Response:
    """A workflow to begin with."""
    text = await asyncio.to_thread(_file(request).read_text, encoding="utf-8")
    return json_response(json.loads(text))


@PAGES.get("/templates/{name}-1.webp", shape=Shape(answer=bytes, media="image/webp"))
async def template_picture(request: web.Request) -> web.Response:
    """What a workflow to begin with makes, or a drawing of its nodes."""
    picture = await asyncio.to_thread(_picture, _file(request))
    return web.Response(body=picture, content_type="image/webp", headers={"Cache-Control": "no-cache"})


def _file(request: web.Request) -> Path:
    behind = services(request)
    path = ours.file(request.match_info["name"], behind.default_workflow, behind.templates)
    if path is None:
        raise web.HTTPNotFound
    return path


def _picture(workflow: Path) -> bytes:
    made = workflow.with_suffix(".webp")
    return made.read_bytes() if made.is_file() else drawn(json.loads(workflow.read_text(encoding="utf-8")))


@PAGES.get("/docs/{name:.+}/{language}.md", shape=Shape(answer=bytes, media="text/markdown"))
async def help_page(request: web.Request) -> web.Response:
    """A page of help for a node: in English, and in the languages into which packs translate the node.

    Clients that find none in their language ask for the English one.
    """
    name, language = unquote(request.match_info["name"]), request.match_info["language"]
    spec = (await services(request).descriptions.specs()).get(name)
    if spec is not None and language != manual.LANGUAGE:
        said = await asyncio.to_thread(wares.node_words, _packs(request), language, name)
        spec = None if said is None else manual.translated(spec, said)
    if spec is None:
        raise web.HTTPNotFound
    return web.Response(
        text=manual.page(spec), content_type="text/markdown", headers={"Cache-Control": "no-cache"}
    )


def _packs(request: web.Request) -> Mapping[str, Path]:
    behind = services(request)
    return wares.packs(behind.workspace.pack_folders, behind.only_packs)


def _subgraph(entry: wares.Subgraph) -> dict[str, Json]:
    return {"source": "custom_node", "name": entry.name, "info": {"node_pack": f"custom_nodes.{entry.pack}"}}

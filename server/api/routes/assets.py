"""Assets: what lies in the workspace, by tags, and what each job made. They are read; uploads and nodes bring them."""

import asyncio
from collections.abc import Iterator, Mapping

from aiohttp import web

from nodes.spec import Json, NodeError, Place
from server.api import answers, assets, listings
from server.api.middleware import json_response
from server.api.queries import read_page, read_wanted_assets
from server.api.requests import AssetsQuery, PageQuery, TagsQuery
from server.api.routes.files import shown_file
from server.api.services import Services, services
from server.api.shape import ANYTHING, Shape
from server.jobs.job import Record

ROUTES = web.RouteTableDef()  # these are under /api alone: the editor's own files lie in /assets


@ROUTES.get("/assets", shape=Shape(answer=listings.AssetsJson, query=AssetsQuery))
async def some(request: web.Request) -> web.Response:
    """A page of assets, the newest first."""
    wanted = read_wanted_assets(request.query)
    found, total = await asyncio.to_thread(_search, services(request), wanted)
    answer: listings.AssetsJson = {
        "assets": [assets.asset_json(asset) for asset in found],
        "total": total,
        "has_more": wanted.offset + len(found) < total,
    }
    return json_response(answer)


@ROUTES.get("/assets/{id}", shape=Shape(answer=listings.AssetJson))
async def one(request: web.Request) -> web.Response:
    """One asset."""
    return json_response(assets.asset_json(await _asset(request)))


@ROUTES.get("/assets/{id}/content", shape=Shape(answer=bytes, media=ANYTHING))
async def content(request: web.Request) -> web.StreamResponse:
    """An asset's file. Models are not given out."""
    asset = await _asset(request)
    if asset.place is None:
        raise web.HTTPForbidden
    return shown_file(asset.path, request)


@ROUTES.get("/tags", shape=Shape(answer=listings.TagsJson, query=TagsQuery))
async def tags(request: web.Request) -> web.Response:
    """Tags of assets, the most used first."""
    limit, offset = read_page(request.query)
    workspace, prefix = services(request).workspace, request.query.get("prefix", "")
    told = await asyncio.to_thread(lambda: assets.tags(assets.assets(workspace)))
    found = [tag for tag in told if tag["name"].startswith(prefix)]
    answer: listings.TagsJson = {
        "tags": found[offset : offset + limit],
        "total": len(found),
        "has_more": offset + limit < len(found),
    }
    return json_response(answer)


@ROUTES.get(
    "/jobs/{id}/assets",
    shape=Shape(answer=listings.JobAssetsJson, query=PageQuery, error=answers.JobErrorJson),
)
async def of_job(request: web.Request) -> web.Response:
    """The files that a job made and that are still there."""
    limit, offset = read_page(request.query)
    behind = services(request)
    record = await behind.history.find(request.match_info["id"])
    if record is None:
        return json_response({"error": "Job not found"}, 404)
    found = await asyncio.to_thread(lambda: list(_made(behind, record)))
    page = found[offset : offset + limit]
    answer: listings.JobAssetsJson = {
        "job_id": record.job.id,
        "assets": page,
        "pagination": {
            "offset": offset,
            "limit": limit,
            "total": len(found),
            "has_more": offset + len(page) < len(found),
        },
    }
    return json_response(answer)


def _search(behind: Services, wanted: assets.Wanted) -> tuple[list[assets.Asset], int]:
    found, total = assets.search(assets.assets(behind.workspace), wanted)
    return list(found), total


async def _asset(request: web.Request) -> assets.Asset:
    id, workspace = request.match_info["id"], services(request).workspace
    found = await asyncio.to_thread(
        lambda: next((one for one in assets.assets(workspace) if one.id == id), None)
    )
    if found is None:
        raise web.HTTPNotFound
    return found


def _made(behind: Services, record: Record) -> Iterator[listings.JobAssetJson]:
    outputs = record.result.outputs if record.result else {}
    for node, shown in outputs.items():
        for kind, items in shown.items():
            for index, item in enumerate(items):
                asset = _shown_asset(behind, item)
                if asset is not None:
                    yield _job_asset_json(asset, node, kind, index)


def _shown_asset(behind: Services, item: Json) -> assets.Asset | None:
    """The file that a node showed; None if it showed something else, or the file is gone."""
    if not isinstance(item, Mapping):
        return None
    filename, subfolder, place = item.get("filename"), item.get("subfolder", ""), item.get("type", "output")
    if not (isinstance(filename, str) and isinstance(subfolder, str) and place in set(Place)):
        return None
    try:
        path = behind.workspace.resolve(Place(str(place)), subfolder, filename)
    except NodeError:
        return None
    return assets.asset_in(behind.workspace, Place(str(place)), path) if path.is_file() else None


def _job_asset_json(asset: assets.Asset, node: str, kind: str, index: int) -> listings.JobAssetJson:
    told = assets.asset_json(asset)
    return {
        "id": told["id"],
        "name": told["name"],
        "hash": told["hash"],
        "size": told["size"],
        "mime_type": told["mime_type"],
        "preview_url": told["preview_url"],
        "created_at": told["created_at"],
        "node_id": node,
        "output_key": kind,
        "output_index": index,
    }

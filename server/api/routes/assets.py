"""Assets: what lies in the workspace, by tags, by content, and what each job made; what people say of each."""

import asyncio
from collections.abc import Iterator, Mapping
from pathlib import Path

from aiohttp import web

from nodes.spec import Json, NodeError, Place
from server.api import answers, asset_listings, assets, wire
from server.api.asset_wire import read_edit, read_hash, read_tags
from server.api.bodies import read_json
from server.api.library import without
from server.api.middleware import json_response
from server.api.people import their_record
from server.api.queries import read_page, read_wanted_assets
from server.api.requests import AssetBody, AssetsQuery, DeleteAssetQuery, PageQuery, TagsBody, TagsQuery
from server.api.routes.files import shown_file
from server.api.services import Services, services
from server.api.shape import ANYTHING, Shape
from server.api.theirs import check_change, may_see_asset
from server.jobs.job import Record
from server.shelf import Note

ROUTES = web.RouteTableDef()  # these are under /api alone: the editor's own files lie in /assets


@ROUTES.get("/assets", shape=Shape(answer=asset_listings.AssetsJson, query=AssetsQuery))
async def some(request: web.Request) -> web.Response:
    """A page of assets, the newest first."""
    wanted = read_wanted_assets(request.query)
    every = [one for one in await services(request).library.all() if may_see_asset(request, one)]
    found, total = await asyncio.to_thread(assets.search, every, wanted)
    answer: asset_listings.AssetsJson = {
        "assets": [assets.asset_json(asset) for asset in found],
        "total": total,
        "has_more": wanted.offset + len(found) < total,
    }
    return json_response(answer)


@ROUTES.get("/assets/hash/{hash}", shape=Shape(answer=asset_listings.AssetJson))
async def of_content(request: web.Request) -> web.Response:
    """An asset whose content has this hash, as far as hashes are known; HEAD says whether there is one."""
    return json_response(assets.asset_json(await _of_content(request)))


@ROUTES.get("/assets/hash/{hash}/content", shape=Shape(answer=bytes, media=ANYTHING))
async def content_by_hash(request: web.Request) -> web.StreamResponse:
    """The content with this hash. Models are not given out."""
    return _content(await _of_content(request), request)


@ROUTES.get("/assets/{id}", shape=Shape(answer=asset_listings.AssetJson))
async def one(request: web.Request) -> web.Response:
    """One asset. Its hash is computed if it is no model."""
    asset = await _asset(request)
    if asset.place is not None:
        asset = await services(request).library.hashed(asset)
    return json_response(assets.asset_json(asset))


@ROUTES.get("/assets/{id}/content", shape=Shape(answer=bytes, media=ANYTHING))
async def content(request: web.Request) -> web.StreamResponse:
    """An asset's file. Models are not given out."""
    return _content(await _asset(request), request)


@ROUTES.put("/assets/{id}", shape=Shape(answer=asset_listings.AssetJson, body=AssetBody))
async def edit(request: web.Request) -> web.Response:
    """Say something else of an asset: its name, tags, `user_metadata`. The file stays where and as it is."""
    wanted, asset = read_edit(await read_json(request)), await _asset(request)
    check_change(request, asset)
    note = Note(
        name=asset.note.name if wanted.name is None else wanted.name,
        tags=asset.note.tags if wanted.tags is None else without(wanted.tags, asset.where),
        metadata=asset.note.metadata if wanted.metadata is None else wanted.metadata,
    )
    return json_response(assets.asset_json(await services(request).library.note(asset, note)))


@ROUTES.delete("/assets/{id}", shape=Shape(status=204, query=DeleteAssetQuery))
async def delete(request: web.Request) -> web.Response:
    """Delete an asset's file; with `delete_content=false`, only leave it out of all lists."""
    asset, library = await _asset(request), services(request).library
    check_change(request, asset)
    if not wire.read_yes(request.query, "delete_content", default=True):
        await library.note(asset, Note(asset.note.name, asset.note.tags, asset.note.metadata, hidden=True))
    elif asset.path in _shipped(services(request)):
        raise web.HTTPForbidden
    else:
        async with services(request).writing:
            await library.delete(asset)
    return web.Response(status=204)


@ROUTES.post("/assets/{id}/tags", shape=Shape(answer=asset_listings.TagsAddedJson, body=TagsBody))
async def add_tags(request: web.Request) -> web.Response:
    """Give an asset more tags."""
    wanted, asset = read_tags(await read_json(request)), await _asset(request)
    check_change(request, asset)
    added = without(wanted, asset.tags)
    note = Note(asset.note.name, (*asset.note.tags, *added), asset.note.metadata)
    now = await services(request).library.note(asset, note)
    answer: asset_listings.TagsAddedJson = {
        "added": list(added),
        "already_present": list(without(wanted, added)),
        "total_tags": list(now.tags),
    }
    return json_response(answer)


@ROUTES.delete("/assets/{id}/tags", shape=Shape(answer=asset_listings.TagsRemovedJson, body=TagsBody))
async def remove_tags(request: web.Request) -> web.Response:
    """Take tags from an asset. Those that say where it lies stay."""
    wanted, asset = read_tags(await read_json(request)), await _asset(request)
    check_change(request, asset)
    if fixed := [tag for tag in wanted if tag in asset.where]:
        raise wire.BadRequest(f"The tag {fixed[0]!r} says where the file lies: it cannot be removed.")
    note = Note(asset.note.name, without(asset.note.tags, wanted), asset.note.metadata)
    now = await services(request).library.note(asset, note)
    answer: asset_listings.TagsRemovedJson = {
        "removed": [tag for tag in wanted if tag in asset.tags],
        "not_present": [tag for tag in wanted if tag not in asset.tags],
        "total_tags": list(now.tags),
    }
    return json_response(answer)


@ROUTES.get("/tags", shape=Shape(answer=asset_listings.TagsJson, query=TagsQuery))
async def tags(request: web.Request) -> web.Response:
    """Tags of assets, the most used first."""
    limit, offset = read_page(request.query)
    prefix = request.query.get("prefix", "")
    every = await services(request).library.all()
    told = assets.tags(one for one in every if may_see_asset(request, one))
    found = [tag for tag in told if tag["name"].startswith(prefix)]
    answer: asset_listings.TagsJson = {
        "tags": found[offset : offset + limit],
        "total": len(found),
        "has_more": offset + limit < len(found),
    }
    return json_response(answer)


@ROUTES.get(
    "/jobs/{id}/assets",
    shape=Shape(answer=asset_listings.JobAssetsJson, query=PageQuery, error=answers.JobErrorJson),
)
async def of_job(request: web.Request) -> web.Response:
    """The files that a job made and that are still there."""
    limit, offset = read_page(request.query)
    behind = services(request)
    record = await their_record(request, request.match_info["id"])
    if record is None:
        return json_response({"error": "Job not found"}, 404)
    known = await behind.library.known()
    found = await asyncio.to_thread(lambda: list(_made(behind, record, known)))
    page = found[offset : offset + limit]
    answer: asset_listings.JobAssetsJson = {
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


def _content(asset: assets.Asset, request: web.Request) -> web.StreamResponse:
    if asset.place is None:
        raise web.HTTPForbidden
    return shown_file(asset.path, request)


async def _asset(request: web.Request) -> assets.Asset:
    found = await services(request).library.find(request.match_info["id"])
    if found is None or not may_see_asset(request, found):
        raise web.HTTPNotFound
    return found


async def _of_content(request: web.Request) -> assets.Asset:
    """The first asset of that content, pictures before models: those may be given out."""
    every = await services(request).library.of_content(read_hash(request.match_info["hash"]))
    found = [one for one in every if may_see_asset(request, one)]
    if not found:
        raise web.HTTPNotFound
    return found[0]


def _shipped(behind: Services) -> set[Path]:
    return {path for models in behind.workspace.shipped.values() for path in models.values()}


def _made(behind: Services, record: Record, known: assets.Known) -> Iterator[asset_listings.JobAssetJson]:
    outputs = record.result.outputs if record.result else {}
    for node, shown in outputs.items():
        for kind, items in shown.items():
            for index, item in enumerate(items):
                asset = _shown_asset(behind, item, known)
                if asset is not None:
                    yield _job_asset_json(asset, node, kind, index)


def _shown_asset(behind: Services, item: Json, known: assets.Known) -> assets.Asset | None:
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
    if not path.is_file():
        return None
    return assets.asset_in(behind.workspace, Place(str(place)), path, known)


def _job_asset_json(asset: assets.Asset, node: str, kind: str, index: int) -> asset_listings.JobAssetJson:
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

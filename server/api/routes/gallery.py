"""Pictures that were made, the newest first: found by words of prompts, models and seeds, or as favourites."""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass

from aiohttp import web

from nodes.spec import NodeError, Place
from server.api import found as shapes
from server.api.assets import Known, asset_in
from server.api.middleware import json_response
from server.api.people import person_of
from server.api.pictures_found import FAVOURITE, Shown, name_of, shown_by
from server.api.queries import read_page
from server.api.requests import PicturesQuery
from server.api.services import Services, services
from server.api.shape import Shape
from server.api.wire import read_yes
from server.jobs.job import Search, State

ROUTES = web.RouteTableDef()  # under /api/weft
PORTION = 100  # jobs that are read in one go
OVER = tuple(state for state in State if state.over)


@dataclass(frozen=True, slots=True)
class _Wanted:
    words: Sequence[str]
    favourites: bool
    limit: int
    offset: int


@ROUTES.get("/pictures", shape=Shape(answer=shapes.PicturesJson, query=PicturesQuery))
async def pictures(request: web.Request) -> web.Response:
    """A page of the pictures that are still there."""
    limit, offset = read_page(request.query)
    wanted = _Wanted(
        request.query.get("text", "").lower().split(),
        read_yes(request.query, "favourites"),
        limit,
        offset,
    )
    behind = services(request)
    known = await behind.library.known()
    found: list[shapes.PictureJson] = []
    first, total = 0, 1
    while first < total and len(found) <= wanted.offset + wanted.limit:
        search = Search(states=OVER, limit=PORTION, offset=first, owner=person_of(request).only)
        records, total = await behind.history.search(search)
        shown = [picture for record in records for picture in shown_by(record)]
        found += await asyncio.to_thread(_kept, behind, known, shown, wanted)
        first += PORTION
    page = found[wanted.offset : wanted.offset + wanted.limit]
    answer: shapes.PicturesJson = {
        "pictures": page,
        "has_more": len(found) > wanted.offset + len(page),
    }
    return json_response(answer)


def _kept(
    behind: Services, known: Known, shown: Sequence[Shown], wanted: _Wanted
) -> list[shapes.PictureJson]:
    """Those that are wanted and whose file is still there."""
    found: list[shapes.PictureJson] = []
    for picture in shown:
        if not picture.answers(wanted.words):
            continue
        told = _told(behind, known, picture)
        if told is not None and (told["favourite"] or not wanted.favourites):
            found.append(told)
    return found


def _told(behind: Services, known: Known, picture: Shown) -> shapes.PictureJson | None:
    file = {name: str(picture.file.get(name) or "") for name in ("filename", "subfolder", "type")}
    try:
        place = Place(file["type"] or "output")
        path = behind.workspace.resolve(place, file["subfolder"], file["filename"])
    except (ValueError, NodeError):
        return None
    if not path.is_file():
        return None
    asset = None if place is Place.TEMP else asset_in(behind.workspace, place, path, known)
    job = picture.record.job
    return {
        "job": job.id,
        "node": picture.node,
        "file": {**file, "type": place.value},
        "made": job.wish.created,
        "name": name_of(job.wish.extra),
        "prompts": list(picture.asked.prompts),
        "models": list(picture.asked.models),
        "seeds": list(picture.asked.seeds),
        "asset": None if asset is None else asset.id,
        "favourite": asset is not None and FAVOURITE in asset.note.tags,
    }

"""New assets: files that are uploaded, content that is here already under another name, and the hashing of all."""

import shutil
from asyncio import to_thread
from pathlib import Path
from tempfile import NamedTemporaryFile

from aiohttp import web

from nodes.spec import Place
from server.api import asset_listings, wire
from server.api.asset_wire import NewAsset, read_new, read_new_of_hash, read_roots
from server.api.assets import MODELS, Asset, asset_in, asset_json, model_asset
from server.api.bodies import Upload, read_form, read_json
from server.api.library import without
from server.api.middleware import json_response
from server.api.people import check_admin
from server.api.requests import AssetForm, NewAssetBody, SeedBody, SeedQuery
from server.api.services import Services, services
from server.api.shape import FORM, Shape
from server.api.storing import stored
from server.api.theirs import claim, may_see, may_see_asset
from server.shelf import Note
from server.workspace import MODEL_SUFFIXES, SUFFIXES, inside

ROUTES = web.RouteTableDef()
CREATED = 201


@ROUTES.post(
    "/assets",
    shape=Shape(
        answer=asset_listings.NewAssetJson, status=CREATED, also=(200,), body=AssetForm, body_media=FORM
    ),
)
async def upload(request: web.Request) -> web.Response:
    """Take a file, or name content that is here by its `hash`; 200 if the same stands there already."""
    behind = services(request)
    async with read_form(request, "file", behind.workspace.place(Place.TEMP)) as form:
        new = read_new(form.every)
        if form.upload is None:
            return await _of_hash(request, new)
        if new.hash is not None and new.hash != form.upload.digest:
            raise wire.BadRequest("The file is not what its hash says.", f"Its hash is {form.upload.digest}.")
        return await _kept(request, new, form.upload)


@ROUTES.post(
    "/assets/from-hash",
    shape=Shape(answer=asset_listings.NewAssetJson, status=CREATED, also=(200,), body=NewAssetBody),
)
async def of_hash(request: web.Request) -> web.Response:
    """Make an asset of content that is here already, known by its hash; 404 if it is not."""
    return await _of_hash(request, read_new_of_hash(await read_json(request)))


@ROUTES.post(
    "/assets/seed",
    shape=Shape(
        answer=asset_listings.SeedJson,
        status=202,
        also=(200,),
        body=SeedBody,
        body_optional=True,
        query=SeedQuery,
    ),
)
async def seed(request: web.Request) -> web.Response:
    """Hash all files whose hash is not known; 409 while that goes on already. With `wait`, 200 when it is done."""
    library = services(request).library
    check_admin(request, "have all files hashed")
    roots, wait = read_roots(await read_json(request, empty={})), wire.read_yes(request.query, "wait")
    if not library.start_seed(roots):
        raise web.HTTPConflict
    if wait:
        await library.seeded()
    return json_response(library.seed, 200 if wait else 202)


@ROUTES.get("/assets/seed/status", shape=Shape(answer=asset_listings.SeedJson))
async def seed_status(request: web.Request) -> web.Response:
    """How the hashing of all files goes, or went."""
    return json_response(services(request).library.seed)


@ROUTES.post("/assets/seed/cancel", shape=Shape(answer=asset_listings.SeedJson))
async def cancel_seed(request: web.Request) -> web.Response:
    """Hash no more; what was hashed stays known."""
    library = services(request).library
    if library.cancel_seed():
        await library.seeded()
    return json_response(library.seed)


async def _of_hash(request: web.Request, new: NewAsset) -> web.Response:
    behind = services(request)
    if new.hash is None:
        raise wire.BadRequest("The form has neither a file as field 'file' nor a hash.")
    every = await behind.library.of_content(new.hash)
    found = [one for one in every if may_see_asset(request, one)]
    # What is a model stays one: nobody gets one out by giving it the place of a picture.
    source = next((asset for asset in found if asset.place is not None or new.root == MODELS), None)
    if source is None:
        raise web.HTTPNotFound
    copy = await to_thread(_copied, source.path, behind.workspace.place(Place.TEMP))
    try:
        name = new.name or Path(source.name).name
        return await _kept(request, new, Upload(name, copy, new.hash))
    finally:
        copy.unlink(missing_ok=True)


async def _kept(request: web.Request, new: NewAsset, upload: Upload) -> web.Response:
    behind, place = services(request), None if new.root == MODELS else Place(new.root)
    if place is None:
        check_admin(request, "add models, which all share")
    goal = _goal(behind, new, _filename(upload.filename))
    async with behind.writing:
        path, created = await to_thread(
            stored, goal, upload, hidden=lambda path: place is not None and not may_see(request, place, path)
        )
        if created and place is not None:
            await claim(request, place, path)
        await behind.library.keep_hash(path, upload.digest)
        asset = await _asset(behind, new, path)
        note = Note(
            name=new.name if new.name not in (None, asset.name) else asset.note.name,
            tags=tuple(dict.fromkeys((*asset.note.tags, *without(new.tags, asset.where)))),
            metadata={**asset.note.metadata, **new.metadata},
        )
        asset = await behind.library.note(asset, note)
    answer: asset_listings.NewAssetJson = {**asset_json(asset), "created_new": created}
    return json_response(answer, CREATED if created else 200)


def _filename(name: str) -> str:
    # Browsers on some systems send a whole path; only the last part is a name.
    last = name.replace("\\", "/").split("/")[-1]
    if not last or last.startswith("."):
        raise wire.BadRequest("The file needs a name that does not begin with a dot.", repr(name[:100]))
    return last


def _goal(behind: Services, new: NewAsset, filename: str) -> Path:
    """Where the file belongs, inside its folder."""
    if new.root != MODELS:
        return behind.workspace.resolve(Place(new.root), "", filename)
    folders = behind.workspace.folders()
    kind = new.tags[1] if len(new.tags) > 1 else ""
    if kind not in folders:
        raise wire.BadRequest(
            "The second tag of a model must name its kind.",
            f"It is {kind!r}; kinds are {', '.join(folders)}.",
        )
    if Path(filename).suffix.lower() not in (suffixes := SUFFIXES.get(kind, MODEL_SUFFIXES)):
        raise wire.BadRequest(f"A file of {kind} ends in one of {', '.join(sorted(suffixes)) or 'nothing'}.")
    return inside(folders[kind][0], filename, follow_links=True)


async def _asset(behind: Services, new: NewAsset, path: Path) -> Asset:
    known = await behind.library.known()
    if new.root != MODELS:
        return asset_in(behind.workspace, Place(new.root), path, known)
    return model_asset(new.tags[1], path.name, path, known)


def _copied(source: Path, folder: Path) -> Path:
    with NamedTemporaryFile(dir=folder, prefix=".upload-", delete=False) as draft, source.open("rb") as file:
        shutil.copyfileobj(file, draft)
    return Path(draft.name)

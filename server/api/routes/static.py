"""The editor's own files, and those of packs."""

from contextlib import suppress
from pathlib import Path

from aiohttp import web

from server.api.packs import answer_of_packs
from server.api.routes.files import content_type
from server.api.services import services
from server.api.shape import ANYTHING, Shape
from server.workspace import inside

ROUTES = web.RouteTableDef()
NOT_BUILT = """<!doctype html><meta charset="utf-8"><title>Weft</title>
<style>body{font:16px/1.5 system-ui;max-width:40em;margin:15vh auto;padding:0 1em;color:#222}code{background:#eee}</style>
<h1>The editor is not built yet</h1>
<p>The server runs. To build the editor, stop it, run <code>pip install -e .</code> (or <code>python web/build.py</code>)
in Weft's folder, and start it again. Without the editor, <code>weft run default</code> makes a picture.</p>"""


@ROUTES.get("/", shape=Shape(answer=bytes, media=ANYTHING))
async def index(request: web.Request) -> web.StreamResponse:
    """The editor."""
    folder = services(request).web
    if folder is None:
        return web.Response(text=NOT_BUILT, content_type="text/html", headers={"Cache-Control": "no-cache"})
    return _file(folder, "index.html")


@ROUTES.get("/extensions/{pack}/{file:.+}", shape=Shape(answer=bytes, media=ANYTHING))
async def extension(request: web.Request) -> web.StreamResponse:
    """A file that a pack brought for the browser."""
    pack, web_folder = request.match_info["pack"], services(request).web
    if pack == "core" and web_folder is not None:  # what packs import of the canvas itself
        return await _file_or_pack(request, web_folder / "extensions" / "core")
    folder = (await services(request).scripts.folders()).get(pack)
    return await _file_or_pack(request, folder)


@ROUTES.get("/{file:.+}", shape=Shape(answer=bytes, media=ANYTHING))
async def asset(request: web.Request) -> web.StreamResponse:
    """A file of the editor."""
    known = not request.path.startswith(("/api/", "/internal/"))
    return await _file_or_pack(request, services(request).web if known else None)


async def _file_or_pack(request: web.Request, folder: Path | None) -> web.StreamResponse:
    """The file, or else what a pack in the worker answers."""
    with suppress(web.HTTPNotFound):
        if folder is not None:
            return _file(folder, request.match_info["file"])
    return await answer_of_packs(request)


def _file(folder: Path, name: str) -> web.FileResponse:
    path = inside(folder, name)
    if not path.is_file() or path.name.startswith("."):
        raise web.HTTPNotFound
    # Vite names what lies in assets/ by its content, so it can be kept for ever.
    named_by_content = "assets" in path.relative_to(folder).parts[:-1] and "-" in path.stem
    fresh = "public, max-age=31536000, immutable" if named_by_content else "no-cache"
    response = web.FileResponse(path, headers={"Cache-Control": fresh, "X-Content-Type-Options": "nosniff"})
    response.content_type = "text/javascript" if path.suffix in (".js", ".mjs") else content_type(path)
    return response

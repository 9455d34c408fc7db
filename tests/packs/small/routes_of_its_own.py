"""Routes registered at import answer under our address, also below /api."""
from aiohttp import web
from server import PromptServer

routes = PromptServer.instance.routes


@routes.get("/small/hello/{name}")
async def hello(request):
    return web.json_response({"hello": request.match_info["name"], "query": request.query.get("q")})


@routes.post("/small/echo")
async def echo(request):
    return web.Response(body=await request.read(), headers={"X-Small": "yes"}, status=201)


NODE_CLASS_MAPPINGS = {}

"""Routes and folders put on PromptServer.instance.app."""
import os

from aiohttp import web
from server import PromptServer


async def on_app(_request):
    return web.Response(text="on the app")


app = PromptServer.instance.app
app.add_routes([web.get("/small/on_app", on_app)])
app.router.add_get("/small/on_router", on_app)
app.router.add_static("/small/static", os.path.join(os.path.dirname(__file__), "web_directory", "js"))
NODE_CLASS_MAPPINGS = {}

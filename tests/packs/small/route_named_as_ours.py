"""A pack cannot take /prompt."""
from aiohttp import web
from server import PromptServer


@PromptServer.instance.routes.post("/prompt")
async def taken(_request):
    return web.json_response({"prompt_id": "taken"})


NODE_CLASS_MAPPINGS = {}

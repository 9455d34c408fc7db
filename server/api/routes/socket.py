"""GET /ws: the websocket."""

import uuid

from aiohttp import web

from server.api import wire
from server.api.people import person_of
from server.api.requests import SocketQuery
from server.api.services import services
from server.api.shape import Shape

ROUTES = web.RouteTableDef()
MAX_MESSAGE = 1 << 20  # bytes; clients have little to say


@ROUTES.get("/ws", shape=Shape(status=101, query=SocketQuery))
async def listen(request: web.Request) -> web.WebSocketResponse:
    """Tell a client what happens, until it goes.

    Query: `clientId`, by which prompts name this client.
    """
    sid = request.query.get("clientId") or uuid.uuid4().hex
    socket = web.WebSocketResponse(max_msg_size=MAX_MESSAGE)
    if not socket.can_prepare(request):
        raise wire.BadRequest("This is a websocket: open it with ws:// (or wss://), not by a plain request.")
    await socket.prepare(request)
    await services(request).hub.connect(socket, sid, request.transport, person_of(request))
    return socket

"""GET /ws: the websocket."""

import uuid

from aiohttp import web

from server.api import wire
from server.api.requests import SocketQuery
from server.api.services import services
from server.api.shape import Shape
from server.api.websocket import HEARTBEAT

ROUTES = web.RouteTableDef()
MAX_MESSAGE = 1 << 20  # bytes; clients have little to say


@ROUTES.get("/ws", shape=Shape(status=101, query=SocketQuery))
async def listen(request: web.Request) -> web.WebSocketResponse:
    """Tell a client what happens, until it goes.

    Query: `clientId`, by which prompts name this client; `weft=1` for Weft's own messages too; `after=N` for these
    and for all that happened after the event N (`seq`).
    """
    after = wire.read_count(request.query, "after")
    wants_own = after is not None or request.query.get("weft") == "1"
    sid = request.query.get("clientId") or uuid.uuid4().hex
    socket = web.WebSocketResponse(heartbeat=HEARTBEAT, max_msg_size=MAX_MESSAGE)
    await socket.prepare(request)
    await services(request).hub.connect(socket, sid, after, wants_own=wants_own)
    return socket

"""Websockets of packs: taken in here after all checks, and joined to the one that the pack's handler holds in the worker.

Words, bytes, pings and pongs pass both ways as they come; whichever side waits holds the other up. An end passes too: a code
that one side gives is told to the other. Where the worker goes without a word, the client is told 1012: come back.
"""

import asyncio
from collections.abc import Iterable
from weakref import WeakSet

import aiohttp
from aiohttp import WSCloseCode, WSMsgType, hdrs, web
from yarl import URL

from server.api.middleware import failure
from server.api.services import services
from server.graph.errors import Fault

OPEN = web.AppKey("pack_sockets", WeakSet[web.WebSocketResponse])
OF_HANDSHAKES = (
    "sec-websocket-"  # how names of headers begin that each of the two connections says for itself
)
RESTARTED = WSCloseCode.SERVICE_RESTART, b"The process in which this pack answers is being started again."
LEFT = WSCloseCode.GOING_AWAY, b"The client went away."


def is_wanted(request: web.Request) -> bool:
    """Whether a request asks for a websocket."""
    return request.method == "GET" and request.headers.get(hdrs.UPGRADE, "").lower() == "websocket"


async def join(
    request: web.Request, session: aiohttp.ClientSession, url: URL, headers: Iterable[tuple[str, str]]
) -> web.StreamResponse:
    """Open the pack's websocket, then ours, and carry messages until one side ends it.

    A message of a client has at most as many bytes as another body, and as the pack's handler takes (aiohttp's 4 MiB
    where it says nothing). What a pack sends is not limited, as in aiohttp.

    Args:
        url: of the route in the worker. headers: for it, without those of one connection only.

    Raises:
        WSServerHandshakeError: the route answers something else; `status` says what.
        ClientError: the worker does not answer.
    """
    if not _socket(request, _asked(request)).can_prepare(request):
        return failure(Fault("invalid_request", "This is no way to ask for a websocket.", request.path), 400)
    async with session.ws_connect(
        url,
        headers=[(name, value) for name, value in headers if not name.lower().startswith(OF_HANDSHAKES)],
        protocols=_asked(request),
        autoping=False,
        max_msg_size=0,
    ) as theirs:
        ours = _socket(request, [theirs.protocol] if theirs.protocol else [])
        await ours.prepare(request)
        request.app[OPEN].add(ours)
        await asyncio.gather(_carry(theirs, ours, RESTARTED), _carry(ours, theirs, LEFT))
    return ours


async def close_all(app: web.Application) -> None:
    """End all of them: the server goes."""
    told = WSCloseCode.GOING_AWAY, b"Weft is closing."
    await asyncio.gather(*(_close(each, *told) for each in tuple(app[OPEN])))


def refused(request: web.Request, error: aiohttp.WSServerHandshakeError) -> web.Response:
    """What the client is told of a route that makes no websocket of its request."""
    if error.status >= 400:
        fault = Fault(f"http_{error.status}", "The pack refuses this websocket.", request.path)
        return failure(fault, error.status)
    said = f"It answered with status {error.status}. Ask for it by a plain request."
    return failure(Fault("invalid_request", "This route of a pack is no websocket.", said), 400)


async def refuse_detours(
    _session: object, _context: object, asked: aiohttp.TraceRequestRedirectParams
) -> None:
    """A pack may not send the server itself elsewhere: signal of a session, before it follows a redirect.

    Raises:
        WSServerHandshakeError: always; requests that are no websockets follow none anyhow.
    """
    answer = asked.response
    answer.close()
    raise aiohttp.WSServerHandshakeError(
        answer.request_info, (), status=answer.status, message="It sends elsewhere."
    )


def _socket(request: web.Request, protocols: list[str]) -> web.WebSocketResponse:
    most = services(request).limits.body
    return web.WebSocketResponse(autoping=False, max_msg_size=most, protocols=protocols)


def _asked(request: web.Request) -> list[str]:
    """The protocols that a client offers, the dearest first."""
    return [
        name.strip()
        for each in request.headers.getall(hdrs.SEC_WEBSOCKET_PROTOCOL, ())
        for name in each.split(",")
    ]


Socket = web.WebSocketResponse | aiohttp.ClientWebSocketResponse


async def _carry(source: Socket, goal: Socket, lost: tuple[int, bytes]) -> None:
    """Hand on what one side says until it ends, then end the other.

    Args:
        lost: code and reason for the other side where this one goes without a word.
    """
    code, reason = lost
    while True:
        message = await source.receive()
        try:
            match message.type:
                case WSMsgType.TEXT:
                    await goal.send_str(message.data)
                case WSMsgType.BINARY:
                    await goal.send_bytes(message.data)
                case WSMsgType.PING:
                    await goal.ping(message.data)
                case WSMsgType.PONG:
                    await goal.pong(message.data)
                case WSMsgType.CLOSE:
                    code, reason = message.data or WSCloseCode.OK, (message.extra or "").encode()
                    break
                case WSMsgType.ERROR if isinstance(message.data, aiohttp.WebSocketError):
                    code, reason = message.data.code, str(message.data).encode()[:120]
                    break
                case _:
                    break
        except ConnectionError:
            return  # the other side went: who reads from it ends this one
    await _close(goal, code, reason)


async def _close(socket: Socket, code: int, reason: bytes) -> None:
    try:
        await socket.close(code=code, message=reason)
    except ConnectionError:
        return  # it went before it could be told

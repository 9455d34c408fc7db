"""Requests that no route of ours answers, handed on to the packs in the worker: their routes answer under our address."""

from collections.abc import AsyncIterator
from contextlib import suppress
from weakref import WeakSet

import aiohttp
from aiohttp import web
from yarl import URL

from server.api import pack_sockets
from server.api.bodies import TooLarge
from server.api.middleware import dress
from server.api.services import services
from server.backends.base import BackendLost
from server.worker.parts import Registered

SESSION = web.AppKey("session", aiohttp.ClientSession)
# What concerns one connection only, or is said anew by whoever sends.
HOP = frozenset(
    {"connection", "keep-alive", "proxy-authenticate", "proxy-authorization", "te", "trailer", "upgrade"}
    | {"transfer-encoding", "content-length", "expect"}
)
NO_ROUTE = 421


async def session(app: web.Application) -> AsyncIterator[None]:
    """Connections to the worker, while the application lives."""
    timeout = aiohttp.ClientTimeout(total=None, sock_connect=5)
    watch = aiohttp.TraceConfig()
    watch.on_request_redirect.append(pack_sockets.refuse_detours)
    async with aiohttp.ClientSession(
        timeout=timeout, auto_decompress=False, cookie_jar=aiohttp.DummyCookieJar(), trace_configs=[watch]
    ) as made:
        app[SESSION], app[pack_sockets.OPEN] = made, WeakSet()
        yield


async def answer_of_packs(request: web.Request) -> web.StreamResponse:
    """What a pack answers.

    Raises:
        HTTPNotFound, HTTPMethodNotAllowed: no pack has such a route.
        BackendLost: the worker went away over it.
    """
    backend = services(request).backend
    if not backend.ready and "." in request.path.rpartition("/")[2]:
        raise web.HTTPNotFound  # a file: a page that waits for it would not be drawn until the worker is there
    found = _answering(request, await backend.registered())
    if not found.port and not found.routes:
        raise await _unknown(request)
    try:
        if found.port:
            with suppress(aiohttp.ClientConnectorError):
                return await _hand_on(request, found)
        again = _answering(request, await backend.registered(anew=True))
        if not again.port or (found.port and request.body_exists):
            raise BackendLost("The process in which this pack answers is being started again.")
        return await _hand_on(request, again)
    except aiohttp.ClientError as error:
        raise BackendLost(f"The worker, in which packs answer, went away: {error}") from error


def _answering(request: web.Request, registered: Registered) -> Registered:
    """Who answers it: the worker, or a pack that has a process of its own."""
    return registered.answering(request.method, request.rel_url.raw_path)


async def _hand_on(request: web.Request, registered: Registered) -> web.StreamResponse:
    url = URL(f"http://127.0.0.1:{registered.port}{request.raw_path}", encoded=True)
    headers = [(name, value) for name, value in request.headers.items() if name.lower() not in HOP]
    if pack_sockets.is_wanted(request):
        return await _joined(request, url, [*registered.key.items(), *headers])
    limit = services(request).limits.upload
    async with request.app[SESSION].request(
        request.method,
        url,
        headers=[*registered.key.items(), *headers],
        data=_body(request, limit) if request.body_exists else None,
        allow_redirects=False,
        skip_auto_headers=("User-Agent", "Content-Type", "Accept", "Accept-Encoding"),
    ) as answer:
        if answer.status == NO_ROUTE:
            raise await _unknown(request)
        response = web.StreamResponse(status=answer.status, reason=answer.reason)
        for name, value in answer.headers.items():
            if name.lower() not in HOP:
                response.headers.add(name, value)
        response.content_length = answer.content_length
        dress(request, response)
        await response.prepare(request)
        async for chunk in answer.content.iter_any():
            await response.write(chunk)
        await response.write_eof()
        return response


async def _joined(request: web.Request, url: URL, headers: list[tuple[str, str]]) -> web.StreamResponse:
    try:
        return await pack_sockets.join(request, request.app[SESSION], url, headers)
    except aiohttp.WSServerHandshakeError as error:
        if error.status == NO_ROUTE:
            raise await _unknown(request) from error
        return pack_sockets.refused(request, error)


async def _body(request: web.Request, limit: int) -> AsyncIterator[bytes]:
    size = 0
    async for chunk in request.content.iter_any():
        size += len(chunk)
        if size > limit:
            raise TooLarge(limit)
        yield chunk


async def _unknown(request: web.Request) -> web.HTTPException:
    """404, or 405 for a path of ours that is asked in a way in which it does not answer."""
    allowed: set[str] = set()
    for resource in request.app.router.resources():
        _, methods = await resource.resolve(request)
        allowed |= methods
    allowed -= {"*"}
    if allowed and request.method not in allowed:
        return web.HTTPMethodNotAllowed(request.method, allowed)
    return web.HTTPNotFound()

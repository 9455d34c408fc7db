"""What packs answer over HTTP: served on this machine's loopback, for the server alone, which hands requests on.

Their handlers run in a thread with an event loop of its own: one that blocks holds up other packs' routes and nothing else.
"""

import asyncio
import logging
import secrets
from collections.abc import Awaitable, Callable, Mapping
from typing import Any

from aiohttp import web

from nodes.compat.names.server_face import PromptServer

KEY = "X-Weft-Key"  # a header: who does not know its value is not answered
NO_ROUTE = 421  # the status where no pack has such a route
PATIENCE = 30.0  # seconds that packs' own start may take

log = logging.getLogger(__name__)


class Routes:
    """Not open until `open`. `port`, and `key` (headers) for the server; 0 and empty where no pack answers anything."""

    def __init__(self) -> None:
        self.port = 0
        self.key: Mapping[str, str] = {}

    def open(self, host: PromptServer, owner: Callable[[Any], str]) -> None:
        """Take in all that packs registered, and listen; later routes are not seen.

        Args:
            owner: the name of the pack that a handler belongs to.
        """
        for route in host.routes:
            for each in _doubled(route):
                try:
                    each.register(host.app.router)
                except Exception as error:  # noqa: BLE001 - one odd route must not cost the others
                    log.warning(
                        "A route of %s is left out: %s", owner(getattr(route, "handler", None)), error
                    )
        if not len(host.app.router.resources()):
            return
        secret = secrets.token_urlsafe(24)
        try:
            listening = asyncio.run_coroutine_threadsafe(_listen(host.app, secret), host.loop)
            self.port, self.key = listening.result(PATIENCE), {KEY: secret}
        except Exception:
            log.warning("The routes of packs cannot be served.", exc_info=True)


def _doubled(route: web.AbstractRouteDef) -> tuple[web.AbstractRouteDef, ...]:
    """A route as it was registered, and under /api as packs' scripts call it. Folders are there once."""
    if not isinstance(route, web.RouteDef):
        return (route,)
    bare = {name: value for name, value in route.kwargs.items() if name != "name"}
    return route, web.RouteDef(route.method, f"/api{route.path}", route.handler, bare)


async def _listen(app: web.Application, secret: str) -> int:
    """The port on which the application listens now."""
    app.middlewares.insert(0, _doorkeeper(secret))
    runner = web.AppRunner(app, access_log=None)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    return int(runner.addresses[0][1])


def _doorkeeper(secret: str) -> Any:
    @web.middleware
    async def doorkeeper(
        request: web.Request, handler: Callable[[web.Request], Awaitable[web.StreamResponse]]
    ) -> web.StreamResponse:
        """Nobody but the server is answered, and it is told where no pack has such a route."""
        if not secrets.compare_digest(request.headers.get(KEY, "").encode(), secret.encode()):
            raise web.HTTPForbidden
        if isinstance(request.match_info.http_exception, web.HTTPNotFound | web.HTTPMethodNotAllowed):
            return web.Response(status=NO_ROUTE)
        return await handler(request)

    return doorkeeper

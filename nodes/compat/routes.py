"""What packs answer over HTTP: served on this machine's loopback, for the server alone, which hands requests on.

Their handlers run in a thread with an event loop of its own: one that blocks holds up other packs' routes and nothing else.
"""

import asyncio
import logging
import re
import secrets
import socket
from collections.abc import Awaitable, Callable, Collection, Mapping
from typing import Any

from aiohttp import hdrs, web

from nodes.compat.names.server_face import PromptServer

KEY = "X-Weft-Key"  # a header: who does not know its value is not answered
NO_ROUTE = 421  # the status where no pack has such a route
PATIENCE = 30.0  # seconds that packs' own start may take

log = logging.getLogger(__name__)


class Routes:
    """Not open until `open`. `port`, and `key` (headers) for the server; 0 and empty where no pack answers anything.

    Args:
        taken: routes of the server's own, as "POST /prompt": it answers them before any pack.
        door: where to listen, on loopback; None: a new socket each time.
    """

    def __init__(self, taken: Collection[str] = (), door: socket.socket | None = None) -> None:
        self._door = door
        self._taken = frozenset(_bare(route) for route in taken)
        self._app: web.Application | None = None
        self._direct: list[web.AbstractResource] = []  # what packs hung on the application itself
        self._runner: web.AppRunner | None = None
        self.port = 0
        self.key: Mapping[str, str] = {}

    @property
    def told(self) -> tuple[str, ...]:
        """Every route: its method (`*`: all), a blank, and a regular expression of its path."""
        if self._app is None:
            return ()
        return tuple(
            f"{route.method} {_form(route.resource)}" for route in self._app.router.routes() if route.resource
        ) + tuple(f"* {_form(each)}" for each in self._app.router.resources() if "app" in each.get_info())

    def sift(self, host: PromptServer, before: int) -> tuple[list[str], list[str]]:
        """Of the routes that were registered after so many: those that stay, and those that are the server's own and go."""
        added: list[str] = []
        refused: list[str] = []
        stay: list[web.AbstractRouteDef] = []
        for route in list(host.routes)[before:]:
            told = (
                f"{getattr(route, 'method', '*')} {getattr(route, 'path', getattr(route, 'prefix', route))}"
            )
            if isinstance(route, web.RouteDef) and self._is_taken(route):
                refused.append(told)
            else:
                added.append(told)
                stay.append(route)
        host.keep_routes([*list(host.routes)[:before], *stay])
        return added, refused

    def _is_taken(self, route: web.RouteDef) -> bool:
        methods = sorted(hdrs.METH_ALL) if route.method == hdrs.METH_ANY else [route.method]
        return any(_bare(f"{method} {route.path}") in self._taken for method in methods)

    def open(self, host: PromptServer, owner: Callable[[Any], str]) -> None:
        """Take in all that packs registered, and listen; later routes are seen when it is called again.

        Args:
            owner: the name of the pack that a handler belongs to.
        """
        if self._app is None:
            self._app, self._direct = host.app, list(host.app.router.resources())
        else:  # what serves already takes in no more routes
            self._app = web.Application(client_max_size=0)
            for resource in self._direct:
                self._app.router.register_resource(resource)
        for route in host.routes:
            for each in _doubled(route):
                try:
                    each.register(self._app.router)
                except Exception as error:  # noqa: BLE001 - one odd route must not cost the others
                    log.warning(
                        "A route of %s is left out: %s", owner(getattr(route, "handler", None)), error
                    )
        before, self._runner = self._runner, None
        if len(self._app.router.resources()):
            secret = secrets.token_urlsafe(24)
            try:
                listening = asyncio.run_coroutine_threadsafe(
                    _listen(self._app, secret, self._door), host.loop
                )
                self._runner = listening.result(PATIENCE)
                self.port, self.key = int(self._runner.addresses[0][1]), {KEY: secret}
            except Exception:
                log.warning("The routes of packs cannot be served.", exc_info=True)
        if before is not None:
            asyncio.run_coroutine_threadsafe(before.cleanup(), host.loop)


def _bare(route: str) -> str:
    """A route with its variables unnamed, under the path that counts with and without /api."""
    method, _, path = route.partition(" ")
    return f"{method} {re.sub(r'{[^}]*}', '{}', path.removeprefix('/api'))}"


def _doubled(route: web.AbstractRouteDef) -> tuple[web.AbstractRouteDef, ...]:
    """A route as it was registered, and under /api as packs' scripts call it. Folders are there once."""
    if not isinstance(route, web.RouteDef):
        return (route,)
    bare = {name: value for name, value in route.kwargs.items() if name != "name"}
    return route, web.RouteDef(route.method, f"/api{route.path}", route.handler, bare)


def _form(resource: web.AbstractResource) -> str:
    """A regular expression of the paths that a resource answers."""
    told = resource.get_info()
    if "pattern" in told:
        return told["pattern"].pattern
    if "prefix" in told:
        return f"{re.escape(told['prefix'].rstrip('/'))}/.*"
    return re.escape(resource.canonical)


async def _listen(app: web.Application, secret: str, door: socket.socket | None) -> web.AppRunner:
    """What listens for the application now."""
    app.middlewares.insert(0, _doorkeeper(secret))
    runner = web.AppRunner(app, access_log=None)
    await runner.setup()
    await (web.TCPSite(runner, "127.0.0.1", 0) if door is None else web.SockSite(runner, door)).start()
    return runner


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

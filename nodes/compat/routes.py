"""What packs answer over HTTP: served on this machine's loopback, for the server alone, which hands requests on.

Their handlers run in a thread with an event loop of its own: one that blocks holds up other packs' routes and nothing else.
"""

import asyncio
import logging
import re
import secrets
import socket
from collections.abc import Awaitable, Callable, Collection, Mapping
from dataclasses import dataclass, field
from typing import Any
from weakref import WeakSet

from aiohttp import WSCloseCode, hdrs, web

from nodes.compat.faring import RouteFailure, lines
from nodes.compat.names.server_face import PromptServer

KEY = "X-Weft-Key"  # a header: who does not know its value is not answered
NO_ROUTE = 421  # the status where no pack has such a route
PATIENCE = 30.0  # seconds that packs' own start may take
OPENED = web.RequestKey("opened", web.WebSocketResponse)
FAILED = b"The pack's handler failed. Its report says more."

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
        self._failures: dict[str, dict[str, RouteFailure]] = {}  # by pack and route
        self.port = 0
        self.key: Mapping[str, str] = {}

    def failures(self, pack: str) -> tuple[RouteFailure, ...]:
        """How each route of a pack failed last, of those whose handler has raised."""
        return tuple(self._failures.get(pack, {}).copy().values())

    def forget(self, pack: str) -> None:
        """Its code is another now."""
        self._failures.pop(pack, None)

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
            door = _Door(secret, lambda request, error: self._note(owner, request, error))
            try:
                listening = asyncio.run_coroutine_threadsafe(_listen(self._app, door, self._door), host.loop)
                self._runner = listening.result(PATIENCE)
                self.port, self.key = int(self._runner.addresses[0][1]), {KEY: secret}
            except Exception:
                log.warning("The routes of packs cannot be served.", exc_info=True)
        if before is not None:
            asyncio.run_coroutine_threadsafe(before.cleanup(), host.loop)

    def _note(self, owner: Callable[[Any], str], request: web.Request, error: Exception) -> None:
        pack, resource = owner(request.match_info.handler), request.match_info.route.resource
        told = f"{request.method} {request.path if resource is None else resource.canonical}"
        failure = RouteFailure(told, f"{type(error).__name__}: {error}", lines(error))
        self._failures.setdefault(pack, {})[told] = failure


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


async def _listen(app: web.Application, door: "_Door", where: socket.socket | None) -> web.AppRunner:
    """What listens for the application now."""
    app.middlewares.insert(0, door.keeper())
    app.on_response_prepare.append(door.remember)
    app.on_shutdown.append(door.close_sockets)
    runner = web.AppRunner(app, access_log=None)
    await runner.setup()
    await (web.TCPSite(runner, "127.0.0.1", 0) if where is None else web.SockSite(runner, where)).start()
    return runner


@dataclass(frozen=True, slots=True)
class _Door:
    """What every request of one application passes.

    Attributes:
        secret: what the server shows. failed: told when a handler raises.
        sockets: the websockets that are open.
    """

    secret: str
    failed: Callable[[web.Request, Exception], None]
    sockets: WeakSet[web.WebSocketResponse] = field(default_factory=WeakSet[web.WebSocketResponse])

    def keeper(self) -> Any:
        """The middleware: nobody but the server is answered, and it is told where no pack has such a route."""

        @web.middleware
        async def keeper(
            request: web.Request, handler: Callable[[web.Request], Awaitable[web.StreamResponse]]
        ) -> web.StreamResponse:
            if not secrets.compare_digest(request.headers.get(KEY, "").encode(), self.secret.encode()):
                raise web.HTTPForbidden
            if isinstance(request.match_info.http_exception, web.HTTPNotFound | web.HTTPMethodNotAllowed):
                return web.Response(status=NO_ROUTE)
            try:
                return await handler(request)
            except ConnectionResetError:
                raise  # who asked is gone
            except Exception as error:
                opened = request.get(OPENED)
                if opened is None and isinstance(error, web.HTTPException):
                    raise  # an answer
                over = opened is not None and opened.closed  # many wait for words that do not come any more
                if not over:
                    self.failed(request, error)
                if opened is None:
                    raise
                log.log(
                    logging.INFO if over else logging.WARNING,
                    "A websocket of a pack failed: %s",
                    request.path,
                    exc_info=True,
                )
                await opened.close(code=WSCloseCode.INTERNAL_ERROR, message=FAILED)
                return opened

        return keeper

    async def remember(self, request: web.Request, response: web.StreamResponse) -> None:
        """A signal: an answer begins."""
        if isinstance(response, web.WebSocketResponse):
            request[OPENED] = response
            self.sockets.add(response)

    async def close_sockets(self, _app: web.Application) -> None:
        """A signal: what serves goes, since packs were edited."""
        told = WSCloseCode.SERVICE_RESTART, b"Packs were edited: come back."
        await asyncio.gather(*(each.close(code=told[0], message=told[1]) for each in tuple(self.sockets)))

"""The web application: routes, middleware, the sockets it listens on."""

import errno
import ssl
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

from aiohttp import web

from server.api import middleware
from server.api.answers import Object
from server.api.doorkeeper import doorkeeper
from server.api.openapi import Entry, document
from server.api.pack_sockets import close_all
from server.api.packs import answer_of_packs, session
from server.api.routes import (
    asset_uploads,
    assets,
    catalogue,
    editions,
    files,
    gallery,
    history,
    internal,
    jobs,
    models,
    nodes,
    packs,
    people,
    prompts,
    queue,
    shelves,
    socket,
    static,
    system,
    userdata,
)
from server.api.services import SERVICES, Services, services
from server.api.shape import Shape

BOTH = (
    prompts,
    queue,
    history,
    nodes,
    files,
    people,
    userdata,
    models,
    catalogue,
    system,
)  # bare and under /api
NO_IPV6 = frozenset({errno.EAFNOSUPPORT, errno.EADDRNOTAVAIL})


class PortTaken(Exception):
    """Somebody else listens there."""


def build_application(behind: Services) -> web.Application:
    """The application with all routes. It starts nothing."""
    doors = [doorkeeper(behind.tokens)] if behind.tokens else []
    app = web.Application(
        middlewares=[middleware.headers, middleware.errors, middleware.strangers, *doors],
        client_max_size=behind.limits.body,
    )
    app[SERVICES] = behind
    for entry in entries():
        route = entry.route
        kwargs = {name: value for name, value in route.kwargs.items() if name != "shape"}
        for prefix in entry.prefixes:
            web.RouteDef(route.method, prefix + route.path, route.handler, kwargs).register(app.router)
    app.router.add_route("*", "/{rest:.*}", answer_of_packs)
    app.cleanup_ctx.append(session)
    app.on_shutdown.append(close_all)
    return app


def entries() -> Iterator[Entry]:
    """All routes, in the order in which they are tried."""
    yield from _entries(("/api/weft",), system.OWN)
    yield from _entries(("/api/weft",), packs.OWN)
    yield from _entries(("/api/weft",), prompts.OWN)
    yield from _entries(("/api/weft",), editions.ROUTES)
    yield from _entries(("/api/weft",), shelves.ROUTES)
    yield from _entries(("/api/weft",), gallery.ROUTES)
    yield from _entries(("/api",), jobs.ROUTES)
    yield from _entries(("/api",), asset_uploads.ROUTES)
    yield from _entries(("/api",), assets.ROUTES)
    yield from _entries(("/internal",), internal.ROUTES)
    for module in BOTH:
        yield from _entries(("", "/api"), module.ROUTES)
    yield from _entries(("", "/api"), socket.ROUTES)
    yield from _entries(("", "/api"), OPENAPI)
    yield from _entries(("",), catalogue.PAGES)
    yield from _entries(("",), static.ROUTES)


def own_routes() -> tuple[str, ...]:
    """Method and path of each route, as packs are told which are taken."""
    return tuple(
        f"{entry.route.method} {prefix}{entry.route.path}" for entry in entries() for prefix in entry.prefixes
    )


def _entries(prefixes: tuple[str, ...], routes: Iterable[web.AbstractRouteDef]) -> Iterator[Entry]:
    for route in routes:
        if isinstance(route, web.RouteDef):
            yield Entry(prefixes, route, route.kwargs.get("shape"))


OPENAPI = web.RouteTableDef()


@OPENAPI.get("/openapi.json", shape=Shape(answer=Object))
async def describe_routes(request: web.Request) -> web.Response:
    """This description."""
    return middleware.json_response(document(entries(), services(request).versions["weft"]))


class Site:
    """An application that listens."""

    def __init__(self, app: web.Application) -> None:
        self._runner = web.AppRunner(app, access_log=None, shutdown_timeout=5)

    async def start(self, hosts: Sequence[str], port: int, tls: ssl.SSLContext | None = None) -> int:
        """Listen on all addresses; the port, which is another if `port` was 0.

        With `tls`, https is served.

        Raises:
            PortTaken: somebody else listens there, or nobody may.
        """
        await self._runner.setup()
        for host in hosts:
            try:
                await web.TCPSite(self._runner, host, port, ssl_context=tls).start()
            except OSError as error:
                if host == "::" and self._runner.addresses and error.errno in NO_IPV6:
                    continue  # all addresses were asked for, and this machine has the old kind only
                await self._runner.cleanup()
                raise PortTaken(
                    f"Cannot listen on {host}, port {port}: {error.strerror or error}."
                ) from error
            port = int(self._runner.addresses[0][1])
        return port

    async def close(self) -> None:
        """Stop listening; answers under way are finished first."""
        await self._runner.cleanup()


def certificate(chain: Path, key: Path) -> ssl.SSLContext:
    """What https needs, from two files in PEM.

    Raises:
        OSError: a file cannot be read, or they do not fit together.
    """
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(chain, key)
    return context


def address(host: str, port: int, scheme: str = "http") -> str:
    """What to type in a browser on this machine."""
    name = {"0.0.0.0": "127.0.0.1", "::": "[::1]"}.get(host, f"[{host}]" if ":" in host else host)  # noqa: S104
    return f"{scheme}://{name}:{port}"

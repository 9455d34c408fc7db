"""The web application: routes, middleware, the sockets it listens on."""

from collections.abc import Iterable

from aiohttp import web

from server.api import middleware
from server.api.routes import catalogue, files, history, nodes, people, prompts, queue, socket, static, system
from server.api.services import SERVICES, Services

BOTH = (prompts, queue, history, nodes, files, people, catalogue, system)  # bare and under /api


class PortTaken(Exception):
    """Somebody else listens there."""


def build_application(services: Services) -> web.Application:
    """The application with all routes. It starts nothing."""
    app = web.Application(
        middlewares=[middleware.headers, middleware.errors, middleware.strangers],
        client_max_size=services.limits.body,
    )
    app[SERVICES] = services
    _add(app, "/api/weft", system.OWN)
    _add(app, "/api", history.JOB_ROUTES)
    _add(app, "/internal", catalogue.INTERNAL)
    for module in BOTH:
        _add(app, "/api", module.ROUTES)
        _add(app, "", module.ROUTES)
    app.add_routes(socket.ROUTES)
    _add(app, "/api", socket.ROUTES)
    app.add_routes(static.ROUTES)
    return app


def _add(app: web.Application, prefix: str, routes: Iterable[web.AbstractRouteDef]) -> None:
    for route in routes:
        if isinstance(route, web.RouteDef):
            web.RouteDef(route.method, prefix + route.path, route.handler, route.kwargs).register(app.router)


class Site:
    """An application that listens."""

    def __init__(self, app: web.Application) -> None:
        self._runner = web.AppRunner(app, access_log=None, shutdown_timeout=5)

    async def start(self, host: str, port: int) -> int:
        """Listen; the port, which is another if `port` was 0.

        Raises:
            PortTaken: somebody else listens there, or nobody may.
        """
        await self._runner.setup()
        try:
            await web.TCPSite(self._runner, host, port).start()
        except OSError as error:
            await self._runner.cleanup()
            raise PortTaken(f"Cannot listen on {host}, port {port}: {error.strerror or error}.") from error
        return int(self._runner.addresses[0][1])

    async def close(self) -> None:
        """Stop listening; answers under way are finished first."""
        await self._runner.cleanup()

"""What every request passes: hosts and origins, errors to JSON, headers.

A browser sends any page's requests to this machine. Two checks keep other pages out: `Host` must be a name of ours (else
a page whose own name was rebound to this address could read everything), and `Origin`, where there is one, must be us, or
the one that the person let in.
"""

import errno
import ipaddress
import logging
from collections.abc import Awaitable, Callable
from pathlib import Path
from urllib.parse import urlsplit

from aiohttp import web

from nodes.spec import NodeError
from server.api import answers, wire
from server.api.services import services
from server.api.versions import OutOfDate
from server.backends.base import BackendLost
from server.graph.errors import Fault, PromptError
from server.jobs.job import StoreFull

log = logging.getLogger(__name__)
Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]
SAFE = frozenset({"GET", "HEAD", "OPTIONS"})
LEAST_COMPRESSED = 1024  # bytes; shorter ones only grow
FRESH_SUFFIXES = (".js", ".mjs", ".css", ".html", "/", "/index.json")


def json_response(value: object, status: int = 200) -> web.Response:
    """An answer in JSON."""
    headers = {"Cache-Control": "no-cache"}
    return web.Response(
        text=wire.dumps(value), status=status, content_type="application/json", headers=headers
    )


def failure(fault: Fault, status: int) -> web.Response:
    """An error answer in JSON."""
    return json_response(answers.error_json(fault), status)


# What the disk says of names that a file cannot have there: a folder is in the way, or a file where a folder should be.
MISNAMED = frozenset(
    {errno.EEXIST, errno.ENOTDIR, errno.EISDIR, errno.ENAMETOOLONG, errno.EINVAL, errno.ELOOP}
)


@web.middleware
async def errors(request: web.Request, handler: Handler) -> web.StreamResponse:
    """Whatever goes wrong is answered in JSON and in words; the server lives."""
    try:
        return await handler(request)
    except web.HTTPException as error:
        if error.status < 400:
            raise
        return _refusal(request, error)
    except wire.BadRequest as error:
        return failure(error.fault, error.status)
    except OutOfDate as error:
        return json_response(error.answer, 409)
    except PromptError as error:
        return json_response(answers.error_json(error.fault, error.node_faults), 400)
    except NodeError as error:
        return failure(Fault("invalid_request", error.message, error.hint), 400)
    except StoreFull as error:
        return failure(Fault("disk_full", str(error)), 507)
    except BackendLost as error:
        return failure(Fault("worker_lost", str(error), "It is being started again: try once more."), 503)
    except OSError as error:
        return _refused_by_disk(error)
    except RecursionError:
        return failure(Fault("invalid_json", "The body's JSON is nested too deeply."), 400)
    except Exception as error:
        # The last line of defence: a fault of ours must cost one answer, not the server.
        log.exception("%s %s failed", request.method, request.path)
        return failure(Fault("internal_error", f"Weft itself failed: {error}", type(error).__name__), 500)


def _refusal(request: web.Request, error: web.HTTPException) -> web.Response:
    """What a route or the router refuses: in its own words, where it has any."""
    standard = f"{error.status}: {error.reason}"
    said = error.reason if error.text in (None, "", standard) else error.text
    answer = failure(Fault(f"http_{error.status}", said or error.reason, request.path), error.status)
    if "Allow" in error.headers:
        answer.headers["Allow"] = error.headers["Allow"]
    return answer


def _refused_by_disk(error: OSError) -> web.Response:
    if isinstance(error, ConnectionError):
        raise error  # who asked is gone: there is nobody to answer
    if error.errno in (errno.ENOSPC, errno.EDQUOT):
        return failure(Fault("disk_full", "The disk is full. Free some space, then try again."), 507)
    if error.errno in MISNAMED:
        said = f"{error.strerror}: {Path(str(error.filename or '')).name}"
        return failure(
            Fault("name_not_possible", "There can be no file of that name in that place.", said), 400
        )
    log.error("The disk refused: %s", error)
    return failure(Fault("disk_error", f"The disk refused: {error.strerror or error}."), 500)


@web.middleware
async def strangers(request: web.Request, handler: Handler) -> web.StreamResponse:
    """Refuse what calls us by another's name, and what comes from another page."""
    if not _is_ours(_host_name(request.host), services(request).hosts):
        message = f"This server is not called {_host_name(request.host)!r}."
        hint = "If it should be, start it with --allow-host NAME."
        return failure(Fault("host_not_allowed", message, hint), 403)
    if not same_origin(request) and not _let_in(request):
        message = "A page from elsewhere may not use this server."
        return failure(Fault("origin_not_allowed", message, request.headers.get("Origin", "")), 403)
    if request.method == "OPTIONS" and "Access-Control-Request-Method" in request.headers:
        # A browser asks before it lets a page ask. It is told by the headers below, and shows no token yet.
        return web.Response(status=204)
    return await handler(request)


@web.middleware
async def headers(request: web.Request, handler: Handler) -> web.StreamResponse:
    """Headers of every answer: no guessing of types, no frames of other pages, fresh scripts."""
    response = await handler(request)
    if not response.prepared:
        if services(request).compress and isinstance(response, web.Response) and _is_large(response):
            response.enable_compression()
        dress(request, response)
    return response


def dress(request: web.Request, response: web.StreamResponse) -> None:
    """Set these headers; for answers that are sent bit by bit, before the first."""
    if _let_in(request):
        response.headers.update(_cross_origin(services(request).cors or ""))
    response.headers.setdefault("X-Content-Type-Options", "nosniff")
    response.headers.setdefault("X-Frame-Options", "SAMEORIGIN")
    response.headers.setdefault("Referrer-Policy", "same-origin")
    if request.path.endswith(FRESH_SUFFIXES):
        response.headers.setdefault("Cache-Control", "no-cache")


def _host_name(host: str) -> str:
    """The name in `name:port` or `[address]:port`, in lower case."""
    try:
        return (urlsplit(f"//{host}").hostname or "").rstrip(".")
    except ValueError:
        return ""


def _is_ours(name: str, hosts: frozenset[str]) -> bool:
    """Whether the server may be called so.

    A wildcard address in `hosts` means that any plain address will do: who calls an address reaches that address, so
    only names can be rebound.
    """
    if name in hosts or name == "localhost" or name.endswith(".localhost"):
        return True
    try:
        address = ipaddress.ip_address(name)
    except ValueError:
        return False
    return address.is_loopback or not hosts.isdisjoint({"0.0.0.0", "::"})  # noqa: S104 (compared, not bound)


def same_origin(request: web.Request) -> bool:
    """Whether a request is a program's, or of our own page; of others not even where `--cors` lets them in."""
    origin = request.headers.get("Origin")
    if origin is not None:
        return urlsplit(origin).netloc.lower() == request.host.lower() if _is_url(origin) else False
    # Browsers that leave Origin out still say where a request comes from; programs say nothing.
    site = request.headers.get("Sec-Fetch-Site", "same-origin")
    return request.method in SAFE or site in ("same-origin", "none")


def _let_in(request: web.Request) -> bool:
    """Whether the request comes from a page elsewhere that may use this server."""
    cors, origin = services(request).cors, request.headers.get("Origin")
    return cors is not None and (cors == "*" or origin is None or origin.lower() == cors.lower())


def _cross_origin(cors: str) -> dict[str, str]:
    told = {
        "Access-Control-Allow-Origin": cors,
        "Access-Control-Allow-Methods": "GET, HEAD, POST, PUT, PATCH, DELETE, OPTIONS",
        "Access-Control-Allow-Headers": "Content-Type, Authorization, Cache-Control, Comfy-User, If-Match, Range",
        "Access-Control-Expose-Headers": "Content-Disposition, ETag",
        "Access-Control-Max-Age": "600",
    }
    # Cookies only for an origin that was named: "*" would hand them to every page.
    return told if cors == "*" else told | {"Access-Control-Allow-Credentials": "true", "Vary": "Origin"}


def _is_large(response: web.Response) -> bool:
    return response.body is not None and (response.content_length or 0) >= LEAST_COMPRESSED


def _is_url(origin: str) -> bool:
    try:
        return urlsplit(origin).scheme in ("http", "https")
    except ValueError:
        return False

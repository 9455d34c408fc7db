"""Who may come in: on a server that others can reach, whoever shows a token.

A token is shown as Jupyter's is: in the header `Authorization: Bearer TOKEN`, in the query `?token=TOKEN`, or in a cookie,
which a page gets when it was first opened with the query.
"""

import logging
import time
from collections import deque
from collections.abc import Awaitable, Callable, Iterator

from aiohttp import web

from server.api.middleware import Handler, failure
from server.api.people import PERSON
from server.graph.errors import Fault
from server.jobs.owners import Person
from server.tokens import Tokens, TokensUnreadable

log = logging.getLogger(__name__)

MONTH = 30 * 24 * 3600  # seconds that a browser keeps the cookie
WRONG_TOKENS = 20  # that one address may show in a `MINUTE`
MINUTE = 60.0
ADDRESSES = 1024  # that are remembered
HELP = (
    "Open the address that `weft` printed at its start, or send the token as `Authorization: Bearer TOKEN` or as "
    "`?token=TOKEN`. `weft token add NAME`, on the machine that Weft runs on, makes a new one; "
    "`weft --no-token` asks for none."
)
PAGE = """<!doctype html><html lang="en"><meta charset="utf-8"><title>Weft</title>
<meta name="viewport" content="width=device-width">
<style>body{font:16px/1.5 system-ui;max-width:36em;margin:15vh auto;padding:0 1em;color:#222}code{background:#eee}
input,button{font:inherit;padding:.3em .6em}</style>
<h1>This Weft asks for a token</h1>
<form action="/" method="get"><input name="token" type="password" aria-label="Token" autocomplete="current-password"
required autofocus> <button>Open</button></form>
<p>It is in the address that <code>weft</code> printed when it was first started. Lost? On the machine that Weft runs on,
<code>weft token add NAME</code> makes another.</p></html>"""


class WrongTokens:
    """Counts wrong tokens by address, so that nobody tries them by the thousand. A right one is never held up.

    Args:
        clock: seconds that only grow.
    """

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._tried: dict[str, deque[float]] = {}

    def too_many(self, address: str) -> bool:
        """Count one; whether there were too many within a minute."""
        now = self._clock()
        tried = self._tried.pop(address, None) or deque[float](maxlen=WRONG_TOKENS)
        full = len(tried) == WRONG_TOKENS and now - tried[0] < MINUTE
        tried.append(now)
        self._tried[address] = tried  # the last one: the oldest are forgotten first
        while len(self._tried) > ADDRESSES:
            del self._tried[next(iter(self._tried))]
        return full


def doorkeeper(tokens: Tokens) -> Callable[..., Awaitable[web.StreamResponse]]:
    """The middleware that lets in whoever shows one of the tokens."""
    wrong = WrongTokens()

    @web.middleware
    async def known(request: web.Request, handler: Handler) -> web.StreamResponse:
        shown = list(_shown(request))
        try:
            found = [(text, token) for text in shown if (token := tokens.find(text)) is not None]
        except TokensUnreadable as error:
            log.error("%s", error)
            return failure(Fault("tokens_unreadable", "This server's list of tokens is damaged."), 503)
        if found:
            text, token = found[0]
            request[PERSON] = Person(token.user, token.sees_all)
            return _remembered(request, text) if _is_first_visit(request, text) else await handler(request)
        if shown and wrong.too_many(request.remote or ""):
            return _too_many()
        return _unknown(request, wrong=bool(shown))

    return known


def _shown(request: web.Request) -> Iterator[str]:
    """Every token that the request carries: a client may have an `Authorization` of its own beside our cookie."""
    scheme, _, text = request.headers.get("Authorization", "").partition(" ")
    if scheme.lower() == "bearer" and text.strip():
        yield text.strip()
    for found in (request.query.get("token"), request.cookies.get(_cookie(request))):
        if found:
            yield found


def _cookie(request: web.Request) -> str:
    """Cookies are shared by all ports of a machine, and each may be another Weft."""
    return f"weft_token_{request.url.port}"


def _is_page(request: web.Request) -> bool:
    """Whether a person sees the answer, not a program."""
    return request.method == "GET" and "text/html" in request.headers.get("Accept", "")


def _is_first_visit(request: web.Request, token: str) -> bool:
    return _is_page(request) and request.query.get("token") == token


def _remembered(request: web.Request, token: str) -> web.Response:
    """Keep the token in a cookie, and take it out of the address: addresses are kept, copied and shown."""
    url = request.rel_url.with_query([(key, text) for key, text in request.query.items() if key != "token"])
    # More than one slash in front would name another host.
    goal = "/" + str(url).lstrip("/\\")
    response = web.Response(status=303, headers={"Location": goal, "Cache-Control": "no-store"})
    response.headers["Referrer-Policy"] = "no-referrer"
    response.set_cookie(
        _cookie(request), token, max_age=MONTH, httponly=True, samesite="Lax", secure=request.secure
    )
    return response


def _unknown(request: web.Request, *, wrong: bool) -> web.Response:
    headers = {"WWW-Authenticate": 'Bearer realm="Weft"', "Cache-Control": "no-store"}
    if _is_page(request):
        return web.Response(text=PAGE, content_type="text/html", status=401, headers=headers)
    message = "This is no token of this server." if wrong else "This server asks for a token."
    response = failure(Fault("token_wrong" if wrong else "token_missing", message, HELP), 401)
    response.headers.update(headers)
    return response


def _too_many() -> web.Response:
    message = "Too many wrong tokens came from this address. Wait a minute."
    response = failure(Fault("too_many_tokens", message, HELP), 429)
    response.headers["Retry-After"] = str(int(MINUTE))
    return response

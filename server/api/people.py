"""Whose request it is.

One person's by default; with `--multi-user`, of the one that the header `Comfy-User` names; where tokens are asked for, of
the one whose token was shown.
"""

from aiohttp import web

from server.api import wire
from server.api.services import services

ONLY_USER = "default"
HEADER = "Comfy-User"
PERSON = web.RequestKey("person", str)  # the user whose token was shown


class UnknownUser(wire.BadRequest):
    """The header names nobody whom this server knows."""

    def __init__(self, id: str) -> None:
        said = f"It is {id[:100]!r}." if id else "It is missing."
        super().__init__(f"The header {HEADER} must name a user.", said, type="unknown_user", status=401)


async def user_of(request: web.Request) -> str:
    """The id of the person who asks, which is the name of their folder too.

    Raises:
        UnknownUser: there are several, and the request names none of them.
    """
    shown = request.get(PERSON)
    if shown is not None:
        return shown
    behind = services(request)
    if not behind.multi_user:
        return ONLY_USER
    id = request.headers.get(HEADER, "")
    if id not in await behind.settings.users():
        raise UnknownUser(id)
    return id

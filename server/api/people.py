"""Whose request it is, and what they may see.

One person's by default; with `--multi-user`, of the one that the header `Comfy-User` names; where tokens are asked for, of
the one whose token was shown. Tokens alone keep people's jobs apart: anybody can write any header.
"""

from collections.abc import Collection

from aiohttp import web

from server.api import wire
from server.api.services import services
from server.jobs.job import Job, Record
from server.jobs.owners import EVERYBODY, Person

HEADER = "Comfy-User"
PERSON = web.RequestKey("person", Person)  # whose token was shown


class UnknownUser(wire.BadRequest):
    """The header names nobody whom this server knows."""

    def __init__(self, id: str) -> None:
        said = f"It is {id[:100]!r}." if id else "It is missing."
        super().__init__(f"The header {HEADER} must name a user.", said, type="unknown_user", status=401)


class NotYours(wire.BadRequest):
    """Only who looks after the server may do this."""

    def __init__(self, what: str) -> None:
        super().__init__(
            f"Your token does not let you {what}.",
            "The first token does, and those made with `weft token add NAME --admin`.",
            type="not_allowed",
            status=403,
        )


def person_of(request: web.Request) -> Person:
    """Who asks, as far as jobs are concerned: everybody is one person where no tokens are asked for."""
    return request.get(PERSON, Person())


def check_admin(request: web.Request, what: str) -> None:
    """Go on only for who looks after the server.

    Raises:
        NotYours: somebody else asks.
    """
    if not person_of(request).sees_all:
        raise NotYours(what)


def is_theirs(request: web.Request, job: Job) -> bool:
    """Whether the one who asks sees and controls the job."""
    return person_of(request).owns(job.wish.owner)


async def their_record(request: web.Request, id: str) -> Record | None:
    """A job of the one who asks, waiting, running or over; None where there is none, or it is another's."""
    record = await services(request).history.find(id)
    return record if record is not None and is_theirs(request, record.job) else None


async def theirs(request: web.Request, ids: Collection[str] | None) -> Collection[str] | None:
    """Those of the jobs that are theirs; for None, which means all, all that wait or run and are theirs.

    None comes back for who sees all.
    """
    person, queue = person_of(request), services(request).queue
    if person.sees_all:
        return ids
    if ids is None:
        return [job.id for job in (*queue.at_work, *queue.waiting) if is_theirs(request, job)]
    return [id for id in ids if await their_record(request, id) is not None]


async def user_of(request: web.Request) -> str:
    """The id of the person who asks, which is the name of their folder too.

    Raises:
        UnknownUser: there are several, and the request names none of them.
    """
    shown = request.get(PERSON)
    if shown is not None:
        return shown.id
    behind = services(request)
    if not behind.multi_user:
        return EVERYBODY
    id = request.headers.get(HEADER, "")
    if id not in await behind.settings.users():
        raise UnknownUser(id)
    return id

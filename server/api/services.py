"""What handlers work with; made once by the composition root."""

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol

from aiohttp import web

from nodes.spec import Json
from server.api.descriptions import Descriptions
from server.api.downloads import Downloads
from server.api.library import Library
from server.api.logs import LogBook
from server.api.scripts import Scripts
from server.api.websocket import Hub
from server.backends.base import Backend
from server.belongings import Belongings
from server.editions import Editions
from server.graph.judging import Judge
from server.graph.reading import Reader
from server.jobs.control import Control
from server.jobs.history import History
from server.jobs.queue import Queue
from server.jobs.runner import Runner
from server.pack_limits import LimitsKept
from server.tokens import Tokens
from server.trust import Trust
from server.workspace import Workspace


class Settings(Protocol):
    """Keeps people and their settings."""

    async def users(self) -> Mapping[str, str]:
        """Names by id."""
        ...

    async def add_user(self, id: str, name: str) -> bool:
        """Take in a person; False if somebody is called so."""
        ...

    async def settings(self, user: str) -> Mapping[str, Json]:
        """All of a person's by id."""
        ...

    async def change_settings(self, user: str, changes: Mapping[str, Json]) -> None:
        """Set some of a person's."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """How much may be sent, in bytes: one uploaded file, any other body."""

    upload: int
    body: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Services:
    """Everything behind the routes.

    Attributes:
        web: the built editor; None if there is none.
        default_workflow: the workflow that a new person sees; `templates`: the folder of others to begin with.
        editions: what saved workflows were before.
        downloads: brings models that people ask for.
        hosts: names by which this server may be called, beside loopback ones.
        versions: of Weft and what it stands on.
        argv: the command line, for `/system_stats`.
        only_packs: names of the packs that are loaded; None for all.
        trust: whose code may run; `pack_limits`: what packs may do.
        multi_user: several people work here, each with their own files and settings.
        tokens: who may come in; None for everybody.
        belongings: whose files are whose; None where people are not told apart.
        cors: origin of pages that may use this server beside its own; "*" for all of them, None for none.
        compress: gzip answers for who takes them so.
        reader, judge: read and judge prompts; both remember the last ones.
    """

    workspace: Workspace
    queue: Queue
    history: History
    runner: Runner
    control: Control
    backend: Backend
    descriptions: Descriptions
    scripts: Scripts
    hub: Hub
    log: LogBook
    library: Library
    belongings: Belongings | None
    settings: Settings
    editions: Editions
    downloads: Downloads
    limits: Limits
    features: Mapping[str, Json]
    web: Path | None
    default_workflow: Path
    templates: Path
    hosts: frozenset[str]
    versions: Mapping[str, str]
    argv: tuple[str, ...] = ()
    only_packs: frozenset[str] | None = None
    trust: Trust = field(default_factory=Trust)
    pack_limits: LimitsKept = field(default_factory=LimitsKept)
    multi_user: bool = False
    tokens: Tokens | None = None
    cors: str | None = None
    compress: bool = False
    writing: asyncio.Lock = field(default_factory=asyncio.Lock)
    reader: Reader = field(default_factory=Reader)
    judge: Judge = field(default_factory=Judge)


SERVICES = web.AppKey("services", Services)


def services(request: web.Request) -> Services:
    """The services behind a request."""
    return request.app[SERVICES]

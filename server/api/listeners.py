"""Who listens to the websocket: one connection, whose it is, and how the running job stands for who comes late."""

import asyncio
import logging
from collections.abc import Sequence
from dataclasses import dataclass, field, replace

from aiohttp import web

from nodes.spec import Json
from server.api.messages import Outgoing, Words, executed, executing, said
from server.api.outbox import Outbox
from server.events import (
    Envelope,
    JobEnded,
    JobStarted,
    NodeDone,
    NodesCached,
    NodeStarted,
    QueueChanged,
)
from server.graph.model import NodeId
from server.jobs.owners import EVERYBODY, Person, told_to

log = logging.getLogger(__name__)
UNWRITABLE = (TypeError, ValueError, RecursionError)


@dataclass(frozen=True, slots=True)
class Patience:
    """How long clients are borne with, in seconds.

    Attributes:
        quiet: without anything to say, a ping goes out: proxies cut quiet lines.
        stalled: a client that takes nothing for so long, though something waits, is cut off.
        leaving: so long a closing server waits until its clients have heard of it.
    """

    quiet: float = 20.0
    stalled: float = 120.0
    leaving: float = 2.0


@dataclass(slots=True, eq=False)
class Client:
    """One connection.

    Attributes:
        sid: its address, in which its person's name is.
        name: what it calls itself.
        person: who listens.
        features: what its first message said it understands.
        numbered: it agreed on numbers.
    """

    sid: str
    name: str
    person: Person
    socket: web.WebSocketResponse
    transport: asyncio.Transport | None
    numbered: bool = False
    features: dict[str, Json] = field(default_factory=dict[str, Json])
    outbox: Outbox = field(default_factory=Outbox)

    def understands(self, feature: str) -> bool:
        """Whether the client declared a feature."""
        return self.features.get(feature) is True

    def tell(self, found: Sequence[Outgoing], *, again: bool = False) -> None:
        """Let messages wait for it. One that cannot be written is lost, not the connection."""
        for message in found:
            try:
                self.outbox.put(message, again=again)
            except UNWRITABLE:
                log.exception("A message could not be written.")
        if self.outbox.overfull:
            self.cut_off()

    def may_hear(self, envelope: Envelope) -> bool:
        """Whether it is told what all are told: that others' jobs were stopped is not its person's business."""
        return isinstance(envelope.event, QueueChanged) or self.person.owns(told_to(envelope.client))

    def as_told(self, envelope: Envelope) -> Envelope:
        """What happened as its person is told it: a change of the queue names no jobs of others."""
        event = envelope.event
        if not isinstance(event, QueueChanged) or self.person.sees_all:
            return envelope
        whose = dict(zip(event.jobs, event.owners, strict=False))
        jobs = tuple(id for id in event.jobs if self.person.owns(whose.get(id, EVERYBODY)))
        return replace(envelope, event=replace(event, jobs=jobs, owners=()))

    def cut_off(self) -> None:
        """End the connection at once: a close frame would wait behind all that the client does not read."""
        if self.transport is not None:
            self.transport.abort()


@dataclass(slots=True)
class Running:
    """The job that runs, for who comes while it does.

    Attributes:
        job: its id; None while none runs.
        owner: the client that queued it.
        opening: its first messages.
        shown: what its nodes show so far.
        current: the node that started last.
    """

    job: str | None = None
    owner: str | None = None
    opening: list[Words] = field(default_factory=list[Words])
    shown: dict[NodeId, Words] = field(default_factory=dict[NodeId, Words])
    current: Words | None = None

    def take(self, envelope: Envelope) -> None:
        """Keep up with what happens."""
        event = envelope.event
        match event:
            case JobStarted():
                self.job = event.job
                self.owner, self.opening, self.shown, self.current = envelope.client, [said(event)], {}, None
            case NodesCached():
                self.opening.append(said(event))
            case NodeStarted(job=job, place=place):
                self.current = executing(job, place)
            case NodeDone(place=place, ui=ui) if ui is not None:
                self.shown[place.node] = executed(event, ui)
            case JobEnded():
                self.job = None
                self.owner, self.opening, self.shown, self.current = None, [], {}, None
            case _:
                pass

"""What happened in a run, as values with sequence numbers; a `Bus` that hands them on and replays what was missed."""

import asyncio
import uuid
from collections import deque
from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field

from server.graph.happenings import (
    Event,
    JobEnded,
    JobFailed,
    JobStarted,
    JobStopped,
    JobSucceeded,
    NodeBlocked,
    NodeDone,
    NodeFailed,
    NodeProgressed,
    NodeSaid,
    NodesCached,
    NodeStarted,
    Place,
    QueueChange,
    QueueChanged,
)

__all__ = [
    "Bus",
    "Envelope",
    "Event",
    "JobEnded",
    "JobFailed",
    "JobStarted",
    "JobStopped",
    "JobSucceeded",
    "NodeBlocked",
    "NodeDone",
    "NodeFailed",
    "NodeProgressed",
    "NodeSaid",
    "NodeStarted",
    "NodesCached",
    "Place",
    "QueueChange",
    "QueueChanged",
    "Subscription",
]


@dataclass(frozen=True, slots=True)
class Envelope:
    """An event with its number; numbers rise by one for the life of the bus."""

    number: int
    event: Event
    client: str | None = None  # who queued the job; None: for everyone


FAR_BEHIND = 1024  # envelopes
MEMORY = 16 << 20  # bytes of events that are kept, as reckoned by `weight`


@dataclass(slots=True)
class Subscription:
    """One listener's queue. While it is far behind, progress is left out, and `lost` counts it; nothing else ever is."""

    queue: asyncio.Queue[Envelope] = field(default_factory=asyncio.Queue[Envelope])
    lost: int = 0

    async def __aiter__(self) -> AsyncIterator[Envelope]:
        while True:
            yield await self.queue.get()


class Bus:
    """Hands each event to every listener, in order, and keeps the last ones for listeners that come back.

    Args:
        memory: how many bytes of events are kept.

    Attributes:
        life: names this bus. Numbers of another life (the server was restarted) say nothing about this one's events.
    """

    def __init__(self, memory: int = MEMORY) -> None:
        self.life = uuid.uuid4().hex
        self._number = 0
        self._memory = memory
        self._kept: deque[Envelope] = deque()
        self._weight = 0
        self._forgotten = 0  # number of the last event that was kept and is no more
        self._subscriptions: list[Subscription] = []

    @property
    def number(self) -> int:
        """Number of the last event."""
        return self._number

    def publish(self, event: Event, client: str | None = None) -> None:
        """Number the event and hand it on.

        Progress and previews are not kept for replay: they are worthless later.
        """
        self._number += 1
        envelope = Envelope(self._number, event, client)
        if not isinstance(event, NodeProgressed):
            self._keep(envelope)
        for subscription in self._subscriptions:
            if isinstance(event, NodeProgressed) and subscription.queue.qsize() >= FAR_BEHIND:
                subscription.lost += 1
            else:
                subscription.queue.put_nowait(envelope)

    def replay(self, after: int) -> Sequence[Envelope] | None:
        """The kept events with numbers above `after`; None if some of those were forgotten."""
        if not self._forgotten <= after <= self._number:
            return None
        missed: list[Envelope] = []
        for envelope in reversed(self._kept):
            if envelope.number <= after:
                break
            missed.append(envelope)
        return missed[::-1]

    @contextmanager
    def subscribe(self) -> Iterator[Subscription]:
        """Listen while the context is open."""
        subscription = Subscription()
        self._subscriptions.append(subscription)
        try:
            yield subscription
        finally:
            self._subscriptions.remove(subscription)

    def _keep(self, envelope: Envelope) -> None:
        self._kept.append(envelope)
        self._weight += weight(envelope.event)
        while self._weight > self._memory and self._kept:
            oldest = self._kept.popleft()
            self._forgotten = oldest.number
            self._weight -= weight(oldest.event)


def weight(event: Event) -> int:
    """About how many bytes of memory an event takes."""
    match event:
        case NodeDone(ui=ui) if ui:
            return 400 + sum(len(repr(item)) for items in ui.values() for item in items)
        case NodeFailed(failure=failure):
            return 400 + sum(map(len, failure.traceback))
        case JobFailed(failure=failure, executed=executed):
            return 400 + sum(map(len, failure.traceback)) + 8 * len(executed)
        case NodeBlocked(executed=nodes) | JobStopped(executed=nodes) | NodesCached(nodes=nodes):
            return 400 + 8 * len(nodes)
        case NodeSaid(text=text):
            return 400 + len(text)
        case _:
            return 400

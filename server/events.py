"""What happened in a run, as values with sequence numbers; a Bus that hands them on and replays what was missed."""

import asyncio
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
    """An event with its number; numbers rise by one for the life of the server."""

    number: int
    event: Event
    client: str | None = None  # who queued the job; None: for everyone


FAR_BEHIND = 1024  # envelopes


@dataclass(slots=True)
class Subscription:
    """One listener's queue. While it is far behind, progress is left out, and `lost` counts it; nothing else ever is."""

    queue: asyncio.Queue[Envelope] = field(default_factory=asyncio.Queue[Envelope])
    lost: int = 0

    async def __aiter__(self) -> AsyncIterator[Envelope]:
        while True:
            yield await self.queue.get()


class Bus:
    """Hands each event to every listener, in order, and keeps the last ones for listeners that come back."""

    def __init__(self, memory: int = 2048) -> None:
        self._number = 0
        self._recent: deque[Envelope] = deque(maxlen=memory)
        self._subscriptions: list[Subscription] = []

    @property
    def number(self) -> int:
        """Number of the last event."""
        return self._number

    def publish(self, event: Event, client: str | None = None) -> None:
        """Number the event and hand it on. Previews are not kept for replay: they are worthless later."""
        self._number += 1
        envelope = Envelope(self._number, event, client)
        if not (isinstance(event, NodeProgressed) and event.preview):
            self._recent.append(envelope)
        for subscription in self._subscriptions:
            if isinstance(event, NodeProgressed) and subscription.queue.qsize() >= FAR_BEHIND:
                subscription.lost += 1
            else:
                subscription.queue.put_nowait(envelope)

    def replay(self, after: int) -> Sequence[Envelope]:
        """The kept events with numbers above `after`."""
        return [envelope for envelope in self._recent if envelope.number > after]

    @contextmanager
    def subscribe(self) -> Iterator[Subscription]:
        """Listen while the context is open."""
        subscription = Subscription()
        self._subscriptions.append(subscription)
        try:
            yield subscription
        finally:
            self._subscriptions.remove(subscription)

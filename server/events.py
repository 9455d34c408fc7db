"""What happened in a run, as values with sequence numbers; a Bus that hands them on and replays what was missed."""

import asyncio
from collections import deque
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import contextmanager
from collections.abc import Iterator
from dataclasses import dataclass, field

from nodes.spec import Json, Preview
from server.graph.model import NodeId
from server.graph.outcome import Failure


@dataclass(frozen=True, slots=True)
class Place:
    """A node of a run, as messages name it: itself, what the canvas marks, its maker, the one in the file."""

    node: NodeId
    display: NodeId
    real: NodeId
    parent: NodeId | None = None


@dataclass(frozen=True, slots=True)
class QueueChanged:
    """Something was queued, started, finished or removed. `remaining` counts waiting and running jobs."""

    remaining: int


@dataclass(frozen=True, slots=True)
class JobStarted:
    """A job left the queue and runs."""

    job: str
    timestamp: int  # ms


@dataclass(frozen=True, slots=True)
class NodesCached:
    """These nodes need not run: their results are known."""

    job: str
    nodes: tuple[NodeId, ...]
    timestamp: int


@dataclass(frozen=True, slots=True)
class NodeStarted:
    """A node begins to run."""

    job: str
    place: Place


@dataclass(frozen=True, slots=True)
class NodeProgressed:
    """A node did `value` of `total` steps."""

    job: str
    place: Place
    value: int
    total: int
    preview: Preview | None = None


@dataclass(frozen=True, slots=True)
class NodeSaid:
    """A node shows a line of text."""

    job: str
    place: Place
    text: str


@dataclass(frozen=True, slots=True)
class NodeDone:
    """A node is finished. `ui` is what it shows; `cached`: it did not run, its result was known."""

    job: str
    place: Place
    ui: Mapping[str, Sequence[Json]] | None
    cached: bool = False
    seconds: float = 0.0


@dataclass(frozen=True, slots=True)
class NodeBlocked:
    """A node was switched off, and the person should know why."""

    job: str
    place: Place
    type: str
    message: str
    executed: tuple[NodeId, ...]


@dataclass(frozen=True, slots=True)
class NodeFailed:
    """A node failed; nodes that do not depend on it go on."""

    job: str
    place: Place
    type: str
    failure: Failure
    executed: tuple[NodeId, ...] = ()


@dataclass(frozen=True, slots=True)
class JobSucceeded:
    """All that was asked for is done."""

    job: str
    timestamp: int


@dataclass(frozen=True, slots=True)
class JobFailed:
    """The job is over and something failed: the first failure. `place` is None when no node is to blame."""

    job: str
    place: Place | None
    type: str
    failure: Failure
    executed: tuple[NodeId, ...]
    timestamp: int


@dataclass(frozen=True, slots=True)
class JobStopped:
    """The person stopped the job while `place` ran (None: between nodes)."""

    job: str
    place: Place | None
    type: str
    executed: tuple[NodeId, ...]
    timestamp: int


@dataclass(frozen=True, slots=True)
class JobEnded:
    """The very last event of a job, after its history is written."""

    job: str


Event = (
    QueueChanged
    | JobStarted
    | NodesCached
    | NodeStarted
    | NodeProgressed
    | NodeSaid
    | NodeDone
    | NodeBlocked
    | NodeFailed
    | JobSucceeded
    | JobFailed
    | JobStopped
    | JobEnded
)


@dataclass(frozen=True, slots=True)
class Envelope:
    """An event with its number; numbers rise by one for the life of the server."""

    number: int
    event: Event
    client: str | None = None  # who queued the job; None: for everyone


@dataclass(slots=True)
class Subscription:
    """One listener's queue. `lost` counts envelopes dropped because it fell too far behind."""

    queue: asyncio.Queue[Envelope] = field(default_factory=lambda: asyncio.Queue[Envelope](maxsize=4096))
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
            try:
                subscription.queue.put_nowait(envelope)
            except asyncio.QueueFull:
                subscription.lost += 1

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

"""What happens in a run, as values."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum

from nodes.spec import Json, Preview
from server.graph.model import NodeId
from server.graph.outcome import Failure, Usage


@dataclass(frozen=True, slots=True)
class Place:
    """A node of a run, as messages name it: itself, what the canvas marks, its maker, the one in the file."""

    node: NodeId
    display: NodeId
    real: NodeId
    parent: NodeId | None = None


class QueueChange(StrEnum):
    """What happened to jobs of the queue."""

    ADDED = "added"
    STARTED = "started"
    ENDED = "ended"
    REMOVED = "removed"
    CANCELLED = "cancelled"
    MOVED = "moved"
    PAUSED = "paused"
    RESUMED = "resumed"


@dataclass(frozen=True, slots=True)
class QueueChanged:
    """Something happened to the queue.

    Attributes:
        remaining: how many jobs wait or run.
        paused: whether no job is taken until the queue is resumed.
        change: what happened.
        jobs: to which; empty where it concerns the queue as a whole.
        owners: whose each of these is, in their order.
    """

    remaining: int
    paused: bool = False
    change: QueueChange = QueueChange.ADDED
    jobs: tuple[str, ...] = ()
    owners: tuple[str, ...] = ()


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
    """A node is finished. `ui` is what it shows; `cached`: it did not run, its result was known.

    `seconds` and `usage` are what it took in the worker.
    """

    job: str
    place: Place
    ui: Mapping[str, Sequence[Json]] | None
    cached: bool = False
    seconds: float = 0.0
    usage: Usage | None = None


@dataclass(frozen=True, slots=True)
class NodeBlocked:
    """A node, or one of its calls, was switched off, and the person should know why. The run goes on."""

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

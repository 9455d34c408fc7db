"""A job as a value, its record, and what jobs ask of the place that keeps them."""

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Protocol, TypeAlias

from nodes.spec import Json
from server.graph.judging import Judgement
from server.graph.model import NodeId
from server.jobs.owners import EVERYBODY

Ui: TypeAlias = Mapping[NodeId, Mapping[str, Sequence[Json]]]
Message: TypeAlias = Sequence[Json]  # [event name, data], as the field's history shows it


class State(StrEnum):
    """Where a job stands, in the words of `/api/jobs`."""

    PENDING = "pending"
    RUNNING = "in_progress"
    COMPLETED = "completed"
    FAILED = "failed"
    CANCELLED = "cancelled"

    @property
    def over(self) -> bool:
        """Whether the job will not change any more."""
        return self in (State.COMPLETED, State.FAILED, State.CANCELLED)


@dataclass(frozen=True, slots=True, kw_only=True)
class Wish:
    """What a client asks for, after validation.

    Attributes:
        id: a canonical UUID.
        prompt: prompt JSON as it was sent.
        extra: what came beside it, without secrets; with `client_id` and `create_time`.
        targets: the output nodes to run.
        client: who is told how it goes; None for nobody.
        created: ms since 1970.
        secrets: keys of paid services; they are never written down.
        retry_of: the id of the job that this is another try of.
        judgement: of the server that took it in; None if another did.
        owner: the person who queued it.
        prompt_text, extra_text: JSON of `prompt` and `extra`, where somebody wrote it already.
    """

    id: str
    prompt: Mapping[str, Json]
    extra: Mapping[str, Json] = field(default_factory=dict[str, Json])
    targets: tuple[NodeId, ...] = ()
    client: str | None = None
    created: int = 0
    secrets: Mapping[str, Json] = field(default_factory=dict[str, Json], repr=False, compare=False)
    retry_of: str | None = None
    judgement: Judgement | None = field(default=None, repr=False, compare=False)
    owner: str = EVERYBODY
    prompt_text: str = field(default="", repr=False, compare=False)
    extra_text: str = field(default="", repr=False, compare=False)

    @property
    def stops_at_failure(self) -> bool:
        """Whether one failed node ends the job; else the other branches go on."""
        return self.extra.get("on_error") == "stop"


@dataclass(frozen=True, slots=True)
class Job:
    """A wish with its place in the queue: the lower `number` runs first, the lower `sequence` among equals.

    `attempts`: how often it was begun. `held`: somebody put it on hold, so others go first.
    """

    wish: Wish
    number: float
    sequence: int
    attempts: int = 0
    held: bool = False

    @property
    def id(self) -> str:
        return self.wish.id

    @property
    def client(self) -> str | None:
        return self.wish.client

    @property
    def workflow_id(self) -> str | None:
        """The id of the workflow file this came from, if the client said."""
        pnginfo = self.wish.extra.get("extra_pnginfo")
        workflow = pnginfo.get("workflow") if isinstance(pnginfo, Mapping) else None
        found = workflow.get("id") if isinstance(workflow, Mapping) else None
        return found if isinstance(found, str) else None


@dataclass(frozen=True, slots=True, kw_only=True)
class Result:
    """How a job went.

    Attributes:
        started: ms since 1970; None if it never ran. ended: likewise.
        outputs: what nodes show, by node id.
        messages: the run's beginning, cached nodes and end.
        meta: how clients name the nodes of `outputs`.
        error: data of the message that says what failed or was stopped.
        failures: every node that failed, the first one first, in the words of such messages.
        timings: seconds by node.
    """

    state: State
    started: int | None
    ended: int
    outputs: Ui = field(default_factory=dict[NodeId, Mapping[str, Sequence[Json]]])
    messages: Sequence[Message] = ()
    meta: Mapping[NodeId, Mapping[str, Json]] = field(default_factory=dict[NodeId, Mapping[str, Json]])
    error: Mapping[str, Json] | None = None
    failures: Sequence[Mapping[str, Json]] = ()
    timings: Mapping[NodeId, float] = field(default_factory=dict[NodeId, float])


@dataclass(frozen=True, slots=True)
class Record:
    """All that is known of a job, waiting or done."""

    job: Job
    state: State
    started: int | None = None
    result: Result | None = None


@dataclass(frozen=True, slots=True)
class WrittenRecord:
    """A job that is over as it was written down: JSON texts, not read again."""

    id: str
    number: float
    state: State
    prompt: str
    extra: str
    targets: str
    outputs: str
    messages: str
    meta: str
    failures: str


class Order(StrEnum):
    """By what a list of jobs is sorted."""

    CREATED = "created_at"
    DURATION = "execution_duration"


@dataclass(frozen=True, slots=True, kw_only=True)
class Search:
    """Which jobs to list, and how.

    Attributes:
        owner: of a person; None for everybody's.
        brief: the records come without prompts and extra data, which may be large.
    """

    states: Collection[State] = tuple(State)
    workflow: str | None = None
    owner: str | None = None
    order: Order = Order.CREATED
    ascending: bool = False
    limit: int | None = None
    offset: int = 0
    brief: bool = False


class StoreFull(Exception):
    """The disk has no room for a change; nothing was changed."""


class JobStore(Protocol):
    """Keeps jobs. Every change is durable when the call returns; each may raise `StoreFull`."""

    async def next_sequence(self) -> int:
        """A number above every job's that ever was."""
        ...

    async def add(self, job: Job) -> bool:
        """Keep a waiting job; False if there is one of that id."""
        ...

    async def remove(self, ids: Collection[str], states: Collection[State]) -> None:
        """Forget jobs in one of these states."""
        ...

    async def clear_history(self, owner: str | None = None) -> None:
        """Forget all jobs that are over; of one owner, if that is named."""
        ...

    async def start(self, job: Job, now: int) -> None:
        """The job runs since `now` (ms); `job.attempts` is kept with it."""
        ...

    async def finish(self, id: str, result: Result) -> None:
        """The job is over. One that is over already stays as it was."""
        ...

    async def finish_all(self, results: Mapping[str, Result]) -> None:
        """Jobs are over, by id; all or none of them are written."""
        ...

    async def unfinished(self) -> Sequence[Record]:
        """What waits, and what ran when the last server ended; in the order of the queue."""
        ...

    async def requeue(self, job: Job) -> None:
        """Make a job wait that ran, with a new number."""
        ...

    async def rearrange(self, jobs: Sequence[Job]) -> None:
        """Waiting jobs have other numbers, or were put on hold or off it; all or none of them are written."""
        ...

    async def paused(self) -> bool:
        """Whether the queue is paused."""
        ...

    async def pause(self, *, paused: bool) -> None:
        """The queue is paused, or is not any more."""
        ...

    async def retryable(self, owner: str | None = None) -> Sequence[str]:
        """Ids of failed jobs that no other job is another try of, oldest first; of one owner, if that is named."""
        ...

    async def get(self, id: str) -> Record | None:
        """One job, or None."""
        ...

    async def over(self, owner: str | None, count: int | None, offset: int | None) -> Sequence[int]:
        """Sequences of jobs that are over, oldest first; as `History.last` counts them."""
        ...

    async def written(self, sequences: Sequence[int]) -> Sequence[WrittenRecord]:
        """These jobs, as far as they are there and over, in this order."""
        ...

    async def search(self, search: Search) -> tuple[Sequence[Record], int]:
        """The jobs of one page, and how many there are on all pages."""
        ...


Clock: TypeAlias = Callable[[], int]  # ms since 1970

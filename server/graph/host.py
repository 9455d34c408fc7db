"""What a run asks of the place where nodes run; `server/backends` fills it in."""

from collections.abc import Awaitable, Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Protocol, TypeAlias

from nodes.spec import Json, Preview
from server.graph.crossing import crosses
from server.graph.model import NodeId
from server.graph.outcome import Collect, Failure, Outcome, Task, Token
from server.graph.written import Written


@dataclass(frozen=True, slots=True)
class JobContext:
    """What all nodes of a job may know: the prompt as sent, what came beside it, and keys that are written nowhere.

    `client`: who queued it, where that was said.
    `run`: a name that this job has through all its runs, and no other job ever has; empty: it runs once.
    """

    job: str
    prompt: Written
    extra: Written
    previews: bool = True
    run: str = ""
    secrets: Mapping[str, Json] = field(default_factory=dict[str, Json], repr=False)
    client: str | None = None


@crosses
@dataclass(frozen=True, slots=True)
class Progressed:
    """A running node says how far it is, perhaps with a picture."""

    node: NodeId
    value: int
    total: int
    preview: Preview | None = None


@dataclass(frozen=True, slots=True)
class Said:
    """A running node shows a line of text."""

    node: NodeId
    text: str


@dataclass(frozen=True, slots=True)
class SwitchedOff:
    """Some calls of a running node, not all, are switched off by a blocked input that says why."""

    node: NodeId
    message: str


Report: TypeAlias = Progressed | Said | SwitchedOff


@dataclass(frozen=True, slots=True)
class Call:
    """A question about one node before it runs: its constants by name (links are None)."""

    node: NodeId
    type: str
    constants: Mapping[str, Json]
    links: Mapping[str, str] = field(default_factory=dict[str, str])  # type of what feeds each linked input


@dataclass(frozen=True, slots=True)
class Complaint:
    """A node's own validation says no. `input` is the name it concerns; `message` may be empty.

    `raised`: why it could not say anything, where it failed itself.
    """

    node: NodeId
    input: str
    message: str
    raised: Failure | None = None


@crosses
@dataclass(frozen=True, slots=True)
class Remembered:
    """A result kept from before: its tokens and what the canvas shows."""

    outputs: tuple[Token, ...]
    ui: Mapping[str, Sequence[Json]] | None = None


class BackendLost(Exception):
    """The place where nodes run died (killed, out of memory, crashed).

    Attributes:
        message: what is known of it. hint: what to do about it.
        lines: where its code was at the end, if it could say.
        stopped: it was ended because nothing in it answered Stop.
        node: the node that was asked something at the end, where it did not run.
        waiting: whether it crashed in a node that waits rather than computes; None: it is not known.
    """

    def __init__(
        self,
        message: str,
        hint: str = "",
        lines: tuple[str, ...] = (),
        *,
        stopped: bool = False,
        node: NodeId | None = None,
        waiting: bool | None = None,
    ) -> None:
        super().__init__(message)
        self.message = message
        self.hint = hint
        self.lines = lines
        self.stopped = stopped
        self.node = node
        self.waiting = waiting


class Host(Protocol):
    """Runs one job at a time. Values live in it; only tokens, descriptions and reports cross."""

    async def change_tokens(self, calls: Sequence[Call]) -> Mapping[NodeId, str | None]:
        """For nodes with `has_change_token`: a text that is equal while what they read is unchanged.

        None: never equal, the node always runs.
        """
        ...

    async def recall(self, keys: Collection[str]) -> Mapping[str, Remembered]:
        """Which of these results are still known; they stay known until `end`."""
        ...

    async def begin(self, context: JobContext) -> bool:
        """A job starts. Stop requests from before are forgotten.

        Returns:
            Whether to `release` what the job needs no more, while it runs.

        Raises:
            BackendLost: there is nothing that could run it.
        """
        ...

    @property
    def ahead(self) -> int:
        """How many nodes that compute may be handed over at once, 1 or more. They run one at a time, in that order.

        Beyond 1 a task may name results that its predecessors only promise (`outcome.Promised`).
        """
        ...

    def submit(self, task: Task | Collect, report: Callable[[Report], None]) -> Awaitable[Outcome]:
        """Run one node. `report` is called on the event loop, in order, before the outcome is there.

        The order of calls is the order in which nodes that compute run; so it hands over at once, not when awaited.

        Raises:
            BackendLost: the worker died meanwhile; a new one is being started. (Ended because of `stop`, the outcome
                is `Interrupted`.)
        """
        ...

    def release(self, results: Sequence[str]) -> None:
        """No node of the job can need these results any more, by the names that their tokens have."""
        ...

    async def end(self) -> None:
        """The job is over. A policy may now drop all results that it neither recalled nor made."""
        ...

"""Tasks go out to a backend, outcomes come back: the words in which a run and a worker talk."""

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from nodes.spec import Json
from server.graph.crossing import crosses
from server.graph.model import GraphNode, Link, NodeId


@crosses
@dataclass(frozen=True, slots=True)
class Token:
    """Stands for the value on one output slot. The value stays where it was made; `result` names it there."""

    result: str
    slot: int


@crosses
@dataclass(frozen=True, slots=True)
class Literal:
    """A constant from the prompt."""

    value: Json


@dataclass(frozen=True, slots=True)
class RawLink:
    """The link itself, for inputs that ask for it."""

    link: Link


@dataclass(frozen=True, slots=True)
class Missing:
    """A link whose value is not there: a lazy input not asked for yet."""


@crosses
@dataclass(frozen=True, slots=True)
class Promised:
    """An output of a node that was handed over before this one and may not be done: by then it should be."""

    node: NodeId
    slot: int


Argument = Token | Literal | RawLink | Missing | Promised


@crosses
@dataclass(frozen=True, slots=True)
class Task:
    """One node to run, with everything a worker needs to know of it.

    Attributes:
        job: the prompt's id.
        node: the node's id in the running graph; display, real, parent: see `Origin`.
        type: class type.
        key: content key of the result; None if it must not be kept.
        arguments: one per input present in the prompt.
        attempt: 0, then one more each time the node is asked again (lazy inputs came in).
        behind: nodes handed over before this one, without which it must not run: where one of them gave nothing, the
            outcome is `NotReady`. Some may feed inputs that the class does not declare, so no argument names them.
    """

    job: str
    node: NodeId
    type: str
    key: str | None
    arguments: Mapping[str, Argument]
    display: NodeId
    real: NodeId
    parent: NodeId | None = None
    attempt: int = 0
    behind: tuple[NodeId, ...] = ()


@crosses
@dataclass(frozen=True, slots=True)
class Usage:
    """Memory of the worker while a node ran, in bytes. With nodes that run beside it, theirs is in it.

    Attributes:
        host: the most that the process held of the machine's memory, as far as the system says.
        growth: how much more it held after the node than before; below 0 where the node let go of some.
        device: the most that tensors held on graphics cards; 0 without one.
    """

    host: int
    growth: int
    device: int = 0


@crosses
@dataclass(frozen=True, slots=True)
class Done:
    """The node ran. `outputs`: a token per slot; `ui`: what the canvas shows; `seconds`: it took in the worker.

    `twin`: it need not run, for in this job another node did the same with the same.
    """

    outputs: tuple[Token, ...]
    ui: Mapping[str, Sequence[Json]] | None = None
    seconds: float = 0.0
    usage: Usage | None = None
    twin: bool = False


@dataclass(frozen=True, slots=True)
class Collect:
    """Join parts into slots: for a node that expanded in several calls, each slot gets the parts of all calls.

    `key`: content key of the joined result; None if it must not be kept. `ui`: what the node shows.
    """

    job: str
    node: NodeId
    type: str
    parts: tuple[tuple[Token, ...], ...]
    key: str | None = None
    ui: Mapping[str, Sequence[Json]] | None = None

    def trivial(self) -> Done | None:
        """One part a slot and nothing to remember: no worker need be asked."""
        if self.key is None and all(len(slot) == 1 for slot in self.parts):
            return Done(tuple(slot[0] for slot in self.parts), self.ui)
        return None


@dataclass(frozen=True, slots=True)
class Blocked:
    """Every call of the node was switched off by a blocked input; its outputs are blocked too.

    `message` is set where the person should be told (once, at the first node that meets the block).
    """

    outputs: tuple[Token, ...]
    message: str | None = None


@dataclass(frozen=True, slots=True)
class Needs:
    """The node wants these lazy inputs before it runs."""

    names: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Expanded:
    """The node returned a graph. `parts`: for each slot, what each call gave: a link into the graph, or a value.

    `displays`: nodes of the new graph that the canvas shows as another node than the expanding one.
    """

    nodes: Mapping[NodeId, GraphNode]
    parts: tuple[tuple[Link | Token, ...], ...]
    displays: Mapping[NodeId, NodeId] = field(default_factory=dict[NodeId, NodeId])
    ui: Mapping[str, Sequence[Json]] | None = None


@dataclass(frozen=True, slots=True)
class Failure:
    """Why a node failed, in words for the person and in detail for a report.

    Attributes:
        message: what is wrong. hint: what to do; may be empty.
        kind: the exception's qualified name ("nodes.spec.errors.NodeError").
        traceback: lines.
        inputs: a short text of each input value.
    """

    message: str
    hint: str = ""
    kind: str = "Exception"
    traceback: tuple[str, ...] = ()
    inputs: Mapping[str, Sequence[Json]] = field(default_factory=dict[str, Sequence[Json]])


@dataclass(frozen=True, slots=True)
class Failed:
    """The node failed; what depends on it cannot run."""

    failure: Failure


@dataclass(frozen=True, slots=True)
class Interrupted:
    """The person pressed Stop while the node ran; the whole run ends."""


@dataclass(frozen=True, slots=True)
class NotReady:
    """The node did not run: what it was promised did not come about. It may be handed over again."""


Outcome = Done | Blocked | Needs | Expanded | Failed | Interrupted | NotReady


def now_ms() -> int:
    """Milliseconds since 1970, as the field's messages carry them."""
    return int(time.time() * 1000)

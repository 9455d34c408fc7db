"""What a run is asked for, and how it ended."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from enum import Enum
from typing import TypeAlias

from nodes.spec import Json
from server.graph.happenings import JobFailed
from server.graph.model import Graph, NodeId
from server.graph.written import Written

Ui: TypeAlias = Mapping[str, Sequence[Json]]


class Status(Enum):
    """How a job ended."""

    SUCCEEDED = "success"
    FAILED = "error"
    STOPPED = "interrupted"


@dataclass(frozen=True, slots=True)
class Order:
    """What to run: a validated graph and the output nodes asked for; the prompt as sent, and what came beside it.

    `client`: who queued it, where that was said.
    `secrets`: keys of paid services, which are part of `extra` for nodes and are written nowhere.
    `stop_at_failure`: nothing more starts once a node failed; else what does not depend on it goes on.
    `run`: see `JobContext`.
    """

    job: str
    graph: Graph
    targets: tuple[NodeId, ...]
    prompt: Written
    extra: Written = field(default_factory=lambda: Written({}))
    previews: bool = True
    stop_at_failure: bool = False
    run: str = ""
    secrets: Mapping[str, Json] = field(default_factory=dict[str, Json], repr=False)
    client: str | None = None


@dataclass(frozen=True, slots=True)
class Ending:
    """How it went.

    Attributes:
        outputs: what nodes show, by node id; cached nodes' too.
        meta: for each of these, how clients name it: node_id, display_node, parent_node, real_node_id.
        executed: nodes that ran, in order.
        failure: the first one.
        timings: seconds in the worker, by node.
    """

    status: Status
    outputs: Mapping[NodeId, Ui]
    meta: Mapping[NodeId, Mapping[str, Json]]
    executed: tuple[NodeId, ...]
    failure: JobFailed | None = None
    timings: Mapping[NodeId, float] = field(default_factory=dict[NodeId, float])

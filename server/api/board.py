"""The state of each node of the running job, which `progress_state` shows whole each time, and how often it may.

A board is as long as the job. Told at each change, a run of n nodes would cost n * n; so it is told 30 times a second at
most, large ones less often, and always before the job's last message.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field

from nodes.spec import Json
from server.api.messages import Words
from server.events import Event, JobStarted, NodeDone, NodeFailed, NodeProgressed, NodeStarted, Place
from server.graph.model import NodeId

APART = 1 / 30  # seconds between two tellings, at least
PACE = 4_000_000  # bytes a second, at most


@dataclass(frozen=True, slots=True)
class Standing:
    """How far a node is: `value` of `total` steps; state: running, finished or error."""

    place: Place
    state: str
    value: int = 0
    total: int = 1


@dataclass(slots=True)
class Board:
    """All nodes of the running job that are not pending, with how far each is."""

    job: str = ""
    nodes: dict[NodeId, Standing] = field(default_factory=dict[NodeId, Standing])

    def take(self, event: Event) -> bool:
        """Whether the event changed something that is to be told."""
        match event:
            case JobStarted(job=job):
                self.job, self.nodes = job, {}
                return False
            case NodeStarted(place=place):
                self.nodes[place.node] = Standing(place, "running")
            case NodeProgressed(place=place, value=value, total=total):
                self.nodes[place.node] = Standing(place, "running", value, total)
            case NodeDone(place=place):
                before = self.nodes.get(place.node)
                total = before.total if before else 1
                self.nodes[place.node] = Standing(place, "finished", total, total)
            case NodeFailed(place=place):
                self.nodes[place.node] = Standing(place, "error")
            case _:
                return False
        return True

    def message(self) -> Words:
        """All of it."""
        nodes = {id: self._told(standing) for id, standing in self.nodes.items()}
        return Words("progress_state", {"prompt_id": self.job, "nodes": nodes}, f"{self.job}/state")

    def progress(self) -> Sequence[NodeProgressed]:
        """How far those nodes are that run."""
        return [
            NodeProgressed(self.job, standing.place, standing.value, standing.total)
            for standing in self.nodes.values()
            if standing.state == "running"
        ]

    def _told(self, standing: Standing) -> dict[str, Json]:
        place = standing.place
        return {
            "value": standing.value,
            "max": standing.total,
            "state": standing.state,
            "node_id": place.node,
            "prompt_id": self.job,
            "display_node_id": place.display,
            "parent_node_id": place.parent,
            "real_node_id": place.real,
        }


@dataclass(slots=True)
class Pace:
    """When something may be told again that was told in full. Times are those of the event loop."""

    due: float = 0.0

    def told(self, now: float, size: int) -> None:
        """It was told, in so many bytes."""
        self.due = now + max(APART, size / PACE)

"""Events as websocket messages: JSON `{type, data}` and binary frames, in the field's shapes and order."""

import struct
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TypeAlias

from nodes.spec import Json, Preview
from server.events import (
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
    QueueChanged,
)
from server.graph.model import NodeId
from server.graph.outcome import Failure

Data: TypeAlias = Mapping[str, Json]
IMAGE_KINDS = {"jpeg": 1, "png": 2}


@dataclass(frozen=True, slots=True)
class Words:
    """A JSON message. With `key`, a later one of the same key may take its place while a slow client has not read it."""

    type: str
    data: Data
    key: str | None = None
    everyone: bool = False  # for all clients, whoever queued the job
    own: bool = False  # Weft's own kind: only for clients that ask


@dataclass(frozen=True, slots=True)
class Picture:
    """A preview, framed when it is known what the client understands."""

    job: str
    place: Place
    preview: Preview
    key: str


@dataclass(frozen=True, slots=True)
class Line:
    """A line of text on a node."""

    job: str
    place: Place
    text: str


Outgoing: TypeAlias = Words | Picture | Line


@dataclass(slots=True)
class Board:
    """The state of each node of the running job: what `progress_state` shows, whole each time."""

    job: str = ""
    nodes: dict[NodeId, dict[str, Json]] = field(default_factory=dict[NodeId, dict[str, Json]])

    def begin(self, job: str) -> None:
        """A job starts: nothing ran."""
        self.job, self.nodes = job, {}

    def put(
        self, job: str, place: Place, state: str, value: float = 0, total: float = 1, key: str | None = None
    ) -> Words:
        """A node changed; the message that says so."""
        self.nodes[place.node] = {
            "value": value,
            "max": total,
            "state": state,
            "node_id": place.node,
            "prompt_id": job,
            "display_node_id": place.display,
            "parent_node_id": place.parent,
            "real_node_id": place.real,
        }
        return self.message(key)

    def message(self, key: str | None = None) -> Words:
        """The whole board."""
        return Words("progress_state", {"prompt_id": self.job, "nodes": dict(self.nodes)}, key)


def messages(event: Event, board: Board) -> Iterator[Outgoing]:
    """All messages of an event, in order. Keeps the board."""
    match event:
        case QueueChanged(remaining=remaining):
            yield status(remaining)
        case JobStarted(job=job):
            board.begin(job)
            yield said(event)
        case NodeStarted(job=job, place=place):
            yield board.put(job, place, "running")
            yield executing(job, place)
        case NodeProgressed():
            yield from _progressed(event, board)
        case NodeSaid(job=job, place=place, text=text):
            yield Line(job, place, text)
        case NodeDone():
            yield from _done(event, board)
        case NodeBlocked(job=job, place=place, type=type, message=message, executed=executed):
            yield Words("execution_error", _blocked(job, place, type, message, executed))
        case NodeFailed(job=job, place=place):
            yield board.put(job, place, "error")
        case JobEnded(job=job):
            yield Words("executing", {"node": None, "prompt_id": job})
        case _:
            yield said(event)


def said(event: NodesCached | JobStarted | JobSucceeded | JobFailed | JobStopped) -> Words:
    """The messages that history keeps too."""
    match event:
        case JobStarted(job=job, timestamp=timestamp):
            return Words("execution_start", {"prompt_id": job, "timestamp": timestamp})
        case NodesCached(job=job, nodes=nodes, timestamp=timestamp):
            return Words("execution_cached", {"nodes": list(nodes), "prompt_id": job, "timestamp": timestamp})
        case JobSucceeded(job=job, timestamp=timestamp):
            return Words("execution_success", {"prompt_id": job, "timestamp": timestamp})
        case JobFailed():
            return Words("execution_error", _failed(event))
        case JobStopped():
            return Words("execution_interrupted", _stopped(event), everyone=True)


def history_message(event: Event) -> Sequence[Json] | None:
    """An event as history writes it (a node's failure among the failures); None if it does not."""
    if isinstance(event, NodeFailed):
        return ["node_failed", node_failed(event)]
    if isinstance(event, NodesCached | JobStarted | JobSucceeded | JobFailed | JobStopped):
        message = said(event)
        return [message.type, message.data]
    return None


def status(remaining: int, sid: str | None = None) -> Words:
    """How many jobs wait or run; with `sid`, the greeting of a new connection."""
    info: Json = {"exec_info": {"queue_remaining": remaining}}
    return Words("status", {"status": info} if sid is None else {"status": info, "sid": sid}, everyone=True)


def hello(server: str, number: int) -> Words:
    """To clients that want Weft's own messages: which server this is (its events are numbered from 1), and how far."""
    return Words("weft.hello", {"server": server, "seq": number}, own=True)


def executing(job: str, place: Place) -> Words:
    """A node begins."""
    return Words("executing", {"node": place.node, "display_node": place.display, "prompt_id": job})


def own(event: Event, number: int) -> Words | None:
    """What the field has no message for: how each node fared and how long it took. `seq` is for `/ws?after=`."""
    match event:
        case QueueChanged():
            return _queue(event, number)
        case NodeStarted(place=place):
            state, more = "running", {}
        case NodeDone(place=place, cached=cached, seconds=seconds):
            state, more = "cached" if cached else "done", {"seconds": seconds}
        case NodeFailed(place=place, type=type, failure=failure):
            state, more = "failed", {"node_type": type, "error": failure_json(failure)}
        case NodeBlocked(place=place, type=type, message=message):
            state, more = "blocked", {"node_type": type, "error": {"message": message}}
        case _:
            return None
    data: dict[str, Json] = {
        "prompt_id": event.job,
        "node": place.node,
        "display_node": place.display,
        "state": state,
        "cached": state == "cached",
        **more,
        "seq": number,
    }
    return Words("weft.node", data, own=True)


def node_failed(event: NodeFailed) -> Data:
    """What clients are told of a node that failed: its place, then the fields of `execution_error`."""
    place = event.place
    return {
        "prompt_id": event.job,
        "node": place.node,
        "display_node": place.display,
        "node_id": place.real,
        "node_type": event.type,
        **failure_data(event.failure),
    }


def _queue(event: QueueChanged, number: int) -> Words:
    """What happened to which jobs, for clients that show the queue."""
    data: dict[str, Json] = {
        "queue_remaining": event.remaining,
        "paused": event.paused,
        "change": event.change.value,
        "prompt_ids": list(event.jobs),
        "seq": number,
    }
    return Words("weft.queue", data, everyone=True, own=True)


def failure_json(failure: Failure) -> Json:
    """A failure in words and detail."""
    return {
        "message": failure.message,
        "hint": failure.hint,
        "type": failure.kind,
        "traceback": list(failure.traceback),
    }


def failure_data(failure: Failure) -> dict[str, Json]:
    """A failure in the fields of `execution_error`."""
    return {
        "exception_message": f"{failure.message}\n{failure.hint}" if failure.hint else f"{failure.message}\n",
        "exception_type": failure.kind,
        "traceback": list(failure.traceback),
        "current_inputs": {name: list(values) for name, values in failure.inputs.items()},
    }


def _progressed(event: NodeProgressed, board: Board) -> Iterator[Outgoing]:
    job, place = event.job, event.place
    yield board.put(job, place, "running", event.value, event.total, f"{job}/{place.node}/state")
    data: Data = {"value": event.value, "max": event.total, "prompt_id": job, "node": place.node}
    yield Words("progress", data, f"{job}/{place.node}/progress")
    if event.preview:
        yield Picture(job, place, event.preview, f"{job}/{place.node}/preview")


def _done(event: NodeDone, board: Board) -> Iterator[Outgoing]:
    place = event.place
    if event.ui is not None:
        ui = {name: list(items) for name, items in event.ui.items()}
        yield Words(
            "executed",
            {"node": place.node, "display_node": place.display, "output": ui, "prompt_id": event.job},
        )
    previous = board.nodes.get(place.node, {}).get("max", 1.0)
    total = previous if isinstance(previous, int | float) else 1.0
    yield board.put(event.job, place, "finished", total, total)


def _failed(event: JobFailed) -> Data:
    return {
        "prompt_id": event.job,
        "node_id": event.place.real if event.place else None,
        "node_type": event.type,
        "executed": list(event.executed),
        **failure_data(event.failure),
        "current_outputs": list(event.executed),
        "timestamp": event.timestamp,
    }


def _stopped(event: JobStopped) -> Data:
    return {
        "prompt_id": event.job,
        "node_id": event.place.real if event.place else None,
        "node_type": event.type,
        "executed": list(event.executed),
        "timestamp": event.timestamp,
    }


def _blocked(job: str, place: Place, type: str, message: str, executed: Sequence[NodeId]) -> Data:
    return {
        "prompt_id": job,
        "node_id": place.real,
        "node_type": type,
        "executed": list(executed),
        "exception_message": f"Execution Blocked: {message}",
        "exception_type": "ExecutionBlocked",
        "traceback": [],
        "current_inputs": {},
        "current_outputs": [],
    }


# --- binary frames: big-endian, first the kind of event ---------------------------------------------------------------


def preview_frame(picture: Picture, metadata: bytes | None) -> bytes:
    """A preview for the wire: event 4 with JSON metadata, else event 1."""
    image = picture.preview
    if metadata is None:
        return struct.pack(">II", 1, IMAGE_KINDS.get(image.kind, 1)) + image.data
    return struct.pack(">II", 4, len(metadata)) + metadata + image.data


def preview_metadata(picture: Picture) -> Data:
    """What a client is told with a preview."""
    place = picture.place
    return {
        "node_id": place.node,
        "prompt_id": picture.job,
        "display_node_id": place.display,
        "parent_node_id": place.parent,
        "real_node_id": place.real,
        "image_type": f"image/{picture.preview.kind}",
    }


def text_frame(line: Line, *, names_job: bool) -> bytes:
    """Event 3: the node's id, then the text; before them the job's id where both sides agreed on it."""
    node, job = line.place.node.encode(errors="replace"), line.job.encode()
    head = struct.pack(">I", 3)
    if names_job:
        head += struct.pack(">I", len(job)) + job
    return head + struct.pack(">I", len(node)) + node + line.text.encode(errors="replace")

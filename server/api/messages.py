"""Events as websocket messages: JSON `{type, data}` and binary frames, in the field's shapes and order."""

import struct
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TypeAlias

from nodes.spec import Json, Preview
from server.api import wire
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


@dataclass(slots=True)
class Words:
    """A JSON message.

    Attributes:
        key: while a slow client has not read it, a later message of the same key makes it worthless.
        seq: its number, for clients that agreed on numbers.
    """

    type: str
    data: Data
    key: str | None = None
    seq: int | None = None
    _text: str | None = None

    @property
    def text(self) -> str:
        """As it is sent; written once for all who are told.

        Raises:
            TypeError, ValueError, RecursionError: it holds what cannot be written. (A node can show anything.)
        """
        if self._text is None:
            number = {} if self.seq is None else {"seq": self.seq}
            self._text = wire.dumps({"type": self.type, "data": self.data, **number})
        return self._text


@dataclass(frozen=True, slots=True)
class Picture:
    """A preview, framed when it is known what the client understands. A later one of the node makes it worthless."""

    job: str
    place: Place
    preview: Preview

    @property
    def key(self) -> str:
        """Names the node that it is of."""
        return f"{self.job}/{self.place.node}/preview"


@dataclass(frozen=True, slots=True)
class Line:
    """A line of text on a node."""

    job: str
    place: Place
    text: str


@dataclass(frozen=True, slots=True)
class Frame:
    """Bytes that a pack sends, under a number for itself. Where they pile up the oldest are dropped, as with pictures."""

    event: int
    data: bytes
    number: int

    @property
    def key(self) -> str:
        """None is like another."""
        return f"frame {self.number}"

    @property
    def whole(self) -> bytes:
        """As it is sent."""
        return struct.pack(">I", self.event) + self.data


Outgoing: TypeAlias = Words | Picture | Line | Frame


def messages(event: Event) -> Sequence[Outgoing]:
    """All messages of an event in the field's shapes, in order; but `progress_state`, see `board.py`."""
    match event:
        case NodeStarted(job=job, place=place):
            return [executing(job, place)]
        case NodeProgressed(preview=preview):
            told = _progress(event)
            return [told, Picture(event.job, event.place, preview)] if preview else [told]
        case NodeSaid(job=job, place=place, text=text):
            return [Line(job, place, text)]
        case NodeDone(ui=ui):
            return [] if ui is None else [executed(event, ui)]
        case NodeBlocked(job=job, place=place, type=type, message=message, executed=before):
            return [Words("execution_error", _blocked(job, place, type, message, before))]
        case NodeFailed():
            return []  # told once all that can run has run, as the job's end
        case QueueChanged(remaining=remaining):
            return [status(remaining)]
        case JobEnded(job=job):
            return [Words("executing", {"node": None, "prompt_id": job})]
        case _:
            return [said(event)]


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
            return Words("execution_interrupted", _stopped(event))


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
    return Words("status", {"status": info} if sid is None else {"status": info, "sid": sid}, "status")


def executing(job: str, place: Place) -> Words:
    """A node begins."""
    return Words("executing", {"node": place.node, "display_node": place.display, "prompt_id": job})


def executed(event: NodeDone, ui: Mapping[str, Sequence[Json]]) -> Words:
    """A node shows something."""
    place, output = event.place, {name: list(items) for name, items in ui.items()}
    return Words(
        "executed",
        {"node": place.node, "display_node": place.display, "output": output, "prompt_id": event.job},
    )


def node_failed(event: NodeFailed) -> Data:
    """What clients are told of a node that failed: its place, then the fields of `execution_error`."""
    return {
        **where(event.job, event.place),
        "node_id": event.place.real,
        "node_type": event.type,
        **failure_data(event.failure),
    }


def failure_json(failure: Failure) -> Json:
    """A failure in words and detail."""
    return {
        "message": failure.message,
        "hint": failure.hint,
        "type": failure.kind,
        "traceback": list(failure.traceback),
    }


def where(job: str, place: Place) -> dict[str, Json]:
    """Which node of which job a message is about."""
    return {
        "prompt_id": job,
        "node": place.node,
        "display_node": place.display,
        "parent_node": place.parent,
        "real_node_id": place.real,
    }


def failure_data(failure: Failure) -> dict[str, Json]:
    """A failure in the fields of `execution_error`."""
    return {
        "exception_message": f"{failure.message}\n{failure.hint}" if failure.hint else f"{failure.message}\n",
        "exception_type": failure.kind,
        "traceback": list(failure.traceback),
        "current_inputs": {name: list(values) for name, values in failure.inputs.items()},
    }


def _progress(event: NodeProgressed) -> Words:
    node = event.place.node
    data: Data = {"value": event.value, "max": event.total, "prompt_id": event.job, "node": node}
    return Words("progress", data, f"{event.job}/{node}/progress")


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

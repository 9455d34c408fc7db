"""What clients are told that agreed on `weft_events`: how each node fares, numbered, each message of a fixed size.

The last message of each event carries `seq`, the event's number. Progress and pictures carry none: they are not told
again to who comes back.
"""

from collections.abc import Sequence

from nodes.spec import Json
from server.api.messages import (
    Data,
    Line,
    Outgoing,
    Picture,
    Words,
    executed,
    messages,
    node_failed,
    status,
    where,
)
from server.events import (
    Envelope,
    NodeBlocked,
    NodeDone,
    NodeFailed,
    NodeProgressed,
    NodeSaid,
    NodeStarted,
    QueueChanged,
)
from server.graph.outcome import Usage


def numbered(envelope: Envelope) -> Sequence[Outgoing]:
    """All messages of an event, in order."""
    event = envelope.event
    match event:
        case NodeProgressed(job=job, place=place, value=value, total=total, preview=preview):
            told = Words(
                "node_progress",
                {**where(job, place), "value": value, "max": total},
                f"{job}/{place.node}/progress",
            )
            return [told, Picture(job, place, preview)] if preview else [told]
        case NodeSaid(job=job, place=place, text=text):
            return [Line(job, place, text)]
        case NodeStarted(job=job, place=place):
            found: list[Words] = [Words("node_started", where(job, place))]
        case NodeDone(ui=ui):
            found = [] if ui is None else [executed(event, ui)]
            found.append(Words("node_finished", _finished(event)))
        case NodeFailed():
            found = [Words("node_failed", node_failed(event))]
        case NodeBlocked(job=job, place=place, type=type, message=message):
            found = [Words("node_blocked", {**where(job, place), "node_type": type, "message": message})]
        case QueueChanged(remaining=remaining):
            found = [status(remaining), Words("queue_changed", _queue(event))]
        case _:
            found = [message for message in messages(event) if isinstance(message, Words)]
    found[-1].seq = envelope.number
    return found


def hello(life: str, number: int, *, resumed: bool, reason: str = "") -> Words:
    """The answer to an agreement.

    Args:
        life: names this life of the server; numbers of another say nothing here.
        number: of the last event that the client knows by now; what follows has higher ones.
        resumed: what was missed follows. Else the running job's state follows, and all else has to be asked for anew.
        reason: why it could not be resumed: "restarted" or "too_old"; empty where nobody asked for it.
    """
    return Words("weft_hello", {"server": life, "seq": number, "resumed": resumed, "reason": reason})


def _queue(event: QueueChanged) -> Data:
    """What happened to which jobs, for clients that show the queue."""
    return {
        "queue_remaining": event.remaining,
        "paused": event.paused,
        "change": event.change.value,
        "prompt_ids": list(event.jobs),
    }


def _finished(event: NodeDone) -> Data:
    return {
        **where(event.job, event.place),
        "cached": event.cached,
        "seconds": event.seconds,
        "memory": _memory(event.usage),
    }


def _memory(usage: Usage | None) -> Json:
    if usage is None:
        return None
    return {"host": usage.host, "growth": usage.growth, "device": usage.device}

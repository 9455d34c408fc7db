"""What clients are told: every JSON shape of an answer as a TypedDict, with its maker.

The shapes are the field's, so that its clients work unchanged.
"""

from collections.abc import Iterable, Mapping, Sequence
from typing import NotRequired, TypedDict

from nodes.spec import Json
from server.graph.errors import Fault, NodeFaults
from server.graph.model import NodeId
from server.jobs.job import Job, Record, Search, State

Object = Mapping[str, Json]


class FaultJson(TypedDict):
    """One thing that is wrong."""

    type: str
    message: str
    details: str
    extra_info: Object


class NodeFaultsJson(TypedDict):
    """What is wrong with one node, and which outputs cannot run because of it."""

    errors: list[FaultJson]
    dependent_outputs: list[NodeId]
    class_type: str


class ErrorJson(TypedDict):
    """The answer to what cannot be done."""

    error: FaultJson
    node_errors: dict[NodeId, NodeFaultsJson]


def fault_json(fault: Fault) -> FaultJson:
    """One fault, in the field's words."""
    return {
        "type": fault.type,
        "message": fault.message,
        "details": fault.details,
        "extra_info": fault.extra_info,
    }


def error_json(fault: Fault, node_faults: Mapping[NodeId, NodeFaults] | None = None) -> ErrorJson:
    """An error answer."""
    return {"error": fault_json(fault), "node_errors": node_errors_json(node_faults or {})}


def node_errors_json(node_faults: Mapping[NodeId, NodeFaults]) -> dict[NodeId, NodeFaultsJson]:
    """Faults by node."""
    return {
        id: {
            "errors": [fault_json(fault) for fault in faults.errors],
            "dependent_outputs": list(faults.dependent_outputs),
            "class_type": faults.type,
        }
        for id, faults in node_faults.items()
    }


class RemainingJson(TypedDict):
    """How many jobs wait or run, as `{"queue_remaining": number}`."""

    exec_info: dict[str, int]


class QueueJson(TypedDict):
    """What runs and what waits; each job is its number, id, prompt, extra data and targets."""

    queue_running: list[list[Json]]
    queue_pending: list[list[Json]]


class CancelledJson(TypedDict):
    """Whether there was anything to cancel."""

    cancelled: bool


class QueueStateJson(TypedDict):
    """Whether the queue is paused, and which jobs were put on hold or let go on."""

    paused: bool
    jobs: list[str]


class MovedJson(TypedDict):
    """Which jobs were moved, in their new order."""

    moved: list[str]


class StoredJson(TypedDict):
    """Where an upload lies."""

    name: str
    subfolder: str
    type: str


class QueuedJson(TypedDict):
    """The answer to a prompt that was taken."""

    prompt_id: str
    number: float
    node_errors: dict[NodeId, NodeFaultsJson]


def queue_item(job: Job) -> list[Json]:
    """A job as `/queue` and `/history` show it: number, id, prompt, extra data, targets."""
    return [whole(job.number), job.id, job.wish.prompt, job.wish.extra, list(job.wish.targets)]


def whole(number: float) -> float:
    """`3` for `3.0`: places in the queue are usually counted."""
    return int(number) if number.is_integer() else number


class StatusJson(TypedDict):
    """How a job ended, with the run's main messages."""

    status_str: str
    completed: bool
    messages: Sequence[Sequence[Json]]


class HistoryJson(TypedDict):
    """One finished job in `/history`. `failures` (ours): every node that failed, the first one first, if any did."""

    prompt: list[Json]
    outputs: Mapping[NodeId, Mapping[str, Sequence[Json]]]
    status: StatusJson
    meta: Mapping[NodeId, Object]
    failures: NotRequired[Sequence[Object]]


def history_json(records: Iterable[Record]) -> dict[str, HistoryJson]:
    """Finished jobs by id."""
    return {record.job.id: entry for record in records if (entry := _history_entry(record))}


def _history_entry(record: Record) -> HistoryJson | None:
    result = record.result
    if result is None:
        return None
    entry: HistoryJson = {
        "prompt": queue_item(record.job),
        "outputs": result.outputs,
        "status": _status(record) or {"status_str": "error", "completed": False, "messages": []},
        "meta": result.meta,
    }
    if result.failures:
        entry["failures"] = result.failures
    return entry


def _status(record: Record) -> StatusJson | None:
    if record.result is None:
        return None
    good = record.state is State.COMPLETED
    return {
        "status_str": "success" if good else "error",
        "completed": good,
        "messages": record.result.messages,
    }


class JobJson(TypedDict):
    """One job in `/api/jobs`; times in ms. What is not known is left out."""

    id: str
    status: str
    priority: float
    create_time: int
    execution_start_time: NotRequired[int]
    execution_end_time: NotRequired[int]
    execution_error: NotRequired[Object]
    outputs_count: int
    preview_output: NotRequired[Object]
    workflow_id: NotRequired[str]
    paused: NotRequired[bool]  # Weft's own: it waits on hold
    retry_of: NotRequired[str]  # Weft's own: the job that this is another try of


class WholeJobJson(JobJson):
    """One job in `/api/jobs/{id}`. `timings`, Weft's own: seconds in the worker, by node."""

    outputs: Mapping[NodeId, Mapping[str, Sequence[Json]]]
    execution_status: NotRequired[StatusJson]
    workflow: Object
    timings: NotRequired[Mapping[NodeId, float]]


def job_json(record: Record) -> JobJson:
    """A job in short."""
    job, result = record.job, record.result
    shown = list(_items(result.outputs)) if result else []
    answer: JobJson = {
        "id": job.id,
        "status": record.state.value,
        "priority": whole(job.number),
        "create_time": job.wish.created,
        "outputs_count": len(shown),
    }
    if record.started is not None:
        answer["execution_start_time"] = record.started
    if result:
        answer["execution_end_time"] = result.ended
        if result.error and record.state is State.FAILED:
            answer["execution_error"] = result.error
    if preview := _preview(shown):
        answer["preview_output"] = preview
    if job.workflow_id:
        answer["workflow_id"] = job.workflow_id
    if job.held:
        answer["paused"] = True
    if job.wish.retry_of:
        answer["retry_of"] = job.wish.retry_of
    return answer


def whole_job_json(record: Record) -> WholeJobJson:
    """A job with all that is known of it."""
    answer: WholeJobJson = {
        **job_json(record),
        "outputs": record.result.outputs if record.result else {},
        "workflow": {"prompt": record.job.wish.prompt, "extra_data": record.job.wish.extra},
    }
    if status := _status(record):
        answer["execution_status"] = status
    if record.result:
        answer["timings"] = record.result.timings
    return answer


class RetriedJson(TypedDict):
    """A job that was queued once more."""

    prompt_id: str
    number: float
    retry_of: str | None


class RetryJson(TypedDict):
    """Jobs that were queued once more."""

    jobs: list[RetriedJson]


def retried_json(job: Job) -> RetriedJson:
    """The new job, and which one it is another try of."""
    return {"prompt_id": job.id, "number": whole(job.number), "retry_of": job.wish.retry_of}


def _items(outputs: Mapping[NodeId, Mapping[str, Sequence[Json]]]) -> Iterable[dict[str, Json]]:
    """All files that nodes show, with their node and kind."""
    for node, ui in outputs.items():
        for kind, items in ui.items():
            for item in items:
                if isinstance(item, Mapping) and isinstance(item.get("filename"), str):
                    yield {**item, "nodeId": node, "mediaType": kind}


VISIBLE = frozenset({"images", "video", "audio"})
SOLID = (".obj", ".fbx", ".gltf", ".glb")


def _preview(items: Sequence[dict[str, Json]]) -> Object | None:
    shown = [item for item in items if _previewable(item)]
    return next((item for item in shown if item.get("type") == "output"), shown[0] if shown else None)


def _previewable(item: Object) -> bool:
    if item.get("mediaType") in VISIBLE or str(item.get("format", "")).startswith(("video/", "audio/")):
        return True
    return str(item["filename"]).lower().endswith(SOLID)


class JobErrorJson(TypedDict):
    """What `/api/jobs` answers to what cannot be done."""

    error: str


class PaginationJson(TypedDict):
    """Which part of a list a page is; `limit` null: all that follows."""

    offset: int
    limit: int | None
    total: int
    has_more: bool


class PageJson(TypedDict):
    """A page of `/api/jobs`."""

    jobs: list[JobJson]
    pagination: PaginationJson


def page_json(records: Sequence[Record], search: Search, total: int) -> PageJson:
    """A page of `/api/jobs`."""
    return {
        "jobs": [job_json(record) for record in records],
        "pagination": {
            "offset": search.offset,
            "limit": search.limit,
            "total": total,
            "has_more": search.offset + len(records) < total,
        },
    }

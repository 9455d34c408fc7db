"""`comfy_execution.utils`: which node runs."""

from typing import NamedTuple

from nodes.compat import current


class ExecutionContext(NamedTuple):
    prompt_id: str
    node_id: str
    list_index: int | None


def get_executing_context():
    call = current.running()
    if call is None:
        return None
    job = getattr(getattr(call.context, "task", None), "job", "")
    return ExecutionContext(job, call.context.node_id, call.call)

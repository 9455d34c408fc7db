"""Tasks in one line."""

from server.graph.host import JobContext
from server.graph.outcome import Argument, Literal, Missing, Task, Token
from server.graph.written import Written


def job(id="job", **more) -> JobContext:
    return JobContext(id, Written(more.pop("prompt", {})), Written(more.pop("extra", {})), **more)


def task(type, id="1", key=None, attempt=0, **inputs) -> Task:
    """Tokens and Missing stay as they are; all else is a constant."""
    given: dict[str, Argument] = {
        name: value if isinstance(value, Token | Missing) else Literal(value)
        for name, value in inputs.items()
    }
    return Task(job="job", node=id, type=type, key=key, arguments=given, display=id, real=id, attempt=attempt)

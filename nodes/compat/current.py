"""Which node of a pack runs now: names that packs call without an argument (progress bars, Stop) ask here."""

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass

from nodes.spec import Context, Stopped


class InterruptProcessingException(BaseException):
    """Stop, as packs know it: no `except Exception` of theirs holds it up."""


@dataclass(slots=True)
class Running:
    """A call of a node.

    Attributes:
        call: which one, where lists make several.
        graphs: how many graphs it has built.
        stop_asked: a pack asked for Stop.
    """

    context: Context
    call: int = 0
    graphs: int = 0
    stop_asked: bool = False


class _Current:
    """The running call by task; `latest` serves threads that a pack starts itself."""

    def __init__(self) -> None:
        self.by_task: ContextVar[Running | None] = ContextVar("weft_running", default=None)
        self.latest: Running | None = None


_current = _Current()


def running() -> Running | None:
    """The call that runs; None outside of one (while packs are imported)."""
    return _current.by_task.get() or _current.latest


@contextmanager
def entered(context: Context) -> Iterator[Running]:
    """Run a pack's code as this node's. Its Stop becomes ours."""
    call = Running(context, getattr(context, "call", 0))
    before = _current.latest
    token = _current.by_task.set(call)
    _current.latest = call
    try:
        yield call
    except InterruptProcessingException as stopped:
        raise Stopped from stopped
    finally:
        _current.latest = before
        _current.by_task.reset(token)


def check_stop() -> None:
    """Raise the packs' own Stop if the person asked for it."""
    call = running()
    if call is None:
        return
    if call.stop_asked:
        call.stop_asked = False
        raise InterruptProcessingException
    try:
        call.context.check_stop()
    except Stopped as stopped:
        raise InterruptProcessingException from stopped


def ask_stop(wanted: bool) -> None:
    """A pack asks for the Stop of what runs, or takes that back."""
    call = running()
    if call is not None:
        call.stop_asked = wanted

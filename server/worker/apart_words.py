"""The words between a worker and the process of a pack."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from nodes.spec import Json, NodeSpec, Packed
from server.graph.host import JobContext
from server.graph.outcome import Failure, Task
from server.worker.parts import PackReport, Registered


@dataclass(frozen=True, slots=True, weakref_slot=True)
class Kept:
    """An object of a pack's own class, which stays in the pack's process. It is let go with the last of these."""

    pack: str
    number: int


@dataclass(frozen=True, slots=True)
class Call:
    """Call a function of a node: "run", "needs", "change_token" or "validate"."""

    number: int
    function: str
    task: Task
    job: JobContext
    given: Packed


@dataclass(frozen=True, slots=True)
class Drop:
    """Nobody holds this object any more."""

    number: int


@dataclass(frozen=True, slots=True)
class Halt:
    """Stop what runs."""


@dataclass(frozen=True, slots=True)
class Tell:
    """How did the pack fare, and what has it done until now?"""

    number: int


@dataclass(frozen=True, slots=True)
class Posted:
    """What does the pack make of the body of a posted prompt?"""

    number: int
    body: Mapping[str, Json]


@dataclass(frozen=True, slots=True)
class Brings:
    """What the pack brings: sent once, first."""

    specs: Mapping[str, NodeSpec]
    functions: Mapping[str, tuple[str, ...]]
    reports: tuple[PackReport, ...]
    registered: Registered = field(default_factory=Registered)


@dataclass(frozen=True, slots=True)
class Wrong:
    """A call that failed, in words. `stopped`: because Stop was pressed."""

    number: int
    failure: Failure
    stopped: bool = False

"""What a worker process and the server say to each other: frozen values, pickled.

Both sides name what they accept: the server never loads a class that a pack brought.
"""

import io
import pickle
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from enum import Enum
from multiprocessing.connection import Connection
from typing import Any, TypeAlias

from nodes.spec import Json, NodeSpec, RecordedFile
from server.graph.crossing import crosses
from server.graph.host import Call, JobContext, Remembered, Report
from server.graph.model import NodeId
from server.graph.outcome import Collect, Task
from server.worker.parts import Registered

OUR_MODULES = ("nodes.spec.", "server.graph.", "server.worker.")
PLAIN_MODULES = frozenset({"builtins", "pathlib", "collections", "datetime", "copyreg"})
PLAIN_NAMES = frozenset({"set", "frozenset", "complex", "bytearray", "slice", "range", "object"})

LOST_SERVER = 3  # exit status of a worker: its pipe ended
CANNOT_START = 4  # exit status of a worker: it could not be furnished


# --- from the server ------------------------------------------------------------------------------------------------


@crosses
@dataclass(frozen=True, slots=True)
class Run:
    """Run one node."""

    task: Task | Collect


@dataclass(frozen=True, slots=True)
class Recall:
    """Which of these results are known?

    Attributes:
        keys: those in question, beside those of an earlier question.
        name: under which later questions may refer to this one; 0: none will.
        like: the name of that earlier question; 0: there is none.
        but: its keys that are not in question now.
    """

    keys: tuple[str, ...]
    name: int = 0
    like: int = 0
    but: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class ChangeTokens:
    """Has what these nodes read changed?"""

    calls: Sequence[Call]


@dataclass(frozen=True, slots=True)
class Validate:
    """Are these inputs right?"""

    calls: Sequence[Call]


@dataclass(frozen=True, slots=True)
class Specs:
    """Describe the nodes; not again those of the edition that is `known`. `fresh`: as packs' files are now."""

    refresh: bool
    known: str = ""
    fresh: bool = False


@dataclass(frozen=True, slots=True)
class Packs:
    """How did the packs fare?"""


@dataclass(frozen=True, slots=True)
class Free:
    """Let go of models, of results."""

    models: bool
    results: bool


@dataclass(frozen=True, slots=True)
class OnPrompt:
    """What do packs make of this body of a posted prompt?"""

    body: Mapping[str, Json]


@dataclass(frozen=True, slots=True)
class Devices:
    """What devices are there?"""


@dataclass(frozen=True, slots=True)
class Standing:
    """What would the record in a file say of this machine, and of these files?"""

    files: Sequence[RecordedFile]


@dataclass(frozen=True, slots=True)
class Plan:
    """What memory will a prompt need?"""

    prompt: Mapping[str, Json]


Question: TypeAlias = (
    Run | Recall | ChangeTokens | Validate | Specs | Packs | OnPrompt | Free | Devices | Standing | Plan
)


@crosses
@dataclass(frozen=True, slots=True)
class Ask:
    """A question with the number under which it is answered."""

    number: int
    question: Question


@dataclass(frozen=True, slots=True)
class Release:
    """The job needs these results no more."""

    results: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Begin:
    """A job starts."""

    context: JobContext


@dataclass(frozen=True, slots=True)
class End:
    """The job is over."""


@dataclass(frozen=True, slots=True)
class Stop:
    """Stop what runs."""


@dataclass(frozen=True, slots=True)
class Close:
    """End the process."""


@dataclass(frozen=True, slots=True)
class Reply:
    """What the server says to a `Wonder`."""

    number: int
    answer: Json


# --- from the worker ------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Loading:
    """This pack is about to be loaded."""

    pack: str


@dataclass(frozen=True, slots=True)
class Asking:
    """This node is about to be asked about its inputs; if that ends the process, it is known who did."""

    node: NodeId


@dataclass(frozen=True, slots=True)
class Holding:
    """These models are loaded now, each in a line that the next worker understands."""

    sources: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Ready:
    """The worker is furnished.

    Attributes:
        spares: whether it wants to be told what the running job needs no more.
    """

    spares: bool


@crosses
@dataclass(frozen=True, slots=True)
class Reported:
    """A running node says something."""

    number: int
    report: Report


@crosses
@dataclass(frozen=True, slots=True)
class Answered:
    """The answer to a question."""

    number: int
    answer: Any


@dataclass(frozen=True, slots=True)
class Recalled:
    """The answer to `Recall`: what is known beside what was known of the question `like`, and what is not any more."""

    known: Mapping[str, Remembered]
    gone: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Described:
    """All nodes, in an edition that has a name; `specs` is None if the asker knows it. And what packs registered."""

    edition: str
    specs: Mapping[str, NodeSpec] | None
    registered: Registered = field(default_factory=Registered)


@dataclass(frozen=True, slots=True)
class PackEvent:
    """A pack tells clients something: JSON under a name, or bytes under a number. `client` None: all of them."""

    event: str | int
    data: "Json | bytes"
    client: str | None


@dataclass(frozen=True, slots=True)
class Refused:
    """A question that could not be answered, and why."""

    number: int
    message: str


@dataclass(frozen=True, slots=True)
class Beat:
    """After Stop: something still reaches its checks."""


@dataclass(frozen=True, slots=True)
class Wonder:
    """A pack asks the server, and waits: how the "queue" stands, the "history" (of these ids), or to "clear", "delete"."""

    number: int
    about: str
    ids: tuple[str, ...] = ()


class Untold(Exception):
    """A message holds something that may not cross."""


class _Writer(pickle.Pickler):
    def reducer_override(self, obj: object) -> Any:
        """Called for everything that is no plain builtin."""
        kind = obj if isinstance(obj, type) else type(obj)
        if not _allowed(kind.__module__, kind.__qualname__):
            raise Untold(f"{kind.__module__}.{kind.__qualname__} cannot cross between worker and server.")
        # Python 3.11.0 to 3.11.3 would write a member as a call of `getattr`, which may not enter.
        return (kind, (obj.value,)) if isinstance(obj, Enum) else NotImplemented


class _Reader(pickle.Unpickler):
    def find_class(self, module_name: str, global_name: str) -> Any:
        """Only what both sides know."""
        if not _allowed(module_name, global_name):
            raise Untold(f"{module_name}.{global_name} cannot cross between worker and server.")
        return super().find_class(module_name, global_name)


def send(connection: Connection, message: object) -> None:
    """Write one message.

    Raises:
        Untold: it holds something the other side could not read; nothing was sent.
        OSError: the other side is gone.
    """
    buffer = io.BytesIO()
    try:
        _Writer(buffer, protocol=5).dump(message)
    except (pickle.PicklingError, TypeError, AttributeError, RecursionError) as error:
        raise Untold(str(error)) from error
    connection.send_bytes(buffer.getbuffer())


def receive(connection: Connection) -> object:
    """Read one message; blocks.

    Raises:
        EOFError, OSError: the other side is gone.
        Untold: it holds something that may not enter.
    """
    return _Reader(io.BytesIO(connection.recv_bytes())).load()


def _allowed(module: str, name: str) -> bool:
    if f"{module}.".startswith(OUR_MODULES):
        return True
    return module in PLAIN_MODULES and (module != "builtins" or name in PLAIN_NAMES)

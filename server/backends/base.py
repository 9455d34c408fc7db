"""The one Protocol behind which nodes run: a worker process, a thread, a cluster.

A backend runs one job at a time. Values live in it; only tokens, descriptions and reports cross.
"""

from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import Protocol, runtime_checkable

from nodes.spec import Json, NodeSpec, RecordedFile
from server.graph.host import (
    BackendLost,
    Call,
    Complaint,
    Host,
    JobContext,
    Progressed,
    Remembered,
    Report,
    Said,
    SwitchedOff,
)
from server.worker.messages import PackEvent, Wonder
from server.worker.parts import PackReport, Registered

__all__ = [
    "Backend",
    "BackendLost",
    "Call",
    "Complaint",
    "JobContext",
    "PackEvent",
    "PackReport",
    "Progressed",
    "Remembered",
    "Report",
    "Said",
    "SwitchedOff",
]


@runtime_checkable
class Backend(Host, Protocol):
    """Runs tasks and remembers results. All methods are for one event loop."""

    async def start(self) -> None:
        """Begin to make ready; returns at once. What follows waits until it is."""
        ...

    async def rested(self) -> None:
        """Wait while it makes no sense to try a job: nothing can be started now, and it is too soon to try again."""
        ...

    async def close(self) -> None:
        """End what runs and let everything go."""
        ...

    @property
    def ready(self) -> bool:
        """Whether questions are answered without waiting for a start."""
        ...

    async def specs(self, *, refresh: bool = False) -> Mapping[str, NodeSpec]:
        """The nodes that can run here; `refresh` asks packs again for what depends on the day (lists of files)."""
        ...

    async def packs(self) -> Sequence[PackReport]:
        """How each community pack fared."""
        ...

    async def restart(self) -> bool:
        """Load packs anew as soon as no job runs; False if that takes a start of Weft."""
        ...

    async def validate(self, calls: Sequence[Call]) -> Sequence[Complaint]:
        """The nodes' own validation, of nodes that have one."""
        ...

    async def on_prompt(self, body: Mapping[str, Json]) -> Mapping[str, Json]:
        """What packs make of the body of a posted prompt; where none wants to see it, it comes back as it is."""
        ...

    async def registered(self, *, anew: bool = False) -> Registered:
        """What packs have hung on the server; `anew`: the worker is asked, since what was known did not hold."""
        ...

    def listen(self, hear: Callable[[PackEvent], None], answer: Callable[[Wonder], Awaitable[Json]]) -> None:
        """From now on, on the event loop, `hear` is called for whatever packs tell clients, `answer` when they ask."""
        ...

    def stop(self) -> None:
        """Ask what runs to stop; a backend that can, enforces it when nothing answers for a while."""
        ...

    async def free(self, *, models: bool, results: bool) -> None:
        """Let go of loaded models, of kept results."""
        ...

    async def devices(self) -> Sequence[Mapping[str, Json]]:
        """Devices and their memory, in the shape of `/system_stats`; plus versions of torch in the first."""
        ...

    async def plan(self, prompt: Mapping[str, Json]) -> Mapping[str, Json]:
        """What memory a prompt will need, in the shape of `PlanJson` of the API."""
        ...

    async def standing(self, files: Sequence[RecordedFile]) -> Mapping[str, Json]:
        """What the record in a saved file would say today of this machine and of the files it names.

        Versions, machine and dtypes as in a record; `files` in the given order, each with `alike`: the names under
        which the recorded content lies in its folder.
        """
        ...

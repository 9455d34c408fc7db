"""What a worker is furnished with. The factory that does it is named by a string, so backends know nothing of nodes."""

import gc
import importlib
import re
import socket
from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, field
from pathlib import Path
from typing import TypeAlias, cast

from nodes.spec import Codec, Files, Json, PlainCodec, RecordedFile, Registry
from server.graph.outcome import Failure
from server.worker.keeping import Keeping
from server.worker.saves import Saves


@dataclass(frozen=True, slots=True)
class PackReport:
    """How a community pack fared at load.

    Attributes:
        trusted: its code may run.
        version: as its pyproject.toml says.
        missing, conflicts: of what its requirements.txt wants.
        names: of a host, that its code imports.
        deeds: what it did: while it was imported "files", "programs", "network", "routes", "replaced"; at any time
            "reads" (outside the workspace), "programs", "network", and what it was "refused".
        apart, network, writes: what a person said of it, see `server.pack_limits`.
        unenforced: what of that this system cannot enforce, in lines.
        edited: its files are not those that were loaded; they count from the next run on.
        web_directory: its folder of files for the browser; more_web: others, by the name that they are served under.
    """

    name: str
    path: str
    ok: bool
    seconds: float
    nodes: tuple[str, ...] = ()
    error: Failure | None = None
    web_directory: str = ""
    trusted: bool = True
    version: str = ""
    missing: tuple[str, ...] = ()
    conflicts: tuple[str, ...] = ()
    names: tuple[str, ...] = ()
    deeds: Mapping[str, tuple[str, ...]] = field(default_factory=dict[str, tuple[str, ...]])
    apart: bool = False
    network: bool = True
    writes: tuple[str, ...] = ()
    unenforced: tuple[str, ...] = ()
    more_web: Mapping[str, str] = field(default_factory=dict[str, str])
    edited: bool = False


# Tells clients an event of a pack: its name (data is JSON) or number (bytes), the client's id (None: all of them).
Publish: TypeAlias = "Callable[[str | int, Json | bytes, str | None], None]"

# Asks the server about something, of jobs with these ids, and waits for what it says.
Inquire: TypeAlias = "Callable[[str, Sequence[str]], Json]"


@dataclass(frozen=True, slots=True)
class Registered:
    """What packs have hung on the server.

    Attributes:
        prompt_handlers: some want to see each prompt that is posted, and may change it.
        port: where their routes answer, on this machine alone; 0: they have none. What is no route gets 421.
        key: headers without which nobody is answered there.
        watched: some packs' files may be edited, so that nodes change without a new worker.
        routes: what is answered there: a method (`*`: all) and a regular expression of the path, a blank between them.
        others: the same of packs that have processes of their own.
    """

    prompt_handlers: bool = False
    port: int = 0
    key: Mapping[str, str] = field(default_factory=dict[str, str])
    watched: bool = False
    routes: tuple[str, ...] = ()
    others: "tuple[Registered, ...]" = ()

    def answering(self, method: str, path: str) -> "Registered":
        """Who answers a request: the pack with a process of its own that has such a route, else this."""
        return next((other for other in self.others if other.has(method, path)), self)

    def has(self, method: str, path: str) -> bool:
        """Whether one of the routes is meant."""
        told = (route.partition(" ") for route in self.routes)
        return any(known in ("*", method) and re.fullmatch(form, path) for known, _, form in told)


def _tell_nobody(_event: str | int, _data: "Json | bytes", _client: str | None) -> None:
    """No client listens."""


def _know_nothing(_about: str, _ids: Sequence[str]) -> Json:
    """There is no server to ask."""
    return None


@dataclass(frozen=True, slots=True)
class Services:
    """What a worker offers to those who furnish it.

    Attributes:
        check_stop: raises `nodes.spec.Stopped` if the person pressed Stop; for hooks between blocks of networks.
        announce: say which pack is about to be loaded; if that ends the process, the next worker skips it.
        skip: packs that ended a worker, and how, by name.
        publish: tell clients what a pack says.
        wonder: ask the server and wait, see `messages.Wonder`. Raises `TimeoutError` if it does not answer.
        door: where routes of packs answer, bound before sockets are refused; None: they make one.
    """

    check_stop: Callable[[], None]
    announce: Callable[[str], None]
    skip: Mapping[str, str] = field(default_factory=dict[str, str])
    publish: Publish = _tell_nobody
    wonder: Inquire = _know_nothing
    door: socket.socket | None = None


@dataclass(frozen=True, slots=True)
class Lasting:
    """Where results are kept on disk, and how.

    Attributes:
        root: folder of all results.
        identity: what they depend on beside their keys (code, versions, device), as the name of a folder.
        codec: turns values into data and back.
    """

    root: Path
    identity: str
    codec: Codec = field(default_factory=PlainCodec)


def _nothing() -> None:
    """There is nothing to do."""


def _always(_value: object) -> bool:
    return True


def _no_packs() -> Sequence[PackReport]:
    return ()


def _no_bytes() -> int:
    return 0


def _unchanged(body: Mapping[str, Json]) -> Mapping[str, Json]:
    return body


def _unnoticed(_job: str, _client: str | None) -> None:
    """Nobody wants to know."""


def _unknown(_files: Sequence[RecordedFile]) -> Mapping[str, Json]:
    return {}


def _no_plan(_prompt: Mapping[str, Json]) -> Mapping[str, Json]:
    return {
        "verdict": "unknown",
        "words": "",
        "device": None,
        "peak": 0,
        "offloaded": 0,
        "nodes": {},
        "faults": {},
    }


def _leave(_source: str) -> None:
    """There is nothing to load."""


def _no_models() -> Mapping[str, int]:
    return {}


def _no_devices() -> Sequence[Mapping[str, Json]]:
    return ()


@dataclass(frozen=True, slots=True, kw_only=True)
class WorkerParts:
    """All that a worker runs with.

    Attributes:
        registry: nodes by class type; packs are added by `load_packs`.
        files: the workspace.
        resources: objects that nodes ask their `Context` for, by type.
        load_packs: called once, after all else is there.
        packs: how they fared and what they have done until now; None: as `load_packs` said.
        warm_up: called in the thread that computes, before its first node: imports that would else delay a prompt.
            Not beside a node: two threads that import the same packages can each find the other's half done.
        around: entered in every thread that runs nodes (`torch.inference_mode`).
        refresh: asks packs again for descriptions that depend on the day.
        freshen: imports packs anew whose files were edited.
        free_models: lets go of loaded models.
        memory_ran_out: makes models take less in the next try.
        models: bytes of loaded models, by name.
        sources: each loaded model in a line; cheap: it is asked after every node.
        bring_back: loads what such a line says.
        release: gives memory back that nothing uses any more.
        devices: in the shape of `/system_stats`.
        device_peak: the most bytes that tensors held on graphics cards since it was called last.
        keeping: which results are kept between jobs.
        saves: remembers the names that files took, for jobs that run again; None: nobody does.
        lasting: where those are kept that outlive the worker; None: nowhere.
        standing: what the record in a file would say today of this machine and of these files, see `nodes.builtin.record`.
        plan: what memory a prompt will need, in the shape of `PlanJson` of the API.
        registered: what packs have hung on the server.
        on_prompt: what they make of a posted prompt; from one thread at a time.
        begin: told of each job that starts: its id, and the id of the client that queued it.
        stands: whether a value of an earlier job can still be used; asked of values that packs made.
    """

    registry: Registry
    files: Files
    resources: Mapping[type, object] = field(default_factory=dict[type, object])
    load_packs: Callable[[], Sequence[PackReport]] = _no_packs
    packs: Callable[[], Sequence[PackReport]] | None = None
    warm_up: Callable[[], None] = _nothing
    around: Callable[[], AbstractContextManager[object]] = nullcontext
    refresh: Callable[[], None] = _nothing
    freshen: Callable[[], None] = _nothing
    free_models: Callable[[], None] = _nothing
    memory_ran_out: Callable[[], None] = _nothing
    models: Callable[[], Mapping[str, int]] = _no_models
    sources: Callable[[], tuple[str, ...]] = tuple[str, ...]
    bring_back: Callable[[str], None] = _leave
    release: Callable[[], object] = gc.collect
    devices: Callable[[], Sequence[Mapping[str, Json]]] = _no_devices
    device_peak: Callable[[], int] = _no_bytes
    keeping: Keeping = field(default_factory=Keeping)
    saves: Saves | None = None
    lasting: Lasting | None = None
    plan: Callable[[Mapping[str, Json]], Mapping[str, Json]] = _no_plan
    standing: Callable[[Sequence[RecordedFile]], Mapping[str, Json]] = _unknown
    registered: Callable[[], Registered] = Registered
    on_prompt: Callable[[Mapping[str, Json]], Mapping[str, Json]] = _unchanged
    begin: Callable[[str, str | None], None] = _unnoticed
    stands: Callable[[object], bool] = _always


Build: TypeAlias = Callable[[object, Services], WorkerParts]


@dataclass(frozen=True, slots=True)
class Factory:
    """Names the function that furnishes a worker, as "module:function", and the settings it is called with.

    The settings cross a process border: they must be picklable and need no torch.
    """

    name: str
    settings: object = None

    def build(self, services: Services) -> WorkerParts:
        """Call it: `function(settings, services)`.

        Raises:
            ValueError: the name is not one.
        """
        module, _, function = self.name.partition(":")
        if not module or not function:
            raise ValueError(f"{self.name!r} does not name a function: write it as module:function.")
        return cast("Build", getattr(importlib.import_module(module), function))(self.settings, services)

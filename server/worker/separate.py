"""All packs that run in processes of their own: their nodes beside the others."""

import logging
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, Protocol

from nodes.spec import Codec, Json, Node, Registry
from server.worker.apart import Apart, kept_in
from server.worker.parts import Factory, PackReport, Registered, Services, WorkerParts

PATIENCE = 15.0  # seconds that whoever asks for nodes waits for processes to start

log = logging.getLogger("weft.packs")


class Handlers(Protocol):
    """What packs do with posted prompts."""

    def change(self, body: Mapping[str, Json]) -> Mapping[str, Json]:
        """What is left of it."""
        ...


class Shared(Protocol):
    """The packs that share a worker, see `nodes.compat.packs`; the server knows their room by this alone."""

    @property
    def prompt_handlers(self) -> Handlers: ...
    def load(self) -> Sequence[Any]: ...
    def reports(self) -> Sequence[Any]: ...
    def refresh(self) -> None: ...
    def freshen(self) -> None: ...
    def begin(self, job: str, client: str | None) -> None: ...
    def apart(self) -> Mapping[str, str]: ...
    def stamp(self, path: Path) -> object: ...
    def registered(self, form: type[Registered]) -> Registered: ...


class Separate:
    """Implements what `WorkerParts` asks of packs, for those that run apart.

    Args:
        registry: takes their nodes in.
        factory: what furnishes the process of a pack, by its name.
        codec, services: see `Apart`.
        shared: the packs that share the worker; it knows which do not.
    """

    def __init__(
        self,
        registry: Registry,
        factory: Callable[[str], Factory],
        codec: Codec,
        services: Services,
        shared: "Shared",
    ) -> None:
        self._registry = registry
        self._factory = factory
        self._codec, self._services = codec, services
        self._shared, self._stamp = shared, shared.stamp
        self._processes: dict[str, Apart] = {}
        self._paths: dict[str, Path] = {}
        self._stamps: dict[str, object] = {}
        self._nodes: dict[str, tuple[str, ...]] = {}
        self._at_it: dict[str, threading.Thread] = {}  # what starts a process now

    def joined(self, parts: WorkerParts, report_of: Callable[[Any], PackReport]) -> WorkerParts:
        """The parts of a worker with all packs in it, those that share it first."""
        shared = self._shared

        def freshen() -> None:
            shared.freshen()
            self.freshen()

        return replace(
            parts,
            load_packs=lambda: [*map(report_of, shared.load()), *self.load()],
            packs=lambda: [*map(report_of, shared.reports()), *self.reports()],
            refresh=shared.refresh,
            freshen=freshen,
            registered=lambda: self.registered(shared.registered(Registered)),
            on_prompt=lambda body: self.on_prompt(shared.prompt_handlers.change(body)),
            begin=shared.begin,
            stands=self.stands,
        )

    def load(self) -> Sequence[PackReport]:
        """Start a process for each pack that has one to itself; how they fared."""
        for name, path in self._shared.apart().items():
            self._paths[name], self._stamps[name] = Path(path), self._stamp(Path(path))
            apart = Apart(name, path, self._factory(name), self._codec, self._services)
            self._processes[name] = apart
            self._take(name, apart.load())
        return self.reports()

    def reports(self) -> Sequence[PackReport]:
        """How each fared, and what it has done until now."""
        return [
            replace(report, edited=self._is_edited(name))
            for name, each in self._processes.items()
            for report in each.reports()
        ]

    def freshen(self) -> None:
        """Start edited packs anew, and those whose process ended. One that cannot be loaded stays as it was.

        A process that takes long is waited for by the nodes that are called in it, and by nobody else.
        """
        for name in self._processes:
            if not self._is_at_it(name):
                work = threading.Thread(target=self._freshen, args=(name,), name="weft-fresh", daemon=True)
                self._at_it[name] = work
                work.start()
        until = time.monotonic() + PATIENCE
        for work in self._at_it.values():
            work.join(max(until - time.monotonic(), 0.0))

    def registered(self, shared: Registered) -> Registered:
        """What all packs have hung on the server: those that share the worker, and these."""
        others = tuple(each.registered for each in self._processes.values())
        handlers = shared.prompt_handlers or any(each.prompt_handlers for each in others)
        watched = shared.watched or bool(self._processes)
        return replace(shared, prompt_handlers=handlers, watched=watched, others=others)

    def on_prompt(self, body: Mapping[str, Json]) -> Mapping[str, Json]:
        """What they make of a posted prompt, one after the other."""
        for each in self._processes.values():
            body = each.on_prompt(body)
        return body

    def stands(self, value: object) -> bool:
        """Whether the objects of packs' own in a value are still there: a process that ended took its own along."""
        return all(
            (apart := self._processes.get(kept.pack)) is not None and apart.holds(kept)
            for kept in kept_in(value)
        )

    def _freshen(self, name: str) -> None:
        apart, now = self._processes[name], self._stamp(self._paths[name])
        if not now or now == self._stamps[name]:
            apart.revive()
            return
        nodes = apart.reload()
        self._stamps[name] = now
        log.warning(
            "The pack %s was edited: %s", name, "loaded anew." if nodes is not None else "kept as it was."
        )
        if nodes is not None:
            self._take(name, nodes)

    def _is_at_it(self, name: str) -> bool:
        return name in self._at_it and self._at_it[name].is_alive()

    def _take(self, name: str, nodes: Sequence[Node]) -> None:
        added = tuple(node.spec.id for node in nodes)
        for gone in set(self._nodes.get(name, ())) - set(added):
            self._registry.remove(gone)
        self._nodes[name] = tuple(node.spec.id for node in nodes if self._registry.add(node))

    def _is_edited(self, name: str) -> bool:
        now = self._stamp(self._paths[name])
        return bool(now) and now != self._stamps[name]

"""Find packs, load them one after the other, say how each fared. None stops another."""

import logging
import re
import socket
import time
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from types import ModuleType
from typing import Any, TypeVar

from nodes.compat import native
from nodes.compat.adapt import adapt
from nodes.compat.describe import inputs_of
from nodes.compat.entry import classes_of
from nodes.compat.faring import (
    HOST_MODULES,
    HOST_MORE,
    Loaded,
    failed,
    joined,
    kept_as_it_was,
    lines,
    untrusted,
    with_failed_routes,
    with_refused_routes,
)
from nodes.compat.fence import OWN, Fence
from nodes.compat.host import HANDLER_PATIENCE, PromptHandlers
from nodes.compat.importing import (
    code_version,
    find,
    import_pack,
    module_name,
    within,
)
from nodes.compat.install import install, install_classes, share, unshare
from nodes.compat.names import nodes_face
from nodes.compat.names.server_face import PromptServer
from nodes.compat.places import Places
from nodes.compat.reading import read, web_of
from nodes.compat.reloading import Stamp, let_go, put_back, stamp, taken_out
from nodes.compat.routes import Routes
from nodes.compat.witness import replacements, witnessed
from nodes.spec import Json, Registry

COLLECT_AFTER = 10  # packs that were imported anew; what is left of those before is then let go

log = logging.getLogger(__name__)
NONE_GIVEN: Mapping[str, bool] = {}
Registered = TypeVar("Registered")
PLAIN = re.compile(r"[\w.-]*\w")  # names that may stand in an address


@dataclass(slots=True)
class _Pack:
    name: str
    path: Path
    version: str = ""
    classes: dict[str, Any] = field(default_factory=dict[str, Any])
    said: dict[str, int] = field(
        default_factory=dict[str, int]
    )  # what each class last declared, as a hash of its text
    titles: Mapping[str, str] = field(default_factory=dict[str, str])
    routes: Sequence[Any] = ()
    handlers: Sequence[Any] = ()


def _tell_nobody(_event: str | int, _data: object, _client: str | None) -> None:
    """No server listens."""


def _know_nothing(_about: str, _ids: Sequence[str]) -> Json:
    """There is no server to ask."""
    return None


class Packs:
    """The community packs of a worker.

    Args:
        registry: takes in their nodes.
        places: the workspace's folders.
        announce: told each pack's name before it is loaded.
        skip: packs not to load, and why.
        taken: routes of the server's own, such as "POST /prompt": packs have none of the same.
        trusted: whether a person lets a pack's code run; asked of each. Others are reported, and nothing of them runs.
        only: names of folders and files that are loaded; None for all.
        patience: seconds a pack may take to import.
        publish: tells clients an event of a pack: its name or number, JSON or bytes, the client's id (None: all).
        wonder: asks the server about the "queue", the "history" of jobs, or to "clear" or "delete" waiting ones.
        handler_patience: seconds that a pack's prompt handler may take.
        fence: what packs may do, where it is guarded.
        options: of the start, as `comfy.cli_args` tells them.
        door: where their routes answer, see `Routes`.
    """

    def __init__(
        self,
        registry: Registry,
        places: Places,
        announce: Callable[[str], None],
        skip: Mapping[str, str],
        *,
        only: Collection[str] | None = None,
        taken: Collection[str] = (),
        trusted: Callable[[Path], bool] = lambda _path: True,
        patience: float = 30.0,
        publish: Callable[[str | int, Any, str | None], None] = _tell_nobody,
        wonder: Callable[[str, Sequence[str]], Json] = _know_nothing,
        handler_patience: float = HANDLER_PATIENCE,
        fence: Fence | None = None,
        options: Mapping[str, bool] = NONE_GIVEN,
        door: socket.socket | None = None,
    ) -> None:
        self._registry = registry
        self._places = places
        self._announce = announce
        self._skip = skip
        self._only = only
        self._trusted = trusted
        self._patience = patience
        self._packs: list[_Pack] = []
        self._publish = publish
        self._wonder = wonder
        self._fence = fence
        self._options = options
        self._loaded: tuple[Loaded, ...] = ()
        self._stamps: dict[Path, Stamp] = {}
        self._reloads = 0
        self.routes = Routes(taken, door)
        self.prompt_handlers = PromptHandlers(self._owner, handler_patience)

    def load(self) -> tuple[Loaded, ...]:
        """Load every pack, by name. Their prestartup scripts were run before, see `early`."""
        install(self._places, self._publish, self._wonder, self._options)
        install_classes(self._registry, self._places.choices)
        native.tell()
        found = [path for path in find(self._places.packs) if self._may_load(path)]
        self._loaded = tuple(self._witnessed(path) for path in found)
        self.routes.open(PromptServer.instance, self._owner)
        return self.reports()

    def reports(self) -> tuple[Loaded, ...]:
        """How each pack fared, and what it has done until now."""
        fence = self._fence
        if fence is not None:
            for name, file in replacements():
                if (pack := fence.owner_of(file)) not in (None, OWN):
                    fence.note(str(pack), "replaced", name)
        told = tuple(
            with_failed_routes(replace(one, edited=self._is_edited(one.path)), self.routes.failures(one.name))
            for one in self._loaded
        )
        return told if fence is None else tuple(joined(one, fence) for one in told)

    def registered(self, form: Callable[..., Registered]) -> Registered:
        """What they have hung on the server, in the server's own form: see `server.worker.parts.Registered`."""
        routes = self.routes
        return form(
            prompt_handlers=self.prompt_handlers.any,
            port=routes.port,
            key=routes.key,
            watched=bool(self._stamps),
            routes=routes.told,
        )

    def stamp(self, path: Path) -> Stamp:
        """A pack's Python files by name, size and time; another one means that it was edited."""
        return stamp(path)

    def freshen(self) -> None:
        """Import packs anew whose files were edited since they were imported. One that fails stays as it was."""
        for path, before in list(self._stamps.items()):
            now = stamp(path)
            if now and now != before:
                self._stamps[path] = now
                self._reload(path)

    def refresh(self) -> None:
        """Ask every class again for its inputs: lists of files change.

        A node whose inputs are as they were stays, with what its pack keeps in it.
        """
        for pack in self._packs:
            for id, node_class in pack.classes.items():
                try:
                    said = hash(repr(node_class.INPUT_TYPES()))
                    if said != pack.said.get(id) and self._is_news(id, node_class):
                        self._add(pack, id, node_class)
                    pack.said[id] = said
                except Exception:
                    log.warning("The node %s of %s cannot be described now.", id, pack.name, exc_info=True)

    def apart(self) -> dict[str, str]:
        """Trusted packs that run in processes of their own, by name, and where they lie."""
        fence = self._fence
        if fence is None or fence.alone:
            return {}
        named = {_name(path): path for path in find(self._places.packs)}
        wanted = {
            name: path for name, path in named.items() if fence.of(name).apart and self._is_wanted(path)
        }
        return {name: str(path) for name, path in wanted.items() if self._trusted(path)}

    def begin(self, job: str, client: str | None) -> None:
        """A job starts, queued by that client."""
        if self._fence is not None:
            native.tell()  # libraries that were imported since
            self._fence.begin()
        PromptServer.instance.begin(job, client)

    def _is_edited(self, path: Path) -> bool:
        before, now = self._stamps.get(path), stamp(path)
        return before is not None and bool(now) and now != before

    def _owner(self, function: Callable[..., Any]) -> str:
        """The pack that a function belongs to, as far as that can be told."""
        module = str(getattr(function, "__module__", None) or type(function).__module__)
        paths = [
            path for path in find(self._places.packs) if f"{module}.".startswith(f"{module_name(path)}.")
        ]
        return _name(paths[0]) if paths else module

    def _is_news(self, id: str, node_class: Any) -> bool:
        known = self._registry.get(id)
        return known is None or inputs_of(node_class.INPUT_TYPES()) != known.spec.inputs

    def _may_load(self, path: Path) -> bool:
        return self._is_wanted(path) and str(path) not in self.apart().values()

    def _is_wanted(self, path: Path) -> bool:
        return self._only is None or path.name in self._only or path.stem in self._only

    def _witnessed(self, path: Path) -> Loaded:
        """A pack with what its files say and what it did."""
        said = read(path, (*HOST_MODULES, *HOST_MORE))
        if not self._trusted(path):
            return untrusted(path, said)
        host = PromptServer.instance
        before, handlers, packs = len(host.routes), len(host.on_prompt_handlers), len(self._packs)
        self._stamps[path] = stamp(path)
        with witnessed() as deeds:
            loaded = self._load(path)
        added, refused = self.routes.sift(PromptServer.instance, before)
        for route in added:
            deeds.add("routes", route)
        if len(self._packs) > packs:
            self._packs[-1].routes = list(host.routes)[before:]
            self._packs[-1].handlers = host.on_prompt_handlers[handlers:]
        told = {kind: tuple(all_of_it) for kind, all_of_it in deeds.told.items()}
        return with_refused_routes(replace(loaded, said=said, deeds=told), refused)

    def _reload(self, path: Path) -> None:
        host = PromptServer.instance
        old = next((pack for pack in self._packs if pack.path == path), None)
        routes, handlers = list(host.routes), list(host.on_prompt_handlers)
        if old is not None:
            host.keep_routes([route for route in routes if not any(route is mine for mine in old.routes)])
            host.on_prompt_handlers[:] = [each for each in handlers if each not in old.handlers]
        modules = taken_out(path)
        report = self._witnessed(path)
        earlier = next((one for one in self._loaded if one.path == path), report)
        if report.ok and old is not None:
            self._packs.remove(old)
            self.routes.forget(report.name)
            for id in old.classes.keys() - self._packs[-1].classes.keys():
                self._registry.remove(id)
                unshare(id)
        elif old is not None:
            put_back(path, modules)
            host.keep_routes(routes)
            host.on_prompt_handlers[:] = handlers
            report = kept_as_it_was(earlier, report)
        self._loaded = tuple(report if one.path == path else one for one in self._loaded)
        if list(host.routes) != routes:
            self.routes.open(host, self._owner)
        log.warning("The pack %s was edited: %s", report.name, report.message or "imported anew.")
        del modules, old, earlier
        self._reloads += 1
        if self._reloads % COLLECT_AFTER == 0:
            let_go()

    def _load(self, path: Path) -> Loaded:
        name = _name(path)
        if name in self._skip:
            return Loaded(
                name,
                path,
                ok=False,
                message=f"It ended the worker while it was loaded: {self._skip[name]}",
                hint="Update or remove the pack, then start Weft again.",
                kind="PackCrashed",
            )
        self._announce(name)
        started = time.perf_counter()
        try:
            module = within(self._patience, lambda: import_pack(path))
            classes, titles = within(self._patience, lambda: classes_of(name, module))
            return self._take(_Pack(name, path, code_version(path), titles=titles), module, classes, started)
        except BaseException as error:  # noqa: BLE001 - a pack may raise anything, SystemExit too
            log.warning("The pack %s cannot be loaded: %s", name, error)
            return failed(name, path, time.perf_counter() - started, error)

    def _take(self, pack: _Pack, module: ModuleType, classes: Mapping[str, Any], started: float) -> Loaded:
        """Register the classes of an imported pack; one that is broken does not keep the others out."""
        added: list[str] = []
        wrong: list[str] = []
        where: tuple[str, ...] = ()
        for id, node_class in classes.items():
            try:
                if self._add(pack, str(id), node_class):
                    added.append(str(id))
                else:
                    wrong.append(f"{id}: there is a built-in node of this name")
            except Exception as error:  # noqa: BLE001 - a class's INPUT_TYPES may raise anything
                wrong.append(f"{id}: {error}")
                where = lines(error)
                log.warning("The node %s of %s is left out: %s", id, pack.name, error)
        self._packs.append(pack)
        share(pack.classes, pack.titles)
        return Loaded(
            pack.name,
            pack.path,
            ok=True,
            seconds=time.perf_counter() - started,
            nodes=tuple(added),
            message="Left out: " + "; ".join(wrong) if wrong else "",
            hint="Tell the pack's author." if wrong else "",
            kind="NodesLeftOut" if wrong else "",
            traceback=where,
            web_directory=_web_directory(pack.path, module),
            more_web=_more_web(pack.path),
        )

    def _add(self, pack: _Pack, id: str, node_class: Any) -> bool:
        title, module = str(pack.titles.get(id, "")), f"custom_nodes.{pack.name}"
        adapted = adapt(id, node_class, title, module, pack.version)
        pack.classes[id] = node_class
        return self._registry.add(adapted)


def _name(path: Path) -> str:
    return path.stem if path.is_file() else path.name


def _web_directory(path: Path, module: ModuleType) -> str:
    named = getattr(module, "WEB_DIRECTORY", None) or web_of(path)
    return _own_folder(path, named)


def _more_web(path: Path) -> Mapping[str, str]:
    """Folders of its own for the browser that a pack has put into `nodes.EXTENSION_WEB_DIRS`, by name."""
    named = {str(name): _own_folder(path, each) for name, each in nodes_face.EXTENSION_WEB_DIRS.items()}
    return {name: folder for name, folder in named.items() if folder and PLAIN.fullmatch(name)}


def _own_folder(path: Path, named: object) -> str:
    """The folder that a pack means, if there is one and it lies in the pack; else empty."""
    if not isinstance(named, str) or not path.is_dir():
        return ""
    folder = (path / named).resolve()
    return str(folder) if folder.is_dir() and folder.is_relative_to(path.resolve()) else ""

"""Find packs, load them one after the other, say how each fared. None stops another."""

import logging
import time
import traceback
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from types import ModuleType
from typing import Any

from nodes.compat import names
from nodes.compat.adapt import adapt
from nodes.compat.describe import inputs_of
from nodes.compat.entry import classes_of
from nodes.compat.host import HANDLER_PATIENCE, PromptHandlers
from nodes.compat.importing import (
    PackHangs,
    code_version,
    find,
    import_pack,
    module_name,
    within,
)
from nodes.compat.install import install, install_classes, share
from nodes.compat.names.server_face import PromptServer
from nodes.compat.places import Places
from nodes.compat.reading import Said, read
from nodes.compat.routes import Routes
from nodes.compat.witness import witnessed
from nodes.spec import Json, Registry, SpecError, package_of

HOST_MODULES = (
    "comfy",
    "comfy_api",
    "comfy_execution",
    "comfy_extras",
    "execution",
    "folder_paths",
    "latent_preview",
)
HOST_MORE = ("node_helpers", "nodes", "server", "app", "api_server", "cuda_malloc", "protocol")

UNTRUSTED = "Untrusted"  # the kind of a report of a pack that nobody trusts yet

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Loaded:
    """How a pack fared.

    Attributes:
        ok: its nodes are there (all but those that `message` names).
        message, hint, kind, traceback: what went wrong; empty if nothing did.
        web_directory: folder of its scripts for the canvas; empty if it has none.
        said: what its files say of it.
        deeds: what it did while it was imported, by kind ("files", "programs", "network", "replaced", "routes").
    """

    name: str
    path: Path
    ok: bool
    seconds: float = 0.0
    nodes: tuple[str, ...] = ()
    message: str = ""
    hint: str = ""
    kind: str = ""
    traceback: tuple[str, ...] = ()
    web_directory: str = ""
    said: Said = field(default_factory=Said)
    deeds: Mapping[str, tuple[str, ...]] = field(default_factory=dict[str, tuple[str, ...]])


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
        trusted: whether a person lets a pack's code run; asked of each. Others are reported, and nothing of them runs.
        only: names of folders and files that are loaded; None for all.
        patience: seconds a pack may take to import.
        publish: tells clients an event of a pack: its name or number, JSON or bytes, the client's id (None: all).
        wonder: asks the server about the "queue", the "history" of jobs, or to "clear" or "delete" waiting ones.
        handler_patience: seconds that a pack's prompt handler may take.
    """

    def __init__(
        self,
        registry: Registry,
        places: Places,
        announce: Callable[[str], None],
        skip: Mapping[str, str],
        *,
        only: Collection[str] | None = None,
        trusted: Callable[[Path], bool] = lambda _path: True,
        patience: float = 30.0,
        publish: Callable[[str | int, Any, str | None], None] = _tell_nobody,
        wonder: Callable[[str, Sequence[str]], Json] = _know_nothing,
        handler_patience: float = HANDLER_PATIENCE,
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
        self.routes = Routes()
        self.prompt_handlers = PromptHandlers(self._owner, handler_patience)

    def load(self) -> tuple[Loaded, ...]:
        """Load every pack, by name. Their prestartup scripts were run before, see `early`."""
        install(self._places, self._publish, self._wonder)
        install_classes(self._registry, self._places.choices)
        found = [path for path in find(self._places.packs) if self._may_load(path)]
        loaded = tuple(self._witnessed(path) for path in found)
        self.routes.open(PromptServer.instance, self._owner)
        return loaded

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

    def begin(self, job: str, client: str | None) -> None:
        """A job starts, queued by that client."""
        PromptServer.instance.begin(job, client)

    def _owner(self, function: Callable[..., Any]) -> str:
        """The pack that a function belongs to, as far as that can be told."""
        module = str(getattr(function, "__module__", None) or type(function).__module__)
        paths = [
            path for path in find(self._places.packs) if f"{module}.".startswith(f"{module_name(path)}.")
        ]
        return paths[0].stem if paths else module

    def _is_news(self, id: str, node_class: Any) -> bool:
        known = self._registry.get(id)
        return known is None or inputs_of(node_class.INPUT_TYPES()) != known.spec.inputs

    def _may_load(self, path: Path) -> bool:
        return self._only is None or path.name in self._only or path.stem in self._only

    def _witnessed(self, path: Path) -> Loaded:
        """A pack with what its files say and what it did."""
        said = read(path, (*HOST_MODULES, *HOST_MORE))
        if not self._trusted(path):
            return _untrusted(path, said)
        before = len(PromptServer.instance.routes)
        with witnessed() as deeds:
            loaded = self._load(path)
        for route in list(PromptServer.instance.routes)[before:]:
            deeds.add("routes", f"{getattr(route, 'method', '*')} {getattr(route, 'path', route)}")
        told = {kind: tuple(all_of_it) for kind, all_of_it in deeds.told.items()}
        return replace(loaded, said=said, deeds=told)

    def _load(self, path: Path) -> Loaded:
        name = path.stem if path.is_file() else path.name
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
            return _failed(name, path, time.perf_counter() - started, error)

    def _take(self, pack: _Pack, module: ModuleType, classes: Mapping[str, Any], started: float) -> Loaded:
        """Register the classes of an imported pack; one that is broken does not keep the others out."""
        added: list[str] = []
        wrong: list[str] = []
        lines: tuple[str, ...] = ()
        for id, node_class in classes.items():
            try:
                if self._add(pack, str(id), node_class):
                    added.append(str(id))
                else:
                    wrong.append(f"{id}: there is a built-in node of this name")
            except Exception as error:  # noqa: BLE001 - a class's INPUT_TYPES may raise anything
                wrong.append(f"{id}: {error}")
                lines = _lines(error)
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
            traceback=lines,
            web_directory=_web_directory(pack.path, module),
        )

    def _add(self, pack: _Pack, id: str, node_class: Any) -> bool:
        title, module = str(pack.titles.get(id, "")), f"custom_nodes.{pack.name}"
        adapted = adapt(id, node_class, title, module, pack.version)
        pack.classes[id] = node_class
        return self._registry.add(adapted)


def _untrusted(path: Path, said: Said) -> Loaded:
    name = path.stem if path.is_file() else path.name
    runs = f" It would run {', '.join(said.first)}." if said.first else ""
    count = "1 file" if said.files == 1 else f"{said.files} files"
    return Loaded(
        name,
        path,
        ok=False,
        message=f"It is new: nothing of its Python ({count}) runs until you trust it.{runs}",
        hint=f"Look at its files, then press Trust it, or type `weft packs trust {name}`.",
        kind=UNTRUSTED,
        said=said,
    )


def _failed(name: str, path: Path, seconds: float, error: BaseException) -> Loaded:
    lines = error.where if isinstance(error, PackHangs) else _lines(error)
    kind = f"{type(error).__module__}.{type(error).__qualname__}".removeprefix("builtins.")
    return Loaded(
        name,
        path,
        ok=False,
        seconds=seconds,
        message=_message(error),
        hint=_hint(path, error),
        kind=kind,
        traceback=lines,
    )


def _message(error: BaseException) -> str:
    """What went wrong, in a line; bare texts such as a KeyError's get their kind."""
    if isinstance(error, SystemExit):
        return f"It tried to end the program ({error.code})."
    text = str(error).strip()
    return (
        text if isinstance(error, ImportError | PackHangs | SpecError) else f"{type(error).__name__}: {text}"
    )


def _hint(path: Path, error: BaseException) -> str:
    """What the person can do about it."""
    if isinstance(error, PackHangs):
        return (
            "It may be downloading something or waiting for an answer: look at the log, or remove the pack."
        )
    asked = _asked_module(error)
    root = asked.split(".")[0]
    if root in (*HOST_MODULES, *HOST_MORE):
        return (
            f"It asks its host for {asked!r}, or for a part of it, which this version of Weft does not offer."
        )
    if not isinstance(error, ImportError):
        return "Update the pack, or tell its author."
    if isinstance(error, ModuleNotFoundError) and root:
        listed = path / "requirements.txt"
        install_all = f", or all it wants: `pip install -r {listed}`" if listed.is_file() else ""
        return f"Install what it needs: `pip install {package_of(root)}`{install_all}. Then start Weft again."
    return "Update the pack, or what it imports."


def _asked_module(error: BaseException) -> str:
    """The module that an import or a look-up in a module asked for, as packs call it."""
    if isinstance(error, AttributeError) and isinstance(error.obj, ModuleType):
        name = error.obj.__name__
    else:
        name = (error.name if isinstance(error, ImportError) else None) or ""
    return name.removeprefix(f"{names.__name__}.")


def _lines(error: BaseException) -> tuple[str, ...]:
    frames = traceback.extract_tb(error.__traceback__)
    own = str(Path(__file__).parent)
    first = next(
        (at for at, frame in enumerate(frames) if not frame.filename.startswith((own, "<frozen"))),
        len(frames),
    )
    lines = (*traceback.format_list(frames[first:]), *traceback.format_exception_only(error))
    return tuple(line.rstrip("\n") for line in lines)


def _web_directory(path: Path, module: ModuleType) -> str:
    named = getattr(module, "WEB_DIRECTORY", None)
    if not isinstance(named, str) or not path.is_dir():
        return ""
    folder = (path / named).resolve()
    return str(folder) if folder.is_dir() and folder.is_relative_to(path.resolve()) else ""

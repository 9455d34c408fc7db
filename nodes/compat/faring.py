"""How a pack fared, in words: its report, and what a person can do about what went wrong."""

import traceback
from collections import deque
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from types import ModuleType, TracebackType

from nodes.compat import names
from nodes.compat.fence import Fence
from nodes.compat.grounds import Limits
from nodes.compat.importing import PackHangs
from nodes.compat.reading import Said
from nodes.spec import SpecError, package_of

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

MOST_FRAMES = 200  # of a traceback
UNTRUSTED = "Untrusted"  # the kind of a report of a pack that nobody trusts yet


@dataclass(frozen=True, slots=True)
class Loaded:
    """How a pack fared.

    Attributes:
        ok: its nodes are there (all but those that `message` names).
        message, hint, kind, traceback: what went wrong; empty if nothing did.
        web_directory: folder of its scripts for the canvas; empty if it has none.
        more_web: other such folders, by the name that they are served under.
        said: what its files say of it.
        deeds: what it did, by kind: while it was imported "files", "replaced", "routes", at any time "programs", "network",
            "reads" (outside the workspace), and what it was "refused".
        limits: what a person said of it. unenforced: what of its limits this system cannot enforce, in lines.
        edited: its files are not those that were imported; the next run uses them.
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
    more_web: Mapping[str, str] = field(default_factory=dict[str, str])
    said: Said = field(default_factory=Said)
    deeds: Mapping[str, tuple[str, ...]] = field(default_factory=dict[str, tuple[str, ...]])
    limits: Limits = field(default_factory=Limits)
    unenforced: tuple[str, ...] = ()
    edited: bool = False


def joined(loaded: Loaded, fence: Fence) -> Loaded:
    """The report with what it did while it was imported, and since."""
    deeds = {kind: list(each) for kind, each in loaded.deeds.items()}
    for kind, each in fence.deeds(loaded.name).items():
        known = deeds.setdefault(kind, [])
        known.extend(what for what in each if what not in known)
    done = {kind: tuple(each) for kind, each in deeds.items()}
    return replace(loaded, deeds=done, limits=fence.of(loaded.name), unenforced=fence.unenforced)


def with_refused_routes(loaded: Loaded, refused: Sequence[str]) -> Loaded:
    """The report, if need be with the routes that it wanted and Weft answers itself."""
    if not refused:
        return loaded
    told = f"Weft itself answers {', '.join(refused)}: that route of the pack is left out."
    return replace(
        loaded,
        message=f"{loaded.message} {told}".strip(),
        hint=loaded.hint or "The rest of the pack works. Tell its author.",
        kind=loaded.kind or "RoutesLeftOut",
        deeds={
            **loaded.deeds,
            "refused": (*loaded.deeds.get("refused", ()), *(f"route {one}" for one in refused)),
        },
    )


@dataclass(frozen=True, slots=True)
class RouteFailure:
    """A handler of a pack's raised: of its route, as "GET /my/ws", with what, and where."""

    route: str
    message: str
    where: tuple[str, ...]


def with_failed_routes(loaded: Loaded, failures: Sequence[RouteFailure]) -> Loaded:
    """The report, if need be with the routes whose handlers raised since it was loaded."""
    if not failures or not loaded.ok:
        return loaded
    told = " ".join(f"Its route {one.route} failed: {one.message}." for one in failures)
    return replace(
        loaded,
        message=f"{loaded.message} {told}".strip(),
        hint=loaded.hint or "The rest of the pack works. Tell its author.",
        kind=loaded.kind or "RouteFailed",
        traceback=loaded.traceback or failures[-1].where,
    )


def kept_as_it_was(earlier: Loaded, failed: Loaded) -> Loaded:
    """The report of a pack that was edited and cannot be imported now."""
    return replace(
        earlier,
        message=f"It was edited and cannot be imported; what was there before is still used. {failed.message}",
        hint="Mend the file: the next run tries again.",
        kind=failed.kind,
        traceback=failed.traceback,
    )


def untrusted(path: Path, said: Said) -> Loaded:
    """The report of a pack that nobody trusts yet."""
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


def failed(name: str, path: Path, seconds: float, error: BaseException) -> Loaded:
    """The report of a pack that cannot be loaded."""
    where = error.where if isinstance(error, PackHangs) else lines(error)
    kind = f"{type(error).__module__}.{type(error).__qualname__}".removeprefix("builtins.")
    return Loaded(
        name,
        path,
        ok=False,
        seconds=seconds,
        message=_message(error),
        hint=_hint(path, error),
        kind=kind,
        traceback=where,
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


def lines(error: BaseException) -> tuple[str, ...]:
    """Where it was raised, as Python writes it, without our own way there; the end of it, where it is long."""
    own = str(Path(__file__).parent)
    first = error.__traceback__
    while first is not None and first.tb_frame.f_code.co_filename.startswith((own, "<frozen")):
        first = first.tb_next
    last: deque[TracebackType] = deque(maxlen=MOST_FRAMES)
    while first is not None:
        last.append(first)
        first = first.tb_next
    frames = traceback.extract_tb(last[0]) if last else []
    found = (*traceback.format_list(frames), *traceback.format_exception_only(error))
    return tuple(line.rstrip("\n") for line in found)

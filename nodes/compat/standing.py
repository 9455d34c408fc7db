"""Stand-ins: names of the host that packs import and derive from, and that Weft does not offer. Using one says so.

`TABLE` lists them by module; `standing_page` makes the list for people of it.
"""

import sys
from collections.abc import Iterator, Mapping
from importlib.abc import Loader, MetaPathFinder
from importlib.machinery import ModuleSpec
from pathlib import Path
from types import CodeType, ModuleType
from typing import Any

from nodes.compat.current import running
from nodes.compat.standing_table import EXACT, OPEN, TABLE

HERE = str(Path(__file__).parent)
METHODS = (
    "forward",
    "sample",
    "encode",
    "decode",
    "load",
    "execute",
)  # that packs name without having made one


class NotOffered(RuntimeError):
    """A pack uses a part of the host that Weft does not have."""


class StandIn(type):
    """The class of stand-ins: it can be derived from and asked about, and its methods refuse."""

    host_name: str

    def __call__(cls, *args: Any, **more: Any) -> Any:
        if "host_name" in vars(cls):
            refuse(cls.host_name)
        return super().__call__(*args, **more)

    def __getattr__(cls, name: str) -> Any:
        if name in METHODS:
            return Refusal(f"{cls.host_name}.{name}")
        raise AttributeError(f"Weft has no {cls.host_name}.{name}.", name=name, obj=cls)

    def __iter__(cls) -> Iterator[Any]:
        """Of tables that packs walk over."""
        refuse(cls.host_name)
        return iter(())


class Refusal:
    """A method of a stand-in."""

    def __init__(self, name: str) -> None:
        self.name = name

    def __get__(self, _instance: object, _owner: object = None) -> "Refusal":
        return self

    def __call__(self, *_args: object, **_more: object) -> None:
        refuse(self.name)


class Base:
    """What every stand-in comes from; making an object of a class that a pack derived from one refuses there."""

    host_name = ""

    def __init__(self, *_args: object, **_more: object) -> None:
        refuse(type(self).host_name)


def refuse(name: str, made: object = None) -> None:
    """Say which part of the host is missing, who wanted it, and which node runs.

    Args:
        made: a function or an object of the pack's, which tells whose it is where none of its code is above in the call.

    Raises:
        NotOffered: always.
    """
    asker = pack_above() or ("" if made is None else pack_of(made))
    who = f"The pack {asker}" if asker else "A pack"
    raise NotOffered(
        f"{who} uses {name}, which Weft does not offer. "
        f"The node{_node()} cannot run here: use another node for this, or tell the pack's author."
    )


def _node() -> str:
    """The node of a pack that runs, by class and number; empty if none does."""
    call = running()
    if call is None:
        return ""
    entry: Any = call.context.prompt.get(call.context.node_id)
    kind = entry.get("class_type") if isinstance(entry, Mapping) else None
    return f" {kind} ({call.context.node_id})" if kind else f" {call.context.node_id}"


def pack_of(made: object) -> str:
    """The pack whose code a function is, or the class of an object; empty if it is none's."""
    code = getattr(getattr(made, "__func__", made), "__code__", None)
    kind = made if isinstance(made, type) else type(made)
    module = sys.modules.get(kind.__module__)
    file = code.co_filename if isinstance(code, CodeType) else str(getattr(module, "__file__", ""))
    parts = Path(file).parts
    return next((parts[at + 1] for at, part in enumerate(parts[:-1]) if part == "custom_nodes"), "")


def pack_above() -> str:
    """The pack whose code is nearest above in the call; empty if there is none."""
    frame = sys._getframe(1)  # noqa: SLF001 - the only way to know who calls
    while frame is not None:
        name, file = str(frame.f_globals.get("__name__", "")), frame.f_code.co_filename
        if not file.startswith((HERE, "<frozen")) and "custom_nodes" in f"{file} {name}":
            parts = Path(file).parts
            return next((parts[at + 1] for at, part in enumerate(parts[:-1]) if part == "custom_nodes"), name)
        frame = frame.f_back
    return ""


def stand_in(name: str) -> type[Any]:
    """A class that stands for the host's `name` ("comfy.sd.VAE")."""
    module, _, last = name.rpartition(".")
    return StandIn(last, (Base,), {"host_name": name, "__module__": module})


def complete(name: str, module: ModuleType) -> None:
    """Put stand-ins into a module for what it lacks of its names in the table."""
    for missing in TABLE.get(name, "").split():
        if missing not in vars(module):
            setattr(module, missing, stand_in(f"{name}.{missing}"))


def open_up(name: str, module: ModuleType) -> None:
    """Let a module of networks' inner parts have any name: what it lacks is a stand-in, made when it is asked for."""
    place = name

    def missing(name: str) -> type[Any]:
        if name.startswith("__"):
            raise AttributeError(f"module {place!r} has no attribute {name!r}", name=name, obj=module)
        made = stand_in(f"{place}.{name}")
        setattr(module, name, made)
        return made

    if is_open(name) and "__getattr__" not in vars(module):
        module.__getattr__ = missing


def is_open(name: str) -> bool:
    """Whether a module may have any name."""
    return name not in EXACT and any(f"{name}.".startswith(f"{one}.") for one in OPEN)


class Finder(MetaPathFinder, Loader):
    """Any module below `OPEN`: a stand-in, where there is none."""

    def find_spec(self, fullname: str, path: object = None, target: object = None) -> ModuleSpec | None:
        """A spec of an empty module, for names below `OPEN`."""
        del path, target
        return ModuleSpec(fullname, self, is_package=True) if is_open(fullname) else None

    def create_module(self, spec: ModuleSpec) -> ModuleType | None:
        """Python makes it."""
        del spec

    def exec_module(self, module: ModuleType) -> None:
        """Give it its names."""
        complete(module.__name__, module)
        open_up(module.__name__, module)


def modules() -> Iterator[tuple[str, ModuleType]]:
    """Modules of the table that are not there yet, parents first, each with its stand-ins."""
    for name in sorted(_with_parents(TABLE)):
        if name in sys.modules:
            continue
        module = ModuleType(name, "A part of the host that Weft does not offer.")
        module.__path__ = []
        complete(name, module)
        open_up(name, module)
        yield name, module


def _with_parents(table: Mapping[str, str]) -> set[str]:
    return {
        ".".join(parts[:length])
        for name in table
        for parts in [name.split(".")]
        for length in range(1, len(parts) + 1)
    }

"""Where packs may write and read, by folder, and what a person said of each pack."""

import sys
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

import nodes as own_nodes
from nodes.compat.places import Places

PLAIN = ("/usr", "/lib", "/lib64", "/bin", "/sbin", "/proc", "/sys", "/dev", "/opt", "/run/opengl-driver")
SETTINGS = ("ssl", "fonts", "localtime", "ld.so.cache", "nsswitch.conf", "resolv.conf", "hosts", "mime.types")
READABLE = (*PLAIN, *(f"/etc/{name}" for name in SETTINGS))


@dataclass(frozen=True, slots=True)
class Limits:
    """What a person said of a pack.

    Attributes:
        apart: it runs in a process of its own, reads the workspace alone, and starts no programs.
        network: it may use the network.
        writes: folders that it may write, beside those that all may.
    """

    apart: bool = False
    network: bool = True
    writes: tuple[Path, ...] = ()


@dataclass(frozen=True, slots=True)
class Grounds:
    """Folders by what packs may do in them; the innermost folder counts.

    Attributes:
        open: written freely. kept: not written (empty folders may be made). finished: new files, old ones stay.
        read: read without being told. closed: not even read by a pack that is alone.
    """

    open: tuple[Path, ...]
    kept: tuple[Path, ...] = ()
    finished: tuple[Path, ...] = ()
    read: tuple[Path, ...] = ()
    closed: tuple[Path, ...] = ()


def grounds(places: Places, scratch: Iterable[Path] = (), closed: tuple[Path, ...] = ()) -> Grounds:
    """The workspace as packs may use it. `scratch`: more folders that all may write, for caches and what lasts a run."""
    kept = [*closed, places.user, places.models, *places.packs]
    kept += [folder for folders, _suffixes in places.folders.values() for folder in folders]
    python = [sys.prefix, sys.base_prefix, sys.exec_prefix, *(entry for entry in sys.path if entry)]
    ours = Path(own_nodes.__file__ or "").parents[1]
    return Grounds(
        open=(places.root, places.input, places.temp, Path("/dev"), Path("/proc/self"), *scratch),
        kept=tuple(folder for folder in kept if folder not in (places.input, places.output, places.temp)),
        finished=(places.output,),
        closed=closed,
        read=(
            *map(Path, python),
            *map(Path, READABLE),
            ours / "nodes",
            ours / "server",
            ours / "custom_nodes",
        ),
    )

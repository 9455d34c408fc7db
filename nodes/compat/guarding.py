"""Set up what holds packs in a worker, before any of them runs: rules in Python, the kernel behind them where it can."""

import getpass
import logging
import os
import tempfile
from collections.abc import Mapping
from pathlib import Path

from nodes.compat import kernel
from nodes.compat.fence import Fence, raised
from nodes.compat.grounds import Limits, grounds
from nodes.compat.places import Places
from nodes.compat.started import hold_programs

SCRATCH = ".scratch"  # in the temporary folder, which is emptied at each start: what `tempfile` hands out
COMPILED = "TORCHINDUCTOR_CACHE_DIR"
DEVICES = (Path("/dev"), Path("/proc"))
CACHES = (
    "~/.cache",
    "~/.triton",
    "~/.nv",
)  # where compilers and drivers of our own libraries keep what they made

log = logging.getLogger("weft.packs")


def guard(
    places: Places, limits: Mapping[str, Limits], *, alone: str = "", closed: Path | None = None
) -> Fence:
    """Hold this thread, all that start from it, and all packs' code. Call it once, in the thread that loads packs.

    Args:
        limits: what a person said of packs, by name.
        alone: the pack that has this process to itself: it is held to reading the workspace, without programs. Then this
            must be the first thread of the process.
        closed: a folder that it does not even read.
    """
    scratch = places.temp / SCRATCH
    compiled = _own_temporary_folder(scratch)
    caches = [Path(name).expanduser() for name in CACHES]
    shut = () if closed is None else (closed,)

    def hear(pack: str, what: str) -> None:
        log.warning("The pack %s may not do this, and did not: %s", pack, what)

    fence = Fence(places, grounds(places, (scratch, compiled, *caches[1:]), shut), limits, hear, alone=alone)
    lines = list(kernel.offered())
    try:
        if alone:
            _confine_alone(fence, compiled)
        else:
            linked = map(Path, fence.packs)  # a pack's folder may be a link to elsewhere
            held = (places.root, places.input, places.output, places.temp, places.user, *places.packs)
            more = [folder for each in limits.values() for folder in each.writes]
            kernel.confine((*held, *linked, compiled, *caches, *_named_caches(), *DEVICES, *more))
    except kernel.Unenforced as error:
        lines.append(f"{error}. Compiled code of packs, and programs that they start, are not held.")
    fence.unenforced = tuple(lines)
    for line in lines:
        log.warning("%s", line)
    hold_programs()
    raised(fence)
    return fence


def _confine_alone(fence: Fence, compiled: Path) -> None:
    """The kernel's part for a pack in a process of its own.

    Raises:
        kernel.Unenforced: it refused.
    """
    places, limits = fence.places, fence.of(fence.alone)
    own = [Path(folder) for folder, name in fence.packs.items() if name == fence.alone]
    shut = {folder.resolve() for folder in fence.grounds.closed}
    beside = [path for path in places.root.iterdir() if path.resolve() not in shut]
    models = [folder for folders, _suffixes in places.folders.values() for folder in folders]
    write = (places.temp, places.input, places.user, compiled, *own, *limits.writes, *DEVICES)
    read = (*beside, *models, places.models, places.output, *fence.grounds.read, *places.packs, *write)
    kernel.confine(write, add=fence.grounds.finished, read=read, apart=True)
    kernel.refuse(network=not limits.network, programs=True)


def _own_temporary_folder(scratch: Path) -> Path:
    """Temporary files lie in the workspace from now on; compiled kernels, which last, where they did. That folder."""
    user = getpass.getuser() if os.name != "nt" else os.environ.get("USERNAME", "user")
    usual = Path(tempfile.gettempdir()) / f"torchinductor_{user}"
    compiled = Path(os.environ.setdefault(COMPILED, str(usual)))
    for folder in (compiled, scratch):
        folder.mkdir(parents=True, exist_ok=True)
    for name in ("TMPDIR", "TEMP", "TMP"):
        os.environ[name] = str(scratch)
    tempfile.tempdir = None
    return compiled


def _named_caches() -> list[Path]:
    """Folders of caches that the environment names."""
    names = ("XDG_CACHE_HOME", "TRITON_CACHE_DIR", "CUDA_CACHE_PATH", "NUMBA_CACHE_DIR", "MPLCONFIGDIR")
    return [Path(os.environ[name]) for name in names if os.environ.get(name)]

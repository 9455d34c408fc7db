"""Set up what holds packs in a worker, before any of them runs: rules in Python, the kernel behind them where it can."""

import getpass
import logging
import os
import tempfile
from collections.abc import Callable, Mapping
from pathlib import Path

from nodes.compat import kernel
from nodes.compat.fence import Fence, Limits, grounds, raised
from nodes.compat.places import Places
from nodes.compat.started import hold_programs

SCRATCH = ".scratch"  # in the temporary folder, which is emptied at each start: what `tempfile` hands out
COMPILED = "TORCHINDUCTOR_CACHE_DIR"
CACHES = (
    "~/.cache",
    "~/.triton",
    "~/.nv",
)  # where compilers and drivers of our own libraries keep what they made

log = logging.getLogger("weft.packs")


def guard(
    places: Places, limits: Mapping[str, Limits], announce: Callable[[str, str], None] | None = None
) -> Fence:
    """Hold this thread, all that start from it, and all packs' code. Call it once, in the thread that loads packs.

    Args:
        limits: what a person said of packs, by name.
        announce: told each pack and what it was refused; the log is told anyway.
    """
    scratch = places.temp / SCRATCH
    compiled = _own_temporary_folder(scratch)
    caches = [Path(name).expanduser() for name in CACHES]

    def hear(pack: str, what: str) -> None:
        log.warning("The pack %s may not do this, and did not: %s", pack, what)
        if announce is not None:
            announce(pack, what)

    fence = Fence(places, grounds(places, (scratch, compiled, *caches[1:])), limits, hear)
    allowed = [folder for each in limits.values() for folder in each.writes]
    held = (places.root, places.input, places.output, places.temp, places.user, *places.packs)
    try:
        kernel.confine((*held, compiled, *caches, *_named_caches(), Path("/dev"), Path("/proc"), *allowed))
    except kernel.Unenforced as error:
        fence.unenforced = (
            f"{error}. Compiled code of packs, and programs that they start, may write anywhere.",
        )
    fence.unenforced += kernel.offered()
    for line in fence.unenforced:
        log.warning("%s", line)
    hold_programs()
    raised(fence)
    return fence


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

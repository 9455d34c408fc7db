"""Programs that packs start, held by the kernel to what packs may write: made in a thread that is confined before it.

Linux with Landlock alone. What Weft's own code starts is not touched, nor what has no pack on its stack.
"""

import os
import subprocess
import sys
import threading
from collections.abc import Callable
from functools import cache
from importlib import import_module
from pathlib import Path
from typing import Any

from nodes.compat import kernel
from nodes.compat.fence import OWN, Fence, standing


def hold_programs() -> bool:
    """From now on in this process, programs and forks of packs are held; whether the system can do that."""
    if not kernel.version():
        return False
    _wrap()
    return True


def confine_as(fence: Fence, pack: str) -> None:
    """Hold this thread, and all that it starts, to what a pack may write.

    Raises:
        kernel.Unenforced: the kernel has Landlock and refused.
    """
    limits, places, given = fence.of(pack), fence.places, fence.grounds
    kept = {path.resolve() for path in (*given.kept, *given.finished)}
    beside = (
        [path for path in places.root.iterdir() if path.resolve() not in kept] if places.root.is_dir() else []
    )
    own = [Path(folder) for folder, name in fence.packs.items() if name == pack]
    wide = [path for path in given.open if path != places.root]
    kernel.confine([*beside, *wide, *own, *limits.writes], add=given.finished)
    if not limits.network:
        kernel.refuse(network=True, programs=False)


@cache
def _wrap() -> None:
    """Once for a process: a second wrapping would make two threads for each program."""
    raw: Any = import_module("_posixsubprocess")
    held = _held(raw.fork_exec)
    raw.fork_exec = held
    subprocess._fork_exec = held  # type: ignore[attr-defined]  # noqa: SLF001 - where Popen finds it
    for name in ("posix_spawn", "posix_spawnp", "system"):
        setattr(os, name, _held(getattr(os, name)))
    os.register_at_fork(after_in_child=_forked)


def _held(start: Callable[..., Any]) -> Callable[..., Any]:
    def held(*given: Any, **named: Any) -> Any:
        fence, pack = _who()
        if fence is None or pack is None:
            return start(*given, **named)
        return _confined(fence, pack, lambda: start(*given, **named))

    return held


def _confined(fence: Fence, pack: str, start: Callable[[], Any]) -> Any:
    made: list[Any] = []
    raised: list[BaseException] = []

    def body() -> None:
        try:
            confine_as(fence, pack)
            made.append(start())
        except BaseException as error:  # noqa: BLE001 - raised again where it is waited for
            raised.append(error)

    thread = threading.Thread(target=body, name="weft-program", daemon=True)
    thread.start()
    thread.join()
    if raised:
        raise raised[0]
    return made[0]


def _forked() -> None:
    """In a child that a pack forked: it is held as its programs are."""
    fence, pack = _who()
    if fence is not None and pack is not None:
        confine_as(fence, pack)


def _who() -> tuple[Fence | None, str | None]:
    fence = standing()
    pack = fence.whose(sys._getframe(2)) if fence else None  # noqa: SLF001 - the stack is what tells whose deed it is
    return fence, None if pack == OWN else pack

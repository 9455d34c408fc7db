"""Packs' files are edited: their Python is imported anew as soon as no job runs, and every canvas hears of it.

Looks at sizes and times, some milliseconds for a hundred packs, and only while somebody has a canvas open: whoever opens one
later, or queues without one, gets what is there then.
"""

import asyncio
import logging
import os
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from server.api.websocket import Hub
from server.backends.base import Backend, BackendLost
from server.trust import packs_in

PERIOD = 1.5  # seconds between looks
SAID = "weft_packs"  # the message's type
CODE, SCRIPTS = (".py",), (".js", ".mjs", ".css")
PASSED_OVER = frozenset({"__pycache__", "node_modules", "venv", "site-packages"})

log = logging.getLogger(__name__)
Files = frozenset[tuple[str, int, int]]


@dataclass(frozen=True, slots=True)
class Look:
    """What lies in a pack: Python files, and files for the browser, each by name, size and time."""

    code: Files
    scripts: Files


class PackWatch:
    """Looks at packs' files while there is somebody to tell.

    Args:
        backend: imports edited packs anew.
        hub: who is told, as `{"edited": names, "waiting": names, "scripts": names}`: packs whose Python changed, those
            of them that wait until the job that runs is over, and packs whose scripts changed.
        folders: where packs lie.
    """

    def __init__(
        self, backend: Backend, hub: Hub, folders: Callable[[], tuple[Path, ...]], period: float = PERIOD
    ) -> None:
        self._backend, self._hub, self._folders, self._period = backend, hub, folders, period
        self._seen: Mapping[str, Look] | None = None
        self._waiting: frozenset[str] = frozenset()

    async def serve(self) -> None:
        """Look again and again, until cancelled."""
        while True:
            await asyncio.sleep(self._period)
            if not self._hub.listened or not self._backend.ready:
                continue
            try:
                await self.look()
            except (BackendLost, OSError) as error:
                log.info("Packs cannot be looked at now: %s", error)

    async def look(self) -> None:
        """Look once; tell what is new since the last look."""
        now = await asyncio.to_thread(looked, self._folders())
        before, self._seen = self._seen, now
        if before is None:
            return
        same = [name for name in now if name in before]
        code = {name for name in same if now[name].code != before[name].code}
        scripts = {name for name in same if now[name].scripts != before[name].scripts}
        if not code and not scripts and not self._waiting:
            return
        if code or self._waiting:
            await self._backend.specs()  # edited packs are imported anew for it, unless a job runs
        waiting = frozenset(report.name for report in await self._backend.packs() if report.edited)
        done, self._waiting = self._waiting - waiting, waiting
        if code or scripts or done:
            told = {"edited": sorted(code | done), "waiting": sorted(waiting), "scripts": sorted(scripts)}
            self._hub.tell_all(SAID, {kind: list(names) for kind, names in told.items()})


def looked(folders: tuple[Path, ...]) -> dict[str, Look]:
    """Every pack's files, by its name."""
    found: dict[str, Look] = {}
    for name, path in packs_in(folders).items():
        code: set[tuple[str, int, int]] = set()
        scripts: set[tuple[str, int, int]] = set()
        _look_into(str(path), code, scripts)
        found[name] = Look(frozenset(code), frozenset(scripts))
    return found


def _look_into(path: str, code: set[tuple[str, int, int]], scripts: set[tuple[str, int, int]]) -> None:
    if path.endswith((*CODE, *SCRIPTS)):
        with suppress(OSError):
            found = os.stat(path)  # noqa: PTH116 - the path is a text
            (code if path.endswith(CODE) else scripts).add((path, found.st_size, found.st_mtime_ns))
        return
    with suppress(OSError), os.scandir(path) as entries:
        for entry in entries:
            if entry.name.startswith(".") or entry.name in PASSED_OVER:
                continue
            if entry.is_dir(follow_symlinks=False) or entry.name.endswith((*CODE, *SCRIPTS)):
                _look_into(entry.path, code, scripts)

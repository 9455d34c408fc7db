"""What packs bring for the browser: the folders of their scripts. Which these are, a pack says when it is loaded.

While the worker starts, what the packs said at the last start counts, if they are the same packs.
"""

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from server.api.kept import Kept
from server.backends.base import Backend, BackendLost


@dataclass(frozen=True, slots=True)
class ScriptReport:
    """What became of a pack's scripts in a browser.

    Attributes:
        loaded: how many were loaded.
        failures: what went wrong, in words.
        unsupported: names of what they use and the canvas does not have.
    """

    loaded: int = 0
    failures: tuple[str, ...] = ()
    unsupported: tuple[str, ...] = ()


class Scripts:
    """Folders of files for the browser.

    Args:
        backend: knows the packs.
        kept: what was known at the last start; None to keep nothing.
    """

    def __init__(self, backend: Backend, kept: Kept | None = None) -> None:
        self._backend = backend
        self._kept = kept
        self._known: Mapping[str, Path] | None = None
        self._reports: dict[str, ScriptReport] = {}

    async def folders(self) -> Mapping[str, Path]:
        """By pack name; none if no worker can be started."""
        if not self._backend.ready and self._kept is not None:
            before = await asyncio.to_thread(self._kept.read_folders)
            if before is not None:
                return _existing(before)
        try:
            packs = await self._backend.packs()
        except BackendLost:
            return {}
        found = {name: Path(each) for pack in packs if pack.ok for name, each in pack.more_web.items()}
        found |= {pack.name: Path(pack.web_directory) for pack in packs if pack.ok and pack.web_directory}
        if found != self._known and self._kept is not None:
            await asyncio.to_thread(self._kept.write_folders, found)
        self._known = found
        return _existing(found)

    async def note(self, pack: str, report: ScriptReport) -> bool:
        """A browser tells how a pack's scripts fared; the last one counts. Returns whether the pack brings any."""
        if pack not in await self.folders():
            return False
        self._reports[pack] = report
        return True

    def report_of(self, pack: str) -> ScriptReport | None:
        """How the pack's scripts fared in the last browser that told; None if none has since the start."""
        return self._reports.get(pack)

    async def addresses(self) -> list[str]:
        """Where each script is found."""
        found: list[str] = []
        for name, folder in (await self.folders()).items():
            paths = sorted(folder.rglob("*.js"))
            found.extend(f"/extensions/{name}/{path.relative_to(folder).as_posix()}" for path in paths)
        return found


def _existing(folders: Mapping[str, Path]) -> Mapping[str, Path]:
    return {name: folder for name, folder in folders.items() if folder.is_dir()}

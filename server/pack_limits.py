"""What a person said of packs: which run in a process of their own, without network, and which folders they may write."""

import json
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import cast

from nodes.spec import Json

FILE = "pack_limits.json"  # among the user data


@dataclass(frozen=True, slots=True)
class PackLimits:
    """Limits of one pack.

    Attributes:
        apart: it runs in a process of its own.
        network: it may use the network.
        writes: folders that it may write, beside those that all packs may.
    """

    apart: bool = False
    network: bool = True
    writes: tuple[Path, ...] = ()

    def told(self) -> dict[str, Json]:
        """As the file and routes have it."""
        return {"apart": self.apart, "network": self.network, "writes": [str(path) for path in self.writes]}


@dataclass(frozen=True, slots=True)
class LimitsKept:
    """All packs' limits, in a file; crosses to the worker, which asks at each start. `file` None: there are none."""

    file: Path | None = None

    def all(self) -> dict[str, PackLimits]:
        """By name of the pack.

        Raises:
            Unreadable: the file is damaged.
        """
        if self.file is None or not self.file.exists():
            return {}
        with suppress(OSError, ValueError):
            held: object = json.loads(self.file.read_text("utf-8"))
            if isinstance(held, dict):
                return {str(name): _read(each) for name, each in cast("dict[object, object]", held).items()}
        raise Unreadable(self.file)

    def of(self, pack: str) -> PackLimits:
        """Of one pack."""
        return self.all().get(pack, PackLimits())

    def put(self, pack: str, limits: PackLimits) -> None:
        """Keep a pack's limits.

        Raises:
            OSError: they cannot be written down.
        """
        if self.file is None:
            raise OSError("There is no folder of user data in which limits could be kept.")
        kept = {
            name: each.told() for name, each in {**self.all(), pack: limits}.items() if each != PackLimits()
        }
        self.file.parent.mkdir(parents=True, exist_ok=True)
        new = self.file.with_suffix(".new")
        new.write_text(json.dumps(kept, indent=2, sort_keys=True), encoding="utf-8")
        new.replace(self.file)


def fault_of(writes: Sequence[Path], user: Path) -> str:
    """Empty, or why a pack cannot be allowed to write these folders.

    Args:
        user: the folder of user data, in which stands whose code runs and what packs may do.
    """
    kept = user.resolve()
    for folder in writes:
        if not folder.is_absolute():
            return f"{folder} is no whole path."
        if not folder.is_dir():
            return f"There is no folder {folder}."
        real = folder.resolve()
        if kept.is_relative_to(real) or real.is_relative_to(kept):
            return f"{folder} holds the user data of Weft, or lies in it: no pack writes there."
    return ""


class Unreadable(Exception):
    """The file of limits is damaged: without it packs would do more than a person allowed."""

    def __init__(self, file: Path) -> None:
        super().__init__(f"{file} cannot be read: mend it, or remove it and limit packs anew.")


def _read(held: object) -> PackLimits:
    given = cast("Mapping[str, object]", held) if isinstance(held, dict) else {}
    writes = given.get("writes")
    folders = (
        tuple(Path(str(each)) for each in cast("Sequence[object]", writes))
        if isinstance(writes, list)
        else ()
    )
    return PackLimits(
        apart=given.get("apart") is True, network=given.get("network") is not False, writes=folders
    )

"""`packs.lock`: which packs there are, from where and in which revision, and the versions that they run with."""

import hashlib
import json
import shutil
import subprocess
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any

FILE = "packs.lock"  # of the workspace
NOT_OURS = frozenset({".git", "__pycache__"})


@dataclass(frozen=True, slots=True)
class Locked:
    """One pack.

    Attributes:
        source: where it came from: an address or a path.
        revision: git's, or a hash over the files as they came.
        pinned: `update` leaves it alone.
    """

    source: str
    revision: str
    pinned: bool = False


@dataclass(frozen=True, slots=True)
class Lock:
    """The whole file.

    Attributes:
        packs: by name.
        dependencies: versions of what they need, by name.
    """

    packs: Mapping[str, Locked] = field(default_factory=dict[str, Locked])
    dependencies: Mapping[str, str] = field(default_factory=dict[str, str])

    def having(self, name: str, pack: Locked | None) -> "Lock":
        """With this pack, or without it."""
        others = {known: each for known, each in self.packs.items() if known != name}
        return replace(self, packs=others if pack is None else {**others, name: pack})


class Refused(Exception):
    """What was asked for cannot be done; the message says why and what to do."""


class LockUnreadable(Refused):
    """The file is there and is none."""


def read(workspace: Path) -> Lock:
    """The workspace's lock; an empty one if there is none.

    Raises:
        LockUnreadable: it is damaged.
    """
    file = workspace / FILE
    if not file.exists():
        return Lock()
    try:
        held: Any = json.loads(file.read_text("utf-8"))
        packs = {str(name): Locked(**each) for name, each in held["packs"].items()}
        return Lock(packs, {str(name): str(each) for name, each in held["dependencies"].items()})
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise LockUnreadable(
            f"{file} cannot be read ({error}): mend it, or bring back an earlier one."
        ) from error


def write(workspace: Path, lock: Lock) -> None:
    """Write it whole or not at all.

    Raises:
        OSError: it cannot be written.
    """
    told = {
        "packs": {name: asdict(each) for name, each in sorted(lock.packs.items())},
        "dependencies": dict(sorted(lock.dependencies.items())),
    }
    new = workspace / f"{FILE}.new"
    new.write_text(json.dumps(told, indent=2) + "\n", encoding="utf-8")
    new.replace(workspace / FILE)


def revision(pack: Path) -> str:
    """Git's, where it is a clone; else a hash over its files."""
    if (pack / ".git").exists():
        done = subprocess.run(
            [shutil.which("git") or "git", "-C", str(pack), "rev-parse", "HEAD"],
            capture_output=True,
            text=True,
            check=False,
        )
        if done.returncode == 0:
            return done.stdout.strip()
    digest = hashlib.sha256()
    for file in sorted(pack.rglob("*")) if pack.is_dir() else [pack]:
        inside = file.relative_to(pack) if pack.is_dir() else Path(file.name)
        if file.is_file() and NOT_OURS.isdisjoint(inside.parts):
            digest.update(f"{inside.as_posix()} {hashlib.sha256(file.read_bytes()).hexdigest()}\n".encode())
    return f"sha256:{digest.hexdigest()[:32]}"

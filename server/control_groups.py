"""What the control groups of this process allow it of the machine's memory: containers, services. Linux alone has them."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

HERE = Path("/proc/self")
BOUNDLESS = 1 << 60  # bytes: how the old kind writes that there is no limit


@dataclass(frozen=True, slots=True)
class _Files:
    """How a version of control groups calls its files.

    Attributes:
        limit: bytes, or a word for no limit. used: bytes. idle: in `memory.stat`, files read once that can go at any time.
    """

    limit: str
    used: str
    idle: str


OLD = _Files("memory.limit_in_bytes", "memory.usage_in_bytes", "total_inactive_file")
NEW = _Files("memory.max", "memory.current", "inactive_file")


def allowed(process: Path = HERE) -> tuple[int, int] | None:
    """Bytes that this process's groups may hold, and those that are left of them; None where nothing limits it.

    Groups lie within groups: the tightest counts.

    Args:
        process: its folder in `/proc`.
    """
    found = [room for folder, files in _groups(process) if (room := _room(folder, files)) is not None]
    if not found:
        return None
    return min(most for most, _ in found), min(left for _, left in found)


def _groups(process: Path) -> Iterator[tuple[Path, _Files]]:
    """The folders of the groups that count this process's memory, its own first, then those around it."""
    try:
        names = (process / "cgroup").read_text(encoding="utf-8", errors="replace").splitlines()
        mounts = (process / "mountinfo").read_text(encoding="utf-8", errors="replace").splitlines()
    except OSError:
        return
    for line in names:
        _, _, rest = line.partition(":")
        controllers, _, name = rest.partition(":")
        if controllers and "memory" not in controllers.split(","):
            continue
        kind, files = ("cgroup", OLD) if controllers else ("cgroup2", NEW)
        for root, top in _mounted(mounts, kind):
            folder = _within(top, root, name)
            yield folder, files
            while folder != top:
                folder = folder.parent
                yield folder, files


def _mounted(mounts: list[str], kind: str) -> Iterator[tuple[str, Path]]:
    """Where groups of a kind are to be seen: the name of the topmost one that is, and its folder."""
    for line in mounts:
        left, _, right = line.partition(" - ")
        system, *others = right.split()
        if system == kind and (kind == "cgroup2" or "memory" in others[-1].split(",")):
            _, _, _, root, top, *_ = left.split()
            yield root, Path(top.replace("\\040", " "))


def _within(top: Path, root: str, name: str) -> Path:
    """A group's folder; the topmost one that is to be seen where its name is that of another place."""
    path = PurePosixPath(name)
    if ".." in path.parts or not path.is_relative_to(root):
        return top
    folder = top / path.relative_to(root)
    return folder if folder.is_dir() else top


def _room(folder: Path, files: _Files) -> tuple[int, int] | None:
    """Bytes that a group may hold and those that are left; None without a limit."""
    try:
        most = int((folder / files.limit).read_text(encoding="ascii"))
        if most >= BOUNDLESS:
            return None
        used = int((folder / files.used).read_text(encoding="ascii"))
        stat = (folder / "memory.stat").read_text(encoding="ascii").splitlines()
        counts = dict(line.split() for line in stat)
        return most, max(0, most - used + int(counts.get(files.idle, 0)))
    except (OSError, ValueError):  # the group at the top has no such files, others say "max"
        return None

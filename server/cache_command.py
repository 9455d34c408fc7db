"""`weft cache`: the results of finished nodes that are kept on disk; see them, or remove them."""

import argparse
import os
import sys
import time
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from server.config import default_workspace
from server.options import add_home
from server.worker import disk, entry
from server.workspace import RESULTS

SUCCESS, FAILURE = 0, 1
UNREADABLE = "(cannot be read)"


@dataclass(slots=True)
class Sum:
    """What is kept of one class of nodes: how many results, bytes, and seconds that they took to compute."""

    count: int = 0
    bytes: int = 0
    seconds: float = 0.0


def add_cache_command(parser: argparse.ArgumentParser) -> None:
    """Declare the options of `weft cache`."""
    parser.add_argument(
        "act",
        nargs="?",
        default="show",
        choices=("show", "clear"),
        help="show: the default; clear: remove all, also while a server runs (what it holds in memory stays there)",
    )
    add_home(parser, default_workspace())


def cache(options: argparse.Namespace) -> int:
    """Do what the command line says; the exit status."""
    user: Path = options.user_directory or options.workspace / "user"
    root = user.expanduser().resolve() / RESULTS
    if options.act == "show":
        for line in told(root, time.time()):
            print(line)
        return SUCCESS
    found = sum(1 for _ in disk.survey(root))
    freed = disk.clear(root)
    left = sum(1 for _ in disk.survey(root))
    print(f"Removed {_results(found - left)}, {_size(freed)}.")
    if left:
        print(f"weft cache: {_results(left)} in {root} could not be removed.", file=sys.stderr)
    return FAILURE if left else SUCCESS


def told(root: Path, now: float) -> Iterator[str]:
    """What is kept, in lines: the sum, then each class of nodes, the largest first.

    Args:
        now: seconds since 1970.
    """
    kept = list(disk.survey(root))
    if not kept:
        yield f"No results are kept in {root}."
        return
    sums: defaultdict[str, Sum] = defaultdict(Sum)
    for path, state in kept:
        _add(sums, path, state)
    total = sum(state.st_size for _, state in kept)
    oldest = min(state.st_mtime for _, state in kept)
    yield f"{_results(len(kept))} in {root}: {_size(total)}, the oldest used {_ago(now - oldest)}."
    wide = max(map(len, sums))
    for type, found in sorted(sums.items(), key=lambda item: -item[1].bytes):
        yield f"  {type:<{wide}}  {found.count:>6}  {_size(found.bytes):>9}  computed in {found.seconds:.1f} s"


def _add(sums: defaultdict[str, Sum], path: Path, state: os.stat_result) -> None:
    try:
        with path.open("rb") as file:
            about = entry.peek(file)
        found, seconds = sums[about.type], about.seconds
    except (entry.Damaged, OSError):
        found, seconds = sums[UNREADABLE], 0.0
    found.count += 1
    found.bytes += state.st_size
    found.seconds += seconds


def _results(count: int) -> str:
    return f"{count} result{'' if count == 1 else 's'}"


def _size(size: int) -> str:
    if size < 1000:
        return f"{size} B"
    for power, unit in enumerate(("kB", "MB"), start=1):
        if size < 1000 ** (power + 1):
            return f"{size / 1000**power:.1f} {unit}"
    return f"{size / 1e9:.1f} GB"


def _ago(seconds: float) -> str:
    for length, unit in ((86400, "days"), (3600, "hours"), (60, "minutes")):
        if seconds >= 2 * length:
            return f"{seconds / length:.0f} {unit} ago"
    return "just now"

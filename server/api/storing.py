"""Moves what was uploaded to its place: the same bytes are not kept twice, others of the same name get a number."""

import errno
import shutil
from collections.abc import Callable
from pathlib import Path

from server.api import pictures, wire
from server.api.bodies import Upload


def stored(
    goal: Path, upload: Upload, *, overwrite: bool = False, hidden: Callable[[Path], bool] = lambda _: False
) -> tuple[Path, bool]:
    """Move an upload to `goal`, or beside it under a number.

    Args:
        hidden: whether a file there is another person's, so that not even its content may be told.

    Returns:
        Where its bytes lie, and whether they came there just now.

    Raises:
        BadRequest: a folder is in the way.
        OSError: the disk refuses.
    """
    goal.parent.mkdir(parents=True, exist_ok=True)
    stem, suffix, number = goal.stem, goal.suffix, 0
    while not overwrite and goal.exists():
        if goal.is_file() and not hidden(goal) and pictures.digest(goal) == upload.digest:
            return goal, False
        number += 1
        goal = goal.with_name(f"{stem} ({number}){suffix}")
    if goal.is_dir():
        raise wire.BadRequest("There is a folder of that name.", goal.name)
    _move(upload.path, goal)
    goal.chmod(0o644)
    return goal, True


def _move(source: Path, goal: Path) -> None:
    """All or nothing, also from one disk to another."""
    try:
        source.replace(goal)
    except OSError as error:
        if error.errno != errno.EXDEV:
            raise
        draft = goal.with_name(f".{goal.name}.draft")
        try:
            shutil.copyfile(source, draft)
            draft.replace(goal)
        finally:
            draft.unlink(missing_ok=True)

"""Names of saved files: what a prefix's marks stand for, which number is next, whose a name is."""

import os
import re
from datetime import datetime
from pathlib import Path

from nodes.spec import SaveSlot


def filled(prefix: str, width: int, height: int) -> str:
    """The prefix with %width%, %height% and the local time's parts filled in."""
    now = datetime.now().astimezone()
    values = {
        "width": str(width),
        "height": str(height),
        "year": str(now.year),
        "month": f"{now.month:02}",
        "day": f"{now.day:02}",
        "hour": f"{now.hour:02}",
        "minute": f"{now.minute:02}",
        "second": f"{now.second:02}",
    }
    for name, value in values.items():
        prefix = prefix.replace(f"%{name}%", value)
    return prefix


def next_counter(folder: Path, stem: str) -> int:
    """One more than the largest number of a file that is called `stem_NUMBER_` or `stem_NUMBER.` and on."""
    numbered = re.compile(re.escape(stem) + r"_(\d{1,18})[_.]", re.IGNORECASE if os.name == "nt" else 0)
    found = (numbered.match(path.name) for path in folder.iterdir())
    return max((int(match[1]) for match in found if match), default=0) + 1


def is_free(slot: SaveSlot) -> bool:
    """Whether no file has the name, and nobody holds it."""
    return not slot.path.exists() and not slot.partial.exists()


def take(slot: SaveSlot) -> bool:
    """Make an empty file that holds the place of the one to come; False if somebody else was quicker."""
    try:
        slot.partial.open("xb").close()
    except FileExistsError:
        return False
    if slot.path.exists():
        slot.partial.unlink()
        return False
    return True


def nobody(_slot: SaveSlot) -> None:
    """Keeps no list of names."""
